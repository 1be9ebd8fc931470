/*
 * stock - slots of one class that a heap has at hand.
 *
 * What and why: what a program frees it soon wants again. Freed slots wait here, and the one that
 * has waited longest is the next to be handed out: so malloc and free touch neither slab nor list,
 * and a slot is not used again before others have been. What is too many goes back to the slabs,
 * what is lacking comes from them, many at a time.
 *
 *      take <- [ fresh | oldest | ... | youngest ] <- put       quiet ones stay behind
 *
 * What was never in use need not wait: so there are no quiet ones at first. Each slot that is
 * freed then becomes one of them, until they are as many as there should be.
 *
 * Rules:
 *   K1  Entries are distinct retired slots, of slabs of the class that belong to the same heap.
 *   K2  There are at most as many as the stock has room for. limit is the tail less the quiet
 *       entries: while there are no more than those, none is ready.
 *   K3  Once all quiet ones are there, bound is the head and the room; before, it is far behind the
 *       tail, so that a slot that is freed takes the long way (ma_stock_settle()).
 *
 * Locks: none; the heap's thread. Cost: a few loads and stores.
 * Rejected: a list through the slots (a write after free becomes a write to our list); one queue
 * for all classes beside the slabs' stacks (each slot goes through both).
 * Source: Bonwick, Adams, Magazines and Vmem, USENIX 2001, 3 (what is at hand is refilled and
 * given back in batches).
 */
#ifndef MA_STOCK_H
#define MA_STOCK_H

#include "slab.h"

/* Entries, at most. */
#define MA_STOCK 64

struct ma_stocked {
	char *ptr;        /* the slot */
	uintptr_t secret; /* of its next life, with the address of its state (slab.h) */
};

/* Places count on and on, in bytes; an entry is at its place modulo the size of the ring. */
struct ma_stock {
	int64_t head;        /* of the first entry */
	int64_t limit;       /* entries in front of it may be taken (K2) */
	int64_t tail;        /* where the next one goes */
	int64_t bound;       /* where none may go any more (K3) */
	uint32_t last;       /* bytes of a slot, less its canary; fixed */
	struct ma_fill fill; /* what of a slot is zero (S6); fixed */
	uint16_t room;       /* entries, at most; fixed */
	uint16_t batch;      /* entries that come at once: few at first, twice as many each time */
	uint16_t batch_max;  /* fixed */
	uint16_t quiet;      /* entries */
	uint16_t quiet_max;  /* fixed */
	uint8_t class_idx;   /* fixed */
	struct ma_stocked entry[MA_STOCK];
};

/* A place that is behind all others, and stays so however many slots are taken. */
#define MA_STOCK_FAR (INT64_MIN / 2)

/* Nothing ready, no room: stands where there is no stock. */
extern const struct ma_stock ma_stock_none;

struct ma_stock_config {
	size_t entries; /* at most; 0: there are no stocks */
	size_t bytes;   /* of all slots of one stock, at most, but for the least number of them */
	size_t quiet;   /* entries that stay behind, if there is room for twice that */
};

/** ma_stock_init() - empty; the memory is zero. */
void ma_stock_init(struct ma_stock *stock, const struct ma_stock_config *config, unsigned class_idx,
		   const struct ma_slab_policy *policy);

/** ma_stock_count() - entries. */
ma_inline uint32_t ma_stock_count(const struct ma_stock *stock)
{
	return (uint32_t)(stock->tail - stock->head) / (uint32_t)sizeof(struct ma_stocked);
}

/** ma_stock_is_ready() - whether one may be taken. */
ma_inline bool ma_stock_is_ready(const struct ma_stock *stock)
{
	return stock->head < stock->limit;
}

/** ma_stock_has_room() - whether there may be one more. */
ma_inline bool ma_stock_has_room(const struct ma_stock *stock)
{
	return ma_stock_count(stock) < stock->room;
}

/** ma_stock_is_full() - whether none may be put the short way. */
ma_inline bool ma_stock_is_full(const struct ma_stock *stock)
{
	return stock->tail >= stock->bound;
}

/** ma_stock_at() - the entry at a place. */
ma_inline struct ma_stocked *ma_stock_at(const struct ma_stock *stock, int64_t place)
{
	uintptr_t ring = (uintptr_t)stock->entry;

	return (struct ma_stocked *)(ring +
				     (uint64_t)place % (MA_STOCK * sizeof(struct ma_stocked)));
}

/** ma_stock_put() - a retired slot waits; there is room. */
ma_inline void ma_stock_put(struct ma_stock *stock, char *ptr, uintptr_t secret)
{
	struct ma_stocked *entry = ma_stock_at(stock, stock->tail);

	stock->tail += (int64_t)sizeof(*entry);
	stock->limit += (int64_t)sizeof(*entry);
	entry->ptr = ptr;
	entry->secret = secret;
}

/** ma_stock_push() - a retired slot is the next to be taken; there is room. */
ma_inline void ma_stock_push(struct ma_stock *stock, char *ptr, uintptr_t secret)
{
	struct ma_stocked *entry;

	stock->head -= (int64_t)sizeof(*entry);
	stock->bound -= (int64_t)sizeof(*entry);
	entry = ma_stock_at(stock, stock->head);
	entry->ptr = ptr;
	entry->secret = secret;
}

/** ma_stock_take() - the slot in front; there is one. */
ma_inline struct ma_stocked ma_stock_take(struct ma_stock *stock)
{
	const struct ma_stocked *entry = ma_stock_at(stock, stock->head);

	stock->head += (int64_t)sizeof(*entry);
	stock->bound += (int64_t)sizeof(*entry);
	return *entry;
}

/** ma_stock_settle() - the slot that was put last was in use: it may be one of the quiet ones. */
void ma_stock_settle(struct ma_stock *stock);

/** ma_stock_check() - NULL, or the text of the rule that is broken. */
const char *ma_stock_check(const struct ma_stock *stock) ma_must_check;

#endif
