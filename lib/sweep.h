/*
 * sweep - verify every object that can be seen, from any thread, and report the first damage.
 *
 * What and why: an overflow of an object that nobody frees, or a write into memory that nobody uses
 * again, is found by nothing else. A sweep looks at all slots of all threads and at all large
 * objects; at exit, every so many allocations, or when asked.
 *
 * Rules: none of its own; S8 makes it possible while other threads work.
 * Locks: the pool's while looking, none while reporting. Cost: O(slots), bounded in time if wanted.
 */
#ifndef MA_SWEEP_H
#define MA_SWEEP_H

#include "heap.h"

struct ma_damage {
	struct ma_block *block; /* NULL: nothing was found */
	struct ma_slot slot;    /* of a slab */
	enum ma_proof proof;
};

/**
 * ma_sweep() - look for damage
 * @ms:  stop after this many milliseconds, and wait for the lock a moment only: at exit, whoever
 *       holds it may never run again; pages of slots that were never in use are left out where
 *       slots come in order; 0: only when all was seen
 *
 * Return: the first damage in address order.
 */
struct ma_damage ma_sweep(struct ma_instance *inst, uint64_t ms);

/** ma_sweep_report() - sweep without bound, validate the rooms, report what is wrong. */
void ma_sweep_report(struct ma_instance *inst, struct ma_heap *heap);

/** ma_sweep_at_exit() - sweep for at most @ms, report damage. */
void ma_sweep_at_exit(struct ma_instance *inst, uint64_t ms);

/**
 * ma_sweep_lock() - take a lock; with @ms > 0, only if it is to be had soon
 *
 * Return: whether it was.
 */
bool ma_sweep_lock(struct ma_lock *lock, uint64_t ms) ma_must_check;

#endif
