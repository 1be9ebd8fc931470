#include "direct.h"
#include "os.h"
#include "pool_internal.h"

struct ma_block *ma_direct_alloc(struct ma_pool *pool, size_t size, enum ma_block_kind kind)
{
	struct ma_block *block = NULL;

	if (size == 0 || size > MA_REQUEST_MAX)
		return NULL;
	size = ma_align_up(size, pool->page);
	ma_lock(&pool->lock);
	if (size <= ma_pool_room_locked(pool))
		block = ma_pool_map_region_locked(pool, size, true);
	if (block != NULL)
		ma_pool_hand_out_locked(pool, block, kind);
	ma_unlock(&pool->lock);
	return block;
}

void ma_direct_free(struct ma_pool *pool, struct ma_block *block)
{
	struct ma_region *region = block->region;
	void *ptr = ma_block_ptr(block);
	size_t size = block->size;
	bool done;

	MA_ASSERT(region->direct);
	ma_lock(&pool->lock);
	ma_pool_unlink_region_locked(pool, region);
	pool->counts.shrunk++;
	ma_unlock(&pool->lock);
	done = ma_os_discard(ptr, size);
	ma_lock(&pool->lock);
	ma_region_free(&pool->regions, region);
	ma_pool_drop_descriptor_locked(pool, block);
	if (!done)
		pool->counts.stranded += size;
	ma_unlock(&pool->lock);
}

/* The addresses of @block may change hands while the OS works: no entry may point to it then. */
static bool resize_in_place(struct ma_pool *pool, struct ma_block *block, size_t size)
{
	bool done;

	if (!ma_pagemap_reserve(pool->pagemap, ma_block_addr(block), size))
		return false;
	ma_pool_map_block_locked(pool, block, NULL);
	done = ma_os_resize(ma_block_ptr(block), block->size, size);
	if (done) {
		ma_region_resize(&pool->regions, block->region, size);
		block->size = size;
	}
	ma_pool_map_block_locked(pool, block, block);
	return done;
}

static bool move_to(struct ma_pool *pool, struct ma_block *block, void *to, size_t size)
{
	struct ma_region *region = block->region;

	if (!ma_pagemap_reserve(pool->pagemap, (uintptr_t)to, size))
		return false;
	ma_pool_map_block_locked(pool, block, NULL);
	if (!ma_os_move(ma_block_ptr(block), block->size, to, size)) {
		ma_pool_map_block_locked(pool, block, block);
		return false;
	}
	ma_pool_move_region_locked(pool, region, (uintptr_t)to, size);
	ma_pool_map_block_locked(pool, block, block);
	return true;
}

static bool resize_by_moving(struct ma_pool *pool, struct ma_block *block, size_t size)
{
	void *to = ma_os_map(size);

	if (to == NULL)
		return false;
	if (move_to(pool, block, to, size))
		return true;
	if (!ma_os_unmap(to, size))
		pool->counts.stranded += size;
	return false;
}

static bool resize_locked(struct ma_pool *pool, struct ma_block *block, size_t size, bool may_move)
{
	if (size > block->size && size - block->size > ma_pool_room_locked(pool))
		return false;
	if (resize_in_place(pool, block, size))
		return true;
	return may_move && size > block->size && resize_by_moving(pool, block, size);
}

bool ma_direct_resize(struct ma_pool *pool, struct ma_block *block, size_t size, bool may_move)
{
	bool done = true;

	MA_ASSERT(block->region->direct && size > 0);
	if (size > MA_REQUEST_MAX)
		return false;
	size = ma_align_up(size, pool->page);
	ma_lock(&pool->lock);
	if (size != block->size)
		done = resize_locked(pool, block, size, may_move);
	ma_unlock(&pool->lock);
	return done;
}
