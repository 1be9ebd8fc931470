/*
 * row - live objects of one size around the victim of a bug.
 *
 * Each is filled with a byte of its own, so that a program can see whether a bug, or an object
 * handed out twice because of it, changed one of them. The victim is the one in the middle, by
 * address. No byte that a program writes elsewhere is among the fills.
 */
#ifndef TESTS_VIOLATIONS_ROW_H
#define TESTS_VIOLATIONS_ROW_H

#include "bug.h"

#define ROW_LENGTH 64
#define ROW_VICTIM (ROW_LENGTH / 2)
#define ROW_BEFORE (ROW_VICTIM - 1)
#define ROW_BEHIND (ROW_VICTIM + 1)
#define ROW_FILL 0x80
#define ROW_OTHER 0x42 /* what a bug writes: even, as no canary of memalloc begins */
#define ROW_BATCH 1000 /* objects of reuse() that are live at a time */

struct row {
	size_t size;
	unsigned char *objects[ROW_LENGTH];
};

/** row_fill() - write its fill into object @i. */
static inline void row_fill(struct row *row, int i)
{
	memset(row->objects[i], ROW_FILL + i, row->size);
}

/** row_init() - a row of objects of @size bytes, by address: the victim has others beside it. */
static inline struct row row_init(size_t size)
{
	struct row row = {.size = size};

	for (int n = 0; n < ROW_LENGTH; n++) {
		unsigned char *object = opaque(malloc(size));
		int i = n;

		for (; i > 0 && (uintptr_t)row.objects[i - 1] > (uintptr_t)object; i--)
			row.objects[i] = row.objects[i - 1];
		row.objects[i] = object;
	}
	for (int i = 0; i < ROW_LENGTH; i++)
		row_fill(&row, i);
	return row;
}

/** row_take() - the victim, which is no longer part of the row. */
static inline unsigned char *row_take(struct row *row)
{
	unsigned char *victim = row->objects[ROW_VICTIM];

	row->objects[ROW_VICTIM] = NULL;
	return victim;
}

/** row_is_fill() - whether @size bytes are the fill of object @i. */
static inline bool row_is_fill(const unsigned char *ptr, size_t size, int i)
{
	for (size_t at = 0; at < size; at++) {
		if (ptr[at] != ROW_FILL + i)
			return false;
	}
	return true;
}

/** row_changed() - whether an object of the row is no longer what it was. */
static inline bool row_changed(const struct row *row)
{
	for (int i = 0; i < ROW_LENGTH; i++) {
		if (row->objects[i] != NULL && !row_is_fill(row->objects[i], row->size, i))
			return true;
	}
	return false;
}

/** row_renew() - free object @i and allocate it again. */
static inline void row_renew(struct row *row, int i)
{
	free(row->objects[i]);
	row->objects[i] = opaque(malloc(row->size));
	row_fill(row, i);
}

/** row_free() - free what is left of the row. */
static inline void row_free(struct row *row)
{
	for (int i = 0; i < ROW_LENGTH; i++)
		free(row->objects[i]);
}

/** go_on() - use malloc() and free() a little, as the program would after the bug. */
static inline void go_on(size_t size)
{
	unsigned char *objects[ROW_LENGTH];

	for (int i = 0; i < ROW_LENGTH; i++) {
		size_t further = (size_t)(i % 4) * 24;

		objects[i] = opaque(malloc(size + further));
		memset(objects[i], ROW_OTHER, size + further);
	}
	for (int i = 0; i < ROW_LENGTH; i++)
		free(objects[i]);
}

/** row_end() - go on a little, free the row. Return: whether an object of it had changed. */
static inline bool row_end(struct row *row)
{
	bool changed;

	go_on(row->size);
	changed = row_changed(row);
	row_free(row);
	return changed;
}

/**
 * reuse() - allocate objects of @size bytes, at most @tries, until one covers @stale. From time to
 * time all are freed: some allocators prefer memory that was free for a short while, others a long
 * one. Return: the object, or NULL.
 */
static inline unsigned char *reuse(const unsigned char *stale, size_t size, int tries)
{
	static unsigned char *objects[ROW_BATCH];

	for (int i = 0; i < tries; i++) {
		int place = i % ROW_BATCH;

		objects[place] = opaque(malloc(size));
		if ((uintptr_t)stale - (uintptr_t)objects[place] < size)
			return objects[place];
		for (int j = 0; place == ROW_BATCH - 1 && j < ROW_BATCH; j++)
			free(objects[j]);
	}
	return NULL;
}

/** has_other_than_zero() - whether one of @size bytes is not zero. */
static inline bool has_other_than_zero(const unsigned char *ptr, size_t size)
{
	for (size_t at = 0; at < size; at++) {
		if (ptr[at] != 0)
			return true;
	}
	return false;
}

#endif
