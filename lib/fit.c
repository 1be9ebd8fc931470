#include <string.h>

#include "fit.h"
#include "os.h"

void ma_fit_init(struct ma_fit *fit, enum ma_fit_policy policy, struct ma_region_set *regions,
		 struct ma_pagemap *pagemap)
{
	fit->policy = policy;
	fit->page = ma_os_page_size();
	fit->regions = regions;
	fit->pagemap = pagemap;
	fit->bins = NULL;
}

bool ma_fit_prepare(struct ma_fit *fit)
{
	if (fit->policy == MA_FIT_BEST && fit->bins == NULL)
		fit->bins = ma_meta_alloc(fit->regions->meta, sizeof(*fit->bins));
	return fit->policy != MA_FIT_BEST || fit->bins != NULL;
}

static size_t first_page(const struct ma_fit *fit, const struct ma_block *block)
{
	return (ma_block_addr(block) - ma_region_addr(block->region)) / fit->page;
}

static void bin_add(struct ma_fit_bins *bins, struct ma_block *block, size_t npages)
{
	struct ma_block *head = bins->bin[npages];

	block->idle.bin_prev = NULL;
	block->idle.bin_next = head;
	if (head != NULL)
		head->idle.bin_prev = block;
	bins->bin[npages] = block;
	bins->bits[npages / 64] |= (uint64_t)1 << (npages % 64);
	bins->summary[npages / 64 / 64] |= (uint64_t)1 << (npages / 64 % 64);
}

static void bin_remove(struct ma_fit_bins *bins, struct ma_block *block, size_t npages)
{
	struct ma_block *prev = block->idle.bin_prev;
	struct ma_block *next = block->idle.bin_next;

	if (next != NULL)
		next->idle.bin_prev = prev;
	if (prev != NULL) {
		prev->idle.bin_next = next;
		return;
	}
	bins->bin[npages] = next;
	if (next != NULL)
		return;
	bins->bits[npages / 64] &= ~((uint64_t)1 << (npages % 64));
	if (bins->bits[npages / 64] == 0)
		bins->summary[npages / 64 / 64] &= ~((uint64_t)1 << (npages / 64 % 64));
}

/* The smallest bin in use of at least @npages, 0 for none. */
static size_t bin_find(const struct ma_fit_bins *bins, size_t npages)
{
	size_t word = npages / 64;
	uint64_t bits = bins->bits[word] & (~(uint64_t)0 << (npages % 64));
	size_t group;
	uint64_t words;

	if (bits != 0)
		return word * 64 + (size_t)__builtin_ctzll(bits);
	word++;
	if (word >= MA_FIT_NWORDS)
		return 0;
	group = word / 64;
	words = bins->summary[group] & (~(uint64_t)0 << (word % 64));
	while (words == 0) {
		if (++group >= sizeof(bins->summary) / sizeof(*bins->summary))
			return 0;
		words = bins->summary[group];
	}
	word = group * 64 + (size_t)__builtin_ctzll(words);
	return word * 64 + (size_t)__builtin_ctzll(bins->bits[word]);
}

void ma_fit_add(struct ma_fit *fit, struct ma_block *block)
{
	size_t npages = block->size / fit->page;

	MA_ASSERT(npages <= MA_FIT_PAGES);
	if (fit->policy == MA_FIT_BEST)
		bin_add(fit->bins, block, npages);
	else
		ma_region_set_page(fit->regions, block->region, first_page(fit, block), npages);
}

void ma_fit_remove(struct ma_fit *fit, struct ma_block *block)
{
	if (fit->policy == MA_FIT_BEST)
		bin_remove(fit->bins, block, block->size / fit->page);
	else
		ma_region_set_page(fit->regions, block->region, first_page(fit, block), 0);
}

static bool holds(const struct ma_block *block, size_t size, size_t align)
{
	uintptr_t start = ma_align_up(ma_block_addr(block), align);

	return start < ma_block_end(block) && ma_block_end(block) - start >= size;
}

static struct ma_block *first_in(const struct ma_fit *fit, const struct ma_region *region,
				 size_t size, size_t align)
{
	size_t npages = size / fit->page;
	size_t page = ma_maxtree_find(&region->tree, 0, npages);

	while (page != MA_MAXTREE_NONE) {
		uintptr_t addr = ma_region_addr(region) + page * fit->page;
		struct ma_block *block = ma_pagemap_get(fit->pagemap, addr);

		MA_ASSERT(block != NULL && block->free && ma_block_addr(block) == addr);
		if (holds(block, size, align))
			return block;
		page = ma_maxtree_find(&region->tree, page + 1, npages);
	}
	return NULL;
}

static struct ma_block *find_first(const struct ma_fit *fit, size_t size, size_t align)
{
	const struct ma_region_set *set = fit->regions;
	size_t npages = size / fit->page;
	size_t i;

	if (set->nregions == 0)
		return NULL;
	i = ma_maxtree_find(&set->tree, 0, npages);
	while (i != MA_MAXTREE_NONE) {
		struct ma_block *block = first_in(fit, set->table[i], size, align);

		if (block != NULL)
			return block;
		i = ma_maxtree_find(&set->tree, i + 1, npages);
	}
	return NULL;
}

static struct ma_block *find_best(const struct ma_fit *fit, size_t size, size_t align)
{
	size_t npages = fit->bins != NULL ? bin_find(fit->bins, size / fit->page) : 0;

	while (npages != 0) {
		for (struct ma_block *b = fit->bins->bin[npages]; b != NULL; b = b->idle.bin_next)
			if (holds(b, size, align))
				return b;
		npages = npages < MA_FIT_PAGES ? bin_find(fit->bins, npages + 1) : 0;
	}
	return NULL;
}

struct ma_block *ma_fit_find(const struct ma_fit *fit, size_t size, size_t align)
{
	if (size / fit->page > MA_FIT_PAGES)
		return NULL;
	return fit->policy == MA_FIT_BEST ? find_best(fit, size, align)
					  : find_first(fit, size, align);
}
