/*
 * wards - objects of the malloc() below that belong to one explicit pool.
 *
 * What and why: a pool frees all that it has handed out when it is reset, counts it, and knows it
 * from what is another pool's. Where its objects are a memory checker's (below.h), it keeps their
 * addresses here: a table in which each stands where its address leads, or behind.
 *
 * Rules:
 *   E1  Addresses are kept inverted: a pool's list must not hide from a leak checker what the
 *       program has lost.
 *   E2  At least half of the places are free, those that are spoken for counted; no free one lies
 *       between where an address leads and where it stands.
 *
 * Locks: the pool's, but never while the malloc() below is called: a checker may hold its own when
 * fork takes ours. So an object's place is spoken for first, and taken when the object is there.
 * Cost: a multiplication and a look at a place or two.
 */
#ifndef MA_WARDS_H
#define MA_WARDS_H

#include "base.h"

struct ma_ward {
	uintptr_t inverted; /* E1; 0: a free place */
	size_t size;        /* bytes requested */
};

struct ma_wards {
	struct ma_ward *place; /* NULL: none yet */
	size_t nplaces;        /* a power of two, or 0 */
	size_t n;              /* objects that are there or spoken for */
	size_t bytes;          /* requested, of all these */
};

/** ma_wards_reserve() - a place for an object of @size bytes. Return: false without memory. */
bool ma_wards_reserve(struct ma_wards *wards, size_t size) ma_must_check;

/** ma_wards_put() - @ptr takes a place that was reserved; it is not there. */
void ma_wards_put(struct ma_wards *wards, const void *ptr, size_t size);

/** ma_wards_cancel() - the place is not needed. */
void ma_wards_cancel(struct ma_wards *wards, size_t size);

/** ma_wards_leave() - remove @ptr, which is there, but go on to reserve its place. */
void ma_wards_leave(struct ma_wards *wards, const void *ptr);

/** ma_wards_find() - NULL: it is not there. */
const struct ma_ward *ma_wards_find(const struct ma_wards *wards, const void *ptr);

/** ma_wards_remove() - whether it was there. */
bool ma_wards_remove(struct ma_wards *wards, const void *ptr);

/** ma_wards_free_all() - free every object, and forget them. */
void ma_wards_free_all(struct ma_wards *wards);

#endif
