/* Which pages are guards (W13), by what the OS remembers. */
#include "oracle.h"
#include "os_fake.h"

static _Noreturn void fail(void)
{
	model_fail("world", "W13 exactly those pages are guards that blocks tell of");
}

static size_t guards_in(const struct ma_block *block, size_t from, size_t size)
{
	return os_fake_guards((const char *)ma_block_ptr(block) + from, size);
}

/* All of @size bytes from @from on are guards. */
static void all_guarded(const struct ma_block *block, size_t from, size_t size)
{
	if (guards_in(block, from, size) != size)
		fail();
}

/* A guard in front, and if that was not refused, one behind. Return: bytes of both. */
static size_t ends_guarded(const struct ma_block *block, size_t front, size_t back)
{
	size_t last = front == 0 || block->nguards > 1 ? back : 0;

	all_guarded(block, 0, front);
	all_guarded(block, block->size - last, last);
	return front + last;
}

/*
 * Bytes of guards that a block must have, which tells of some; each at its place. A tight object in
 * a block that had waited has the guard in front that the one before it had, and pages to spare
 * between.
 */
static size_t told_of(const struct ma_pool *pool, struct ma_block *block, bool is_slab)
{
	size_t page = pool->page;
	size_t front;

	if (is_slab)
		return ends_guarded(block, 0, page);
	front = ma_align_down(ma_large_of(block)->offset, page);
	if (ma_large_of(block)->tight)
		front = ma_max(guards_in(block, 0, front), page);
	return ends_guarded(block, front, page);
}

static bool is_sealed(const struct ma_instance_config *config, const struct ma_block *block)
{
	return block->purpose == MA_WAIT_TIGHT ||
	       (config->wait_sealed && block->purpose > MA_WAIT_TIGHT &&
		block->size > MA_WAIT_ZEROED);
}

/* One that waits: all of it, or what it had before. */
static size_t retired(const struct ma_instance *inst, struct ma_block *block)
{
	if (is_sealed(&inst->config, block) &&
	    (os_fake_refused() == 0 || guards_in(block, 0, block->size) == block->size)) {
		all_guarded(block, 0, block->size);
		return block->size;
	}
	return told_of(&inst->pool, block, block->purpose < MA_NCLASSES);
}

/* Where the OS refused nothing, nothing does without. */
static void check_present(const struct ma_instance *inst, struct ma_block *block)
{
	bool large = block->kind == MA_BLOCK_LARGE &&
		     (ma_large_is_tight(block) ||
		      (inst->larges.guarded && !ma_large_of(block)->bare));
	bool slab = block->kind == MA_BLOCK_SLAB && inst->config.slab.guarded;
	bool waits = block->kind == MA_BLOCK_RETIRED && is_sealed(&inst->config, block) &&
		     block->size <= inst->waitlist.max;

	if (os_fake_refused() == 0 && (large || slab || waits) && !block->guarded)
		fail();
	if (os_fake_refused() == 0 && large && block->nguards < 2)
		fail();
}

static size_t check_block(const struct ma_instance *inst, struct ma_block *block)
{
	size_t size;

	check_present(inst, block);
	if (!block->guarded)
		return 0;
	if (block->kind == MA_BLOCK_RETIRED)
		size = retired(inst, block);
	else if (block->kind == MA_BLOCK_SLAB || block->kind == MA_BLOCK_LARGE)
		size = told_of(&inst->pool, block, block->kind == MA_BLOCK_SLAB);
	else
		fail();
	return size;
}

/* What stands on both sides of @size bytes of metadata, unless it was refused. */
static size_t around(const void *ptr, size_t size, size_t page)
{
	const char *start = ptr;
	size_t sum = os_fake_guards(start - page, page) + os_fake_guards(start + size, page);

	if (os_fake_refused() == 0 && sum != 2 * page)
		fail();
	return sum;
}

static size_t of_tables(const struct ma_pagemap *map, size_t page)
{
	size_t root = ma_align_up(MA_PAGEMAP_NROOT * sizeof(void *), page);
	size_t leaf = ma_align_up(sizeof(struct ma_pagemap_leaf), page);
	size_t sum = around((const void *)map->root, root, page);

	for (const struct ma_pagemap_leaf *l = atomic_load(&map->leaves); l != NULL; l = l->next)
		sum += around(l, leaf, page);
	return sum;
}

static size_t of_instance(const struct ma_instance *inst)
{
	size_t sum = 0;

	for (struct ma_block *b = inst->pool.blocks; b != NULL; b = b->next)
		sum += check_block(inst, b);
	for (const struct ma_meta_chunk *c = inst->meta.chunks; c != NULL; c = c->next)
		sum += around(c, c->size, inst->pool.page);
	return sum;
}

void oracle_guards(const struct world *w)
{
	size_t sum = of_tables(&w->pagemap, w->instance[0].pool.page);
	bool left = w->lost > 0;

	for (unsigned i = 0; i < WORLD_NINSTANCES; i++) {
		if (!w->exists[i])
			continue;
		sum += of_instance(&w->instance[i]);
		left = left || w->instance[i].pool.counts.stranded > 0;
	}
	if (left ? sum > os_fake_all_guards() : sum != os_fake_all_guards())
		fail();
}
