/*
 * proof - is this pointer a live, undamaged object of this instance?
 *
 * What and why: every entry that takes a pointer begins with the same proof, and what fails it is
 * told in the same words. The short way of free in heap.c is the same proof, cut to the owner's
 * undamaged slots; whatever is not that comes here.
 *
 * Rules: none of its own.
 * Locks: none. Cost: two loads to find the block, one for the state, one for the canary.
 */
#ifndef MA_PROOF_H
#define MA_PROOF_H

#include "heap.h"

/* What a pointer turned out to be. */
struct ma_target {
	struct ma_block *block;
	struct ma_slab *slab; /* NULL: large */
	struct ma_slot slot;  /* of a slab */
	size_t size;          /* requested bytes */
};

/**
 * ma_prove() - the proof; reports what fails it
 * @kind:  of the report, when the pointer is not a live object
 *
 * Return: false when it is not (and the report returned); true when it is, damaged or not.
 */
bool ma_prove(struct ma_instance *inst, const void *ptr, enum ma_violation_kind kind,
	      struct ma_target *target) ma_must_check;

/** ma_prove_large() - the part for what is not in a slab; @block may be NULL. */
bool ma_prove_large(struct ma_instance *inst, struct ma_block *block, const void *ptr,
		    enum ma_violation_kind kind) ma_must_check;

/** ma_prove_failed() - what ma_slab_prove() said no to: report. Return: as ma_prove(). */
bool ma_prove_failed(const struct ma_slab *slab, const void *ptr, enum ma_proof proof,
		     const struct ma_slot *slot, enum ma_violation_kind kind) ma_cold;

#endif
