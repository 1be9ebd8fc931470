#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define ALIGN ((size_t)16)
#define CANARY ((size_t)8)
#define TABLE ((size_t)8192)
#define PIECE ((size_t)64)

void model_fail(const char *oracle, const char *rule)
{
	fflush(stdout);
	fprintf(stderr, "fuzz: %s: %s\n", oracle, rule);
	abort();
}

/* Bytes without a short period, never 0; entry points of neighbouring fills are far apart. */
static const unsigned char *pattern(uint8_t fill)
{
	static unsigned char table[TABLE + 256 * 16];
	uint32_t x = 1;

	if (table[0] == 0) {
		for (size_t i = 0; i < sizeof(table); i++) {
			x = x * 1664525u + 1013904223u;
			table[i] = (unsigned char)(x >> 24 | 1);
		}
	}
	return table + (size_t)fill * 16;
}

/* A piece [from, to) of an object is written or compared; pieces do not cross TABLE. */
typedef bool piece_fn(unsigned char *at, const unsigned char *expected, size_t size);

static bool write_piece(unsigned char *at, const unsigned char *expected, size_t size)
{
	memcpy(at, expected, size);
	return true;
}

static bool same_piece(unsigned char *at, const unsigned char *expected, size_t size)
{
	return memcmp(at, expected, size) == 0;
}

static bool zero_piece(unsigned char *at, const unsigned char *expected, size_t size)
{
	static const unsigned char zero[TABLE];

	(void)expected;
	return memcmp(at, zero, size) == 0;
}

/* Bytes @from to @to of an object, as far as they are below @end. */
static bool for_range(const struct model_object *o, size_t from, size_t to, size_t end,
		      piece_fn *piece)
{
	to = to < end ? to : end;
	while (from < to) {
		size_t at = from % TABLE;
		size_t n = to - from < TABLE - at ? to - from : TABLE - at;

		if (!piece(o->ptr + from, pattern(o->fill) + at, n))
			return false;
		from += n;
	}
	return true;
}

/* All of an object that is touched at all, below @end. */
static bool for_object(const struct model_object *o, size_t end, piece_fn *piece)
{
	if (o->size <= MODEL_WHOLE)
		return for_range(o, 0, o->size, end, piece);
	if (!for_range(o, 0, TABLE, end, piece))
		return false;
	for (size_t at = 2 * TABLE; at < o->size - PIECE; at *= 2)
		if (!for_range(o, at, at + PIECE, end, piece))
			return false;
	return for_range(o, o->size - PIECE, o->size, end, piece);
}

void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
}

static bool overlap(const struct model_object *a, const struct model_object *b)
{
	return (uintptr_t)a->ptr < (uintptr_t)b->ptr + b->size + CANARY &&
	       (uintptr_t)b->ptr < (uintptr_t)a->ptr + a->size + CANARY;
}

static void check_place(const struct model *model, unsigned slot)
{
	const struct model_object *o = &model->object[slot];

	if ((uintptr_t)o->ptr % (o->align > ALIGN ? o->align : ALIGN) != 0)
		model_fail("model", "D1 objects are aligned");
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		if (i != slot && model->object[i].ptr != NULL && overlap(o, &model->object[i]))
			model_fail("model", "D2 objects do not overlap");
}

static void fill(struct model *model, struct model_object *o)
{
	o->fill = model->next_fill++;
	(void)for_object(o, o->size, write_piece);
}

void model_add(struct model *model, unsigned slot, const struct model_object *object, bool zero)
{
	struct model_object *o = &model->object[slot];

	*o = *object;
	model->nlive++;
	check_place(model, slot);
	if (zero && !for_object(o, o->size, zero_piece))
		model_fail("model", "D5 zeroed memory reads as zero");
	fill(model, o);
}

/* Where the old pattern was written depends on the old size. */
void model_moved(struct model *model, unsigned slot, void *ptr, size_t size)
{
	struct model_object *o = &model->object[slot];

	if (ptr != o->ptr)
		o->align = ALIGN;
	o->ptr = ptr;
	if (!for_object(o, size < o->size ? size : o->size, same_piece))
		model_fail("model", "D4 a resize keeps the contents");
	o->size = size;
	check_place(model, slot);
	fill(model, o);
}

void model_check(const struct model *model, unsigned slot)
{
	const struct model_object *o = &model->object[slot];

	if (o->ptr != NULL && !for_object(o, o->size, same_piece))
		model_fail("model", "D3 contents stay as written");
}

void model_check_all(const struct model *model)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		model_check(model, i);
}

void model_remove(struct model *model, unsigned slot)
{
	model_check(model, slot);
	model->object[slot].ptr = NULL;
	model->nlive--;
}

void model_forget(struct model *model, unsigned owner)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		struct model_object *o = &model->object[i];

		if (o->ptr == NULL || o->owner != owner)
			continue;
		o->ptr = NULL;
		model->nlive--;
	}
}

size_t model_count(const struct model *model, unsigned owner, size_t *bytes)
{
	size_t n = 0;

	*bytes = 0;
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		const struct model_object *o = &model->object[i];

		if (o->ptr == NULL || o->owner != owner)
			continue;
		*bytes += o->size;
		n++;
	}
	return n;
}
