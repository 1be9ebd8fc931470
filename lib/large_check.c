#include "canary.h"
#include "large.h"

const char *ma_large_check(struct ma_block *block)
{
	const struct ma_large *large = ma_large_of(block);

	if (!large->sealed)
		return NULL;
	if (large->offset > block->size || large->requested > block->size - large->offset ||
	    block->size - large->offset - large->requested < MA_CANARY)
		return "A1 the object and its canary fit into the block";
	if (large->offset != 0 && !block->region->direct)
		return "A2 only direct blocks have an offset";
	if (!ma_canary_intact((char *)ma_block_ptr(block) + large->offset + large->requested))
		return "A3 canaries are intact";
	return NULL;
}
