/*
 * ground - a pool and its plain account, side by side.
 *
 * What and why: one pool on the fake OS, with a pagemap and a store of descriptors of its own, and
 * what must be true of both before and after an operation. The account (plain_pool.h) cannot know
 * where the OS puts a region: that is read off, and everything else is compared (pool_match.h).
 *
 * Rules, beside G1 to G6:
 *   G7  The pool grows only when nothing free holds the request, by the size that is next, or half
 *       of it and so on where the OS refuses; and wants its regions one above the other.
 *   G8  A request is refused only when nothing free holds it and limit or OS leave no room, or when
 *       what is to be cut off has no descriptor because the OS refused one.
 *   G9  What is given back has come of age, and is what the account gives back; it is told in
 *       bytes, and the OS is asked no more often than that.
 *   G10 Blocks keep their contents and riders; what is said to read as zero does.
 *   G11 When all is freed, a region is one block; when that is given back, nothing is mapped.
 *
 * Locks: none. Cost: as pool_match.h; looking at contents touches up to 64 pages of a block.
 */
#ifndef FUZZ_GROUND_H
#define FUZZ_GROUND_H

#include "pagemap.h"
#include "plain_pool.h"
#include "seq.h"

#define GROUND_NSLOTS 256
#define GROUND_NOTHERS 8

/* Pages at each end of a block that are painted and looked at. */
#define GROUND_NPAINTED ((size_t)32)

struct ground_object {
	struct ma_block *block; /* NULL: the slot is empty */
	uintptr_t addr;
	size_t front, back; /* bytes at the ends whose contents are lost: guards */
};

struct ground {
	struct seq seq;
	struct ma_pagemap pagemap;
	struct ma_meta meta;
	struct ma_pool pool;
	struct plain_pool plain;
	struct ground_object object[GROUND_NSLOTS];
	void *other[GROUND_NOTHERS]; /* others' mappings */
	size_t other_size[GROUND_NOTHERS];
	uintptr_t freed_meanwhile; /* what another thread has freed while the OS unmapped */
	unsigned meanwhile;        /* the slot that it frees next, plus one; 0: none */
	uintptr_t place;           /* where regions are wanted; 0: anywhere */
	size_t os_bytes;           /* that may be mapped in all */
	size_t nrefused;           /* calls the OS had refused before this operation */
	bool across;               /* memory is two leaves of the pagemap */
	bool went_back;            /* the clock did */
};

/** ground_must() - abort with a rule that does not hold. */
void ground_must(bool holds, const char *rule);

/** ground_before() - the account learns what time it is, and how often the OS was asked. */
void ground_before(struct ground *g);

/** ground_refused() - whether the OS has refused anything since. */
bool ground_refused(const struct ground *g);

/**
 * ground_had_room() - whether the OS had to map @size bytes, and what describes them
 *
 * So if it was not told to refuse anything, its limit was far enough, and a hole was large enough:
 * what is free is divided by what is mapped into holes of which one is no smaller than the mean.
 */
bool ground_had_room(const struct ground *g, size_t size);

/** ground_silent() - the OS was asked as often as the account says (G9). */
void ground_silent(const struct ground *g);

/** ground_learn_stranded() - what the OS did not take back when it refused a region's memory. */
void ground_learn_stranded(struct ground *g);

/** ground_nspare() - descriptors the pool has at hand. */
size_t ground_nspare(const struct ground *g);

/**
 * ground_grown() - a request of @need bytes was not to be served from what was free (G7, G8)
 *
 * The account has the new regions then.
 */
void ground_grown(struct ground *g, size_t need);

/** ground_not_grown() - no region may have come. */
void ground_not_grown(const struct ground *g);

/** ground_reserved() - ma_pool_reserve() of so many bytes was called. Return: what it must say. */
bool ground_reserved(struct ground *g, size_t bytes);

/** ground_paint() - write a pattern into an object, and its rider. */
void ground_paint(struct ground *g, unsigned slot);

/** ground_check_paint() - the first @size bytes, but where guards were, are as painted (G10). */
void ground_check_paint(const struct ground *g, unsigned slot, size_t size);

/** ground_check_contents() - all objects are as painted, what is free and zero reads so (G10). */
void ground_check_contents(const struct ground *g);

/** ground_check_zero() - memory reads as zero, where one looks (G10). */
void ground_check_zero(const struct ground *g, uintptr_t addr, size_t size);

/* ---- ground_blocks.c: what is done to a block ------------------------------------------------ */

/** ground_take() - a block into an empty slot; the slot stays empty when that is refused. */
void ground_take(struct ground *g, unsigned slot, size_t size, size_t align);

/** ground_take_direct() - a mapping of its own. */
void ground_take_direct(struct ground *g, unsigned slot, size_t size);

/** ground_free() - what is in a slot, if anything; it stays when its guards do. */
void ground_free(struct ground *g, unsigned slot);

/** ground_resize() - what is in a slot, where it is; a mapping of its own may move. */
void ground_resize(struct ground *g, unsigned slot, size_t size);

/** ground_guard() - guards of so many bytes at both ends, if there are none and the block has. */
void ground_guard(struct ground *g, unsigned slot, size_t front, size_t back);

/** ground_guard_all() - of all that is in a slot, if anything. */
void ground_guard_all(struct ground *g, unsigned slot);

/** ground_lift() - no guards any more. Return: false when the OS refused. */
bool ground_lift(struct ground *g, unsigned slot);

#endif
