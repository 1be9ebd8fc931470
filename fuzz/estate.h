/*
 * estate - the heap and explicit pools as a program has them, and what must hold of all of them.
 *
 * What and why: explicit pools are instances beside the global one, behind handles that live in its
 * metadata. world.h has instances of its own and no handles; here they are made and ended by calls
 * of memalloc.h only, with lib/pools.c and lib/dump.c as they are. What is global in a process
 * (struct ma_global) belongs to the estate and begins anew with each input. The numbers that pools
 * are made with go on in lib/pools.c from input to input; the seed takes that back.
 *
 *      place 0   the heap: an instance and one thread's heap
 *      place 1   a pool, or none
 *      ...
 *
 * Rules, beside those of the rooms and of the model:
 *   E1  Every live pool is on the table once; no other is.
 *   E2  A pool has the name (its first characters), limit and policy that were asked for, after a
 *       reset, too; its first region is no smaller than asked for. An empty one has no region.
 *   E3  A pool maps no more than its limit.
 *   E4  The objects that each counts are the program's in this place, in number and bytes, and the
 *       parts that are counted are all that is mapped.
 *   E5  What the OS has mapped is what all of them say they have.
 *   E6  A handle takes the same metadata each time, and gives it back.
 *   E7  At the end nothing is mapped.
 *   E8  Lists and walks have every block and every object once, with its size.
 *
 * E5 and E7 hold as far as the OS took back what it was offered.
 *
 * Locks: none. Cost: a walk over all blocks and slots.
 */
#ifndef FUZZ_ESTATE_H
#define FUZZ_ESTATE_H

#include "memalloc.h"
#include "model.h"
#include "pools.h"
#include "seq.h"

#define ESTATE_NPLACES 5
#define ESTATE_NDEAD 8

/* What a pool was made with. */
struct estate_wish {
	char name[256];
	size_t initial;
	size_t limit;
	enum memalloc_fit fit;
};

struct estate {
	struct seq seq;
	struct model model;
	struct ma_heap *heap; /* of the global instance; NULL: not needed so far */
	struct memalloc_pool *pool[ESTATE_NPLACES];
	struct estate_wish wish[ESTATE_NPLACES];
	struct memalloc_pool *dead[ESTATE_NDEAD]; /* handles of pools that have ended */
	unsigned ndead;
	unsigned at;   /* the place that acts */
	size_t handle; /* bytes of metadata that one takes; 0: not known yet */
	size_t lost;   /* bytes the OS did not take back from what has ended since */
};

/** estate_init() - a fresh OS and heap. Return: false when the OS refused the pagemap. */
bool estate_init(struct estate *e, const uint8_t *data, size_t size);

/** estate_fini() - end all pools, free what is in the heap, end it, check that nothing is left. */
void estate_fini(struct estate *e);

/** estate_check() - every validator, and E1 to E5; aborts when a rule is broken. */
void estate_check(struct estate *e);

/** estate_of() - the instance of a place; NULL: there is none. */
struct ma_instance *estate_of(struct estate *e, unsigned place);

/** estate_heap() - the heap that serves a place; NULL: none, or without memory. */
struct ma_heap *estate_heap(struct estate *e, unsigned place);

/** estate_wish() - of bits, from the top: [ length of the name (8) | initial | limit (3) | fit ] */
struct estate_wish estate_wish(uint64_t bits);

/** estate_create() - make a pool in an empty place, as @wish says; @wish NULL: by default. */
void estate_create(struct estate *e, unsigned place, const struct estate_wish *wish);

/** estate_end() - reset a pool, or destroy it, with all its objects. */
void estate_end(struct estate *e, unsigned place, bool destroy);

/** estate_list() - all that lists and counts tells of the objects that are there (E8). */
void estate_list(struct estate *e);

/** estate_fail() - as model_fail(), of this oracle. */
void estate_fail(const char *rule) __attribute__((noreturn, cold));

#endif
