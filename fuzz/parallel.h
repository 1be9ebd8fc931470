/*
 * parallel - threads that act on one heap at the same time.
 *
 * What and why: what a thread does with an operation of a sequence (seq.h), by the short ways of
 * malloc() and free() where the drop-in would take them. Each has a model of the objects that are
 * its own; an object that lies in a box is nobody's, and travels with what the model knew of it.
 *
 *      slot 0, 2, 4 ...   of each thread: its own objects
 *      slot 1, 3, 5 ...   boxes for all: whoever puts something there gets what was in it
 *      slot WORK          of each thread: the object in its hands
 *
 * Rules:
 *   A1  What a thread does depends on its operations alone, but for what it finds in boxes.
 *   A2  Contents are checked by whoever has the object, each time it changes hands, and before it
 *       is freed.
 *   A3  Nothing below SIZE_BOUND is refused.
 *
 * Locks: none; boxes are exchanged atomically. Cost: the memory touched.
 */
#ifndef FUZZ_PARALLEL_H
#define FUZZ_PARALLEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "heap.h"
#include "model.h"
#include "pagemap.h"
#include "seq.h"

#define NTHREADS 3
#define NSLOTS 64
#define WORK (MODEL_NOBJECTS - 1) /* the object in a thread's hands */
#define ROUND 64                  /* operations of a thread from one barrier to the next */
#define SIZE_BOUND ((size_t)1 << 18)
#define ALIGN_BOUND ((size_t)1 << 16)
#define ALL (NTHREADS + 1)

struct worker {
	pthread_t thread;
	struct arena *arena;
	struct ma_heap *heap; /* NULL: none yet, or released */
	struct model model;
	struct seq_op ops[ROUND];
	size_t nops;
};

/* All of an input. Workers are looked into at barriers only. */
struct arena {
	struct ma_pagemap pagemap;
	struct ma_instance instance;
	struct worker worker[NTHREADS];
	_Atomic(struct model_object *) box[NSLOTS];
	pthread_barrier_t barrier;
	atomic_uint ngathered; /* threads that are on their way, of all rounds */
	unsigned repeats, per_round;
	bool is_over;
};

/** parallel_heap() - the thread's heap, which it gets when it needs it. */
struct ma_heap *parallel_heap(struct worker *w);

/** parallel_do() - perform an operation. */
void parallel_do(struct worker *w, const struct seq_op *op);

/** parallel_release() - free an object that no model knows any more. */
void parallel_release(struct worker *w, void *ptr);

/** parallel_empty_box() - free what lies in a box. */
void parallel_empty_box(struct worker *w, unsigned slot);

#endif
