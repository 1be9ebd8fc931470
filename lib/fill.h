/*
 * fill - zeroing small slots, and finding out whether they still are zero.
 *
 * What and why: a small slot is zeroed when it is freed and must still be zero when it is handed
 * out again. Both work in pieces of equal width at equal places, the last pieces overlapping, so
 * that there are two well-predicted branches instead of a loop, and so that loads can be served
 * from stores still in flight.
 *
 * Rules: I1  Sizes are multiples of MA_ALIGN, from MA_ALIGN to MA_FILL_MAX; addresses are so
 * aligned.
 * Locks: none. Cost: one store, or one load and or, per 16 bytes.
 * Rejected: loops of varying length (mispredicted branches doubled a benchmark).
 */
#ifndef MA_FILL_H
#define MA_FILL_H

#include "base.h"

/* Slots up to this are filled and verified. */
#define MA_FILL_MAX ((size_t)256)

typedef uint64_t ma_vec __attribute__((vector_size(16), may_alias));

static_assert(sizeof(ma_vec) == MA_ALIGN, "a piece is one unit of alignment");

ma_inline void ma_fill_put(char *at, size_t pieces)
{
	for (size_t i = 0; i < pieces; i++)
		*(ma_vec *)(void *)(at + i * MA_ALIGN) = (ma_vec){0, 0};
}

ma_inline ma_vec ma_fill_sum(const char *at, size_t pieces)
{
	ma_vec sum = *(const ma_vec *)(const void *)at;

	for (size_t i = 1; i < pieces; i++)
		sum |= *(const ma_vec *)(const void *)(at + i * MA_ALIGN);
	return sum;
}

/* Up to four pieces: where the second and the third are, if there are so many, else at others. */
ma_inline size_t ma_fill_second(size_t size)
{
	return size / 2 & ~(MA_ALIGN - 1);
}

ma_inline size_t ma_fill_third(size_t size)
{
	return (size - MA_ALIGN) / 2 & ~(MA_ALIGN - 1);
}

/** ma_fill_zero() - zero @size bytes (I1). */
ma_inline void ma_fill_zero(void *ptr, size_t size)
{
	char *at = ptr;

	if (size <= 4 * MA_ALIGN) {
		ma_fill_put(at, 1);
		ma_fill_put(at + ma_fill_second(size), 1);
		ma_fill_put(at + ma_fill_third(size), 1);
		ma_fill_put(at + size - MA_ALIGN, 1);
		return;
	}
	for (; ma_unlikely(size > 16 * MA_ALIGN); size -= 8 * MA_ALIGN, at += 8 * MA_ALIGN)
		ma_fill_put(at, 8);
	if (size > 8 * MA_ALIGN) {
		ma_fill_put(at, 4);
		ma_fill_put(at + 4 * MA_ALIGN, 4);
		ma_fill_put(at + size - 8 * MA_ALIGN, 4);
	} else {
		ma_fill_put(at, 4);
	}
	ma_fill_put(at + size - 4 * MA_ALIGN, 4);
}

/** ma_fill_is_zero() - whether @size bytes (I1) are all zero. */
ma_inline bool ma_fill_is_zero(const void *ptr, size_t size)
{
	const char *at = ptr;
	ma_vec sum;

	if (size <= 4 * MA_ALIGN) {
		sum = ma_fill_sum(at, 1) | ma_fill_sum(at + ma_fill_second(size), 1) |
		      ma_fill_sum(at + ma_fill_third(size), 1) |
		      ma_fill_sum(at + size - MA_ALIGN, 1);
	} else {
		sum = (ma_vec){0, 0};
		for (; ma_unlikely(size > 16 * MA_ALIGN);
		     size -= 8 * MA_ALIGN, at += 8 * MA_ALIGN)
			sum |= ma_fill_sum(at, 8);
		if (size > 8 * MA_ALIGN)
			sum |= ma_fill_sum(at + 4 * MA_ALIGN, 4) |
			       ma_fill_sum(at + size - 8 * MA_ALIGN, 4);
		sum |= ma_fill_sum(at, 4) | ma_fill_sum(at + size - 4 * MA_ALIGN, 4);
	}
	return (sum[0] | sum[1]) == 0;
}

#endif
