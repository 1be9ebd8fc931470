/*
 * world - everything one input can act on, and what must hold after each of its steps.
 *
 * What and why: two instances on one pagemap (the second one as an explicit pool is), up to three
 * threads' heaps in each, the fake OS behind them and the model beside them. Nothing outlives an
 * input. A thread is a heap that is or is not acquired: they all run here, one at a time, so every
 * validator may look at everything after every step.
 *
 * Rules, beside those of the rooms and of the model:
 *   W1  A request is refused only when the OS refused something, the limit leaves no room after all
 *       that is free was given back, or the size is beyond any.
 *   W2  A large object comes from the block that the policy chooses: the lowest or the smallest one
 *       that holds it.
 *   W3  The usable size of an object is the requested size.
 *   W4  The slabs and large blocks of an instance hold exactly the model's objects.
 *   W5  What the OS has mapped is what the instances and the pagemap say they have.
 *   W6  After everything free was given back, no block is dirty, the ends of regions are short, and
 *       the bytes that were given back have been told.
 *   W7  When all is freed and given back, there is no block left, and no descriptor but those that
 *       an empty instance keeps.
 *   W8  After the end, nothing is mapped and the pagemap has no entry.
 *   W9  An object that can be resized where it is stays there: within its slot's class (by its
 *       owner), and a block that shrinks or grows into a free neighbour. A block is no longer than
 *       its object needs, but for the part that one with guards, or one that waited, may have to
 *       spare.
 *   W10 What was reserved with success is free.
 *   W11 An instance knows how many slabs ended threads have left.
 *   W12 A sweep finds nothing, because nothing is damaged.
 *
 * W5 to W8 hold as far as the OS took back what it was offered, and made accessible what it had
 * guarded. Where blocks wait before reuse or objects are sampled, W2 makes no claim.
 *
 * Locks: none. Cost: a step costs a walk over all blocks and slots.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "heap.h"
#include "model.h"
#include "pagemap.h"
#include "seq.h"

#define WORLD_NINSTANCES 2
#define WORLD_NTHREADS 3

struct world {
	struct seq seq;
	struct ma_pagemap pagemap;
	struct ma_instance_config config[WORLD_NINSTANCES];
	struct ma_instance instance[WORLD_NINSTANCES];
	bool exists[WORLD_NINSTANCES];
	struct ma_heap *heap[WORLD_NINSTANCES][WORLD_NTHREADS]; /* NULL: nothing allocated yet */
	unsigned inst;                                          /* that allocates */
	unsigned thread;                                        /* that runs */
	unsigned nchecks;                                       /* so far */
	size_t lost;         /* bytes the OS did not take back from what has ended since */
	uintptr_t low, high; /* all regions ever seen lie between these */
	struct model model;
};

/**
 * world_init() - a fresh OS, and what the first bytes say
 *
 * Return: false when the OS refused the pagemap.
 */
bool world_init(struct world *w, const uint8_t *data, size_t size);

/** world_fini() - free all objects, give everything back, check the end conditions. */
void world_fini(struct world *w);

/** world_check() - every validator, and the sums over the world; aborts when a rule is broken. */
void world_check(struct world *w);

/** world_heap() - the running thread's heap in instance @inst; NULL without memory. */
struct ma_heap *world_heap(struct world *w, unsigned inst);

/** world_open() - make the second instance if it does not exist. */
void world_open(struct world *w);

/** world_reset() - end the second instance with all its objects, as an explicit pool can be. */
void world_reset(struct world *w);

/** world_decay() - give back what is free but @keep bytes per region, and check what that did. */
void world_decay(struct world *w, unsigned inst, size_t keep);

/** world_give_all() - the same after compacting every heap. */
void world_give_all(struct world *w, unsigned inst, size_t keep);

/** world_check_given() - no dirty block, no free end longer than what may stay (W6). */
void world_check_given(const struct ma_pool *pool, size_t keep);

/* How the block of a plain large object is used. */
struct world_plan {
	size_t front; /* bytes in front of it */
	size_t back;  /* bytes of the guard behind it */
	size_t size;  /* of the block, with both */
	size_t align; /* of the block */
	bool direct;  /* in a mapping of its own */
};

/** world_class() - the class of a small object, or MA_NCLASSES. */
unsigned world_class(const struct ma_instance *inst, size_t size, size_t align);

/** world_plan() - the block that a large object needs. */
struct world_plan world_plan(const struct world *w, unsigned inst, size_t size, size_t align);

/** world_plan_bare() - the same for one without guards, where others have them. */
struct world_plan world_plan_bare(const struct world *w, unsigned inst, size_t size, size_t align);

/** world_plan_of() - which of both a live object's block was made by. */
struct world_plan world_plan_of(struct world *w, const struct model_object *o);

/** world_may_refuse() - whether a request that was refused could be (W1), OS refusals aside. */
bool world_may_refuse(struct world *w, unsigned inst, size_t size, size_t align);

/** world_must_stay() - whether a resize must not move the object (W9). */
bool world_must_stay(struct world *w, unsigned inst, const struct model_object *object,
		     size_t size);

/* What the policy would choose (W2). */
struct world_choice {
	size_t n;          /* candidates, 0: none or no claim is made */
	uintptr_t addr[8]; /* of the object, in any of the candidates */
};

/** world_choose() - where a large object must go. */
struct world_choice world_choose(struct world *w, unsigned inst, size_t size, size_t align);

/** world_check_choice() - whether it went there. */
void world_check_choice(const struct world_choice *choice, const void *ptr);

#endif
