#include "fit.h"

static const char *check_first(const struct ma_fit *fit, const struct ma_block *block)
{
	const struct ma_region *region = block->region;
	size_t page = (ma_block_addr(block) - ma_region_addr(region)) / fit->page;
	size_t npages = block->size / fit->page;

	if (region->tree_bytes == 0)
		return block->free ? "F1 free blocks are in the index" : NULL;
	for (size_t i = 0; i < npages; i++) {
		size_t expected = block->free && i == 0 ? npages : 0;

		if (ma_maxtree_get(&region->tree, page + i) != expected)
			return "F2 trees hold the sizes of free blocks at their first pages";
	}
	return NULL;
}

static const char *check_bins(const struct ma_fit *fit, size_t nfree)
{
	size_t found = 0;

	for (size_t n = 0; n <= MA_FIT_PAGES; n++) {
		const struct ma_block *prev = NULL;
		bool bit = (fit->bins->bits[n / 64] >> (n % 64) & 1) != 0;

		if (bit != (fit->bins->bin[n] != NULL))
			return "F3 a bin's bit is set while it has blocks";
		for (const struct ma_block *b = fit->bins->bin[n]; b != NULL;
		     b = b->idle.bin_next) {
			if (!b->free || b->size != n * fit->page || b->idle.bin_prev != prev)
				return "F3 bins hold free blocks of their size";
			if (++found > nfree)
				return "F1 only free blocks are in the index";
			prev = b;
		}
	}
	for (size_t i = 0; i < MA_FIT_NWORDS; i++)
		if ((fit->bins->summary[i / 64] >> (i % 64) & 1) != (fit->bins->bits[i] != 0))
			return "F3 summary bits agree with the bits";
	return found == nfree ? NULL : "F1 every free block is in the index";
}

const char *ma_fit_check(const struct ma_fit *fit, const struct ma_block *blocks)
{
	size_t nfree = 0;

	for (const struct ma_block *b = blocks; b != NULL; b = b->next) {
		const char *broken = NULL;

		nfree += b->free;
		if (fit->policy == MA_FIT_FIRST)
			broken = check_first(fit, b);
		else if (b->free && fit->bins == NULL)
			broken = "F1 free blocks are in the index";
		if (broken != NULL)
			return broken;
	}
	if (fit->policy == MA_FIT_FIRST || fit->bins == NULL)
		return NULL;
	return check_bins(fit, nfree);
}
