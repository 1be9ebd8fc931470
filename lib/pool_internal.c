#include <string.h>

#include "pool_internal.h"

/* ---- descriptors ----------------------------------------------------------------------------- */

/* A blank descriptor. Its owner is 0, and may be looked at by others: it is not written. */
struct ma_block *ma_pool_new_descriptor_locked(struct ma_pool *pool)
{
	const size_t keep = sizeof(((struct ma_block *)NULL)->owner);
	struct ma_block *block = pool->spare;

	static_assert(offsetof(struct ma_block, owner) == 0, "owner comes first");
	if (block == NULL)
		return ma_meta_alloc(pool->meta, sizeof(*block));
	pool->spare = block->next;
	memset((char *)block + keep, 0, sizeof(*block) - keep);
	return block;
}

void ma_pool_drop_descriptor_locked(struct ma_pool *pool, struct ma_block *block)
{
	if (block == NULL)
		return;
	block->next = pool->spare;
	pool->spare = block;
}

/* ---- the list, the pagemap and the index, kept in step -------------------------------------- */

void ma_pool_map_ends_locked(struct ma_pool *pool, struct ma_block *block, struct ma_block *to)
{
	ma_pagemap_set(pool->pagemap, ma_block_addr(block), MA_GRANULE, to);
	ma_pagemap_set(pool->pagemap, ma_block_end(block) - MA_GRANULE, MA_GRANULE, to);
}

void ma_pool_map_block_locked(struct ma_pool *pool, const struct ma_block *block,
			      struct ma_block *to)
{
	ma_pagemap_set(pool->pagemap, ma_block_addr(block), block->size, to);
}

static void list_insert_after(struct ma_pool *pool, struct ma_block *prev, struct ma_block *block)
{
	struct ma_region *region = prev->region;

	block->next = prev->next;
	prev->next = block;
	if (region->last == prev)
		region->last = block;
	pool->counts.nblocks++;
}

void ma_pool_remove_after_locked(struct ma_pool *pool, struct ma_block *prev)
{
	struct ma_block *block = prev->next;

	prev->next = block->next;
	if (block->region->last == block)
		block->region->last = prev;
	pool->counts.nblocks--;
	ma_pool_drop_descriptor_locked(pool, block);
}

/* Younger blocks that one which is older than they are is put in front of, at most. */
#define OVERTAKE 32

/* The youngest of the list that is not younger than a block, or not far from it; NULL for none. */
static struct ma_block *dirty_place(struct ma_pool *pool, const struct ma_block *block)
{
	struct ma_block *before = pool->youngest;

	for (int i = 0; i < OVERTAKE && before != NULL && before->dirty_ms > block->dirty_ms; i++)
		before = before->idle.dirty_prev;
	return before;
}

static void dirty_add(struct ma_pool *pool, struct ma_block *block)
{
	struct ma_block *before = dirty_place(pool, block);
	struct ma_block *behind = before != NULL ? before->idle.dirty_next : pool->oldest;

	block->dirty = true;
	block->idle.dirty_prev = before;
	block->idle.dirty_next = behind;
	if (before != NULL)
		before->idle.dirty_next = block;
	else
		pool->oldest = block;
	if (behind != NULL)
		behind->idle.dirty_prev = block;
	else
		pool->youngest = block;
	pool->counts.dirty += block->size;
	pool->counts.nstale += block->nstale;
}

static void dirty_remove(struct ma_pool *pool, struct ma_block *block)
{
	struct ma_block *prev = block->idle.dirty_prev;
	struct ma_block *next = block->idle.dirty_next;

	if (!block->dirty)
		return;
	block->dirty = false;
	if (prev != NULL)
		prev->idle.dirty_next = next;
	else
		pool->oldest = next;
	if (next != NULL)
		next->idle.dirty_prev = prev;
	else
		pool->youngest = prev;
	pool->counts.dirty -= block->size;
	pool->counts.nstale -= block->nstale;
}

