/*
 * plain_pool - a plain account of a memory pool, for comparison.
 *
 * What and why: what the rooms from pool down must do, in the simplest way there is: all blocks of
 * all regions in one array in address order, looked through from its beginning for each request. It
 * shares nothing with those rooms but numbers that are policy, and it knows what they know: where
 * the OS has put a region, what the clock says, and which calls the OS is going to refuse.
 *
 *      block   [ starts, free ][ taken ][ free ]  [ starts, taken ]  [ starts, direct ]
 *      queue   free blocks that may hold physical pages, the one that goes back first in front
 *
 * Rules:
 *   - First fit is the lowest free block that holds a request, best fit the smallest, and of equal
 *     ones that which became free last.
 *   - What is cut off, in front or behind, is free as long as the whole was. What is merged is as
 *     old as the part with more physical pages.
 *   - In a block that is cut the pages in front are taken for those that are physical. In one that
 *     is freed all are, but as many as were guards.
 *   - The queue is in the order of the times at which blocks became free. One that comes late
 *     overtakes PLAIN_OVERTAKES younger ones at most.
 *   - A step gives back at most PLAIN_STEP blocks, and none that is younger than the pool's age.
 *
 * Locks: none; one thread. Cost: O(blocks) for everything.
 */
#ifndef FUZZ_PLAIN_POOL_H
#define FUZZ_PLAIN_POOL_H

#include "pool.h"

#define PLAIN_NBLOCKS 4096
#define PLAIN_NONE SIZE_MAX

/* Policy that rooms keep to themselves. */
#define PLAIN_OVERTAKES 32
#define PLAIN_STEP 8

enum plain_state { PLAIN_FREE, PLAIN_TAKEN, PLAIN_DIRECT };

struct plain_block {
	uintptr_t addr;
	size_t size;      /* bytes */
	uint64_t since;   /* when it became free */
	uint64_t entered; /* among the free ones, as the n-th */
	size_t nstale;    /* pages that may be physical */
	size_t nguarded;  /* pages that were guards last */
	size_t born;      /* of one that starts a region: bytes the region came with */
	unsigned nguards; /* guards put up since it had none */
	enum plain_state state;
	bool starts;  /* is the first of its region */
	bool zero;    /* reads as zero, or did when it was taken */
	bool guarded; /* some pages are guards */
};

/* Which calls are going to be refused; as the fake OS was told. */
struct plain_os {
	unsigned mask;   /* kinds that count */
	size_t calls;    /* so far */
	size_t at, from; /* that number, and all from that number on */
};

struct plain_pool {
	struct ma_pool_config config;
	struct plain_os os;
	uint64_t now; /* what the clock says */
	size_t page;  /* bytes */
	size_t next;  /* bytes of the next region */
	size_t nblocks;
	size_t nqueue;
	uint64_t nentered;
	uint64_t grown, shrunk, purged;
	size_t stranded; /* bytes the OS did not take back */
	size_t lost;     /* the same, of what has ended; and what others have mapped */
	size_t guarded, unguarded;
	void (*meanwhile)(struct plain_pool *);  /* what another thread does while the OS unmaps */
	struct plain_block block[PLAIN_NBLOCKS]; /* in address order */
	uintptr_t queue[PLAIN_NBLOCKS];          /* addresses of blocks */
};

/** plain_init() - no region; the clock and the OS stay as they are. */
void plain_init(struct plain_pool *plain, const struct ma_pool_config *config, size_t page);

/** plain_has_room() - whether an operation on one block can be written down. */
bool plain_has_room(const struct plain_pool *plain);

/** plain_refuses() - a call of that kind (enum os_fake_kind): counts it. Return: is it refused? */
bool plain_refuses(struct plain_pool *plain, unsigned kind);

/** plain_at() - the block that begins at an address; it must be there. */
size_t plain_at(const struct plain_pool *plain, uintptr_t addr);

/** plain_ends() - whether a block is the last one of its region. */
bool plain_ends(const struct plain_pool *plain, size_t i);

/** plain_room() - bytes that may still be mapped. */
size_t plain_room(const struct plain_pool *plain);

/** plain_sum() - bytes of all blocks; of the free ones alone. */
size_t plain_sum(const struct plain_pool *plain, bool only_free);

/** plain_choose() - the free block that serves a request, PLAIN_NONE if none does. */
size_t plain_choose(const struct plain_pool *plain, size_t size, size_t align);

/** plain_choose() gave block @i: take it. Return: the block that is taken then. */
size_t plain_take(struct plain_pool *plain, size_t i, size_t size, size_t align);

/** plain_add_region() - the OS gave one; @direct: taken as a whole. Return: its block. */
size_t plain_add_region(struct plain_pool *plain, uintptr_t addr, size_t size, bool direct);

/** plain_remove_region() - a region of one block is gone. */
void plain_remove_region(struct plain_pool *plain, size_t i);

/** plain_move_region() - a region that is taken as a whole is elsewhere, and as large as that. */
void plain_move_region(struct plain_pool *plain, size_t i, uintptr_t addr, size_t size);

/** plain_free() - a block that nobody has becomes free; @zero: it reads as zero. */
void plain_free(struct plain_pool *plain, size_t i, bool zero);

/** plain_shrink() - the block keeps @size bytes, fewer than it has. */
void plain_shrink(struct plain_pool *plain, size_t i, size_t size);

/** plain_extend() - to @size bytes, more than it has. Return: false if there are not so many. */
bool plain_extend(struct plain_pool *plain, size_t i, size_t size);

/** plain_is_due() - whether what is in front of the queue has come of age. */
bool plain_is_due(const struct plain_pool *plain);

/** plain_take_aside() - a free block is not among the free ones any more. */
void plain_take_aside(struct plain_pool *plain, size_t i);

/* ---- plain_give.c: what goes back to the OS -------------------------------------------------- */

/** plain_step() - what ma_decay_step() does. Return: bytes given back. */
size_t plain_step(struct plain_pool *plain);

/** plain_give_all() - what ma_decay_all() does. Return: bytes given back. */
size_t plain_give_all(struct plain_pool *plain, size_t keep);

/** plain_free_direct() - what ma_direct_free() does. */
void plain_free_direct(struct plain_pool *plain, size_t i);

/** plain_guard() - guards at both ends, of that many bytes. The block has none. */
void plain_guard(struct plain_pool *plain, size_t i, size_t front, size_t back);

/** plain_guard_all() - the whole block. Return: false when the OS refuses. */
bool plain_guard_all(struct plain_pool *plain, size_t i);

/** plain_lift() - no guards any more. Return: false when the OS refuses. */
bool plain_lift(struct plain_pool *plain, size_t i);

/** plain_end() - what ma_pool_fini() does: all is gone, or lost. */
void plain_end(struct plain_pool *plain);

#endif
