/*
 * slab - a block cut into equal slots; slot states, canaries, remote frees.
 *
 * What and why: small objects live in slots. Which slots are free, live or retired, and how many
 * bytes the program asked for, is known without looking at user memory, so that every pointer can
 * be proven before anything is done with it. A slab belongs to one thread's heap, which takes and
 * returns slots without atomics; other threads only set bits.
 *
 *      block   [ slot 0 | slot 1 | slot 2 | ... | slot n-1 | unused ]
 *      slot    [ requested bytes | canary (8) | slack ]
 *      beside  states[n]   one byte per slot: free, retired, or live and its slack
 *              remote[]    one bit per slot: freed by another thread, not collected yet
 *              stack[n]    indices of free slots that were in use before, most recent on top
 *              wide[n]     slack of live slots where a byte is too short (large slots only)
 *      fresh slots are counted, not stacked: start, start + 1, ... round to start - 1
 *
 * Rules:
 *   S1  nslots * slot <= size of the block; the rider of the block is this structure.
 *   S2  used + top + (nslots - fresh) = nslots, where used counts live and retired slots.
 *   S3  The stack holds distinct indices of free slots that were handed out before.
 *   S4  A live slot's slack leaves room for the canary: slack <= slot - MA_CANARY.
 *   S5  Behind the requested bytes of a live slot stands its canary, unless the program overran it.
 *   S6  A free slot of at most MA_FILL_MAX bytes that was in use is zero, unless the program wrote
 *       to it.
 *   S7  A remote bit is set only for a live slot; it is what makes it retired until it is
 *       collected.
 *
 * The owner is noted in the block. Its low bit says that remote bits may be set and that the slab
 * is, or is about to be, on its owner's list of notified slabs. A slab with that bit set does not
 * change owners and is not destroyed.
 *
 * Locks: none. Fields of the second line are the owner's alone. Cost: O(1), and the fill.
 * Rejected: free lists through the slots (a write after free becomes a write to our list); states
 * written by any thread (the lines bounce between cores).
 */
#ifndef MA_SLAB_H
#define MA_SLAB_H

#include <stdatomic.h>

#include "block.h"
#include "canary.h"
#include "fill.h"
#include "pool.h"
#include "random.h"
#include "report.h"
#include "sizeclass.h"

#define MA_SLOT_FREE 0
/* 1 .. MA_SLOT_WIDE - 1: live, slack is the state less one. */
#define MA_SLOT_WIDE 0xf0
#define MA_SLOT_RETIRED 0xf1

#define MA_SLAB_PENDING ((uintptr_t)1)

struct ma_slab {
	/* Read by every thread that frees. */
	uintptr_t granule;        /* address >> MA_GRANULE_SHIFT; fixed */
	_Atomic uint8_t *states;  /* nslots; fixed pointer */
	_Atomic uint64_t *remote; /* a bit per slot; fixed pointer */
	_Atomic uint32_t *wide;   /* nslots, or NULL; fixed pointer */
	uint32_t slot;            /* bytes; fixed */
	uint32_t recip;           /* 2^32 / slot, rounded up; fixed */
	uint32_t nslots;          /* fixed */
	uint8_t class_idx;        /* fixed */
	bool filled;              /* slot <= MA_FILL_MAX; fixed */

	/* The owner's. */
	alignas(MA_CACHE_LINE) uint16_t *stack; /* S3 */
	uint32_t top;                           /* indices on the stack */
	uint32_t fresh;                         /* slots ever handed out */
	uint32_t start;                         /* the first slot that was */
	uint32_t used;                          /* S2 */
	bool zero;                              /* fresh slots are known to be zero */
	bool is_avail;                          /* on its bin's list of slabs with free slots */
	struct ma_slab *prev, *next;            /* in that list or the other */
	struct ma_slab *notified;               /* next on the owner's list of notified slabs */
};

static_assert(sizeof(struct ma_slab) <= MA_BLOCK_RIDER, "a slab rides in its block (S1)");

/* A slot that was proven to be the program's live object. */
struct ma_slot {
	uint32_t idx;
	uint32_t slack;
};

/**
 * ma_slab_create() - a block cut into slots
 * @growth:  slabs of the class the caller has
 *
 * Return: a slab without owner, all slots fresh; NULL without memory.
 */
struct ma_slab *ma_slab_create(struct ma_pool *pool, unsigned class_idx, size_t growth,
			       struct ma_random *random) ma_must_check;

/** ma_slab_destroy() - give the block back. No slot is in use. Return: as ma_pool_free(). */
bool ma_slab_destroy(struct ma_slab *slab);

/** ma_slab_take_fresh() - a slot that was never in use; there is one. */
uint32_t ma_slab_take_fresh(struct ma_slab *slab);

/**
 * ma_slab_collect() - make the slots that other threads freed free
 *
 * The caller is the owner. Return: slots collected.
 */
uint32_t ma_slab_collect(struct ma_slab *slab);

/** ma_slab_state() - state of slot @idx as the outside sees it: 'f'ree, 'l'ive or 'r'etired. */
char ma_slab_state(const struct ma_slab *slab, uint32_t idx);

/** ma_slab_damaged() - a slot was found not to be zero any more (S6): report. */
void ma_slab_damaged(const struct ma_slab *slab, uint32_t idx) __attribute__((noreturn, cold));

/** ma_slab_overrun() - the canary of a live slot is not intact (S5): report. */
void ma_slab_overrun(const struct ma_slab *slab, struct ma_slot slot)
	__attribute__((noreturn, cold));

