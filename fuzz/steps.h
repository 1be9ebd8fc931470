/*
 * steps - what an input does with objects, and what must come of it.
 *
 * What and why: most targets allocate, resize and free, and differ in what happens between. These
 * steps are the same for all: carried out in the world, checked against the model and the world's
 * rules. What an operation says is in seq.h.
 *
 * Rules: those of world.h and model.h.
 * Locks: none. Cost: as world.h.
 */
#ifndef FUZZ_STEPS_H
#define FUZZ_STEPS_H

#include "world.h"

/** steps_are_told() - whether FUZZ_VERBOSE asks for a line per step. */
bool steps_are_told(void);

/* A line on stderr, if that is so. */
#define SAY(...) (steps_are_told() ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

/** steps_page() - bytes of a page. */
size_t steps_page(const struct world *w);

/** steps_slot() - the model's slot for the @i-th of an operation. */
unsigned steps_slot(const struct seq_op *op, unsigned i);

/**
 * steps_object() - carry out an operation on objects
 *
 * The thread that acts is the running one from here on, but if it only frees.
 *
 * Return: false when it is none on objects; its thread runs then, too.
 */
bool steps_object(struct world *w, const struct seq_op *op);

#endif
