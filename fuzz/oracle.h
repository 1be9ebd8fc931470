/*
 * oracle - what must hold of a heap beside what its own validators look at.
 *
 * What and why: a validator knows what a room says of itself. That a guard stands where the room
 * believes it does, that the short way is taken where it could be, and that a policy was followed,
 * no room can tell. These rules are read from what the headers promise, and worked out anew.
 *
 * Rules, beside those of world.h:
 *   W13 Exactly those pages are guards that blocks tell of: the ends of a large object, the page
 *       behind a slab, all of a block that is sealed while it waits, and nothing else. Where the OS
 *       refused nothing, all that should have guards has them.
 *   W14 What a heap does beside each operation, whether it has slots at hand, and how its choices
 *       begin, is what its configuration says; every slab and every size knows the stock of its
 *       class; slots of other threads wait in a batch that is not full, and only small ones do.
 *   W15 The short way is there for whom it is: a live object of a small class can be proven by it
 *       to be one, with its size. A slot that is freed is the youngest of its stock, with the
 *       secret of its next life; the oldest at hand is the next to be handed out.
 *   W16 A large object gets the block of its kind that has waited longest, the youngest excepted;
 *       what is freed waits behind all others, and drives out only as many as it must, oldest
 *       first. No canary stays in it; where smaller ones are zeroed, all of it is known to be zero.
 *   W17 After a fork, what the parent had at hand is at hand no more, and what is chosen from then
 *       on is not what would have been chosen.
 *   W18 Pages that have come of age are given back when a large object is freed, and none before.
 *   W19 A slab that a thread has left serves before another is made.
 *   W20 No free leaves it to the next operation to give back what has come of age: when a slab
 *       goes, the oldest pages do, if they have.
 *   W21 Guards are spared only where they may be: after so many large objects, of those that are
 *       not very large, of all but one in a few, which the heap's choices decide. What is spared
 *       is counted.
 *   W22 Of what a slab has beside its slots, each part begins where the one before it ends.
 *
 * Locks: none. Cost: O(blocks that have guards), O(slabs) and O(sizes) per step.
 * Does not prove: W13 where an instance that ended left memory to the OS that has guards.
 */
#ifndef FUZZ_ORACLE_H
#define FUZZ_ORACLE_H

#include "world.h"

/** oracle_guards() - W13. */
void oracle_guards(const struct world *w);

/** oracle_untouched() - W12: fresh slots of a block that was zero are. */
void oracle_untouched(const struct ma_slab *slab);

/** oracle_arrays() - W22. */
void oracle_arrays(const struct ma_slab *slab);

/** oracle_choices() - W14: what an instance chooses follows from its seed. */
void oracle_choices(const struct ma_instance *inst);

/** oracle_heap() - W14. */
void oracle_heap(const struct ma_heap *heap);

/* What is due before a free, by instance. */
struct oracle_due {
	bool left[WORLD_NINSTANCES];    /* by an operation before */
	bool aged[WORLD_NINSTANCES];    /* the oldest pages have come of age */
	size_t given[WORLD_NINSTANCES]; /* blocks given back, so far */
	size_t nslabs[WORLD_NINSTANCES];
	size_t refused; /* calls, so far */
};

/** oracle_is_due() - W20: before a free. */
void oracle_is_due(struct oracle_due *due, const struct world *w);

/** oracle_not_late() - W20: after it. */
void oracle_not_late(const struct oracle_due *due, const struct world *w);

/** oracle_compacted() - W14: the heap has told of all that its thread has freed. */
void oracle_compacted(const struct ma_heap *heap);

/* What a heap that needs a slab of a class must take first. */
struct oracle_left {
	struct ma_heap *heap;
	struct ma_slab *slab; /* NULL: nothing is left */
	unsigned class_idx;
	size_t nslabs; /* that the heap has */
};