/**
 * ma_slab_check() - NULL, or the text of the rule that is broken. The caller is the owner.
 */
const char *ma_slab_check(const struct ma_slab *slab) ma_must_check;

ma_inline struct ma_slab *ma_slab_of(struct ma_block *block)
{
	return (struct ma_slab *)(void *)block->rider;
}

ma_inline struct ma_block *ma_slab_block(struct ma_slab *slab)
{
	return (struct ma_block *)(void *)((char *)slab - offsetof(struct ma_block, rider));
}

ma_inline _Atomic(uintptr_t) *ma_slab_owner(struct ma_slab *slab)
{
	return &ma_slab_block(slab)->owner;
}

ma_inline char *ma_slab_base(const struct ma_slab *slab)
{
	return (char *)(slab->granule << MA_GRANULE_SHIFT);
}

ma_inline char *ma_slab_slot_ptr(const struct ma_slab *slab, uint32_t idx)
{
	return ma_slab_base(slab) + (size_t)idx * slab->slot;
}

ma_inline bool ma_slab_has_free(const struct ma_slab *slab)
{
	return slab->top > 0 || slab->fresh < slab->nslots;
}

/* Requested bytes of a live slot. */
ma_inline size_t ma_slot_size(const struct ma_slab *slab, struct ma_slot slot)
{
	return slab->slot - MA_CANARY - slot.slack;
}

/* The state byte and, where it is too short, the wide slack of a slot that is or becomes live. */
ma_inline void ma_slab_set_slack(struct ma_slab *slab, uint32_t idx, size_t slack)
{
	uint8_t state = (uint8_t)(slack + 1);

	if (ma_unlikely(slack + 1 >= MA_SLOT_WIDE)) {
		state = MA_SLOT_WIDE;
		atomic_store_explicit(&slab->wide[idx], (uint32_t)slack, memory_order_relaxed);
	}
	atomic_store_explicit(&slab->states[idx], state, memory_order_relaxed);
}

/**
 * ma_slab_arm() - slot @idx, just taken, becomes a live object of @size bytes. Reports a write
 * after free.
 */
ma_inline void *ma_slab_arm(struct ma_slab *slab, uint32_t idx, size_t size)
{
	char *ptr = ma_slab_slot_ptr(slab, idx);

	if (slab->filled && ma_unlikely(!ma_fill_is_zero(ptr, slab->slot)))
		ma_slab_damaged(slab, idx);
	ma_slab_set_slack(slab, idx, slab->slot - MA_CANARY - size);
	ma_canary_put(ptr + size);
	return ptr;
}

/** ma_slab_take() - a free slot's index; there is one. Owner only. */
ma_inline uint32_t ma_slab_take(struct ma_slab *slab)
{
	slab->used++;
	if (ma_likely(slab->top > 0))
		return slab->stack[--slab->top];
	return ma_slab_take_fresh(slab);
}

/** ma_slab_put() - slot @idx, live or retired, becomes free. Owner only. */
ma_inline void ma_slab_put(struct ma_slab *slab, uint32_t idx)
{
	atomic_store_explicit(&slab->states[idx], MA_SLOT_FREE, memory_order_relaxed);
	slab->stack[slab->top++] = (uint16_t)idx;
	slab->used--;
}

enum ma_proof {
	MA_PROOF_OK,
	MA_PROOF_INTERIOR, /* not the start of a slot */
	MA_PROOF_FREE,     /* not live */
	MA_PROOF_OVERRUN,  /* live, canary damaged */
};

/** ma_slab_prove() - is @ptr, somewhere in the slab's block, a live and undamaged object? */
ma_inline enum ma_proof ma_slab_prove(const struct ma_slab *slab, const void *ptr,
				      struct ma_slot *slot)
{
	size_t offset = (size_t)((const char *)ptr - ma_slab_base(slab));
	uint32_t idx = (uint32_t)((offset * slab->recip) >> 32);
	uint8_t state;

	if (ma_unlikely((size_t)idx * slab->slot != offset || idx >= slab->nslots))
		return MA_PROOF_INTERIOR;
	slot->idx = idx;
	state = atomic_load_explicit(&slab->states[idx], memory_order_relaxed);
	if (ma_unlikely((uint8_t)(state - 1) >= MA_SLOT_WIDE - 1)) {
		if (state != MA_SLOT_WIDE)
			return MA_PROOF_FREE;
		slot->slack = atomic_load_explicit(&slab->wide[idx], memory_order_relaxed);
	} else {
		slot->slack = (uint32_t)state - 1;
	}
	if (ma_unlikely(!ma_canary_intact((const char *)ptr + ma_slot_size(slab, *slot))))
		return MA_PROOF_OVERRUN;
	return MA_PROOF_OK;
}

/** ma_slab_is_remote() - whether slot @idx was freed by another thread and not collected yet. */
ma_inline bool ma_slab_is_remote(const struct ma_slab *slab, uint32_t idx)
{
	uint64_t word = atomic_load_explicit(&slab->remote[idx / 64], memory_order_acquire);

	return (word >> (idx % 64) & 1) != 0;
}

/**
 * ma_slab_set_remote() - mark slot @idx freed by this thread. Return: false when it was marked
 * before.
 */
ma_inline bool ma_slab_set_remote(struct ma_slab *slab, uint32_t idx)
{
	uint64_t bit = (uint64_t)1 << (idx % 64);

	return (atomic_fetch_or(&slab->remote[idx / 64], bit) & bit) == 0;
}

#endif
