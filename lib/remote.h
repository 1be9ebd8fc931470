/*
 * remote - slots that one thread freed, on their way to the thread whose they are.
 *
 * What and why: whoever frees another thread's object changes its state, so that everybody sees at
 * once that it is gone, zeroes it, and leaves the rest to the owner. The owner is told of many at a
 * time, so that what both write to does not go back and forth between them at each free.
 *
 *      sender   out[owner] -> batch [ slot | slot | ... ]   delivered when full, at the latest when
 *                                                           the sender needs memory or ends
 *      owner    inbox -> batch -> batch -> ...              collected when it needs slots
 *
 * A batch tells of slots; what counts is their states (slab.h). A slot that no batch tells of, for
 * want of memory, is found by looking at all (overlooked).
 *
 * Rules:
 *   N1  A slot in a batch is MA_SLOT_REMOTE until it is collected, so its slab stays.
 *   N2  The inbox of a heap without a thread is closed, and that heap owns no slab. It is closed
 *       and its slabs get other owners under the shared lock.
 *   N3  What arrives at a heap that is not, or no longer, the owner is sent on.
 *
 * Locks: the sender's heap and the owner's are their threads' own; between them a stack that is
 * pushed to by compare-and-swap and taken whole. Cost: two atomic operations on the state of
 * the slot, and one for each batch.
 * Rejected: a bit for each slot, and a list of slabs that have such (three lines go back and forth
 * instead of one).
 * Source: Lietar et al., snmalloc: A Message Passing Allocator, ISMM 2019, 3 (batches of remote
 * frees).
 */
#ifndef MA_REMOTE_H
#define MA_REMOTE_H

#include "heap.h"

/**
 * ma_remote_free() - a proven live slot of another heap is freed
 * @heap:  the calling thread's, or NULL
 *
 * Return: false when it is not live any more.
 */
bool ma_remote_free(struct ma_heap *heap, struct ma_slab *slab, struct ma_slot slot) ma_must_check;

/** ma_remote_deliver() - all that the heap's thread has freed is told to its owners. */
void ma_remote_deliver(struct ma_heap *heap);

/** ma_remote_collect() - what others freed becomes free. Return: whether there was any. */
bool ma_remote_collect(struct ma_heap *heap);

/** ma_remote_open() - the heap has a thread from now on. */
void ma_remote_open(struct ma_heap *heap);

/** ma_remote_close() - it has none any more; what had arrived is collected (N2). */
void ma_remote_close(struct ma_heap *heap);

/** ma_remote_forked() - no other thread exists: tell and collect; ma_remote_alone() is next. */
void ma_remote_forked(struct ma_heap *heap);

/** ma_remote_alone() - collect what they had freed and nobody will tell of, once all is told. */
void ma_remote_alone(struct ma_heap *heap);

/** ma_remote_check() - NULL, or the text of the rule that is broken. The heap is the caller's. */
const char *ma_remote_check(const struct ma_heap *heap) ma_must_check;

#endif
