#include <string.h>

#include "guess.h"
#include "place.h"

#define NBYTES sizeof(uint64_t)

/* The damage, byte by byte, as it stands in memory. */
struct damage {
	const struct ma_violation *v;
	unsigned char found[NBYTES];
	unsigned char expected[NBYTES];
	size_t first;    /* the first byte that differs */
	size_t ndiffers; /* bytes that do, > 0 */
};

static void look(struct damage *d, const struct ma_violation *v)
{
	d->v = v;
	memcpy(d->found, &v->found, NBYTES);
	memcpy(d->expected, &v->expected, NBYTES);
	d->first = d->ndiffers = 0;
	for (size_t i = NBYTES; i-- > 0;) {
		if (d->found[i] == d->expected[i])
			continue;
		d->first = i;
		d->ndiffers++;
	}
}

/* ---- signs, the surest first ----------------------------------------------------------------- */

static bool terminator(struct ma_text *text, const struct damage *d)
{
	if (d->v->kind != MA_HEAP_OVERFLOW || d->first != 0 || d->ndiffers != 1 || d->found[0] != 0)
		return false;
	ma_text_str(text, "one zero byte past the end: no place for a string's terminator?");
	return true;
}

static bool one_bit(struct ma_text *text, const struct damage *d)
{
	if (__builtin_popcountll(d->v->found ^ d->v->expected) != 1)
		return false;
	ma_text_str(text, "a single bit differs: a flag or a counter, or a bit that flipped in bad "
			  "memory?");
	return true;
}

static bool from_behind(struct ma_text *text, const struct damage *d)
{
	if (d->v->kind != MA_HEAP_OVERFLOW || d->first == 0)
		return false;
	ma_text_str(text, "the bytes next to the object are intact: written from behind, by an "
			  "underflow of the next object?");
	return true;
}

static bool printable(unsigned char c)
{
	return c >= ' ' && c <= '~';
}

static bool all_equal(struct ma_text *text, const struct damage *d)
{
	const char byte = (char)d->found[0];

	for (size_t i = 1; i < NBYTES; i++)
		if (d->found[i] != d->found[0])
			return false;
	ma_text_str(text, "all bytes are ");
	ma_text_hex(text, d->found[0]);
	if (printable(d->found[0])) {
		ma_text_str(text, " '");
		ma_text_chars(text, &byte, 1);
		ma_text_str(text, "'");
	}
	ma_text_str(text, d->v->kind == MA_WRITE_AFTER_FREE ? ": a memset of stale memory?"
							    : ": a memset that is too long?");
	return true;
}

/*
 * Where an object was freed, the first byte that is not zero may be the second of an address: a
 * word of memory has its low bytes first, and those before the damage are known to be zero.
 */
static uint64_t word_at(const struct ma_violation *v)
{
	if (v->kind != MA_WRITE_AFTER_FREE || v->expected != 0)
		return v->found;
	return v->found << ((uintptr_t)v->damage % NBYTES * 8);
}

static bool address(struct ma_text *text, const struct damage *d)
{
	uint64_t word = word_at(d->v);
	struct ma_place place;

	if (word < MA_GRANULE || word >> 56 != 0 || !ma_place_find(&place, (uintptr_t)word))
		return false;
	ma_text_str(text, "the bytes are an address, ");
	ma_text_hex(text, word);
	ma_text_str(text, place.path[0] != '\0' ? " in " : "");
	if (place.module)
		ma_place_module(text, &place);
	else
		ma_text_str(text, place.path);
	ma_text_str(text, ": a pointer stored through a stale or wrong pointer?");
	return true;
}

static bool minus_one(struct ma_text *text, const struct damage *d)
{
	if (d->v->kind != MA_WRITE_AFTER_FREE || d->v->expected != 0 || d->v->found != UINT32_MAX)
		return false;
	ma_text_str(text, "the bytes are the number -1: a counter decremented after the free?");
	return true;
}

static bool string(struct ma_text *text, const struct damage *d)
{
	size_t n = 0;

	while (n < NBYTES && printable(d->found[n]))
		n++;
	if (n < 3)
		return false;
	ma_text_str(text, "the bytes are text, \"");
	ma_text_chars(text, (const char *)d->found, n);
	ma_text_str(text, "\": a string copied into too small or stale memory?");
	return true;
}

void ma_guess(struct ma_text *text, const struct ma_violation *v)
{
	static bool (*const signs[])(struct ma_text *, const struct damage *) = {
		terminator, one_bit, from_behind, all_equal, address, minus_one, string,
	};
	struct damage d;

	if (v->damage == NULL || v->found == v->expected)
		return;
	look(&d, v);
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (signs[i](text, &d))
			return;
}
