/*
 * decay - giving free memory back to the OS, late enough that it costs nothing.
 *
 * What and why: a page that was freed a moment ago will often be wanted again, and taking it back
 * from the OS costs a fault per page. So free blocks stay as they are until they have been free for
 * the pool's age; then inner ones are purged, the end of a region is unmapped down to what is
 * retained, and an entirely free region is unmapped, one excepted.
 *
 *      oldest -> [block freed 1.2 s ago] -> [0.7 s ago] -> ... -> youngest      the dirty list (P8)
 *
 * Rules: none of its own; P1 to P9 hold whenever the lock is free.
 * Locks: the pool's, dropped around each system call; the block is aside meanwhile
 * (pool_internal.h).
 * Cost: one system call per block. Rejected: purging at free (a fault for each page of every buffer
 * that comes and goes: 4 to 13 times the cost of such programs); a clock thread as the only
 * trigger.
 */
#ifndef MA_DECAY_H
#define MA_DECAY_H

#include "pool.h"

/**
 * ma_decay_step() - give back a few of the blocks that have come of age
 *
 * Return: bytes given back.
 */
size_t ma_decay_step(struct ma_pool *pool);

/**
 * ma_decay_all() - give back every free page now
 * @keep:  bytes that may stay at the end of each region, and as one entirely free region
 *
 * Return: bytes given back, purged or unmapped.
 */
size_t ma_decay_all(struct ma_pool *pool, size_t keep);

#endif
