#include "waitlist.h"

static const char *check_locked(const struct ma_waitlist *list)
{
	size_t bytes = 0;

	if (list->n > MA_WAITLIST)
		return "W1 no more wait than there is room for";
	for (uint32_t i = 0; i < list->n; i++) {
		const struct ma_block *block = list->entry[i].block;

		if (block->kind != MA_BLOCK_RETIRED || block->region->pool != list->pool)
			return "W1 blocks that wait are retired and the pool's";
		for (uint32_t k = 0; k < i; k++)
			if (list->entry[k].block == block)
				return "W1 each waits once";
		bytes += block->size;
	}
	if (bytes != list->bytes || bytes > list->max)
		return "W2 bytes is the sum, within the bound";
	return NULL;
}

const char *ma_waitlist_check(struct ma_waitlist *list)
{
	const char *broken;

	ma_lock(&list->lock);
	broken = check_locked(list);
	ma_unlock(&list->lock);
	return broken;
}
