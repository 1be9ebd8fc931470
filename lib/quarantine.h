/*
 * quarantine - freed slots wait before they are used again.
 *
 * What and why: a program that uses a pointer after free, or frees it again, does so soon. While
 * the slot waits it is retired: a second free is recognised, a write is found when the slot is
 * taken again, and the stores that zeroed it have long arrived. Per heap, so without locks.
 * Slots that have a stock (stock.h) do not come here.
 *
 *      in order    put ->  [ youngest | ... | oldest ]  -> back to its slab
 *      at random   put ->  [ in the place of any one ]  -> that one
 *
 * Rules:
 *   Q1  Entries are distinct retired slots of slabs that belong to the same heap.
 *   Q2  bytes is the sum of the entries' slots; it exceeds max only until the next put.
 * Locks: none; the owner's. Cost: a few loads and stores.
 * Rejected: a quarantine in bytes of user memory for all threads (a lock per free); links through
 * the slots.
 */
#ifndef MA_QUARANTINE_H
#define MA_QUARANTINE_H

#include "meta.h"
#include "random.h"
#include "slab.h"

/* Entries that need no memory beside. */
#define MA_QUARANTINE_INLINE 32

struct ma_retired {
	struct ma_slab *slab; /* NULL: none */
	uint32_t idx;
	uint32_t size; /* bytes of the slot */
};

struct ma_quarantine_config {
	size_t cap;    /* entries that wait at most; 0: off */
	size_t bytes;  /* bytes that wait at most */
	bool shuffled; /* who leaves is chosen at random */
};

struct ma_quarantine {
	uint32_t cap;             /* fixed */
	uint32_t next;            /* where the next one goes */
	uint32_t skip;            /* so many entries from there on are empty, unless shuffled */
	size_t bytes;             /* Q2 */
	size_t max;               /* Q2; fixed */
	bool shuffled;            /* fixed */
	struct ma_random *random; /* the heap's; fixed */
	struct ma_retired *entry; /* cap entries; fixed */
	struct ma_retired few[MA_QUARANTINE_INLINE];
};

/**
 * ma_quarantine_init() - empty
 *
 * Without memory for the entries that are asked for there are as many as need none.
 */
void ma_quarantine_init(struct ma_quarantine *q, const struct ma_quarantine_config *config,
			struct ma_meta *meta, struct ma_random *random);

/**
 * ma_quarantine_put() - a retired slot starts to wait; cap > 0
 *
 * Return: one that has waited, if the quarantine was full there.
 */
ma_inline struct ma_retired ma_quarantine_put(struct ma_quarantine *q, struct ma_retired retired)
{
	uint32_t at = q->next;
	struct ma_retired out;

	if (ma_unlikely(q->shuffled))
		at = (uint32_t)ma_random_below(q->random, q->cap);
	out = q->entry[at];
	q->entry[at] = retired;
	q->bytes += (size_t)retired.size - out.size;
	q->next = at + 1 == q->cap ? 0 : at + 1;
	q->skip -= q->skip > 0;
	return out;
}

/** ma_quarantine_is_over() - whether more bytes wait than may. */
ma_inline bool ma_quarantine_is_over(const struct ma_quarantine *q)
{
	return q->bytes > q->max;
}

/**
 * ma_quarantine_take() - take out a slot, the one that has waited longest unless shuffled
 *
 * Return: slab is NULL when none is left.
 */
struct ma_retired ma_quarantine_take(struct ma_quarantine *q);

/** ma_quarantine_check() - NULL, or the text of the rule that is broken. */
const char *ma_quarantine_check(const struct ma_quarantine *q) ma_must_check;

#endif
