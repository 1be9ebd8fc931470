#include "large.h"

const char *ma_large_check(struct ma_block *block)
{
	const struct ma_large *large = ma_large_of(block);
	size_t page = ma_pool_of(block)->page;
	size_t back, behind;

	if (!atomic_load(&large->sealed))
		return NULL;
	back = block->guarded ? page : 0;
	behind = large->tight ? 0 : MA_CANARY;
	if (large->offset > block->size || large->requested > block->size - large->offset ||
	    block->size - large->offset - large->requested < behind + back)
		return "A1 the object and its canary fit into the block";
	if (!large->tight && large->offset % page != 0)
		return "A2 objects start at a page unless they are tight";
	if (!ma_large_intact(block))
		return "A3 canaries are intact";
	return NULL;
}
