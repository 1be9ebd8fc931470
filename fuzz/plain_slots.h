/*
 * plain_slots - a plain account of a heap's slots, for comparison.
 *
 * What and why: what the rooms slab, bins, stock, quarantine and supply must do together, in the
 * simplest way there is: each slot of each slab in an array with its state, and everything that
 * waits in a queue that is moved up by hand. It shares nothing with those rooms but numbers that
 * are policy, and the dice; and it is told where a new slab lies, which is the pool's to say.
 *
 *      fresh -> at hand (stock) -> live -> waits (stock or quarantine) -> vacant -> at hand ...
 *
 * Rules:
 *   - What is taken from a slab is the lowest vacant slot, else the next that was never in use.
 *   - A stock hands out what has waited longest, and keeps its quiet entries: as many as were in
 *     use and have come to it, up to a bound. It is filled by batches that double, from the first
 *     slab that has free slots; slots never in use come first. When it is full, half of it goes
 *     back, what has waited longest first.
 *   - A quarantine returns a slot after as many others have come as it has places, or when more
 *     bytes wait than may.
 *   - A slab that was full becomes the second of those that have free slots. One without used slots
 *     goes, but the first of them where the heap keeps such.
 *
 * Locks: none; one thread. Cost: O(slots waiting) for most.
 */
#ifndef FUZZ_PLAIN_SLOTS_H
#define FUZZ_PLAIN_SLOTS_H

#include "heap.h"

#define PLAIN_NSLABS 96
#define PLAIN_NSLOTS 4096 /* of a slab */
#define PLAIN_NWAITING 256

/* Policy that rooms keep to themselves. */
#define PLAIN_STOCK_LEAST 3
#define PLAIN_STOCK_FEW 2

enum plain_phase { PLAIN_VACANT, PLAIN_RETIRED, PLAIN_LIVE };

struct plain_slot {
	enum plain_phase phase;
	bool fresh;    /* never handed out by the slab */
	bool used;     /* was live once */
	unsigned life; /* the high byte of its state, without the origin */
	size_t size;   /* of a live one, bytes requested */
};

struct plain_slab {
	struct ma_slab *real; /* NULL: none */
	char *base;
	unsigned class_idx;
	size_t slot; /* bytes */
	size_t nslots, start, nfresh, nvacant;
	bool filled;  /* all of a slot is zeroed, not both ends alone */
	bool close;   /* each proof looks at all that is behind the canary */
	bool touched; /* since slots were looked at */
	struct plain_slot at[PLAIN_NSLOTS];
};

/* A slot that waits. */
struct plain_waiting {
	struct plain_slab *slab;
	size_t idx;
	size_t number; /* of a quarantine: as the n-th */
};

struct plain_queue {
	size_t n;
	struct plain_waiting entry[PLAIN_NWAITING]; /* the one that leaves next in front */
};

struct plain_stock {
	bool exists;
	size_t room, batch, batch_max, quiet, quiet_max;
	struct plain_queue queue;
};

/* Slabs, the first in front. */
struct plain_list {
	size_t n;
	struct plain_slab *slab[PLAIN_NSLABS];
};

struct plain_bin {
	struct plain_list avail, full;
	struct plain_stock stock;
};

struct plain_slots {
	struct ma_instance_config config;
	struct ma_heap *heap;    /* asked for new slabs only */
	struct ma_random random; /* as the heap's: what it chooses next */
	bool stocked;
	size_t behind, page;
	size_t arrived, bytes; /* of the quarantine */
	struct plain_queue quarantine;
	struct plain_bin bin[MA_NCLASSES];
	struct plain_slab slab[PLAIN_NSLABS];
	struct plain_slab scrap; /* of no slab that is known */
};

/** plain_fail() - abort with a rule that does not hold. */
void plain_must(bool holds, const char *rule);

/** plain_slots_init() - of a heap that was just made. */
void plain_slots_init(struct plain_slots *p, const struct ma_instance_config *config,
		      struct ma_heap *heap, size_t page);

/** plain_slots_room() - whether another operation can be written down. */
bool plain_slots_room(const struct plain_slots *p);

/** plain_slots_class() - the class of slots for a request. */
unsigned plain_slots_class(const struct plain_slots *p, size_t size, size_t align);

/** plain_slots_alloc() - an object was asked for. Return: where it must be. */
char *plain_slots_alloc(struct plain_slots *p, size_t size, size_t align);

/** plain_slots_free() - the object at @ptr was freed. */
void plain_slots_free(struct plain_slots *p, const char *ptr);

/** plain_slots_resize() - it holds @size bytes now. Return: false when its class does not. */
bool plain_slots_resize(struct plain_slots *p, const char *ptr, size_t size);

/** plain_slots_flush() - nothing waits any more. */
void plain_slots_flush(struct plain_slots *p, bool quarantine_too);

/** plain_slots_drop_empty() - slabs without used slots go. */
void plain_slots_drop_empty(struct plain_slots *p);

/** plain_slots_find() - the slab and slot that hold an address; NULL: none. */
struct plain_slab *plain_slots_find(struct plain_slots *p, const char *ptr, size_t *idx);

/* ---- slots_match.c: whether the heap is what the account says -------------------------------- */

/** slots_match() - all lists, stocks and counts; each slot of slabs that were touched. */
void slots_match(struct plain_slots *p, const struct ma_heap *heap);

/** slots_match_all() - each slot of all slabs. */
void slots_match_all(struct plain_slots *p);

/** slots_match_proof() - what an address is taken for. */
void slots_match_proof(struct plain_slots *p, const char *ptr);

#endif
