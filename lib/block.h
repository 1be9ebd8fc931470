/*
 * block - the two descriptors of the memory pool: block and region.
 *
 * What and why: a block is a run of whole pages, free or allocated; a region is one mapping of the
 * OS, cut into blocks without gaps. Both are out of line, so nothing a program writes can reach
 * them. The rooms fit, region and pool share these structures; everybody above sees a block as an
 * address, a size and a rider.
 *
 *      region   [ block ][ block ][ block ----- ]       region           [ block ]
 *                   next ->  next ->   next  ----------------------------->  next -> NULL
 *
 * Rules: those of pool.h.
 * Locks: all fields belong to the pool's lock, but what the essay of pool.h calls fixed while
 * allocated.
 * Rejected: headers in front of the memory (within reach of an overflow; a cold line per walk); a
 * doubly linked list (the pagemap knows the left neighbour).
 */
#ifndef MA_BLOCK_H
#define MA_BLOCK_H

#include <stdatomic.h>

#include "base.h"
#include "maxtree.h"

struct ma_pool;
struct ma_region;

enum ma_block_kind {
	MA_BLOCK_FREE,    /* nobody's */
	MA_BLOCK_BUSY,    /* taken aside by the pool itself while the OS works on it */
	MA_BLOCK_SLAB,    /* equal slots (slab.h) */
	MA_BLOCK_LARGE,   /* one object (large.h) */
	MA_BLOCK_RETIRED, /* was one of those, and waits (waitlist.h) */
};

/* The purpose of a block that has never waited: none that waits has it. */
#define MA_BLOCK_NEW (~0u - 4)

/* Room for what the owner of an allocated block wants to keep with it; zero when handed out. */
#define MA_BLOCK_RIDER 128

/*
 * Descriptors of blocks are never used for anything else, and owner is 0 while the block is not a
 * slab. So a thread that frees by a stale pointer may look at owner.
 */
struct ma_block {
	_Atomic(uintptr_t) owner; /* of a slab: struct ma_heap *; else 0 */
	uintptr_t granule; /* address >> MA_GRANULE_SHIFT; a raw one would hide leaks from tools */
	size_t size;       /* bytes, whole pages, > 0 */
	struct ma_block *next;    /* next block in address order, across regions */
	struct ma_region *region; /* that it is part of */
	uint64_t dirty_ms;        /* when it was freed; while on the dirty list */
	_Atomic uint8_t kind;     /* enum ma_block_kind; of one that is handed out, its owner's */
	ma_flag free;             /* kind is MA_BLOCK_FREE */
	ma_flag zero;     /* every byte reads as zero; once allocated: did when it was handed out */
	ma_flag dirty;    /* on the dirty list: free, and may hold physical pages */
	uint32_t purpose; /* what it waits for or has waited for (waitlist.h), or MA_BLOCK_NEW */
	uint8_t nguards;  /* guards put up since it had none; the owner's */
	ma_flag guarded;  /* some pages may be inaccessible (guard.h); the owner's */
	uint16_t
		nguarded; /* pages that were made guards last, or the most that fits; the owner's */
	uint32_t nstale;  /* pages that may be physical, or might when it was handed out (P10) */

	union {
		alignas(MA_CACHE_LINE) unsigned char rider[MA_BLOCK_RIDER]; /* allocated */
		struct {
			struct ma_block *bin_prev, *bin_next;     /* blocks of equal size (fit.h) */
			struct ma_block *dirty_prev, *dirty_next; /* older, younger */
		} idle;                                           /* free */
	};
};

struct ma_region {
	uintptr_t granule;      /* address >> MA_GRANULE_SHIFT */
	size_t size;            /* bytes mapped; shrinks at the end */
	struct ma_pool *pool;   /* that it belongs to */
	struct ma_block *first; /* lowest block */
	struct ma_block *last;  /* highest block */
	size_t idx;             /* place in the region table */
	ma_flag direct;         /* one allocated block, mapped for it alone; never searched */
	size_t tree_bytes;      /* of tree's memory; 0 when there is none */
	struct ma_maxtree
		tree; /* per page: size in pages of the free block starting there (fit=first) */
};

static_assert(offsetof(struct ma_block, rider) == MA_CACHE_LINE, "the rider has lines of its own");

/** ma_block_become() - what it is from now on; whoever reads that sees what was written before. */
ma_inline void ma_block_become(struct ma_block *block, enum ma_block_kind kind)
{
	atomic_store_explicit(&block->kind, (uint8_t)kind, memory_order_release);
}

ma_inline uintptr_t ma_block_addr(const struct ma_block *block)
{
	return block->granule << MA_GRANULE_SHIFT;
}

ma_inline uintptr_t ma_block_end(const struct ma_block *block)
{
	return ma_block_addr(block) + block->size;
}

ma_inline void *ma_block_ptr(const struct ma_block *block)
{
	return (void *)ma_block_addr(block);
}

ma_inline uintptr_t ma_region_addr(const struct ma_region *region)
{
	return region->granule << MA_GRANULE_SHIFT;
}

ma_inline uintptr_t ma_region_end(const struct ma_region *region)
{
	return ma_region_addr(region) + region->size;
}

#endif
