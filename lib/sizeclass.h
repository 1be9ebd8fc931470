/*
 * sizeclass - which size of slot serves a request.
 *
 * What and why: slots are multiples of the alignment up to MA_CLASS_FINE bytes, then eight sizes to
 * each doubling, so that at most an eighth of a request is lost to rounding. The class is computed,
 * not looked up: no table, no cache miss.
 *
 *      16 32 48 ... 128 | 144 160 ... 256 | 288 320 ... 512 | ... | ... up to eight pages
 *
 * Rules:
 *   Z1  Slot sizes are multiples of MA_ALIGN, strictly growing with the class.
 *   Z2  The class of n is the smallest whose slot holds n.
 *   Z3  Beyond MA_CLASS_FINE, a slot exceeds the largest request of the class below by at most an
 *       eighth of it.
 *
 * Locks: none. Cost: a handful of instructions.
 * Rejected: four sizes to a doubling (25 % waste); sizes fitted to one program's histogram.
 * Source: Berger, McKinley, Blumofe, Wilson, Hoard, 2000, 4.1 (geometric classes bound the waste).
 */
#ifndef MA_SIZECLASS_H
#define MA_SIZECLASS_H

#include "base.h"

#define MA_CLASS_FINE ((size_t)128)
#define MA_CLASS_NFINE 8u
#define MA_CLASS_PER_DOUBLING 8u

/* Enough for slots of eight pages of 64 KiB. */
#define MA_NCLASSES (MA_CLASS_NFINE + 12 * MA_CLASS_PER_DOUBLING)

/** ma_class_of() - the class that holds @size bytes, @size > 0 and at most ma_class_limit(). */
ma_inline unsigned ma_class_of(size_t size)
{
	unsigned doubling;

	if (ma_likely(size <= MA_CLASS_FINE))
		return (unsigned)((size - 1) / MA_ALIGN);
	doubling = ma_log2(size - 1) - 7;
	return MA_CLASS_NFINE + doubling * MA_CLASS_PER_DOUBLING +
	       (unsigned)(((size - 1) >> (doubling + 4)) & 7);
}

/** ma_class_slot() - bytes of a slot of class @class_idx. */
ma_inline size_t ma_class_slot(unsigned class_idx)
{
	unsigned doubling = (class_idx - MA_CLASS_NFINE) / MA_CLASS_PER_DOUBLING;
	unsigned step = (class_idx - MA_CLASS_NFINE) % MA_CLASS_PER_DOUBLING;

	if (class_idx < MA_CLASS_NFINE)
		return (class_idx + 1) * MA_ALIGN;
	return (MA_CLASS_FINE << doubling) + ((size_t)(step + 1) * MA_ALIGN << doubling);
}

/**
 * ma_class_limit() - the largest slot with pages of @page bytes; larger requests are blocks of
 * their own.
 */
ma_inline size_t ma_class_limit(size_t page)
{
	return 8 * page;
}

/**
 * ma_class_aligned() - the smallest class for @size whose slots all start at multiples of @align
 * @align:  a power of two
 * @page:   slabs start at a multiple of this
 *
 * Return: the class, or MA_NCLASSES when there is none.
 */
unsigned ma_class_aligned(size_t size, size_t align, size_t page);

/**
 * ma_class_slab_size() - bytes of a slab of a class
 * @growth:  how many slabs of the class there are already: later ones are larger
 *
 * Return: whole pages, with at most a sixteenth unused behind the last slot.
 */
size_t ma_class_slab_size(unsigned class_idx, size_t growth, size_t page);

#endif
