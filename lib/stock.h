/*
 * stock - slots of one class that a heap has at hand.
 *
 * What and why: what a program frees it soon wants again. Freed slots wait here, and the one that
 * has waited longest is the next to be handed out: so malloc and free touch neither slab nor list,
 * and a slot is not used again before others have been. What is too many goes back to the slabs,
 * what is lacking comes from them, many at a time.
 *
 *      in order    take <- [ oldest | ... | youngest ] <- put       quiet ones stay behind
 *      at once     [ oldest | ... | youngest ] <-> put, take        where nothing is to wait
 *
 * Rules:
 *   K1  Entries are distinct retired slots, of slabs of the class that belong to the same heap.
 *   K2  ready + quiet is the number of entries, and with room the capacity.
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
	char *ptr;       /* the slot */
	uintptr_t where; /* of its state (slab.h) */
};

struct ma_stock {
	int32_t ready; /* entries that may be taken; negative while fewer than the quiet wait */
	int32_t room;  /* entries that may be put */
	uint32_t head; /* the oldest: its offset in entry, bytes */
	uint32_t tail; /* where the next one goes, likewise */
	uint32_t slot; /* bytes; fixed */
	uint32_t fill; /* the same where slots are filled, else 0; fixed */
	int32_t quiet; /* K2; fixed */
	bool stacked;  /* the youngest is taken first; fixed */
	uint8_t class_idx;
	struct ma_stocked entry[MA_STOCK];
};

/* Nothing to take, no room: stands where there is no stock. */
extern const struct ma_stock ma_stock_none;

struct ma_stock_config {
	size_t entries; /* at most; 0: there are no stocks */
	size_t bytes;   /* of all slots of one stock, at most, but for the least number of them */
	size_t quiet;   /* entries that stay behind, if that many fit twice */
};

/** ma_stock_init() - empty; the memory is zero. */
void ma_stock_init(struct ma_stock *stock, const struct ma_stock_config *config, unsigned class_idx,
		   const struct ma_slab_policy *policy);

/** ma_stock_count() - entries. */
ma_inline uint32_t ma_stock_count(const struct ma_stock *stock)
{
	return (uint32_t)(stock->ready + stock->quiet);
}

/** ma_stock_step() - the place @n places on from a place. */
ma_inline uint32_t ma_stock_step(uint32_t at, uint32_t n)
{
	return (at + n * (uint32_t)sizeof(struct ma_stocked)) %
	       (MA_STOCK * sizeof(struct ma_stocked));
}

/** ma_stock_at() - the entry at a place. */
ma_inline struct ma_stocked *ma_stock_at(const struct ma_stock *stock, uint32_t at)
{
	return (struct ma_stocked *)((uintptr_t)stock->entry + at);
}

/** ma_stock_put() - a retired slot waits; there is room. */
ma_inline void ma_stock_put(struct ma_stock *stock, char *ptr, uintptr_t where)
{
	struct ma_stocked *entry = ma_stock_at(stock, stock->tail);

	entry->ptr = ptr;
	entry->where = where;
	stock->tail = ma_stock_step(stock->tail, 1);
	stock->ready++;
	stock->room--;
}

/** ma_stock_take_oldest() - the slot that has waited longest; there is one. */
ma_inline struct ma_stocked ma_stock_take_oldest(struct ma_stock *stock)
{
	uint32_t at = stock->head;

	stock->head = ma_stock_step(at, 1);
	stock->ready--;
	stock->room++;
	return *ma_stock_at(stock, at);
}

/** ma_stock_take() - the slot that is next; there is one. */
ma_inline struct ma_stocked ma_stock_take(struct ma_stock *stock)
{
	if (ma_likely(!stock->stacked))
		return ma_stock_take_oldest(stock);
	stock->tail = ma_stock_step(stock->tail, MA_STOCK - 1);
	stock->ready--;
	stock->room++;
	return *ma_stock_at(stock, stock->tail);
}

/** ma_stock_check() - NULL, or the text of the rule that is broken. */
const char *ma_stock_check(const struct ma_stock *stock) ma_must_check;

#endif
