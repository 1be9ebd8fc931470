/*
 * fit - which free block serves a request: exact first fit or exact best fit.
 *
 * What and why: the index beside the list of blocks. First fit (lowest address) asks the trees of
 * region.h; best fit (smallest block that suffices) keeps one bin per size in pages, with a bitmap
 * of the bins in use.
 *
 *      first:  tree over regions -> tree over the region's pages -> pagemap -> block
 *      best:   summary bits -> bits -> bin[npages] -> block -> block -> ...   most recently freed
 *      first
 *
 * Rules:
 *   F1  A block is in the index exactly while it is free.
 *   F2  first: the entry of a free block's first page is its size in pages, all others are 0.
 *   F3  best: a free block is in the bin of its size; a bin's bit is set exactly while it has
 *       blocks.
 *   F4  Free blocks of more pages than MA_FIT_PAGES do not exist: regions are not larger.
 *
 * Locks: the pool's. Cost: adding, removing and finding with page alignment touch a fixed number of
 * cache lines. With larger alignment, candidates are tried in order: O(candidates).
 * Rejected: one ordered tree for both policies (see maxtree.h); next fit (spreads small use over
 * all regions).
 * Source: Knuth, The Art of Computer Programming 1, 2.5 (first fit, best fit); Johnstone and
 * Wilson, The Memory Fragmentation Problem: Solved?, 1998 (address-ordered first fit fragments
 * least).
 */
#ifndef MA_FIT_H
#define MA_FIT_H

#include "block.h"
#include "meta.h"
#include "pagemap.h"
#include "region.h"

#define MA_FIT_PAGES 16384

enum ma_fit_policy {
	MA_FIT_FIRST,
	MA_FIT_BEST,
};

#define MA_FIT_NWORDS (MA_FIT_PAGES / 64 + 1)

struct ma_fit_bins {
	uint64_t summary[(MA_FIT_NWORDS + 63) / 64]; /* bit i: word i has bits */
	uint64_t bits[MA_FIT_NWORDS];                /* bit n: bin n has blocks (F3) */
	struct ma_block *bin[MA_FIT_PAGES + 1];      /* by size in pages */
};

struct ma_fit {
	enum ma_fit_policy policy;     /* fixed */
	size_t page;                   /* bytes of a page; fixed */
	struct ma_region_set *regions; /* fixed */
	struct ma_pagemap *pagemap;    /* fixed */
	struct ma_fit_bins *bins;      /* best only; from the first ma_fit_prepare() on */
};

/** ma_fit_init() - an empty index over the blocks of @regions. */
void ma_fit_init(struct ma_fit *fit, enum ma_fit_policy policy, struct ma_region_set *regions,
		 struct ma_pagemap *pagemap);

/**
 * ma_fit_prepare() - take the memory the index needs; later calls cost nothing. Return: false
 * without memory.
 */
bool ma_fit_prepare(struct ma_fit *fit) ma_must_check;

/** ma_fit_add() - a block has become free. Its first page is entered in the pagemap. */
void ma_fit_add(struct ma_fit *fit, struct ma_block *block);

/** ma_fit_remove() - a free block is about to change size or to be handed out. */
void ma_fit_remove(struct ma_fit *fit, struct ma_block *block);

/**
 * ma_fit_find() - the free block the policy chooses
 * @size:   bytes, whole pages, > 0
 * @align:  bytes, a power of two, at least a page
 *
 * Return: the block, still in the index, that holds @size bytes at a multiple of @align; NULL if
 * none does.
 */
struct ma_block *ma_fit_find(const struct ma_fit *fit, size_t size, size_t align) ma_must_check;

/** ma_fit_check() - NULL, or the text of the rule that is broken. */
const char *ma_fit_check(const struct ma_fit *fit, const struct ma_block *blocks) ma_must_check;

#endif
