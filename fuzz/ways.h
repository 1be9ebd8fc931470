/*
 * ways - what targets share that take one sequence more than one way.
 *
 * What and why: such a target does to two instances, or in many runs, what fuzz_heap does once. The
 * operations of the world that mean the same in each of them are carried out here, on the instance
 * and by the thread that act. Refusals, instances and the contents of objects are the target's.
 *
 * Rules: those of world.h.
 * Locks: none. Cost: as world.h.
 */
#ifndef FUZZ_WAYS_H
#define FUZZ_WAYS_H

#include "steps.h"

/** ways_world() - an operation of the world on instance w->inst; any other is nothing here. */
void ways_world(struct world *w, const struct seq_op *op);

/** ways_free() - thread @thread frees what is in @slot, if anything. */
void ways_free(struct world *w, unsigned slot, unsigned thread);

#endif
