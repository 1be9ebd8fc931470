#include <string.h>

#include "annotate.h"
#include "os.h"
#include "pool.h"
#include "pool_internal.h"

/* The first region when nobody asked for a size: small, it costs only addresses. */
#define FIRST_DEFAULT ((size_t)1024 * 1024)

static_assert(MA_REGION_MAX / MA_GRANULE <= MA_FIT_PAGES,
	      "the index holds blocks of any region (F4)");
static_assert(MA_FIT_PAGES <= MA_MAXTREE_MAX, "a tree holds sizes of any block (T2)");

void ma_pool_init(struct ma_pool *pool, const struct ma_pool_config *config, struct ma_meta *meta,
		  struct ma_pagemap *pagemap)
{
	memset(pool, 0, sizeof(*pool));
	ma_lock_init(&pool->lock);
	pool->config = *config;
	pool->meta = meta;
	pool->pagemap = pagemap;
	pool->page = ma_os_page_size();
	pool->next = config->first > 0 ? config->first : FIRST_DEFAULT;
	ma_region_set_init(&pool->regions, meta, config->fit == MA_FIT_FIRST);
	ma_fit_init(&pool->fit, config->fit, &pool->regions, pagemap);
}

void ma_pool_fini(struct ma_pool *pool)
{
	const struct ma_pool_config config = pool->config;

	for (size_t i = 0; i < pool->regions.nregions; i++) {
		struct ma_region *region = pool->regions.table[i];
		void *ptr = (void *)ma_region_addr(region);

		ma_pagemap_set(pool->pagemap, ma_region_addr(region), region->size, NULL);
		ma_annotate_no_region(ma_region_addr(region), region->size);
		(void)ma_os_discard(ptr, region->size);
	}
	ma_pool_init(pool, &config, pool->meta, pool->pagemap);
}

/* ---- regions -------------------------------------------------------------------------------- */

static void list_link_region(struct ma_pool *pool, struct ma_region *region)
{
	struct ma_region *before = ma_region_before(&pool->regions, region);

	if (before != NULL) {
		region->last->next = before->last->next;
		before->last->next = region->first;
	} else {
		region->last->next = pool->blocks;
		pool->blocks = region->first;
	}
	pool->counts.nblocks++;
}

static void list_unlink_region(struct ma_pool *pool, const struct ma_region *region)
{
	struct ma_region *before = ma_region_before(&pool->regions, region);

	MA_ASSERT(region->first == region->last);
	if (before != NULL)
		before->last->next = region->last->next;
	else
		pool->blocks = region->last->next;
	pool->counts.nblocks--;
}

void ma_pool_unlink_region_locked(struct ma_pool *pool, struct ma_region *region)
{
	list_unlink_region(pool, region);
	ma_pool_map_block_locked(pool, region->first, NULL);
	ma_region_detach(&pool->regions, region);
}

bool ma_pool_relink_region_locked(struct ma_pool *pool, struct ma_region *region)
{
	if (!ma_region_attach(&pool->regions, region))
		return false;
	list_link_region(pool, region);
	return true;
}

void ma_pool_move_region_locked(struct ma_pool *pool, struct ma_region *region, uintptr_t addr,
				size_t size)
{
	list_unlink_region(pool, region);
	ma_region_move(&pool->regions, region, addr, size);
	region->first->granule = region->granule;
	region->first->size = size;
	list_link_region(pool, region);
}

/* Describe a fresh mapping as a region of one block, taken aside. NULL: no memory for that. */
static struct ma_block *add_region(struct ma_pool *pool, void *ptr, size_t size, bool direct)
{
	struct ma_block *block;
	struct ma_region *region;

	if (!ma_pagemap_reserve(pool->pagemap, (uintptr_t)ptr, size) || !ma_fit_prepare(&pool->fit))
		return NULL;
	block = ma_pool_new_descriptor_locked(pool);
	if (block == NULL)
		return NULL;
	region = ma_region_add(&pool->regions, (uintptr_t)ptr, size, direct);
	if (region == NULL) {
		ma_pool_drop_descriptor_locked(pool, block);
		return NULL;
	}
	region->pool = pool;
	region->first = block;
	region->last = block;
	block->granule = region->granule;
	block->size = size;
	block->region = region;
	ma_block_become(block, MA_BLOCK_BUSY);
	block->zero = true;
	list_link_region(pool, region);
	pool->counts.grown++;
	return block;
}

size_t ma_pool_room_locked(const struct ma_pool *pool)
{
	size_t taken = pool->regions.mapped + pool->leaving;

	if (pool->config.limit == 0)
		return SIZE_MAX - pool->page;
	if (pool->config.limit <= taken)
		return 0;
	return ma_align_down(pool->config.limit - taken, pool->page);
}

