/*
 * large - one object in one block.
 *
 * What and why: objects beyond the largest slot get whole pages from the pool; very large ones a
 * mapping of their own. What is known of them rides in the block. Guard pages stand on both sides
 * of most; a freed one waits before its addresses are used for something else. Any object may be
 * made in this way with its end against the guard ("tight"), so that the very access that goes
 * wrong faults.
 *
 * To put guards up may take longer than all the rest. So the first objects have them, and very
 * large ones; of many others, one in a few, chosen at random, and those that get a block with
 * guards that had waited ("sparing").
 *
 *      block   [ guard | requested bytes | canary (8) | rest of the page | guard ]
 *      tight   [ guard | zero | 8 of canary | requested bytes | gap < 16 of canary | guard ]
 *
 * Rules:
 *   A1  offset + requested + what stands behind lie within the block.
 *   A2  The object starts at a page unless it is tight.
 *   A3  Behind the requested bytes stands the canary, unless the program overran it; in a tight
 *       object as much of it as the gap holds, and one in front.
 * They hold for sealed objects; one that is being made or resized is not sealed.
 *
 * Locks: the pool's and the waitlist's, inside. Cost: those of the pool, and two system calls for
 * guards unless a block with guards had waited.
 */
#ifndef MA_LARGE_H
#define MA_LARGE_H

#include "pool.h"
#include "random.h"
#include "report.h"
#include "waitlist.h"

struct ma_large {
	size_t requested;   /* bytes (A1) */
	size_t offset;      /* bytes in front of the object (A2) */
	uint64_t secret;    /* of its canary */
	uint32_t allocated; /* numbers of stacks, 0 for none */
	uint32_t freed;
	uint8_t origin;         /* who may free it (heap.h) */
	ma_flag tight;          /* the object ends where the guard begins */
	ma_flag bare;           /* without guards, where others have them */
	ma_flag plain;          /* neither tight nor aligned to more than a page: it may move */
	_Atomic ma_flag sealed; /* A1 to A3 hold; written under the pool lock */
};

static_assert(sizeof(struct ma_large) <= MA_BLOCK_RIDER, "the facts ride in the block");

/* What large objects of an instance share. */
struct ma_larges {
	struct ma_pool *pool;         /* fixed */
	struct ma_waitlist *waitlist; /* fixed */
	bool guarded;                 /* guard pages on both sides; fixed */
	bool sparing;                 /* where there are many, not all have them; fixed */
	bool cleaned;                 /* smaller ones are zeroed when freed, and verified; fixed */
	_Atomic uint64_t nmade;       /* objects for which no block had waited */
};

/* Where guards are spared, so many objects have them before. */
#define MA_LARGE_GUARDED 1000

struct ma_large_request {
	size_t size;              /* bytes, at most MA_REQUEST_MAX */
	size_t align;             /* a power of two */
	bool zero;                /* it must read as zero */
	bool tight;               /* its end against a guard, whatever its size */
	struct ma_random *random; /* of secrets and guards; the caller's */
};

ma_inline struct ma_large *ma_large_of(struct ma_block *block)
{
	return (struct ma_large *)(void *)block->rider;
}

/** ma_large_is_tight() - whether a block of any kind is one of a tight object. */
ma_inline bool ma_large_is_tight(const struct ma_block *block)
{
	return block->kind == MA_BLOCK_LARGE &&
	       ((const struct ma_large *)(const void *)block->rider)->tight;
}

/** ma_large_ptr() - the object in a block. */
void *ma_large_ptr(struct ma_block *block);

/** ma_large_alloc() - an object in a block of its own. Return: NULL without memory. */
void *ma_large_alloc(struct ma_larges *larges, const struct ma_large_request *req) ma_must_check;

/**
 * ma_large_resize() - resize without copying
 * @limit:  objects of at most this size should not stay large
 *
 * Return: the object, at its old or (when the OS moved its pages) at a new address; NULL when it
 * must be copied by the caller, and then nothing changed.
 */
void *ma_large_resize(struct ma_larges *larges, struct ma_block *block, size_t size,
		      size_t limit) ma_must_check;

/** ma_large_free() - the object is no more; its block waits. Return: as ma_pool_free(). */
bool ma_large_free(struct ma_larges *larges, struct ma_block *block);

/** ma_large_intact() - whether what stands behind (and in front of a tight one) is intact. */
bool ma_large_intact(struct ma_block *block);

/** ma_large_describe() - fill in what is known of the object. */
void ma_large_describe(struct ma_block *block, struct ma_violation *v);

/** ma_large_overrun() - report that it is not intact. */
void ma_large_overrun(struct ma_block *block) __attribute__((cold));

/** ma_large_check() - NULL, or the text of the rule that is broken. */
const char *ma_large_check(struct ma_block *block) ma_must_check;

#endif
