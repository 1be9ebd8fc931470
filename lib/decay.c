#include "decay.h"
#include "os.h"
#include "pool_internal.h"

/* Blocks per step: a bound on the delay of the call that takes it. */
#define STEP 8

/* Rewind a region's end over the block's tail of @cut bytes; nobody can be behind it. */
static void cut_end(struct ma_pool *pool, struct ma_block *block, size_t cut)
{
	ma_pagemap_set(pool->pagemap, ma_block_end(block) - MA_GRANULE, MA_GRANULE, NULL);
	block->size -= cut;
	ma_region_resize(&pool->regions, block->region, block->region->size - cut);
	ma_pagemap_set(pool->pagemap, ma_block_end(block) - MA_GRANULE, MA_GRANULE, block);
	pool->counts.shrunk++;
}

static void restore_end(struct ma_pool *pool, struct ma_block *block, size_t cut)
{
	ma_pagemap_set(pool->pagemap, ma_block_end(block) - MA_GRANULE, MA_GRANULE, NULL);
	block->size += cut;
	ma_region_resize(&pool->regions, block->region, block->region->size + cut);
	ma_pagemap_set(pool->pagemap, ma_block_addr(block), MA_GRANULE, block);
	ma_pagemap_set(pool->pagemap, ma_block_end(block) - MA_GRANULE, MA_GRANULE, block);
	pool->counts.shrunk--;
}

/*
 * Unmap the tail of a block that ends its region, down to @keep bytes; purge the rest. Enters and
 * leaves locked.
 */
static size_t give_tail(struct ma_pool *pool, struct ma_block *block, size_t keep)
{
	size_t cut = block->size - keep;
	void *ptr = ma_block_ptr(block);
	bool unmapped;
	bool purged;

	cut_end(pool, block, cut);
	pool->leaving += cut;
	ma_unlock(&pool->lock);
	unmapped = ma_os_unmap((char *)ptr + keep, cut);
	purged = !block->zero && ma_os_purge(ptr, unmapped ? keep : keep + cut);
	ma_lock(&pool->lock);
	pool->leaving -= cut;
	if (!unmapped)
		restore_end(pool, block, cut);
	block->dirty_ms = ma_os_now_ms();
	pool->counts.purged += purged;
	ma_pool_put_back_locked(pool, block, purged || block->zero);
	return (unmapped || purged ? cut : 0) + (purged ? keep : 0);
}

/* Unmap a region whose only block is aside. Enters and leaves locked. */
static size_t give_region(struct ma_pool *pool, struct ma_block *block)
{
	struct ma_region *region = block->region;
	size_t size = block->size;
	bool done;
	bool purged;

	ma_pool_unlink_region_locked(pool, region);
	pool->leaving += size;
	ma_unlock(&pool->lock);
	done = ma_os_unmap(ma_block_ptr(block), size);
	purged = !done && !block->zero && ma_os_purge(ma_block_ptr(block), size);
	ma_lock(&pool->lock);
	pool->leaving -= size;
	if (!done && ma_pool_relink_region_locked(pool, region)) {
		block->dirty_ms = ma_os_now_ms();
		ma_pool_put_back_locked(pool, block, purged || block->zero);
		return purged ? size : 0;
	}
	if (!done)
		pool->counts.stranded += size;
	pool->counts.shrunk++;
	ma_region_free(&pool->regions, region);
	ma_pool_drop_descriptor_locked(pool, block);
	return size;
}

/* Drop the contents of an inner block. Enters and leaves locked. */
static size_t give_contents(struct ma_pool *pool, struct ma_block *block)
{
	size_t size = block->size;
	bool purged;

	ma_unlock(&pool->lock);
	purged = ma_os_purge(ma_block_ptr(block), size);
	ma_lock(&pool->lock);
	pool->counts.purged += purged;
	block->dirty_ms = ma_os_now_ms();
	ma_pool_put_back_locked(pool, block, purged);
	return purged ? size : 0;
}

static size_t give_back(struct ma_pool *pool, struct ma_block *block, size_t keep)
{
	const struct ma_region *region = block->region;

	size_t stay = ma_align_up(ma_max(keep, 1), pool->page);

	ma_pool_take_aside_locked(pool, block);
	if (region->first == block && region->last == block &&
	    (pool->regions.nodirect > 1 || keep == 0))
		return give_region(pool, block);
	if (region->last == block && block->size > stay)
		return give_tail(pool, block, stay);
	return give_contents(pool, block);
}

size_t ma_decay_step(struct ma_pool *pool)
{
	uint64_t now = ma_os_now_ms();
	size_t given = 0;

	ma_lock(&pool->lock);
	for (int i = 0; i < STEP; i++) {
		struct ma_block *block = pool->oldest;

		if (!ma_pool_is_due_locked(pool, now))
			break;
		given += give_back(pool, block, pool->config.retain);
	}
	ma_unlock(&pool->lock);
	return given;
}

/* Every dirty block, each once: one that the OS would not take goes to the young end. */
static size_t give_dirty(struct ma_pool *pool, size_t keep)
{
	uint64_t now = ma_os_now_ms();
	size_t given = 0;

	for (size_t left = pool->counts.nfree; left > 0; left--) {
		if (pool->oldest == NULL || pool->oldest->dirty_ms > now)
			break;
		given += give_back(pool, pool->oldest, keep);
	}
	return given;
}

/* Ends that take no pages still take addresses. The table may change while the lock is dropped. */
static size_t give_ends(struct ma_pool *pool, size_t keep)
{
	size_t given = 0;

	for (size_t i = pool->regions.nregions; i > 0; i--) {
		struct ma_block *last;

		if (i > pool->regions.nregions)
			continue;
		last = pool->regions.table[i - 1]->last;
		if (last->free && last->size > ma_align_up(ma_max(keep, 1), pool->page))
			given += give_back(pool, last, keep);
	}
	return given;
}

size_t ma_decay_all(struct ma_pool *pool, size_t keep)
{
	size_t given;

	ma_lock(&pool->lock);
	given = give_dirty(pool, keep);
	given += give_ends(pool, keep);
	ma_unlock(&pool->lock);
	return given;
}
