/*
 * fill - zeroing slots, and finding out whether they still are zero.
 *
 * What and why: a small slot is zeroed when it is freed and must still be zero when it is handed
 * out again; of a larger one, the first and the last piece. Both work in pieces of equal width at
 * equal places, which overlap where there are fewer, so that there are few branches, the same for
 * most sizes, and so that loads can be served from stores still in flight.
 *
 *      up to 4 pieces, or the ends only    [0][2nd][3rd][4th]      places noted once for a class
 *      up to 8                             [0 1 2 3][n-4 n-3 n-2 n-1]
 *      up to 16                            [0 .. 7][n-8 .. n-1]    beyond: eight at a time
 *
 * Rules: I1  Sizes are multiples of MA_ALIGN, from MA_ALIGN on; addresses are so aligned.
 * Locks: none. Cost: one store, or one load and or, per 16 bytes.
 * Rejected: loops of varying length (mispredicted branches doubled a benchmark); string
 * instructions (slow to start).
 */
#ifndef MA_FILL_H
#define MA_FILL_H

#include "annotate.h"

/* Slots up to this are filled and verified. */
#define MA_FILL_MAX ((size_t)256)

typedef uint64_t ma_vec __attribute__((vector_size(16), may_alias));

static_assert(sizeof(ma_vec) == MA_ALIGN, "a piece is one unit of alignment");

ma_inline void ma_fill_put(char *at, size_t pieces)
{
	for (size_t i = 0; i < pieces; i++)
		*(ma_vec *)(void *)(at + i * MA_ALIGN) = (ma_vec){0, 0};
	ma_annotate_filled(at, pieces * MA_ALIGN);
}

ma_inline ma_vec ma_fill_sum(const char *at, size_t pieces)
{
	ma_vec sum = *(const ma_vec *)(const void *)at;

	for (size_t i = 1; i < pieces; i++)
		sum |= *(const ma_vec *)(const void *)(at + i * MA_ALIGN);
	return sum;
}

/* What of a slot is filled: all of @size bytes, or (0) the piece at 0 and those at the others. */
struct ma_fill {
	uint32_t size;
	uint32_t second, third, fourth; /* of up to four pieces; bytes from the start */
};

/** ma_fill_of() - of slots of @slot bytes; @whole: all of them, else only both ends. */
ma_inline struct ma_fill ma_fill_of(size_t slot, bool whole)
{
	struct ma_fill fill = {0, 0, 0, (uint32_t)(slot - MA_ALIGN)};

	if (whole) {
		fill.size = (uint32_t)slot;
		fill.second = (uint32_t)(slot / 2 & ~(MA_ALIGN - 1));
		fill.third = (uint32_t)((slot - MA_ALIGN) / 2 & ~(MA_ALIGN - 1));
	}
	return fill;
}

/** ma_fill_zero() - zero what is filled. */
ma_touches void ma_fill_zero(char *at, const struct ma_fill *fill)
{
	size_t size = fill->size;

	if (size <= 4 * MA_ALIGN) {
		ma_fill_put(at, 1);
		ma_fill_put(at + fill->second, 1);
		ma_fill_put(at + fill->third, 1);
		ma_fill_put(at + fill->fourth, 1);
		return;
	}
	for (; ma_unlikely(size > 16 * MA_ALIGN); size -= 8 * MA_ALIGN, at += 8 * MA_ALIGN)
		ma_fill_put(at, 8);
	ma_fill_put(at, 4);
	if (size > 8 * MA_ALIGN) {
		ma_fill_put(at + 4 * MA_ALIGN, 4);
		ma_fill_put(at + size - 8 * MA_ALIGN, 4);
	}
	ma_fill_put(at + size - 4 * MA_ALIGN, 4);
}

/** ma_fill_is_zero() - whether all of it is zero. */
ma_touches bool ma_fill_is_zero(const char *at, const struct ma_fill *fill)
{
	size_t size = fill->size;
	ma_vec sum = ma_fill_sum(at, 1);

	if (size <= 4 * MA_ALIGN) {
		sum |= ma_fill_sum(at + fill->second, 1) | ma_fill_sum(at + fill->third, 1) |
		       ma_fill_sum(at + fill->fourth, 1);
		return (sum[0] | sum[1]) == 0;
	}
	for (; ma_unlikely(size > 16 * MA_ALIGN); size -= 8 * MA_ALIGN, at += 8 * MA_ALIGN)
		sum |= ma_fill_sum(at, 8);
	if (size > 8 * MA_ALIGN)
		sum |= ma_fill_sum(at + 4 * MA_ALIGN, 4) | ma_fill_sum(at + size - 8 * MA_ALIGN, 4);
	sum |= ma_fill_sum(at, 4) | ma_fill_sum(at + size - 4 * MA_ALIGN, 4);
	return (sum[0] | sum[1]) == 0;
}

/** ma_fill_bytes_are_zero() - whether @size bytes (I1) are. */
ma_touches bool ma_fill_bytes_are_zero(const char *at, size_t size)
{
	const struct ma_fill fill = ma_fill_of(size, true);

	MA_ASSERT(size <= UINT32_MAX);
	return ma_fill_is_zero(at, &fill);
}

#endif