/** oracle_before_slab() - W19: what is left before an object is made. */
struct oracle_left oracle_before_slab(struct ma_heap *heap, const struct ma_request *req);

/** oracle_after_slab() - W19: if the heap has another slab, it is that one. */
void oracle_after_slab(const struct oracle_left *left);

/* What is known before an object is freed or made. */
struct oracle_way {
	struct ma_heap *heap;   /* of the thread; NULL: nothing is claimed */
	struct ma_stock *stock; /* that must take the slot, or has the next one; NULL: none */
	char *ptr;              /* the slot */
	uintptr_t secret;       /* that it must have there */
	bool remote;            /* it is told of in a batch */
	uint32_t n;             /* slots at hand, or told of, before */
};

/** oracle_before_free() - W15: the short way can be taken. */
struct oracle_way oracle_before_free(struct world *w, const struct model_object *o,
				     unsigned thread);

/** oracle_after_free() - W15: and it was. */
void oracle_after_free(const struct oracle_way *way);

/** oracle_before_alloc() - W15: the slot that must be handed out. */
struct oracle_way oracle_before_alloc(struct world *w, const struct ma_request *req);

/** oracle_after_alloc() - W15: it was. */
void oracle_after_alloc(const struct oracle_way *way, const void *ptr);

struct oracle_waiting {
	uintptr_t addr;
	size_t size;
	unsigned purpose;
};

/* What must wait once a large object is freed, and what of its pool had come of age before. */
struct oracle_waits {
	const struct ma_instance *inst; /* NULL: the object is none */
	size_t max, most; /* bytes that wait at most, at all and in a heap like this */
	size_t bytes;
	size_t refused; /* calls, so far */
	size_t given;   /* blocks given back, so far */
	bool due;
	bool direct;              /* the object or one that waits has a mapping of its own */
	uintptr_t addr;           /* of its block */
	const unsigned char *end; /* of the object */
	uint32_t n;
	struct oracle_waiting entry[MA_WAITLIST];
};

/** oracle_large_leaves() - an object is freed next: W16, W18. */
void oracle_large_leaves(struct oracle_waits *waits, const struct world *w,
			 const struct model_object *o);

/** oracle_large_left() - it was. */
void oracle_large_left(const struct oracle_waits *waits);

/* What is known of the guards of a large object that is made next. */
struct oracle_spared {
	const struct ma_instance *inst; /* NULL: nothing is claimed */
	bool spared;                    /* it has none, unless a block that has them waits */
	uint64_t nmade;                 /* so far */
	size_t unguarded;               /* so far */
};

/** oracle_before_guards() - W21. */
struct oracle_spared oracle_before_guards(const struct world *w, const struct ma_request *req);

/** oracle_after_guards() - W21: the OS refused nothing meanwhile. */
void oracle_after_guards(const struct oracle_spared *spared, const struct world *w,
			 const void *ptr);

/* Where a large object must be. */
struct oracle_taken {
	const struct ma_waitlist *list; /* NULL: nothing is claimed */
	uint32_t n;                     /* that waited */
	uintptr_t addr;                 /* of the object; 0: none that waits is taken */
};

/** oracle_before_large() - which block an object gets, if one waits for it (W16). */
struct oracle_taken oracle_before_large(const struct world *w, const struct ma_request *req);

/** oracle_after_large() - it did; the OS refused nothing meanwhile. */
void oracle_after_large(const struct oracle_taken *taken, const void *ptr);

/* What is chosen next. */
struct oracle_fork {
	uint64_t seed;
	size_t n; /* heaps */
	uint64_t state[8];
};

/** oracle_before_fork() - what the parent would choose (W17). */
void oracle_before_fork(struct oracle_fork *fork, const struct ma_instance *inst);

/** oracle_after_fork() - nobody does any more; @heap is the running thread's, or NULL. */
void oracle_after_fork(const struct oracle_fork *fork, const struct ma_instance *inst,
		       const struct ma_heap *heap);

#endif
