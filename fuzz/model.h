/*
 * model - the live objects as the program sees them, kept beside the allocator under test.
 *
 * What and why: a heap can be valid and still wrong: two objects in one place, contents lost by a
 * resize, memory that should be zero and is not. No validator of the heap can know that; this
 * table can. It knows nothing of slabs, blocks or pages.
 *
 *      object[slot]   ptr, size, align, fill: the pattern that the object was filled with
 *      memory         [ pattern, from a place that depends on fill | canary ]
 *
 * Rules:
 *   D1  An object is aligned to what was asked for, at least to 16.
 *   D2  No two live objects overlap, their canaries included.
 *   D3  Contents stay as written until the object is resized or freed.
 *   D4  A resize keeps the contents up to the smaller size.
 *   D5  Zeroed memory reads as zero.
 *
 * Objects beyond MODEL_WHOLE bytes are written and read only in parts: their beginning, their end,
 * and a piece at each power of two.
 *
 * A rule that is broken ends the process with one line on stderr that names it.
 *
 * Locks: none. Cost: the memory touched, and O(slots) for a new object. Rejected: one byte value
 * per object (a shifted copy looks right); a check byte by byte (slow under sanitizers).
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NOBJECTS 256
#define MODEL_WHOLE ((size_t)16 * 1024)

struct model_object {
	unsigned char *ptr; /* NULL: the slot is empty */
	size_t size;        /* bytes requested */
	size_t align;       /* asked for, a power of two */
	unsigned owner;     /* the caller's: which instance it came from */
	uint8_t fill;       /* the pattern */
};

struct model {
	struct model_object object[MODEL_NOBJECTS];
	size_t nlive;
	uint8_t next_fill;
};

/** model_init() - no objects. */
void model_init(struct model *model);

/**
 * model_add() - the allocator returned @ptr for an empty @slot: check and fill it
 * @align:  a power of two
 * @zero:   zeroed memory was asked for
 */
void model_add(struct model *model, unsigned slot, const struct model_object *object, bool zero);

/** model_moved() - the object was resized: check it and fill it anew. */
void model_moved(struct model *model, unsigned slot, void *ptr, size_t size);

/** model_check() - the object's contents are as written. */
void model_check(const struct model *model, unsigned slot);

/** model_check_all() - model_check() for all. */
void model_check_all(const struct model *model);

/** model_remove() - check the object one last time, then forget it. */
void model_remove(struct model *model, unsigned slot);

/** model_forget() - forget all objects of @owner; their memory may be gone already. */
void model_forget(struct model *model, unsigned owner);

/** model_count() - live objects of @owner; *@bytes is the sum of their sizes. */
size_t model_count(const struct model *model, unsigned owner, size_t *bytes);

/** model_fail() - print "fuzz: <oracle>: <rule>" and abort. */
void model_fail(const char *oracle, const char *rule) __attribute__((noreturn, cold));

#endif
