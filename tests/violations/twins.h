/*
 * twins - objects that were handed out twice, or where no object may be: what comes of a bad free.
 */
#ifndef TESTS_VIOLATIONS_TWINS_H
#define TESTS_VIOLATIONS_TWINS_H

#include "row.h"

#define TWINS 400

/** twins_overlap() - whether two ranges of @size bytes have one in common. */
static inline bool twins_overlap(const void *a, const void *b, size_t size)
{
	uintptr_t x = (uintptr_t)a;
	uintptr_t y = (uintptr_t)b;

	return x < y + size && y < x + size;
}

/**
 * twins_found() - allocate on, with objects of @size bytes
 * @at:  what must not be handed out: an address that is no free object; NULL for none
 *
 * Return: whether two of the objects are the same memory, or one lies at @at.
 */
static inline bool twins_found(size_t size, const void *at)
{
	size_t n = size > 1024 * 1024 ? 8 : TWINS;
	static void *object[TWINS];
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		object[i] = opaque(malloc(size));
		found |= at != NULL && twins_overlap(object[i], at, 1);
		for (size_t k = 0; k < i; k++)
			found |= twins_overlap(object[i], object[k], size);
	}
	return found;
}

#endif
