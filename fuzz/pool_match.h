/*
 * pool_match - whether a pool is what the plain account says.
 *
 * What and why: looks at everything a pool keeps, the hidden order of its lists included, and names
 * the first thing that is otherwise. What the account is, plain_pool.h says.
 *
 * Rules:
 *   G1  Blocks and regions have the places, sizes and kinds of the account.
 *   G2  A free block knows whether it reads as zero, since when it is free, and how many of its
 *       pages may be physical; a taken one tells of its guards.
 *   G3  The index has the free blocks in the order in which they are chosen.
 *   G4  Dirty blocks are in the order in which they go back.
 *   G5  Totals are those of the account.
 *   G6  The OS has mapped what is known, and there are no descriptors but those in use.
 *
 * Locks: none; one thread. Cost: O(blocks * log blocks), and the validators'.
 */
#ifndef FUZZ_POOL_MATCH_H
#define FUZZ_POOL_MATCH_H

#include "plain_pool.h"

/** pool_match() - G1 to G6, and the rooms' own validators; aborts with what is broken. */
void pool_match(const struct plain_pool *plain, struct ma_pool *pool);

/** pool_match_choice() - whether the pool would choose the same block for a request (G3). */
void pool_match_choice(const struct plain_pool *plain, const struct ma_pool *pool, size_t size,
		       size_t align);

#endif
