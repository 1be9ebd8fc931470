/*
 * waitlist - blocks that were freed wait before they are used for something else.
 *
 * What and why: the addresses of a slab or a large object that is gone do not soon belong to
 * something of another kind: a pointer that dangles then points to nothing, and what it is used for
 * is told apart from an innocent use. A block of the same size and purpose may be taken from here,
 * the one that has waited longest first, never the last that came; that also saves the work of
 * making it.
 *
 *      put ->  [ oldest | ... | youngest ]        beyond max bytes: the oldest goes to the pool
 *
 * Rules:
 *   W1  Blocks that wait are of kind MA_BLOCK_RETIRED and of this pool, each once; n is at most
 *       MA_WAITLIST.
 *   W2  bytes is the sum of their sizes and at most max.
 *
 * Locks: its own, which is taken before the pool's and held during no system call. Cost: O(n), n
 * small.
 */
#ifndef MA_WAITLIST_H
#define MA_WAITLIST_H

#include "lock.h"
#include "pool.h"

#define MA_WAITLIST 256

/* What a block waits for; blocks of slabs are told apart by their class. */
#define MA_WAIT_LARGE (~0u)
#define MA_WAIT_BARE (~0u - 1)  /* large, without guards where others have them */
#define MA_WAIT_ODD (~0u - 2)   /* nobody takes those */
#define MA_WAIT_TIGHT (~0u - 3) /* nor those; inaccessible meanwhile */

/*
 * Large objects up to this are zeroed where others are made inaccessible: to bring their pages back
 * would cost more.
 */
#define MA_WAIT_ZEROED ((size_t)256 * 1024)

struct ma_waiting {
	struct ma_block *block;
	unsigned purpose;
};

struct ma_waitlist {
	struct ma_lock lock;
	struct ma_pool *pool;  /* fixed */
	size_t max;            /* bytes (W2); fixed */
	bool sealed;           /* large objects are out of reach meanwhile; fixed */
	uint32_t n;            /* W1 */
	size_t bytes;          /* W2 */
	_Atomic size_t mapped; /* bytes of the pool, when it was looked at last */
	struct ma_waiting entry[MA_WAITLIST];
};

/* What a block is wanted for. */
struct ma_wanted {
	unsigned purpose;
	size_t size;  /* bytes at least */
	size_t spare; /* bytes that it may have beyond that */
};

/** ma_waitlist_init() - nobody waits. */
void ma_waitlist_init(struct ma_waitlist *list, struct ma_pool *pool, size_t max, bool sealed);

/**
 * ma_waitlist_retire_locked() - an allocated block is of use to nobody; it is added next
 *
 * Who looks at blocks holds the pool's lock, and no longer looks into this one.
 *
 * Locks: the pool's, the caller's.
 * Return: true when free pages of the pool have come of age (ma_pool_free()).
 */
bool ma_waitlist_retire_locked(struct ma_waitlist *list, struct ma_block *block, unsigned purpose);

/** ma_waitlist_add() - a retired block starts to wait, or goes back at once. Return: the same. */
bool ma_waitlist_add(struct ma_waitlist *list, struct ma_block *block);

/** ma_waitlist_put() - both. Return: the same. */
bool ma_waitlist_put(struct ma_waitlist *list, struct ma_block *block, unsigned purpose);

/**
 * ma_waitlist_take() - a block that waits for one of @n purposes
 * @which:  the purpose that it is for
 *
 * Its contents are as they were left, or zero when block->zero says so; guards as they were left.
 * Return: the block, kind as before, rider as it was left; NULL when there is none.
 */
struct ma_block *ma_waitlist_take(struct ma_waitlist *list, const struct ma_wanted *wanted,
				  size_t n, size_t *which) ma_must_check;

/** ma_waitlist_flush() - all go back to the pool. */
void ma_waitlist_flush(struct ma_waitlist *list);

/** ma_waitlist_check() - NULL, or the text of the rule that is broken. Takes the lock. */
const char *ma_waitlist_check(struct ma_waitlist *list) ma_must_check;

#endif
