/*
 * heap - who serves this size, who owns this pointer.
 *
 * What and why: an instance is one pool with everything above it: the global one behind malloc, and
 * one per explicit pool. Each thread has a heap of its own in the global instance; an explicit pool
 * has one heap under its handle's lock. A heap owns slabs, by class, and takes and returns their
 * slots without atomics.
 *
 *      instance   pool, meta; shared heap: slabs whose threads have ended
 *        heap     bin[class]:  avail -> slab -> slab      full -> slab -> slab
 *                 stock[class]; of larger slots, or without stocks: quarantine
 *                 inbox, outboxes: slots that other threads freed (remote.h)
 *
 * At thread exit slabs go to the shared heap, from where any heap that needs the class adopts them.
 *
 * Rules:
 *   H1  A slab is on one list of its owner's bin of its class: avail or full. is_avail tells which.
 *   H2  A slab in full has no free slot; in avail only the first may have none.
 *   H3  nslabs of a bin counts its slabs; an empty slab is kept only as the first of avail, where
 *       slots are small.
 *   H4  owner is the heap whose list the slab is on; it changes only under the shared lock, or when
 *       the slab comes or goes.
 *
 * Locks: a heap is its thread's alone. The registry lock guards the lists of heaps, the shared lock
 * the shared heap. Cost: alloc and free of small objects by the owner touch no lock and no atomic
 * read-modify-write.
 * Rejected: heaps handed to other threads whole (their free slots would wait for a new thread);
 * slabs given up by remote frees (two atomics per free).
 * Source: Leijen, Zorn, de Moura, Mimalloc: Free List Sharding in Action, 2019 (ownership and
 * deferred remote frees); Berger et al., Hoard, 2000 (adoption bounds the blow-up).
 */
#ifndef MA_HEAP_H
#define MA_HEAP_H

#include <stdatomic.h>

#include "depot.h"
#include "large.h"
#include "lock.h"
#include "pool.h"
#include "quarantine.h"
#include "random.h"
#include "slab.h"
#include "stack.h"
#include "stock.h"
#include "waitlist.h"

struct ma_instance;

/* Requests up to this have an entry in the heap's table; a byte holds the slack of their slots. */
#define MA_FAST_SLOT ((size_t)1024)
#define MA_FAST_MAX (MA_FAST_SLOT - MA_CANARY)
#define MA_FAST_ENTRIES (MA_FAST_SLOT / MA_ALIGN + 1)

/* Slots that are told of at once (remote.h). */
#define MA_BATCH 30

struct ma_batch {
	struct ma_batch *next;
	uint32_t n;
	uint64_t slot[MA_BATCH]; /* [ address of the slab | index (16 bits) ] */
};

/* Owners that a thread has batches for, at a time. */
#define MA_OUTBOXES 8

struct ma_outbox {
	struct ma_heap *to;
	struct ma_batch *batch; /* NULL: none */
};

struct ma_bin {
	struct ma_slab *avail; /* H1, H2 */
	struct ma_slab *full;  /* H1, H2 */
	size_t nslabs;         /* H3 */
};

struct ma_heap {
	struct ma_instance *instance; /* fixed */
	uintptr_t self;               /* owner of its slabs, if it has stocks; fixed */
	size_t behind;                /* bytes that a slot has beside the object at least; fixed */
	size_t small_max;             /* largest request that gets a slot; fixed */
	struct ma_heap *next;         /* in the instance's list of all heaps; fixed */
	struct ma_heap *next_idle;    /* registry lock */
	bool hooked;                  /* there is something to do beside each operation; fixed */
	bool stocked;                 /* slots are at hand in stocks; fixed */
	const void *frame; /* of the call that is under way, NULL when unknown (stack.h) */
	struct ma_stack_place place; /* the thread's stack */
	uint64_t until_sample;       /* allocations until one is sampled */
	uint64_t until_check;        /* allocations until all is validated */
	struct ma_random random;
	struct ma_slab_source source;      /* fixed */
	struct ma_outbox out[MA_OUTBOXES]; /* other heaps' slots that this thread freed */
	struct ma_batch *spare;            /* empty ones */
	uint32_t nspare;
	struct ma_quarantine quarantine;
	struct ma_stock *fast[MA_FAST_ENTRIES]; /* by size: those in stock, short way (fast.h) */
	struct ma_stock *stock[MA_NCLASSES];    /* ma_stock_none where there is none */
	struct ma_bin bin[MA_NCLASSES];

	/* Written by other threads. */
	alignas(MA_CACHE_LINE) _Atomic(struct ma_batch *) inbox; /* slots that others freed */
	_Atomic bool overlooked; /* there are some that no batch tells of */
};

struct ma_instance_config {
	struct ma_pool_config pool;
	struct ma_slab_policy slab;
	struct ma_quarantine_config quarantine; /* of each heap; of slots that have no stock */
	struct ma_stock_config stock;           /* of each heap, unless something hooks it */
	bool watched;                           /* calls are looked at before they get here */
	size_t wait;                            /* bytes of freed blocks that wait */
	bool wait_sealed;                       /* and are inaccessible meanwhile */
	bool guard_large;                       /* guard pages on both sides of large objects */
	bool guard_sparing;                     /* where there are many, not of all (large.h) */
	uint64_t sample;        /* every so many allocations one with guards of its own; 0: none */
	uint64_t check;         /* every so many allocations all is validated; 0: never */
	struct ma_depot *depot; /* where stacks are recorded; NULL: nowhere */
	bool deep;              /* whatever that costs */
	uint64_t seed;          /* 0: from the OS */
	bool renewed;           /* a child of fork chooses anew */
};

