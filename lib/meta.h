/*
 * meta - private memory for every descriptor.
 *
 * What and why: descriptors (blocks, regions, slabs' states, heaps) never live near user bytes.
 * They come from mappings of their own, handed out here in cache-line units and kept for reuse when
 * returned.
 *
 *      chunk  [ used | used | used | ............ ]     bump pointer; chunks double in size
 *      lists  [64] [128] ... [16K] | [32K] [64K] ...    returned pieces, one list per size
 *
 * Rules:
 *   E1  Every piece starts on a cache line and is a whole number of lines long.
 *   E2  A piece handed out is zero.
 *   E3  A piece is returned with the size it was asked with.
 *   E4  in_use is the sum of pieces handed out; it is at most mapped.
 *   E5  Chunks are unmapped only by ma_meta_fini().
 *
 * Locks: one of its own, the innermost. Cost: O(1) and the zeroing.
 * Rejected: returning chunks to the OS (a stale descriptor must never become user memory).
 */
#ifndef MA_META_H
#define MA_META_H

#include "base.h"
#include "lock.h"

/* Pieces up to MA_META_FINE go by lines, larger ones by powers of two. */
#define MA_META_FINE ((size_t)16384)
#define MA_META_NFINE (MA_META_FINE / MA_CACHE_LINE + 1)
#define MA_META_NCOARSE 8
#define MA_META_MAX (MA_META_FINE << MA_META_NCOARSE)

struct ma_meta_piece {
	struct ma_meta_piece *next;
};

/* Sits at the start of each chunk. */
struct ma_meta_chunk {
	struct ma_meta_chunk *next;
	size_t size; /* bytes, this header included; guards lie around them */
};

struct ma_meta {
	struct ma_lock lock;
	struct ma_meta_chunk *chunks; /* newest first; lock */
	unsigned char *bump;          /* next fresh byte of the newest chunk; lock */
	size_t left;                  /* bytes behind bump; lock */
	size_t mapped;                /* bytes in chunks and their guards (E4); lock */
	size_t in_use;                /* bytes handed out (E4); lock */
	struct ma_meta_piece *fine[MA_META_NFINE];
	struct ma_meta_piece *coarse[MA_META_NCOARSE];
};

/** ma_meta_init() - an empty store; maps nothing yet. */
void ma_meta_init(struct ma_meta *meta);

/** ma_meta_fini() - unmap all; every piece becomes invalid. */
void ma_meta_fini(struct ma_meta *meta);

/**
 * ma_meta_alloc() - a zeroed piece
 * @size:  bytes, > 0 and at most MA_META_MAX
 *
 * Return: the piece, or NULL when the OS refused a chunk.
 */
void *ma_meta_alloc(struct ma_meta *meta, size_t size) ma_must_check;

/** ma_meta_free() - return a piece; @size as asked (E3). NULL is ignored. */
void ma_meta_free(struct ma_meta *meta, void *ptr, size_t size);

/** ma_meta_check() - NULL, or the text of the rule that is broken. Takes the lock. */
const char *ma_meta_check(struct ma_meta *meta) ma_must_check;

#endif
