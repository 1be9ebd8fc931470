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

/* Pieces at both ends of @v, @k at each; they overlap where there are fewer than 2 * @k. */
ma_inline void ma_fill_ends(ma_vec *v, size_t n, size_t k)
{
	const ma_vec zero = {0, 0};

	for (size_t i = 0; i < k; i++) {
		v[i] = zero;
		v[n - k + i] = zero;
	}
}

ma_inline ma_vec ma_fill_sum(const ma_vec *v, size_t n, size_t k)
{
	ma_vec sum = v[0] | v[n - k];

	for (size_t i = 1; i < k; i++)
		sum |= v[i] | v[n - k + i];
	return sum;
}

/** ma_fill_zero() - zero @size bytes (I1). */
ma_inline void ma_fill_zero(void *ptr, size_t size)
{
	const ma_vec zero = {0, 0};
	ma_vec *v = ptr;
	size_t n = size / sizeof(*v);

	if (n <= 4) {
		v[0] = zero;
		v[n / 2] = zero;
		v[(n - 1) / 2] = zero;
		v[n - 1] = zero;
	} else if (n <= 8) {
		ma_fill_ends(v, n, 4);
	} else {
		for (; ma_unlikely(n > 16); n -= 8, v += 8)
			ma_fill_ends(v, 8, 4);
		ma_fill_ends(v, n, 8);
	}
}

/** ma_fill_is_zero() - whether @size bytes (I1) are all zero. */
ma_inline bool ma_fill_is_zero(const void *ptr, size_t size)
{
	const ma_vec *v = ptr;
	size_t n = size / sizeof(*v);
	ma_vec sum;

	if (n <= 4) {
		sum = v[0] | v[n / 2] | v[(n - 1) / 2] | v[n - 1];
	} else if (n <= 8) {
		sum = ma_fill_sum(v, n, 4);
	} else {
		sum = (ma_vec){0, 0};
		for (; ma_unlikely(n > 16); n -= 8, v += 8)
			sum |= ma_fill_sum(v, 8, 4);
		sum |= ma_fill_sum(v, n, 8);
	}
	return (sum[0] | sum[1]) == 0;
}

#endif