struct ma_instance {
	struct ma_pagemap *pagemap; /* shared by all instances; fixed */
	struct ma_meta meta;
	struct ma_pool pool;
	struct ma_waitlist waitlist;
	struct ma_larges larges;
	struct ma_instance_config config; /* fixed */
	struct ma_lock registry;
	struct ma_heap *heaps; /* all that were ever made; registry lock */
	struct ma_heap *idle;  /* without a thread; registry lock */
	size_t nheaps;         /* registry lock */
	struct ma_lock shared_lock;
	struct ma_heap shared;  /* shared lock */
	_Atomic size_t nshared; /* slabs in shared; written under the shared lock */
	_Atomic bool due;       /* free pages have come of age */
};

/** ma_instance_init() - everything empty; maps nothing. */
void ma_instance_init(struct ma_instance *inst, const struct ma_instance_config *config,
		      struct ma_pagemap *pagemap);

/** ma_instance_fini() - unmap everything, live objects included. */
void ma_instance_fini(struct ma_instance *inst);

/**
 * ma_heap_init() - a heap without slabs; @ordinal tells its choices from those of the instance's
 * others.
 */
void ma_heap_init(struct ma_heap *heap, struct ma_instance *inst, uint64_t ordinal);

/** ma_heap_acquire() - a heap for a thread. Return: NULL without memory. */
struct ma_heap *ma_heap_acquire(struct ma_instance *inst) ma_must_check;

/** ma_heap_release() - the heap's thread ends: its slabs go to the shared heap. */
void ma_heap_release(struct ma_heap *heap);

struct ma_request {
	size_t size;  /* bytes */
	size_t align; /* power of two; 0 for MA_ALIGN */
	bool zero;    /* contents must read as zero */
};

/**
 * ma_heap_alloc() - a live object
 *
 * When the pool is exhausted, what is free elsewhere is given back and the request tried once more.
 * Return: the object, aligned to MA_ALIGN; NULL without memory, everything as before.
 */
void *ma_heap_alloc(struct ma_heap *heap, size_t size) ma_must_check;

/** ma_heap_alloc_request() - the same for any alignment and zeroed memory. */
void *ma_heap_alloc_request(struct ma_heap *heap, const struct ma_request *req) ma_must_check;

/**
 * ma_heap_free() - a live object of the instance becomes free
 * @heap:  the calling thread's; NULL when it has none
 * @ptr:   not NULL; whatever is not the start of a live, undamaged object is reported, and if that
 *         returns, nothing is freed but damaged objects
 */
void ma_heap_free(struct ma_instance *inst, struct ma_heap *heap, void *ptr);

/**
 * ma_heap_free_sized() - ma_heap_free() that also proves what the program claims
 * @claim:  size (SIZE_MAX: none) and align (1: none)
 */
void ma_heap_free_sized(struct ma_instance *inst, struct ma_heap *heap, void *ptr,
			const struct ma_request *claim);

/** ma_heap_realloc() - resize an object; NULL leaves all as it was. @heap is not NULL. */
void *ma_heap_realloc(struct ma_heap *heap, void *ptr, size_t size) ma_must_check;

/** ma_heap_usable_size() - requested bytes of a live object; anything else is reported, and 0. */
size_t ma_heap_usable_size(struct ma_instance *inst, const void *ptr);

/* Who made an object, and so who may end it. */
enum ma_origin { MA_FROM_MALLOC, MA_FROM_NEW, MA_FROM_NEW_ARRAY, MA_FROM_ANY };

/** ma_heap_set_origin() - note who made a live object. The caller has just allocated it. */
void ma_heap_set_origin(struct ma_instance *inst, void *ptr, enum ma_origin origin);

/**
 * ma_heap_check_origin() - report when somebody else ends a live object than who made it
 * @kind:  of the report, when it is no live object
 *
 * Return: false when it is no live object, which is reported.
 */
bool ma_heap_check_origin(struct ma_instance *inst, const void *ptr, enum ma_origin origin,
			  enum ma_violation_kind kind);

/**
 * ma_heap_compact() - collect, empty stocks and quarantine, return empty slabs, here and in the
 * shared heap
 * @heap:  the calling thread's, or NULL
 */
void ma_heap_compact(struct ma_instance *inst, struct ma_heap *heap);

/** ma_instance_lock() - take every lock, in order, so that the process can fork. */
void ma_instance_lock(struct ma_instance *inst);

/** ma_instance_unlock() - release them. */
void ma_instance_unlock(struct ma_instance *inst);

/**
 * ma_instance_forked() - in the child, before ma_instance_unlock(): the other threads are gone
 * @heap:  of the thread that forked, or NULL
 *
 * What a vanished thread was about to hand over is collected. Slabs of vanished threads stay
 * theirs: frees to them are accepted, but their free slots are not used again.
 */
void ma_instance_forked(struct ma_instance *inst, struct ma_heap *heap);

/** ma_heap_check() - NULL, or the text of the rule that is broken. The heap is the caller's. */
const char *ma_heap_check(struct ma_heap *heap) ma_must_check;

/**
 * ma_instance_check() - pool, meta, large objects and the shared heap, under their locks, and @heap
 * if not NULL.
 */
const char *ma_instance_check(struct ma_instance *inst, struct ma_heap *heap) ma_must_check;

#endif
