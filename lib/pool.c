#include <string.h>

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
	for (size_t i = 0; i < pool->regions.nregions; i++) {
		struct ma_region *region = pool->regions.table[i];
		void *ptr = (void *)ma_region_addr(region);

		ma_pagemap_set(pool->pagemap, ma_region_addr(region), region->size, NULL);
		(void)ma_os_discard(ptr, region->size);
	}
	ma_pool_init(pool, &pool->config, pool->meta, pool->pagemap);
}

/* ---- the list, the pagemap and the index, kept in step -------------------------------------- */

static void map_ends(struct ma_pool *pool, struct ma_block *block, struct ma_block *to)
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

static void list_remove_after(struct ma_pool *pool, struct ma_block *prev)
{
	struct ma_block *block = prev->next;

	prev->next = block->next;
	if (block->region->last == block)
		block->region->last = prev;
	pool->counts.nblocks--;
	ma_meta_free(pool->meta, block, sizeof(*block));
}

static void dirty_append(struct ma_pool *pool, struct ma_block *block)
{
	block->dirty = true;
	block->idle.dirty_prev = pool->youngest;
	block->idle.dirty_next = NULL;
	if (pool->youngest != NULL)
		pool->youngest->idle.dirty_next = block;
	else
		pool->oldest = block;
	pool->youngest = block;
	pool->counts.dirty += block->size;
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
}

/* A block becomes a member of the free ones as it stands; its neighbours are not free. */
static void enter_free(struct ma_pool *pool, struct ma_block *block)
{
	block->kind = MA_BLOCK_FREE;
	block->free = true;
	map_ends(pool, block, block);
	ma_fit_add(&pool->fit, block);
	if (!block->zero)
		dirty_append(pool, block);
	pool->counts.nfree++;
	pool->counts.free_bytes += block->size;
}

/* The reverse. The ends stay mapped. */
static void leave_free(struct ma_pool *pool, struct ma_block *block)
{
	ma_fit_remove(&pool->fit, block);
	dirty_remove(pool, block);
	pool->counts.nfree--;
	pool->counts.free_bytes -= block->size;
	block->kind = MA_BLOCK_BUSY;
	block->free = false;
}

static struct ma_block *left_neighbour(const struct ma_pool *pool, const struct ma_block *block)
{
	if (block == block->region->first)
		return NULL;
	return ma_pagemap_get(pool->pagemap, ma_block_addr(block) - 1);
}

static struct ma_block *right_neighbour(const struct ma_block *block)
{
	return block == block->region->last ? NULL : block->next;
}

/* [ block ][ right ] => [ block -------- ]; neither is in the index. */
static void absorb_right(struct ma_pool *pool, struct ma_block *block, const struct ma_block *right)
{
	map_ends(pool, block, NULL);
	ma_pagemap_set(pool->pagemap, ma_block_addr(right), MA_GRANULE, NULL);
	block->size += right->size;
	block->zero = block->zero && right->zero;
	block->dirty_ms = block->dirty_ms > right->dirty_ms ? block->dirty_ms : right->dirty_ms;
	list_remove_after(pool, block);
}

/* [ block ------ ] => [ block ][ rest ]; @rest is a blank descriptor. Neither is in the index. */
static void split(struct ma_pool *pool, struct ma_block *block, size_t size, struct ma_block *rest)
{
	rest->granule = block->granule + (size >> MA_GRANULE_SHIFT);
	rest->size = block->size - size;
	rest->region = block->region;
	rest->zero = block->zero;
	rest->dirty_ms = block->dirty_ms;
	block->size = size;
	list_insert_after(pool, block, rest);
}

void ma_pool_take_aside_locked(struct ma_pool *pool, struct ma_block *block)
{
	leave_free(pool, block);
}

void ma_pool_put_back_locked(struct ma_pool *pool, struct ma_block *block, bool zero)
{
	struct ma_block *left = left_neighbour(pool, block);
	struct ma_block *right = right_neighbour(block);

	block->zero = zero;
	if (right != NULL && right->free) {
		leave_free(pool, right);
		absorb_right(pool, block, right);
	}
	if (left != NULL && left->free) {
		leave_free(pool, left);
		absorb_right(pool, left, block);
		block = left;
	}
	enter_free(pool, block);
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
	block = ma_meta_alloc(pool->meta, sizeof(*block));
	if (block == NULL)
		return NULL;
	region = ma_region_add(&pool->regions, (uintptr_t)ptr, size, direct);
	if (region == NULL) {
		ma_meta_free(pool->meta, block, sizeof(*block));
		return NULL;
	}
	region->pool = pool;
	region->first = block;
	region->last = block;
	block->granule = region->granule;
	block->size = size;
	block->region = region;
	block->kind = MA_BLOCK_BUSY;
	block->zero = true;
	list_link_region(pool, region);
	pool->counts.grown++;
	return block;
}

size_t ma_pool_room_locked(const struct ma_pool *pool)
{
	if (pool->config.limit == 0)
		return SIZE_MAX - pool->page;
	if (pool->config.limit <= pool->regions.mapped)
		return 0;
	return ma_align_down(pool->config.limit - pool->regions.mapped, pool->page);
}

struct ma_block *ma_pool_map_region_locked(struct ma_pool *pool, size_t size, bool direct)
{
	struct ma_block *block;
	void *ptr = ma_os_map(size);

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
	enter_free(pool, block);
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
	struct ma_block *tail = rest > 0 ? ma_meta_alloc(pool->meta, sizeof(*tail)) : NULL;
	struct ma_block *result = front > 0 ? ma_meta_alloc(pool->meta, sizeof(*result)) : block;

	if ((rest > 0 && tail == NULL) || result == NULL) {
		ma_meta_free(pool->meta, tail, sizeof(*tail));
		if (front > 0)
			ma_meta_free(pool->meta, result, sizeof(*result));
		return NULL;
	}
	leave_free(pool, block);
	if (front > 0) {
		split(pool, block, front, result);
		enter_free(pool, block);
	}
	if (rest > 0) {
		split(pool, result, req->size, tail);
		enter_free(pool, tail);
	}
	return result;
}

void ma_pool_hand_out_locked(struct ma_pool *pool, struct ma_block *block, enum ma_block_kind kind)
{
	memset(block->rider, 0, sizeof(block->rider));
	block->kind = (uint8_t)kind;
	block->free = false;
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
	due = pool->oldest != NULL && now - pool->oldest->dirty_ms >= pool->config.age_ms;
	ma_unlock(&pool->lock);
	return due;
}

static size_t shrink_locked(struct ma_pool *pool, struct ma_block *block, size_t size)
{
	size_t given = block->size - size;
	struct ma_block *rest = ma_meta_alloc(pool->meta, sizeof(*rest));

	if (rest == NULL)
		return 0;
	split(pool, block, size, rest);
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
	struct ma_block *right = right_neighbour(block);
	size_t more = size - block->size;

	if (right == NULL || !right->free || right->size < more)
		return false;
	leave_free(pool, right);
	map_ends(pool, right, NULL);
	if (right->size == more) {
		block->size = size;
		list_remove_after(pool, block);
	} else {
		right->granule += more >> MA_GRANULE_SHIFT;
		right->size -= more;
		block->size = size;
		enter_free(pool, right);
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
