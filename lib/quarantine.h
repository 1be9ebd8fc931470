/*
 * quarantine - freed slots wait before they are used again.
 *
 * What and why: a program that uses a pointer after free, or frees it again, does so soon. While
 * the slot waits it is retired: a second free is recognised, a write is found when the slot is
 * taken again, and the stores that zeroed it have long arrived. First in, first out, per heap, so
 * without locks.
 *
 *      put ->  [ youngest | ... | oldest ]  -> back to its slab
 *
 * Rules: Q1  Entries are distinct retired slots of slabs that belong to the same heap. n <= cap.
 * Locks: none; the owner's. Cost: one load and one store.
 * Rejected: a quarantine in bytes of user memory for all threads (a lock per free); links through
 * the slots.
 */
#ifndef MA_QUARANTINE_H
#define MA_QUARANTINE_H

#include "slab.h"

#define MA_QUARANTINE_MAX 64

struct ma_retired {
	struct ma_slab *slab; /* NULL: none */
	uint32_t idx;
};

struct ma_quarantine {
	uint32_t cap;  /* entries that wait, at most MA_QUARANTINE_MAX; fixed */
	uint32_t next; /* where the next one goes */
	struct ma_retired entry[MA_QUARANTINE_MAX];
};

/** ma_quarantine_init() - empty; @cap entries, 0 switches it off. */
void ma_quarantine_init(struct ma_quarantine *q, size_t cap);

/**
 * ma_quarantine_put() - a retired slot starts to wait; cap > 0
 *
 * Return: the one that has waited longest, if the quarantine was full.
 */
ma_inline struct ma_retired ma_quarantine_put(struct ma_quarantine *q, struct ma_retired retired)
{
	uint32_t at = q->next;
	struct ma_retired out = q->entry[at];

	q->entry[at] = retired;
	q->next = at + 1 == q->cap ? 0 : at + 1;
	return out;
}

/** ma_quarantine_take() - take out any slot. Return: slab is NULL when none is left. */
struct ma_retired ma_quarantine_take(struct ma_quarantine *q);

/** ma_quarantine_check() - NULL, or the text of the rule that is broken. */
const char *ma_quarantine_check(const struct ma_quarantine *q) ma_must_check;

#endif
