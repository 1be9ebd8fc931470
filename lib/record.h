/*
 * record - what the program asks of the allocator, written down while it runs (record=FILE).
 *
 * What and why: a recording can be performed again under any allocator, counted, and made into
 * inputs of a fuzzer. Its format is that of tests/bench/trace/trace.h. Recording may be slow; the
 * order of events and of their objects must be right, in threaded programs, too. Explicit pools
 * are not recorded.
 *
 * Shape: the file is mapped once, as large as it can become; what it has of the disk grows in
 * steps. So it is a recording at every moment, whatever ends the process: what follows the last
 * event are zeros that the header does not count. The tables are anonymous memory, as large as
 * they can become, too, of which only what is used is ever touched.
 *
 *      [ header ][ event ][ event ][ 0 0 0 .. ]( not yet on the disk ... )
 *      index   pointer -> slot     open addressing, half full at most
 *      slots   of each the thread that owns it, and the next in the list it is in
 *
 * Rules:
 *   J1  One lock holds for the order of events. It is not held while the heap works.
 *   J2  An object leaves the index before the heap may free it, and enters after it is there: no
 *       pointer is in the index for two objects.
 *   J3  A slot goes back to the thread that allocated it: otherwise threads would have to wait for
 *       each other in a replay, although they had nothing to do with each other. What another
 *       thread freed comes last, so that the owner waits as late as possible.
 *   J4  What was allocated before the recording began is unknown; its free is left out.
 *   J5  Nothing is written over: a file that exists is left alone. Nothing is written but to the
 *       file that was created, even if another one has its name by now.
 *   J6  Whatever fails ends the recording with a warning; the program goes on.
 *
 * Locks: one, inside all others (L1). Cost: nothing at all when off; else the calls of the program
 * take the long way, and each takes the lock and writes a few bytes.
 *
 * What this does not do: a process that is killed by SIGKILL between two stores of one event leaves
 * a header that is one event off. A child that was made without fork() (a bare clone()) would write
 * into the file of its parent.
 *
 * Rejected: a descriptor kept open (programs close what they do not know, and use its number for a
 * file of their own); writing from a buffer (what _exit() and signals end would be lost);
 * buffers of threads, put in order later (the order is the point).
 */
#ifndef MA_RECORD_H
#define MA_RECORD_H

#include <stdatomic.h>

#include "base.h"

/* As they stand in the file. From MA_RECORD_ALIGNED_ALLOC on they have an alignment. */
enum ma_record_op {
	MA_RECORD_THREAD,
	MA_RECORD_FREE,
	MA_RECORD_MALLOC,
	MA_RECORD_CALLOC,
	MA_RECORD_REALLOC,
	MA_RECORD_REALLOCARRAY,
	MA_RECORD_VALLOC,
	MA_RECORD_ALIGNED_ALLOC,
	MA_RECORD_MEMALIGN,
	MA_RECORD_POSIX_MEMALIGN,
};

/* No slot. */
#define MA_RECORD_NONE UINT32_MAX

/* Whether there is a recording; changes under the lock. */
extern _Atomic bool ma_record_on;

ma_inline bool ma_record_is_on(void)
{
	return ma_unlikely(atomic_load_explicit(&ma_record_on, memory_order_relaxed));
}

/**
 * ma_record_start() - begin, or warn that nothing is recorded
 * @path:     of the file; %p becomes the number of the process
 * @nevents:  after which it ends
 *
 * Where the name is taken already, one with %p gets another number behind it.
 */
void ma_record_start(const char *path, uint64_t nevents);

/** ma_record_stop() - end, if there is one: the file gets its proper size. */
void ma_record_stop(void);

/** ma_record_lock() - for fork: the parent's file stays whole. */
void ma_record_lock(void);

/** ma_record_unlock() - release it. */
void ma_record_unlock(void);

/** ma_record_forked() - in the child: a file of its own with %p, else nothing is recorded. */
void ma_record_forked(void);

/**
 * ma_record_alloc() - the heap gave an object
 * @thread:  who asked: anything that is not another running thread's
 * @align:   counts if @op has one
 */
void ma_record_alloc(const void *thread, enum ma_record_op op, const void *ptr, size_t size,
		     size_t align);

/** ma_record_free() - it is about to get one back, if it is one. */
void ma_record_free(const void *thread, const void *ptr);

/** ma_record_leave() - it may move an object. Return: what ma_record_resized() wants. */
uint32_t ma_record_leave(const void *thread, const void *ptr);

/** ma_record_resized() - after that: @ptr is what it made of @old, NULL if it could not. */
void ma_record_resized(const void *thread, enum ma_record_op op, uint32_t slot, const void *old,
		       const void *ptr, size_t size);

#endif
