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
		return;
	}
	for (size_t i = 0; i < n - 4; i += 4) {
		v[i] = zero;
		v[i + 1] = zero;
		v[i + 2] = zero;
		v[i + 3] = zero;
	}
	v[n - 4] = zero;
	v[n - 3] = zero;
	v[n - 2] = zero;
	v[n - 1] = zero;
}

/** ma_fill_is_zero() - whether @size bytes (I1) are all zero. */
ma_inline bool ma_fill_is_zero(const void *ptr, size_t size)
{
	const ma_vec *v = ptr;
	size_t n = size / sizeof(*v);
	ma_vec sum;

	if (n <= 4) {
		sum = v[0] | v[n / 2] | v[(n - 1) / 2] | v[n - 1];
		return (sum[0] | sum[1]) == 0;
	}
	sum = v[n - 4] | v[n - 3] | v[n - 2] | v[n - 1];
	for (size_t i = 0; i < n - 4; i += 4)
		sum |= v[i] | v[i + 1] | v[i + 2] | v[i + 3];
	return (sum[0] | sum[1]) == 0;
}

#endif
