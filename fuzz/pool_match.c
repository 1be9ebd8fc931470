#include "pool_match.h"
#include "guard.h"
#include "model.h"
#include "os_fake.h"

static void must(bool holds, const char *rule)
{
	if (!holds)
		model_fail("pool", rule);
}

static void must_hold(const char *broken)
{
	if (broken != NULL)
		model_fail("validator", broken);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static size_t region_size(const struct plain_pool *plain, size_t i)
{
	size_t size = plain->block[i].size;

	while (!plain_ends(plain, i))
		size += plain->block[++i].size;
	return size;
}

static void match_block(const struct plain_block *plain, const struct ma_block *block)
{
	bool is_free = plain->state == PLAIN_FREE;

	must(ma_block_addr(block) == plain->addr && block->size == plain->size &&
		     block->free == is_free,
	     "G1 blocks are where they should be");
	must(block->region->direct == (plain->state == PLAIN_DIRECT) &&
		     (block->region->first == block) == plain->starts,
	     "G1 blocks are of the region they should be of");
	must(atomic_load(&block->owner) == 0, "G1 a block that is no slab has no owner");
	must(block->zero == plain->zero, "G2 what reads as zero is known");
	must(block->nstale == plain->nstale, "G2 pages that may be physical are known");
	must(!block->dirty || block->dirty_ms == plain->since, "G2 the time of a free is kept");
	must(is_free || (block->guarded == plain->guarded && block->nguards == plain->nguards &&
			 block->nguarded == plain->nguarded),
	     "G2 guards are known");
}

static void match_blocks(const struct plain_pool *plain, const struct ma_pool *pool)
{
	const struct ma_block *block = pool->blocks;

	for (size_t i = 0; i < plain->nblocks; i++, block = block->next) {
		must(block != NULL, "G1 no block is missing");
		match_block(&plain->block[i], block);
		must(!plain->block[i].starts || block->region->size == region_size(plain, i),
		     "G1 regions have the sizes they should have");
	}
	must(block == NULL, "G1 there are no other blocks");
}

/* ---- the index ------------------------------------------------------------------------------- */

/* The validator has seen that each free block is in its bin, once. */
static void match_bins(const struct plain_pool *plain, const struct ma_pool *pool)
{
	const struct ma_block *block = pool->blocks;

	for (size_t i = 0; i < plain->nblocks; i++, block = block->next) {
		const struct ma_block *next = block->free ? block->idle.bin_next : NULL;
		const struct plain_block *then;

		if (next == NULL)
			continue;
		then = &plain->block[plain_at(plain, ma_block_addr(next))];
		must(then->size == plain->block[i].size && then->entered < plain->block[i].entered,
		     "G3 blocks of one size are in the order of their frees");
	}
}

void pool_match_choice(const struct plain_pool *plain, const struct ma_pool *pool, size_t size,
		       size_t align)
{
	const struct ma_block *found = ma_fit_find(&pool->fit, size, align);
	size_t i = plain_choose(plain, size, align);

	must((found == NULL) == (i == PLAIN_NONE) &&
		     (found == NULL || ma_block_addr(found) == plain->block[i].addr),
	     "G3 the block that the policy chooses is found");
}

/* ---- what goes back next --------------------------------------------------------------------- */

static void match_queue(const struct plain_pool *plain, const struct ma_pool *pool)
{
	const struct ma_block *block = pool->oldest;

	for (size_t at = 0; at < plain->nqueue; at++, block = block->idle.dirty_next)
		must(block != NULL && ma_block_addr(block) == plain->queue[at],
		     "G4 dirty blocks are in the order in which they go back");
	must(block == NULL, "G4 nothing else is dirty");
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void match_counts(const struct plain_pool *plain, struct ma_pool *pool)
{
	struct ma_pool_counts counts = ma_pool_counts(pool);
	size_t nfree = 0, nregions = 0, dirty = 0, nstale = 0;

	for (size_t i = 0; i < plain->nblocks; i++) {
		const struct plain_block *b = &plain->block[i];

		nregions += b->starts;
		if (b->state != PLAIN_FREE)
			continue;
		nfree++;
		dirty += b->zero ? 0 : b->size;
		nstale += b->nstale;
	}
	must(counts.nblocks == plain->nblocks && counts.nfree == nfree &&
		     counts.nregions == nregions,
	     "G5 blocks and regions are counted");
	must(counts.free_bytes == plain_sum(plain, true) &&
		     counts.mapped == plain_sum(plain, false) && counts.dirty == dirty &&
		     counts.nstale == nstale,
	     "G5 bytes that are free, mapped and dirty are counted");
	must(counts.grown == plain->grown && counts.shrunk == plain->shrunk &&
		     counts.purged == plain->purged,
	     "G5 what was mapped, unmapped and purged is counted");
	must(counts.stranded == plain->stranded, "G5 what the OS does not take back is counted");
	must(pool->next == plain->next, "G5 the next region is as large as it should be");
	must(pool->leaving == 0, "G5 nothing leaves between two calls");
	must(atomic_load(&pool->guarded) == plain->guarded &&
		     atomic_load(&pool->unguarded) == plain->unguarded,
	     "G5 guards are counted");
}

/* Bytes that a descriptor of @size bytes takes. */
static size_t piece(size_t size)
{
	size_t taken = MA_META_FINE;

	if (size <= MA_META_FINE)
		return ma_align_up(size, MA_CACHE_LINE);
	while (taken < size)
		taken *= 2;
	return taken;
}

static void match_descriptors(const struct plain_pool *plain, const struct ma_pool *pool)
{
	const struct ma_region_set *set = &pool->regions;
	size_t in_use = plain->nblocks * piece(sizeof(struct ma_block));

	for (const struct ma_block *b = pool->spare; b != NULL; b = b->next)
		in_use += piece(sizeof(*b));
	for (size_t i = 0; i < plain->nblocks; i++) {
		if (!plain->block[i].starts)
			continue;
		in_use += piece(sizeof(struct ma_region));
		if (plain->config.fit == MA_FIT_FIRST && plain->block[i].state != PLAIN_DIRECT)
			in_use += piece(ma_maxtree_bytes(plain->block[i].born / plain->page));
	}
	if (set->cap > 0)
		in_use += piece(set->cap * sizeof(struct ma_region *)) + piece(set->tree_bytes);
	if (pool->fit.bins != NULL)
		in_use += piece(sizeof(*pool->fit.bins));
	must(pool->meta->in_use == in_use, "G6 there are no descriptors but those in use");
}

static void match_mapped(const struct plain_pool *plain, const struct ma_pool *pool)
{
	must(os_fake_mapped() == plain_sum(plain, false) + plain->stranded + plain->lost +
					 pool->meta->mapped + ma_pagemap_size(pool->pagemap),
	     "G6 what the OS has mapped is known");
}

void pool_match(const struct plain_pool *plain, struct ma_pool *pool)
{
	must_hold(ma_pagemap_check(pool->pagemap));
	must_hold(ma_meta_check(pool->meta));
	must_hold(ma_pool_check(pool));
	match_blocks(plain, pool);
	if (plain->config.fit == MA_FIT_BEST)
		match_bins(plain, pool);
	match_queue(plain, pool);
	match_counts(plain, pool);
	match_descriptors(plain, pool);
	match_mapped(plain, pool);
}
