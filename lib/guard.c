#include "guard.h"
#include "os.h"

static bool guard(struct ma_block *block, void *ptr, size_t size)
{
	struct ma_pool *pool = ma_pool_of(block);

	if (size == 0)
		return true;
	if (!ma_os_guard(ptr, size)) {
		atomic_fetch_add_explicit(&pool->unguarded, 1, memory_order_relaxed);
		return false;
	}
	atomic_fetch_add_explicit(&pool->guarded, 1, memory_order_relaxed);
	block->nguarded = (uint16_t)ma_min(
		size / pool->page + (block->guarded ? block->nguarded : 0), UINT16_MAX);
	block->guarded = true;
	block->nguards++;
	return true;
}

void ma_guard_ends(struct ma_block *block, size_t front, size_t back)
{
	char *ptr = ma_block_ptr(block);

	MA_ASSERT(!block->guarded && front + back <= block->size);
	if (guard(block, ptr, front))
		(void)guard(block, ptr + block->size - back, back);
	else if (back > 0)
		atomic_fetch_add_explicit(&ma_pool_of(block)->unguarded, 1, memory_order_relaxed);
}

bool ma_guard_all(struct ma_block *block)
{
	return guard(block, ma_block_ptr(block), block->size);
}

bool ma_guard_lift(struct ma_block *block)
{
	if (!block->guarded)
		return true;
	if (!ma_os_unguard(ma_block_ptr(block), block->size, block->nguards))
		return false;
	block->nguards = 0;
	block->guarded = false;
	return true;
}
