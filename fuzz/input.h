/*
 * input - bytes become bounded values.
 *
 * What and why: a fuzz target reads its choices from here. Every string of bytes is a valid
 * sequence: an input that has run out answers with the minimum, so that a target needs no error
 * path and a shortened input stays meaningful. Values that matter to an allocator (exact small
 * sizes, the edges of slots and pages, sizes beyond all limits) are each a byte or two away.
 *
 * A size is a byte that chooses its kind, and for most kinds one or two bytes more:
 *
 *        0 ..  63   the byte itself
 *       64 .. 127   16 n + k: k = low 4 bits, n = the next byte + 256 * the two bits above
 *      128 .. 159   the next two bytes, little endian
 *      160 .. 207   about 2^e: e = 8 + (byte & 15); next byte is the mantissa, or an edge is taken
 *      208 .. 239   a multiple of a page, a few bytes more or less
 *      240 .. 255   a table of sizes at the limits of things and beyond
 *
 * Locks: none. Cost: none. Rejected: sizes uniform over a range (never 0, never an edge); offsets
 * from the end of the input (an inserted byte changes everything before it).
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *data;
	size_t size; /* bytes of data */
	size_t at;   /* bytes consumed, at most size */
};

/* Whether all bytes are consumed. */
static inline bool input_done(const struct input *in)
{
	return in->at >= in->size;
}

/* 0 .. 255. */
static inline uint8_t input_byte(struct input *in)
{
	return input_done(in) ? 0 : in->data[in->at++];
}

/* @min .. @max, both included, at most 256 values apart. */
static inline size_t input_range(struct input *in, size_t min, size_t max)
{
	return min + input_byte(in) % (max - min + 1);
}

/* 0 .. 65535, two bytes. */
static inline size_t input_short(struct input *in)
{
	size_t low = input_byte(in);

	return low | (size_t)input_byte(in) << 8;
}

/* The limits of things: requests, slots, regions, objects with a mapping of their own. */
static inline size_t input_hostile(unsigned which)
{
	static const size_t table[16] = {
		SIZE_MAX,
		PTRDIFF_MAX,
		(size_t)PTRDIFF_MAX + 1,
		SIZE_MAX - 7, /* with a canary it wraps to 0 */
		PTRDIFF_MAX - 8,
		PTRDIFF_MAX - 8 - 4096,
		(size_t)PTRDIFF_MAX & ~(size_t)0xffff,
		(size_t)1 << 47,
		(size_t)1 << 40,
		(size_t)64 << 20,
		((size_t)64 << 20) - 7,
		((size_t)32 << 20) - 8,
		((size_t)32 << 20) - 7,
		((size_t)16 << 20) - 8,
		32768 - 8,
		32768 - 7,
	};

	return table[which % 16];
}

/* About a power of two, 256 bytes to 16 MiB. */
static inline size_t input_log_size(struct input *in, unsigned kind)
{
	size_t one = (size_t)1 << (8 + kind % 16);

	if (kind / 16 == 0)
		return one + input_byte(in) * (one >> 8);
	return kind / 16 == 1 ? one - 8 : one - 7;
}

/* One page and more, give or take a canary. */
static inline size_t input_page_size(struct input *in, unsigned kind, size_t page)
{
	static const int edge[8] = {-9, -8, -7, -1, 0, 1, 8, 16};
	size_t npages = input_range(in, 1, 64) + kind / 8 * 8;

	return npages * page + (size_t)edge[kind % 8];
}

/* A size in bytes, see above. @page: bytes of a page. */
static inline size_t input_size(struct input *in, size_t page)
{
	unsigned kind = input_byte(in);

	if (kind < 64)
		return kind;
	if (kind < 128)
		return 16 * (input_byte(in) + (size_t)(kind >> 4 & 3) * 256) + (kind & 15);
	if (kind < 160)
		return input_short(in);
	if (kind < 208)
		return input_log_size(in, kind - 160);
	if (kind < 240)
		return input_page_size(in, kind - 208, page);
	return input_hostile(kind - 240);
}

#endif
