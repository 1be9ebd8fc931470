/*
 * maxtree - an array of numbers that can be asked "which is the first one of at least n?"
 *
 * What and why: the index that makes exact first fit cheap. Each entry stands for a place in
 * address order and holds the size of the free block that starts there (0 for none); above it,
 * levels of maxima.
 *
 *      level 2            [ 9 ]
 *      level 1       [ 4 ][ 9 ][ 0 ] ...        each: maximum of one line below
 *      level 0  [0 4 0 ..][9 0 1 ..][0 0 0 ..]  one line = MA_MAXTREE_FAN entries = one cache line
 *
 * Rules:
 *   T1  Each entry of an upper level is the maximum of its line below; entries beyond the end are
 *       0.
 *   T2  Values are 0 .. MA_MAXTREE_MAX.
 *
 * Locks: the caller's. Cost: finding and setting touch one cache line per level, at most
 * MA_MAXTREE_LEVELS; that is O(log n) with a base so large that it is flat in practice.
 * Rejected: balanced trees over the free blocks (a cache miss per level of a binary tree: ten times
 * the cost at 10^6 blocks); bitmaps per size (they find a fit, not the first one).
 */
#ifndef MA_MAXTREE_H
#define MA_MAXTREE_H

#include "base.h"

#define MA_MAXTREE_FAN 32
#define MA_MAXTREE_LEVELS 4
#define MA_MAXTREE_MAX INT16_MAX
#define MA_MAXTREE_NONE SIZE_MAX

struct ma_maxtree {
	int16_t *level[MA_MAXTREE_LEVELS]; /* level[0] has n entries, padded to lines */
	size_t n;                          /* entries of level 0; fixed after init */
	unsigned nlevels;                  /* the top level is one line; fixed after init */
};

/** ma_maxtree_bytes() - the memory a tree of @n entries needs, @n > 0. */
size_t ma_maxtree_bytes(size_t n);

/**
 * ma_maxtree_init() - an all-zero tree in @mem: zeroed, cache-line aligned, ma_maxtree_bytes(@n)
 * long.
 */
void ma_maxtree_init(struct ma_maxtree *tree, void *mem, size_t n);

/** ma_maxtree_set() - entry @i becomes @value (T2). */
void ma_maxtree_set(struct ma_maxtree *tree, size_t i, size_t value);

/**
 * ma_maxtree_find() - the first entry from @from on that is at least @least
 * @least:  > 0; more than MA_MAXTREE_MAX is never found
 *
 * Return: its index, or MA_MAXTREE_NONE.
 */
size_t ma_maxtree_find(const struct ma_maxtree *tree, size_t from, size_t least) ma_must_check;

/** ma_maxtree_get() - entry @i. */
ma_inline size_t ma_maxtree_get(const struct ma_maxtree *tree, size_t i)
{
	return (size_t)tree->level[0][i];
}

/** ma_maxtree_max() - the largest entry. */
size_t ma_maxtree_max(const struct ma_maxtree *tree);

/** ma_maxtree_check() - NULL, or the text of the rule that is broken. */
const char *ma_maxtree_check(const struct ma_maxtree *tree) ma_must_check;

#endif
