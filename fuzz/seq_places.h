/*
 * seq_places - slots of a sequence in a table without gaps.
 *
 * What and why: a slot is any number of 32 bits, so that nothing is lost; a table of as many
 * objects would be larger than memory. What performs a sequence outside a target takes as many
 * places as there are slots that the sequence names. The order stays, so that a run stays one, and
 * where slots are few enough, each is its own place.
 *
 * Locks: none. Cost: 8 bytes per slot named, and O(log slots) for each question.
 */
#ifndef FUZZ_SEQ_PLACES_H
#define FUZZ_SEQ_PLACES_H

#include "seq.h"

struct seq_places {
	uint64_t *slots; /* sorted; NULL: each slot is its place */
	size_t nplaces;
};

/**
 * seq_places_init() - look at all slots of a sequence
 * @seq:   behind its configuration
 * @most:  places that may be without a slot
 *
 * Return: false without memory.
 */
bool seq_places_init(struct seq_places *places, struct seq seq, size_t most);

void seq_places_fini(struct seq_places *places);

/** seq_place() - the place of one of the slots. */
size_t seq_place(const struct seq_places *places, uint64_t slot);

#endif
