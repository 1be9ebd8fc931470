/*
 * large - one object in one block.
 *
 * What and why: objects beyond the largest slot get whole pages from the pool; very large ones a
 * mapping of their own. What is known of them rides in the block.
 *
 *      block   [ offset (alignment) | requested bytes | canary (8) | rest of the page ]
 *
 * Rules:
 *   A1  offset + requested + MA_CANARY <= size of the block.
 *   A2  offset is 0 unless the block is direct and the alignment exceeds a page.
 *   A3  Behind the requested bytes stands the canary, unless the program overran it.
 * They hold for sealed objects; one that is being made or resized is not sealed.
 *
 * Locks: the pool's, inside its functions. Cost: those of the pool.
 */
#ifndef MA_LARGE_H
#define MA_LARGE_H

#include "pool.h"

struct ma_large {
	size_t requested; /* bytes (A1) */
	size_t offset;    /* bytes in front of the object (A2) */
	bool sealed;      /* A1 to A3 hold; pool lock */
};

static_assert(sizeof(struct ma_large) <= MA_BLOCK_RIDER, "the facts ride in the block");

ma_inline struct ma_large *ma_large_of(struct ma_block *block)
{
	return (struct ma_large *)(void *)block->rider;
}

/** ma_large_ptr() - the object in a block. */
void *ma_large_ptr(struct ma_block *block);

/**
 * ma_large_alloc() - an object in a block of its own
 * @size:   bytes, at most MA_REQUEST_MAX
 * @align:  a power of two
 * @zero:   whether it must read as zero
 *
 * Return: the object, or NULL without memory.
 */
void *ma_large_alloc(struct ma_pool *pool, size_t size, size_t align, bool zero) ma_must_check;

/**
 * ma_large_resize() - resize without copying
 * @limit:  objects of at most this size should not stay large
 *
 * Return: the object, at its old or (when the OS moved its pages) at a new address; NULL when it
 * must be copied by the caller, and then nothing changed.
 */
void *ma_large_resize(struct ma_block *block, size_t size, size_t limit) ma_must_check;

/** ma_large_free() - the object's block is given back. Return: as ma_pool_free(). */
bool ma_large_free(struct ma_block *block);

/** ma_large_intact() - whether the canary is. */
bool ma_large_intact(struct ma_block *block);

/** ma_large_overrun() - report that it is not. */
void ma_large_overrun(struct ma_block *block) __attribute__((noreturn, cold));

/** ma_large_check() - NULL, or the text of the rule that is broken. */
const char *ma_large_check(struct ma_block *block) ma_must_check;

#endif
