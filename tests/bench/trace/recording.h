/*
 * recording - the trace of this process, while it runs.
 *
 * What and why: who stands between a program and its allocator says here what happened; it becomes
 * events of a file (trace.h). Recording may be slow; the order of the events and their objects must
 * be right, in threaded programs, too.
 *
 * Shape: the file is mapped once, as large as it can become, and made shorter at the end. So it is
 * a trace at every moment, however the process ends. The tables lie in memory of the system, as
 * large as they can become, too.
 *
 *      index   pointer -> slot     open addressing, half full at most
 *      slots   of each the thread that owns it, and the next in the list it is in
 *
 * Rules:
 * R1  One lock holds for the order of events. It is not held while the allocator works, which has
 *     locks of its own.
 * R2  An object leaves the index before the allocator may free it, and enters after it is there: no
 *     pointer is in the index for two objects.
 * R3  A slot goes back to the thread that allocated it: otherwise threads would have to wait for
 *     each other in a replay, although they had nothing to do with each other. What another thread
 *     freed comes last, so that the owner waits as late as possible.
 * R4  What was allocated before the recording began is unknown; its free is left out.
 *
 * Locks: one, last; held over fork(), so that the parent's file stays whole.
 *
 * Rejected: a growing file (remapping needs the file to stay open, programs close what they do not
 * know); buffers of threads, put in order later (the order is the point).
 */
#ifndef RECORDING_H
#define RECORDING_H

#include "trace.h"

#define RECORDING_NONE UINT32_MAX

/* Return: whether it begins; if not, errno says why. @path as in the environment. */
bool recording_start(const char *path, uint64_t events_max);
void recording_stop(void);

/* After the allocator gave @ptr, perhaps NULL; @align counts if the operation has one. */
void recording_alloc(enum trace_op op, const void *ptr, size_t size, size_t align);

/* Before the allocator gets it back. */
void recording_free(const void *ptr);

/* Before the allocator may move the object. Return: what recording_resized() wants. */
uint32_t recording_leave(const void *ptr);

/* After it: @ptr is what the allocator said of @old, which was perhaps NULL. */
void recording_resized(enum trace_op op, uint32_t slot, const void *old, const void *ptr,
		       size_t size);

#endif
