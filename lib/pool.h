/*
 * pool - THE MEMORY POOL: blocks of whole pages, fitted, split, merged; regions that come and go.
 *
 * What and why: the heart. It starts with nothing, grows by a region when no free block fits, and
 * serves every other room with blocks of whole pages. What is large and free for a while goes back
 * to the OS (decay.h).
 *
 *      region 1  [slab][large ------][free --------]   region 2  [slab][free][slab]   direct 
 *      [large] list        o --> o ----------> o ------------------------> o --> o --> o
 *      -------------> o --> NULL
 *
 *      alloc   [ free ------------- ]      => [ front ][ block ][ rest ]     front only for
 *      alignment free    [ free ][ block ][ free ]   => [ free ----------------- ]
 *
 * Rules:
 *   P1  The blocks of a region lie end to end and fill it.
 *   P2  Sizes are whole pages, > 0.
 *   P3  No two neighbouring blocks of a region are free.
 *   P4  The list reaches every block once, in address order; first and last of a region are its
 *       ends.
 *   P5  Free blocks, and only they, are in the fit index (fit.h).
 *   P6  Every granule of an allocated block maps to it; of a free block, or one taken aside, the
 *       first and the last granule do (so that neighbours merge and a stale pointer is recognised);
 *       the others map to none.
 *   P7  nblocks, nfree, free_bytes and mapped are the sums over the list; mapped is within the
 *       limit.
 *   P8  Free blocks that may hold physical pages are on the dirty list.
 *   P9  A direct region has one block, never free.
 *   P10 nstale of a free block is at most its pages, and 0 when it reads as zero. Of a block that
 *       is cut the pages in front are taken for those that are physical.
 *
 * An allocated block's address, size, kind and rider change only by calls of its owner.
 *
 * Locks: one per pool, taken by every function here unless its name ends in _locked. System calls
 * that give memory back (decay.h, direct.h) run outside it; taking memory from the OS runs inside.
 * Cost: alloc and free touch a fixed number of cache lines, plus one store per granule of the
 * block, plus growth. Rejected: buddy blocks (half of the memory for 4-page slabs of 3); one
 * mapping per block.
 * Source: Knuth, The Art of Computer Programming 1, 2.5, algorithms A and C (liberation with sorted
 * neighbours).
 */
#ifndef MA_POOL_H
#define MA_POOL_H

#include "block.h"
#include "fit.h"
#include "lock.h"
#include "meta.h"
#include "pagemap.h"
#include "region.h"

/* A region is at most this; larger requests are direct. */
#define MA_REGION_MAX ((size_t)64 * 1024 * 1024)

/* Nobody reserves more than this: the OS would hand out addresses without end. */
#define MA_RESERVE_MAX ((size_t)1 << 40)

struct ma_pool_config {
	enum ma_fit_policy fit;
	size_t first;    /* bytes of the first region; 0: a small default */
	size_t limit;    /* bytes mapped at most; 0: none */
	size_t retain;   /* free bytes at the end of a region that stay mapped */
	uint64_t age_ms; /* how long free pages are kept before they are purged */
	uint64_t place;  /* any number: where the first region lies depends on it */
};

struct ma_pool_counts {
	size_t nblocks;    /* P7 */
	size_t nfree;      /* P7 */
	size_t free_bytes; /* P7 */
	size_t mapped;     /* bytes in regions (P7) */
	size_t nregions;   /* regions now */
	size_t dirty;      /* free bytes that may hold physical pages */
	size_t nstale;     /* free pages that probably do (P10) */
	uint64_t grown;    /* regions ever mapped */
	uint64_t shrunk;   /* times memory was unmapped */
	uint64_t purged;   /* times contents were dropped */
	size_t stranded;   /* bytes the OS would not take back and nobody can use */
};

struct ma_pool {
	struct ma_lock lock;
	struct ma_meta *meta;         /* fixed */
	struct ma_pagemap *pagemap;   /* fixed */
	struct ma_pool_config config; /* fixed after the first allocation */
	size_t page;                  /* bytes of a page; fixed */
	size_t leaving;               /* bytes being unmapped; they still count towards the limit */
	size_t next;                  /* bytes of the next region */
	uintptr_t place;              /* where regions go upwards from; 0: not known */
	struct ma_block *blocks;      /* lowest block (P4) */
	struct ma_block *oldest;      /* dirty list (P8) */
	struct ma_block *youngest;
	struct ma_block *spare; /* descriptors without block, by next */
	struct ma_region_set regions;
	struct ma_fit fit;
	struct ma_pool_counts counts; /* nregions and mapped are filled in on request */
	_Atomic size_t guarded;       /* guards put up so far (guard.h) */
	_Atomic size_t unguarded;     /* guards the OS refused, or that were spared (large.h) */
};

struct ma_pool_request {
	size_t size;             /* bytes, > 0; rounded up to pages */
	size_t align;            /* power of two; a page when smaller */
	enum ma_block_kind kind; /* of the block */
};

/** ma_pool_init() - an empty pool; maps nothing. */
void ma_pool_init(struct ma_pool *pool, const struct ma_pool_config *config, struct ma_meta *meta,
		  struct ma_pagemap *pagemap);

/**
 * ma_pool_fini() - unmap all regions; every block becomes invalid. The meta store is the caller's.
 */
void ma_pool_fini(struct ma_pool *pool);

/**
 * ma_pool_alloc() - a block by the pool's policy, from a new region if none fits
 *
 * The rider is zero. block->zero tells whether the contents are.
 * Return: the block, or NULL when the size is beyond a region, the limit reached or the OS refused;
 * then nothing changed, but that a new region may be there.
 */
struct ma_block *ma_pool_alloc(struct ma_pool *pool,
			       const struct ma_pool_request *req) ma_must_check;

/**
 * ma_pool_free() - a block becomes free and is merged with its free neighbours (P3)
 *
 * Never fails. Return: true when free pages have come of age and ma_decay_step() is worth calling.
 */
bool ma_pool_free(struct ma_pool *pool, struct ma_block *block);

/**
 * ma_pool_shrink() - give back the tail of a block
 * @size:  bytes to keep, > 0
 *
 * Return: bytes given back; 0 when the block has that many pages or no descriptor was to be had.
 */
size_t ma_pool_shrink(struct ma_pool *pool, struct ma_block *block, size_t size);

/**
 * ma_pool_extend() - grow a block into its free right neighbour. Return: false when that does not
 * suffice.
 */
bool ma_pool_extend(struct ma_pool *pool, struct ma_block *block, size_t size) ma_must_check;

/**
 * ma_pool_reserve() - make sure that @bytes are free
 *
 * Before the first region this only notes the size of what is to be mapped first.
 * Return: false when the OS or the limit refused, or @bytes exceeds MA_RESERVE_MAX.
 */
bool ma_pool_reserve(struct ma_pool *pool, size_t bytes);

/** ma_pool_counts() - the totals now. */
struct ma_pool_counts ma_pool_counts(struct ma_pool *pool);

/** ma_pool_of() - the pool a block belongs to. */
ma_inline struct ma_pool *ma_pool_of(const struct ma_block *block)
{
	return block->region->pool;
}

/** ma_pool_check() - NULL, or the text of the rule that is broken. Takes the lock. */
const char *ma_pool_check(struct ma_pool *pool) ma_must_check;

#endif
