/*
 * pools - explicit pools: more instances of the same rooms, each behind a handle.
 *
 * What and why: a part of a program that keeps its objects apart can limit them, see them, and drop
 * them together. The handle lives in memory of the global instance, so that it can be recognised
 * after the pool's end.
 *
 * Rules:
 *   W1  Every live pool is on the table; magic tells a live handle from a dead one.
 *   W2  A pool's heap is used under the pool's lock.
 *
 * Locks: the table's, then the pool's (outermost of all, L1).
 */
#ifndef MA_POOLS_H
#define MA_POOLS_H

#include "instance.h"
#include "memalloc.h"
#include "wards.h"

struct memalloc_pool {
	uint64_t magic;             /* W1 */
	struct ma_lock lock;        /* of heap */
	struct memalloc_pool *next; /* on the table; table lock */
	struct memalloc_pool *prev;
	char name[32];
	struct ma_instance instance;
	struct ma_heap heap;
	struct ma_wards
		wards; /* what a checker's malloc() has served; of heap, then, there is none */
};

/** ma_pools_lock() - take the locks of the table and of all pools, for fork. */
void ma_pools_lock(void);

/** ma_pools_forked() - in the child, once they are unlocked (heap.h). */
void ma_pools_forked(void);

/** ma_pools_unlock() - release them. */
void ma_pools_unlock(void);

/** ma_pools_sweep() - at exit: look for damage in every explicit pool, @ms for each at most. */
void ma_pools_sweep(uint64_t ms);

#endif
