/*
 * direct - blocks that are mappings of their own, for objects too large for a region.
 *
 * What and why: beyond a certain size the cost of a system call vanishes beside that of touching
 * the memory, and a mapping of one's own can be resized by the OS without copying. Such a block is
 * the only one of its region, so the list, the pagemap and the totals see it like any other.
 *
 * Rules: P9 (pool.h).
 * Locks: the pool's; unmapping runs outside it. Cost: one system call, and one store per granule.
 */
#ifndef MA_DIRECT_H
#define MA_DIRECT_H

#include "pool.h"

/** ma_direct_alloc() - a block mapped for itself, aligned to a page. Return: as ma_pool_alloc(). */
struct ma_block *ma_direct_alloc(struct ma_pool *pool, size_t size,
				 enum ma_block_kind kind) ma_must_check;

/**
 * ma_direct_free() - unmap a direct block. Never fails: what the OS does not take back is emptied
 * and counted.
 */
void ma_direct_free(struct ma_pool *pool, struct ma_block *block);

/**
 * ma_direct_resize() - resize a direct block without copying
 * @size:      bytes, > 0
 * @may_move:  whether the address may change
 *
 * Return: false when the OS or the limit refused; nothing changed then.
 */
bool ma_direct_resize(struct ma_pool *pool, struct ma_block *block, size_t size,
		      bool may_move) ma_must_check;

#endif