/*
 * Regions go upwards, from one place, each into the lowest hole: so the lowest fit is in what was
 * mapped long ago, and memory that was in use is used again before fresh memory is touched.
 */
static uintptr_t next_place(struct ma_pool *pool, size_t size)
{
	uintptr_t at;

	if (pool->place == 0)
		pool->place = ma_os_open_place(pool->config.place);
	at = pool->place;
	for (size_t i = 0; at != 0 && i < pool->regions.nregions; i++) {
		const struct ma_region *region = pool->regions.table[i];

		if (ma_region_end(region) <= at)
			continue;
		if (ma_region_addr(region) >= at && ma_region_addr(region) - at >= size)
			break;
		at = ma_region_end(region);
	}
	return at;
}

struct ma_block *ma_pool_map_region_locked(struct ma_pool *pool, size_t size, bool direct)
{
	struct ma_block *block;
	void *ptr = ma_os_map_at(direct ? 0 : next_place(pool, size), size);

	if (ptr == NULL)
		return NULL;
	block = add_region(pool, ptr, size, direct);
	if (block == NULL && !ma_os_unmap(ptr, size))
		pool->counts.stranded += size;
	return block;
}

/*
 * A new region with a free block of at least @need bytes; smaller ones are tried when the OS
 * refuses.
 */
static bool add_free_region(struct ma_pool *pool, size_t size, size_t need)
{
	size_t most = ma_min(ma_pool_room_locked(pool), MA_REGION_MAX);
	struct ma_block *block;

	if (need > most)
		return false;
	size = ma_min(ma_max(ma_align_up(size, pool->page), need), most);
	block = ma_pool_map_region_locked(pool, size, false);
	while (block == NULL && size > need) {
		size = ma_max(ma_align_up(size / 2, pool->page), need);
		block = ma_pool_map_region_locked(pool, size, false);
	}
	if (block == NULL)
		return false;
	pool->next = ma_min(ma_max(pool->next, size) * 2, MA_REGION_MAX);
	ma_pool_enter_free_locked(pool, block);
	return true;
}

static bool reserve_locked(struct ma_pool *pool, size_t bytes)
{
	bool done = true;

	while (done && pool->counts.free_bytes < bytes) {
		size_t lacking = ma_align_up(bytes - pool->counts.free_bytes, pool->page);
		size_t size = ma_min(lacking, MA_REGION_MAX);

		done = add_free_region(pool, size, size);
	}
	return done;
}