/* A block becomes a member of the free ones as it stands; its neighbours are not free. */
void ma_pool_enter_free_locked(struct ma_pool *pool, struct ma_block *block)
{
	ma_block_become(block, MA_BLOCK_FREE);
	block->free = true;
	ma_pool_map_ends_locked(pool, block, block);
	ma_fit_add(&pool->fit, block);
	if (!block->zero)
		dirty_add(pool, block);
	pool->counts.nfree++;
	pool->counts.free_bytes += block->size;
}

/* The reverse. The ends stay mapped. */
void ma_pool_take_aside_locked(struct ma_pool *pool, struct ma_block *block)
{
	ma_fit_remove(&pool->fit, block);
	dirty_remove(pool, block);
	pool->counts.nfree--;
	pool->counts.free_bytes -= block->size;
	ma_block_become(block, MA_BLOCK_BUSY);
	block->free = false;
}

static struct ma_block *left_neighbour(const struct ma_pool *pool, const struct ma_block *block)
{
	if (block == block->region->first)
		return NULL;
	return ma_pagemap_get(pool->pagemap, ma_block_addr(block) - 1);
}

struct ma_block *ma_pool_right_of(const struct ma_block *block)
{
	return block == block->region->last ? NULL : block->next;
}

/*
 * [ block ][ right ] => [ block -------- ]; neither is in the index. How long it has been unused is
 * what holds for the larger part.
 */
static void absorb_right(struct ma_pool *pool, struct ma_block *block, const struct ma_block *right)
{
	ma_pool_map_ends_locked(pool, block, NULL);
	ma_pagemap_set(pool->pagemap, ma_block_addr(right), MA_GRANULE, NULL);
	block->size += right->size;
	block->zero = block->zero && right->zero;
	if (right->nstale > block->nstale)
		block->dirty_ms = right->dirty_ms;
	block->nstale += right->nstale;
	ma_pool_remove_after_locked(pool, block);
}

void ma_pool_cut_stale_locked(const struct ma_pool *pool, struct ma_block *block,
			      struct ma_block *rest)
{
	uint32_t all = block->nstale;

	block->nstale = (uint32_t)ma_min(all, block->size / pool->page);
	rest->nstale = all - block->nstale;
}

/* [ block ------ ] => [ block ][ rest ]; @rest is a blank descriptor. Neither is in the index. */
void ma_pool_split_locked(struct ma_pool *pool, struct ma_block *block, size_t size,
			  struct ma_block *rest)
{
	rest->granule = block->granule + (size >> MA_GRANULE_SHIFT);
	rest->size = block->size - size;
	rest->region = block->region;
	rest->zero = block->zero;
	rest->dirty_ms = block->dirty_ms;
	block->size = size;
	ma_pool_cut_stale_locked(pool, block, rest);
	list_insert_after(pool, block, rest);
}

void ma_pool_put_back_locked(struct ma_pool *pool, struct ma_block *block, bool zero)
{
	struct ma_block *left = left_neighbour(pool, block);
	struct ma_block *right = ma_pool_right_of(block);
	size_t npages = block->size / pool->page;

	block->zero = zero;
	block->nstale = zero ? 0 : (uint32_t)(npages - ma_min(block->nguarded, npages));
	block->nguarded = 0;
	if (right != NULL && right->free) {
		ma_pool_take_aside_locked(pool, right);
		absorb_right(pool, block, right);
	}
	if (left != NULL && left->free) {
		ma_pool_take_aside_locked(pool, left);
		absorb_right(pool, left, block);
		block = left;
	}
	ma_pool_enter_free_locked(pool, block);
}

/* Clocks of different threads were read at different times: a block may be younger than now. */
bool ma_pool_is_due_locked(const struct ma_pool *pool, uint64_t now)
{
	const struct ma_block *oldest = pool->oldest;

	return oldest != NULL && now >= oldest->dirty_ms &&
	       now - oldest->dirty_ms >= pool->config.age_ms;
}
