/*
 * steps - what an input does with objects, and what must come of it.
 *
 * What and why: most targets allocate, resize and free, and differ in what happens between. These
 * steps are the same for all: decoded from the same bytes, carried out in the world, checked
 * against the model and the world's rules. README.md has the table of the bytes.
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

/** steps_free() - free the object in a slot, if there is one, by a thread. */
void steps_free(struct world *w, unsigned slot, unsigned thread);

/** steps_object() - carry out an operation. Return: false when it is none on objects (0xe0 on). */
bool steps_object(struct world *w, unsigned op);

#endif