/* The first growth also maps what was reserved before it; a refusal there does not matter yet. */
static bool grow(struct ma_pool *pool, size_t need)
{
	size_t wanted = pool->next;
	bool first = pool->regions.nregions == 0;

	if (!add_free_region(pool, wanted, need))
		return false;
	if (first && wanted > MA_REGION_MAX)
		(void)reserve_locked(pool, wanted);
	return true;
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* Cut what is asked for out of a free block: [ front ][ result ][ rest ]. NULL: no descriptors. */
static struct ma_block *carve(struct ma_pool *pool, struct ma_block *block,
			      const struct ma_pool_request *req)
{
	size_t front = ma_align_up(ma_block_addr(block), req->align) - ma_block_addr(block);
	size_t rest = block->size - front - req->size;
	struct ma_block *tail = rest > 0 ? ma_pool_new_descriptor_locked(pool) : NULL;
	struct ma_block *result = front > 0 ? ma_pool_new_descriptor_locked(pool) : block;

	if ((rest > 0 && tail == NULL) || result == NULL) {
		ma_pool_drop_descriptor_locked(pool, tail);
		if (front > 0)
			ma_pool_drop_descriptor_locked(pool, result);
		return NULL;
	}
	ma_pool_take_aside_locked(pool, block);
	if (front > 0) {
		ma_pool_split_locked(pool, block, front, result);
		ma_pool_enter_free_locked(pool, block);
	}
	if (rest > 0) {
		ma_pool_split_locked(pool, result, req->size, tail);
		ma_pool_enter_free_locked(pool, tail);
	}
	return result;
}

void ma_pool_hand_out_locked(struct ma_pool *pool, struct ma_block *block, enum ma_block_kind kind)
{
	memset(block->rider, 0, sizeof(block->rider));
	ma_block_become(block, kind);
	block->free = false;
	block->purpose = MA_BLOCK_NEW;
	block->nguarded = 0;
	ma_pool_map_block_locked(pool, block, block);
}

static struct ma_block *alloc_locked(struct ma_pool *pool, const struct ma_pool_request *req)
{
	struct ma_block *block = ma_fit_find(&pool->fit, req->size, req->align);

	if (block == NULL) {
		if (!grow(pool, req->size + (req->align - pool->page)))
			return NULL;
		block = ma_fit_find(&pool->fit, req->size, req->align);
	}
	MA_ASSERT(block != NULL);
	block = carve(pool, block, req);
	if (block != NULL)
		ma_pool_hand_out_locked(pool, block, req->kind);
	return block;
}

/* The request in whole pages. False: beyond any block. */
static bool round_up(const struct ma_pool *pool, const struct ma_pool_request *req, size_t most,
		     struct ma_pool_request *rounded)
{
	if (req->size == 0 || req->size > most || req->align > most)
		return false;
	rounded->size = ma_align_up(req->size, pool->page);
	rounded->align = ma_max(req->align, pool->page);
	rounded->kind = req->kind;
	return true;
}

struct ma_block *ma_pool_alloc(struct ma_pool *pool, const struct ma_pool_request *req)
{
	struct ma_pool_request rounded;
	struct ma_block *block;

	if (!round_up(pool, req, MA_REGION_MAX, &rounded))
		return NULL;
	ma_lock(&pool->lock);
	block = alloc_locked(pool, &rounded);
	ma_unlock(&pool->lock);
	return block;
}

bool ma_pool_free(struct ma_pool *pool, struct ma_block *block)
{
	uint64_t now;
	bool due;

	MA_ASSERT(!block->free && block->region->pool == pool && !block->region->direct);
	now = ma_os_now_ms();
	ma_lock(&pool->lock);
	ma_pool_map_block_locked(pool, block, NULL);
	block->dirty_ms = now;
	ma_pool_put_back_locked(pool, block, false);
	due = ma_pool_is_due_locked(pool, now);
	ma_unlock(&pool->lock);
	return due;
}

static size_t shrink_locked(struct ma_pool *pool, struct ma_block *block, size_t size)
{
	size_t given = block->size - size;
	struct ma_block *rest = ma_pool_new_descriptor_locked(pool);

	if (rest == NULL)
		return 0;
	ma_pool_split_locked(pool, block, size, rest);
	ma_pool_map_block_locked(pool, rest, NULL);
	rest->dirty_ms = ma_os_now_ms();
	ma_pool_put_back_locked(pool, rest, false);
	return given;
}

size_t ma_pool_shrink(struct ma_pool *pool, struct ma_block *block, size_t size)
{
	size_t given = 0;

	size = ma_align_up(size, pool->page);
	MA_ASSERT(size > 0 && size <= block->size && !block->region->direct);
	ma_lock(&pool->lock);
	if (size < block->size)
		given = shrink_locked(pool, block, size);
	ma_unlock(&pool->lock);
	return given;
}

/* [ block ][ right ---- ] => [ block --- ][ right ] */
static bool extend_locked(struct ma_pool *pool, struct ma_block *block, size_t size)
{
	struct ma_block *right = ma_pool_right_of(block);
	size_t more = size - block->size;

	if (right == NULL || !right->free || right->size < more)
		return false;
	ma_pool_take_aside_locked(pool, right);
	ma_pool_map_ends_locked(pool, right, NULL);
	if (right->size == more) {
		block->size = size;
		ma_pool_remove_after_locked(pool, block);
	} else {
		right->granule += more >> MA_GRANULE_SHIFT;
		right->size -= more;
		right->nstale -= (uint32_t)ma_min(right->nstale, more / pool->page);
		block->size = size;
		ma_pool_enter_free_locked(pool, right);
	}
	ma_pagemap_set(pool->pagemap, ma_block_end(block) - more, more, block);
	return true;
}

bool ma_pool_extend(struct ma_pool *pool, struct ma_block *block, size_t size)
{
	bool done = true;

	if (size > MA_REGION_MAX)
		return false;
	size = ma_align_up(size, pool->page);
	ma_lock(&pool->lock);
	if (size > block->size)
		done = extend_locked(pool, block, size);
	ma_unlock(&pool->lock);
	return done;
}

bool ma_pool_reserve(struct ma_pool *pool, size_t bytes)
{
	bool done = true;

	if (bytes > MA_RESERVE_MAX)
		return false;
	ma_lock(&pool->lock);
	if (pool->regions.nregions == 0)
		pool->next = bytes;
	else
		done = reserve_locked(pool, bytes);
	ma_unlock(&pool->lock);
	return done;
}

struct ma_pool_counts ma_pool_counts(struct ma_pool *pool)
{
	struct ma_pool_counts counts;

	ma_lock(&pool->lock);
	counts = pool->counts;
	counts.mapped = pool->regions.mapped;
	counts.nregions = pool->regions.nregions;
	ma_unlock(&pool->lock);
	return counts;
}
