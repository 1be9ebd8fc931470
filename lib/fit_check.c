#include "fit.h"

/* Without a way out before the end: so compilers make wide loads of it. */
static bool are_zero(const int16_t *entry, size_t n)
{
	int16_t any = 0;

	for (size_t i = 0; i < n; i++)
		any = (int16_t)(any | entry[i]);
	return any == 0;
}

static const char *check_first(const struct ma_fit *fit, const struct ma_block *block)
{
	const struct ma_region *region = block->region;
	size_t page = (ma_block_addr(block) - ma_region_addr(region)) / fit->page;
	size_t npages = block->size / fit->page;

	if (region->tree_bytes == 0)
		return block->free ? "F1 free blocks are in the index" : NULL;
	if (ma_maxtree_get(&region->tree, page) != (block->free ? npages : 0) ||
	    !are_zero(&region->tree.level[0][page + 1], npages - 1))
		return "F2 trees hold the sizes of free blocks at their first pages";
	return NULL;
}

static const char *check_bin(const struct ma_fit *fit, size_t n, size_t nfree, size_t *found)
{
	const struct ma_block *prev = NULL;

	for (const struct ma_block *b = fit->bins->bin[n]; b != NULL; b = b->idle.bin_next) {
		if (!b->free || b->size != n * fit->page || b->idle.bin_prev != prev)
			return "F3 bins hold free blocks of their size";
		if (++*found > nfree)
			return "F1 only free blocks are in the index";
		prev = b;
	}
	return NULL;
}

/* Are all of @n bins empty? */
static bool are_empty(struct ma_block *const *bin, size_t n)
{
	uintptr_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= (uintptr_t)bin[i];
	return any == 0;
}

/* The bits that word @w should have. */
static uint64_t bins_in_use(const struct ma_fit_bins *bins, size_t w)
{
	size_t n = ma_min(64, MA_FIT_PAGES + 1 - w * 64);
	uint64_t bits = 0;

	if (are_empty(&bins->bin[w * 64], n))
		return 0;
	for (size_t i = 0; i < n; i++)
		bits |= (uint64_t)(bins->bin[w * 64 + i] != NULL) << i;
	return bits;
}

static const char *check_bins(const struct ma_fit *fit, size_t nfree)
{
	const char *broken = NULL;
	size_t found = 0;

	for (size_t w = 0; w < MA_FIT_NWORDS && broken == NULL; w++) {
		uint64_t bits = fit->bins->bits[w];

		if (bits != bins_in_use(fit->bins, w))
			return "F3 a bin's bit is set while it has blocks";
		if ((fit->bins->summary[w / 64] >> (w % 64) & 1) != (bits != 0))
			return "F3 summary bits agree with the bits";
		for (; bits != 0 && broken == NULL; bits &= bits - 1)
			broken = check_bin(fit, w * 64 + (size_t)__builtin_ctzll(bits), nfree,
					   &found);
	}
	if (broken != NULL)
		return broken;
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
