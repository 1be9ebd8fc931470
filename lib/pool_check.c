#include "pool.h"

struct sums {
	size_t nblocks;
	size_t nfree;
	size_t free_bytes;
	size_t dirty;
	size_t nstale;
	size_t region; /* regions fully seen */
};

/*
 * Entries of a range that one leaf covers. They are written under the pool's lock only, so they can
 * be read any number at a time; and there is no way out before the end, so that compilers do that.
 */
static bool leaf_holds(const struct ma_pagemap_leaf *leaf, size_t from, size_t n,
		       const struct ma_block *expected)
{
	struct ma_block *const *entry = (struct ma_block *const *)(const void *)&leaf->block[from];
	uintptr_t other = 0;

	for (size_t i = 0; i < n; i++)
		other |= (uintptr_t)entry[i] ^ (uintptr_t)expected;
	return other == 0;
}

/* Do all granules of [addr, end) map to @expected? */
static bool range_holds(const struct ma_pagemap *map, uintptr_t addr, uintptr_t end,
			const struct ma_block *expected)
{
	while (addr < end) {
		size_t high = addr >> (MA_GRANULE_SHIFT + MA_PAGEMAP_LEAF_BITS);
		size_t low = (addr >> MA_GRANULE_SHIFT) % MA_PAGEMAP_NLEAF;
		size_t n = ma_min(MA_PAGEMAP_NLEAF - low, (end - addr) >> MA_GRANULE_SHIFT);
		const struct ma_pagemap_leaf *leaf;

		if (high >= MA_PAGEMAP_NROOT)
			return expected == NULL;
		leaf = atomic_load(&map->root[high]);
		if (leaf == NULL ? expected != NULL : !leaf_holds(leaf, low, n, expected))
			return false;
		addr += n << MA_GRANULE_SHIFT;
	}
	return true;
}

static const char *check_granules(const struct ma_pool *pool, const struct ma_block *block)
{
	const struct ma_pagemap *map = pool->pagemap;
	uintptr_t addr = ma_block_addr(block);
	uintptr_t last = ma_block_end(block) - MA_GRANULE;
	bool whole = !block->free && block->kind != MA_BLOCK_BUSY;

	if (ma_pagemap_get(map, addr) != block || ma_pagemap_get(map, last) != block ||
	    (last > addr && !range_holds(map, addr + MA_GRANULE, last, whole ? block : NULL)))
		return "P6 granules map to their allocated block, ends to their free one";
	return NULL;
}

/* @prev is the block before in the list, NULL for the first. */
static const char *check_place(const struct ma_pool *pool, const struct ma_block *block,
			       const struct ma_block *prev, struct sums *sums)
{
	const struct ma_region *region = block->region;

	if (sums->region >= pool->regions.nregions || pool->regions.table[sums->region] != region)
		return "P4 the list goes through the regions in order";
	if (region->first == block) {
		if (ma_block_addr(block) != ma_region_addr(region))
			return "P1 the first block starts its region";
	} else {
		if (prev == NULL || prev->region != region ||
		    ma_block_end(prev) != ma_block_addr(block))
			return "P1 blocks lie end to end";
		if (prev->free && block->free)
			return "P3 neighbours are merged";
	}
	if (region->last == block) {
		if (ma_block_end(block) != ma_region_end(region))
			return "P1 the last block ends its region";
		sums->region++;
	}
	return NULL;
}

static const char *check_block(const struct ma_pool *pool, const struct ma_block *block)
{
	if (block->size == 0 || block->size % pool->page != 0)
		return "P2 sizes are whole pages";
	if (block->free != (block->kind == MA_BLOCK_FREE))
		return "P5 the free flag agrees with the kind";
	if (block->region->pool != pool)
		return "P4 blocks belong to their region's pool";
	if (block->region->direct && (block->free || block->region->first != block->region->last))
		return "P9 a direct region has one block, never free";
	if (block->free && block->dirty == block->zero)
		return "P8 free blocks are zero or on the dirty list";
	if (block->free && block->nstale > (block->zero ? 0 : block->size / pool->page))
		return "P10 not more pages are stale than there are, none in what is zero";
	return check_granules(pool, block);
}

static const char *check_dirty(const struct ma_pool *pool, size_t dirty)
{
	const struct ma_block *prev = NULL;
	size_t sum = 0;

	for (const struct ma_block *b = pool->oldest; b != NULL; b = b->idle.dirty_next) {
		if (!b->free || !b->dirty || b->idle.dirty_prev != prev)
			return "P8 the dirty list links free dirty blocks both ways";
		sum += b->size;
		if (sum > dirty)
			return "P8 the dirty list reaches each dirty block once";
		prev = b;
	}
	if (prev != pool->youngest || sum != dirty || pool->counts.dirty != dirty)
		return "P8 the dirty list reaches every dirty block";
	return NULL;
}

static const char *check_sums(const struct ma_pool *pool, const struct sums *sums)
{
	if (sums->region != pool->regions.nregions)
		return "P4 the list reaches every region";
	if (sums->nblocks != pool->counts.nblocks || sums->nfree != pool->counts.nfree ||
	    sums->free_bytes != pool->counts.free_bytes)
		return "P7 totals are the sums over the list";
	if (pool->config.limit != 0 && pool->regions.mapped > pool->config.limit)
		return "P7 what is mapped is within the limit";
	if (pool->counts.nstale != sums->nstale)
		return "P10 the stale pages of free blocks are counted";
	return check_dirty(pool, sums->dirty);
}

static const char *check_locked(const struct ma_pool *pool)
{
	struct sums sums = {0};
	const struct ma_block *prev = NULL;
	const char *broken = ma_region_check(&pool->regions);

	for (const struct ma_block *b = pool->blocks; b != NULL && broken == NULL; b = b->next) {
		broken = check_block(pool, b);
		if (broken == NULL)
			broken = check_place(pool, b, prev, &sums);
		sums.nblocks++;
		sums.nfree += b->free;
		sums.free_bytes += b->free ? b->size : 0;
		sums.dirty += b->free && b->dirty ? b->size : 0;
		sums.nstale += b->free && b->dirty ? b->nstale : 0;
		prev = b;
	}
	if (broken == NULL)
		broken = check_sums(pool, &sums);
	if (broken == NULL)
		broken = ma_fit_check(&pool->fit, pool->blocks);
	return broken;
}

/*
 * Does not prove that blocks are whose they claim to be: slabs and large objects have checks of
 * their own.
 */
const char *ma_pool_check(struct ma_pool *pool)
{
	const char *broken;

	ma_lock(&pool->lock);
	broken = check_locked(pool);
	ma_unlock(&pool->lock);
	return broken;
}
