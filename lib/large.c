#include "large.h"
#include "canary.h"
#include "direct.h"
#include "report.h"

/*
 * Beyond this, a mapping of its own: the system call no longer matters, resizing without copying
 * does.
 */
#define DIRECT_MIN (MA_REGION_MAX / 2)

void *ma_large_ptr(struct ma_block *block)
{
	return (char *)ma_block_ptr(block) + ma_large_of(block)->offset;
}

static char *end_of(struct ma_block *block)
{
	return (char *)ma_large_ptr(block) + ma_large_of(block)->requested;
}

bool ma_large_intact(struct ma_block *block)
{
	return ma_canary_intact(end_of(block));
}

/* Facts and canary change together under the lock, so that a check sees both or none. */
static void seal(struct ma_block *block, size_t size)
{
	struct ma_pool *pool = ma_pool_of(block);
	struct ma_large *large = ma_large_of(block);

	ma_lock(&pool->lock);
	large->requested = size;
	ma_canary_put(end_of(block));
	large->sealed = true;
	ma_unlock(&pool->lock);
}

static void unseal(struct ma_block *block)
{
	struct ma_pool *pool = ma_pool_of(block);

	ma_lock(&pool->lock);
	ma_large_of(block)->sealed = false;
	ma_unlock(&pool->lock);
}

static struct ma_block *alloc_direct(struct ma_pool *pool, size_t size, size_t align)
{
	size_t extra = align > pool->page ? align : 0;
	struct ma_block *block;

	if (extra > MA_REQUEST_MAX - size)
		return NULL;
	block = ma_direct_alloc(pool, size + extra, MA_BLOCK_LARGE);
	if (block != NULL && extra > 0)
		ma_large_of(block)->offset = ma_align_up(ma_block_addr(block), align) -
					     ma_block_addr(block);
	return block;
}

void *ma_large_alloc(struct ma_pool *pool, size_t size, size_t align, bool zero)
{
	struct ma_pool_request req = {size + MA_CANARY, align, MA_BLOCK_LARGE};
	struct ma_block *block;

	if (size > MA_REQUEST_MAX - MA_CANARY - pool->page)
		return NULL;
	if (req.size > DIRECT_MIN || align > DIRECT_MIN)
		block = alloc_direct(pool, req.size, align);
	else
		block = ma_pool_alloc(pool, &req);
	if (block == NULL)
		return NULL;
	if (zero && !block->zero)
		memset(ma_large_ptr(block), 0, size);
	seal(block, size);
	return ma_large_ptr(block);
}

/* The block can hold @need bytes from its start, by whatever means short of copying. */
static bool fit_block(struct ma_block *block, size_t need)
{
	struct ma_pool *pool = ma_pool_of(block);

	if (block->region->direct)
		return ma_direct_resize(pool, block, need, ma_large_of(block)->offset == 0);
	if (need > DIRECT_MIN)
		return false;
	if (need > block->size)
		return ma_pool_extend(pool, block, need);
	(void)ma_pool_shrink(pool, block, need);
	return true;
}

void *ma_large_resize(struct ma_block *block, size_t size, size_t limit)
{
	struct ma_large *large = ma_large_of(block);
	bool done;

	if (size <= limit || size > MA_REQUEST_MAX - MA_CANARY - ma_pool_of(block)->page)
		return NULL;
	if (block->region->direct && size <= DIRECT_MIN / 2)
		return NULL;
	unseal(block);
	ma_canary_clear(end_of(block));
	done = fit_block(block, large->offset + size + MA_CANARY);
	seal(block, done ? size : large->requested);
	return done ? ma_large_ptr(block) : NULL;
}

bool ma_large_free(struct ma_block *block)
{
	struct ma_pool *pool = ma_pool_of(block);

	if (!block->region->direct)
		return ma_pool_free(pool, block);
	ma_direct_free(pool, block);
	return false;
}

void ma_large_overrun(struct ma_block *block)
{
	struct ma_violation v = {
		.kind = MA_HEAP_OVERFLOW,
		.ptr = end_of(block),
		.why = "behind the end of an object was overwritten",
		.object = ma_large_ptr(block),
		.requested = ma_large_of(block)->requested,
		.slot = block->size,
		.damage = end_of(block),
		.expected = ma_canary_at(end_of(block)),
		.found = ma_canary_found(end_of(block)),
	};

	ma_report(&v);
}
