/*
 * slab - a block cut into equal slots; slot states, canaries.
 *
 * What and why: small objects live in slots. Which slots are free, live or retired, and how many
 * bytes the program asked for, is known without looking at user memory, so that every pointer can
 * be proven before anything is done with it. A slab belongs to one thread's heap, which takes and
 * returns slots without atomics; other threads only change states of live ones.
 *
 *      block   [ slot 0 | slot 1 | slot 2 | ... | slot n-1 | unused ]
 *      slot    [ requested bytes | canary (8) | tail: zero ]
 *      beside  states[n]   free, retired, remote, or live and its slack; generation; origin
 *              vacant[]    a bit for each slot: free, and was in use before
 *              wide[n]     slack of live slots where a byte is too short (large slots only)
 *              trace[n]    stacks of the last allocation and free, where they are recorded
 *      fresh slots are counted, not stacked: start, start + 1, ... round to start - 1
 *
 * Rules:
 *   S1  nslots * slot <= size of the block; the rider of the block is this structure.
 *   S2  used + nvacant + (nslots - fresh) = nslots, where used counts live and retired slots.
 *   S3  nvacant bits are set, those of free slots that were handed out before; hint is not behind
 *       the first word that has any, unless slots are shuffled.
 *   S4  A live slot's slack leaves room for the canary: slack <= slot - MA_CANARY.
 *   S5  Behind the requested bytes of a live slot stands its canary, and behind that nothing but
 *       zeros (in slots that are not filled: in the last bytes), unless the program wrote there.
 *   S6  A free or retired slot of a filled slab that was in use is zero, of another slab its first
 *       and its last 16 bytes, unless the program wrote to them.
 *   S7  A slot that another thread freed is remote, or lost, and counted as used, until its owner
 *       collects it (remote.h).
 *   S8  What a state says is true when it can be read: a slot becomes live after its canary is
 *       there, leaves before it is zeroed, and is retired or free after that. So anybody may verify
 *       slots of a slab whose block stays; who does expects that a free slot may hold the canary of
 *       its next life already.
 *   S9  There is a state for each multiple of slot within the block, so that whatever a pointer
 *       into the block is divided into has one: behind the last slot, of slots never handed out.
 *
 * The generation of a slot changes with each life, and the canary with it.
 *
 * The owner is noted in the block. A slab with used slots is not destroyed.
 *
 * Locks: none. Fields of the second line are the owner's alone. Cost: O(1), and the fill.
 * Rejected: free lists through the slots (a write after free becomes a write to our list); a stack
 * of free indices (sixteen times the memory of a bit each).
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
#include "waitlist.h"

/* The low byte of a state. */
/* 0 .. MA_SLOT_WIDE - 1: live, and that is its slack. */
#define MA_SLOT_WIDE 0xf0
#define MA_SLOT_FREE 0xf1
#define MA_SLOT_RETIRED 0xf2
#define MA_SLOT_REMOTE 0xf3  /* freed by another thread */
#define MA_SLOT_LEAVING 0xf4 /* was live, is being zeroed */
#define MA_SLOT_LOST 0xf5    /* freed by another thread, and no batch tells of it (remote.h) */

/* The high byte: [ generation (6 bits) | origin (2 bits) ]. */
#define MA_SLOT_ORIGIN_SHIFT 8
#define MA_SLOT_ORIGIN ((unsigned)3 << MA_SLOT_ORIGIN_SHIFT)
#define MA_SLOT_LIFE MA_CANARY_STRIDE
#define MA_SLOT_LIVES ((unsigned)0xfc00)

/* Flags of a slab. */
#define MA_SLAB_FILLED 1u    /* all of a slot is zeroed when freed and verified before reuse */
#define MA_SLAB_TRACED 2u    /* stacks are recorded */
#define MA_SLAB_GUARDED 4u   /* the last page of the block is a guard */
#define MA_SLAB_SHUFFLED 16u /* slots are handed out in random order */
#define MA_SLAB_CLOSE 8u     /* every proof looks at all that is behind the canary */

/* Of addresses in the program's half; what is above has place for a secret, and for a life. */
#define MA_SLAB_ADDR_BITS 48
#define MA_SLAB_SECRET_BITS 10

/* Numbers of recorded stacks, 0 for none. */
struct ma_trace {
	_Atomic uint32_t allocated;
	_Atomic uint32_t freed;
};

/* What slabs are made with; fixed. */
struct ma_slab_policy {
	size_t fill_max; /* slots up to this are filled */
	size_t redzone;  /* bytes that slots have beside object and canary; all are looked at */
	bool traced;     /* stacks are recorded */
	bool guarded;    /* guard pages behind slabs */
	bool shuffled;   /* slots are handed out in random order */
};

struct ma_stock;

struct ma_slab_source {
	struct ma_pool *pool;
	struct ma_waitlist *waitlist; /* where blocks of earlier slabs wait */
	const struct ma_slab_policy *policy;
	struct ma_random *random;
};

struct ma_slab {
	/* Read by every thread that frees: one line. */
	uintptr_t granule;        /* address >> MA_GRANULE_SHIFT; fixed */
	_Atomic uint16_t *states; /* a phase and a life for each slot (S9); fixed pointer */
	uintptr_t where;          /* address of the states, and a secret above it; fixed */
	struct ma_stock *stock;   /* its owner's, of its class (stock.h); the owner's */
	struct ma_fill fill;      /* what of a slot is zeroed (S6); fixed */
	uint32_t slot;            /* bytes; fixed */
	uint32_t recip;           /* 2^32 / slot, rounded up; fixed */
	uint32_t nslots;          /* fixed */
	uint8_t class_idx;        /* fixed */
	uint8_t flags;            /* fixed */

	alignas(MA_CACHE_LINE) _Atomic uint32_t *wide; /* nslots, or NULL; fixed pointer */
	struct ma_trace *trace;                        /* nslots, or NULL; fixed pointer */

	/* The owner's. */
	uint64_t *vacant;            /* S3 */
	uint32_t nvacant;            /* S3 */
	uint32_t fresh;              /* slots ever handed out */
	uint32_t start;              /* the first slot that was */
	uint32_t used;               /* S2 */
	uint16_t hint;               /* a word of vacant (S3) */
	ma_flag zero;                /* fresh slots are known to be zero; fixed */
	ma_flag is_avail;            /* on its bin's list of slabs with free slots */
	uint32_t choice;             /* what decides which slot is next, where they are shuffled */
	struct ma_slab *prev, *next; /* in that list or the other */
};

static_assert(sizeof(struct ma_slab) <= MA_BLOCK_RIDER, "a slab rides in its block (S1)");
static_assert(offsetof(struct ma_slab, wide) == MA_CACHE_LINE, "what a free reads is one line");

/* A slot that was proven to be the program's live object. */
struct ma_slot {
	uint32_t idx;
	uint32_t slack;
	unsigned state;
};

enum ma_proof {
	MA_PROOF_OK,
	MA_PROOF_INTERIOR, /* not the start of a slot */
	MA_PROOF_FREE,     /* not live */
	MA_PROOF_OVERRUN,  /* live, what stands behind it is damaged */
	MA_PROOF_WRITTEN,  /* free, and not zero */
};

/**
 * ma_slab_create() - a block cut into slots
 * @growth:  slabs of the class the caller has
 *
 * Return: a slab without owner, all slots free; NULL without memory.
 */
struct ma_slab *ma_slab_create(const struct ma_slab_source *source, unsigned class_idx,
			       size_t growth) ma_must_check;

/** ma_slab_destroy() - the block goes to the waitlist. No slot is in use. Return: as its put. */
bool ma_slab_destroy(struct ma_slab *slab, struct ma_waitlist *waitlist);

/** ma_slab_state() - state of slot @idx as the outside sees it: 'f'ree, 'l'ive or 'r'etired. */
char ma_slab_state(const struct ma_slab *slab, uint32_t idx);

/** ma_slab_damaged() - a free slot was found not to be zero (S6): report, and zero it. */
void ma_slab_damaged(const struct ma_slab *slab, uint32_t idx) __attribute__((cold));

/** ma_slab_overrun() - what stands behind a live object is damaged (S5): report. */
void ma_slab_overrun(const struct ma_slab *slab, struct ma_slot slot) __attribute__((cold));

/** ma_slab_describe() - fill in what is known of slot @idx: object, size, state, surroundings. */
void ma_slab_describe(const struct ma_slab *slab, uint32_t idx, struct ma_violation *v);

/** ma_slab_tail_is_zero() - whether all behind the canary of a live object is zero, if filled. */
ma_native bool ma_slab_tail_is_zero(const struct ma_slab *slab, const char *ptr, size_t size);

/**
 * ma_slab_verify() - look at slot @idx from any thread, while the block stays (S8)
 *
 * Return: MA_PROOF_OK, or MA_PROOF_OVERRUN or MA_PROOF_WRITTEN when the program wrote where it must
 * not; *slot is set for the former.
 */
enum ma_proof ma_slab_verify(const struct ma_slab *slab, uint32_t idx, struct ma_slot *slot);

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

/* A slab that is being made has no states yet: its block was handed out a moment ago. */
ma_inline bool ma_slab_is_set_up(struct ma_block *block)
{
	return atomic_load_explicit(&block->owner, memory_order_acquire) != 0;
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
	return slab->nvacant > 0 || slab->fresh < slab->nslots;
}

/* Requested bytes of a live slot. */
ma_inline size_t ma_slot_size(const struct ma_slab *slab, struct ma_slot slot)
{
	return slab->slot - MA_CANARY - slot.slack;
}

ma_inline unsigned ma_slab_load(const struct ma_slab *slab, uint32_t idx)
{
	return atomic_load_explicit(&slab->states[idx], memory_order_acquire);
}

ma_inline void ma_slab_store(struct ma_slab *slab, uint32_t idx, unsigned state)
{
	atomic_store_explicit(&slab->states[idx], (uint16_t)state, memory_order_release);
}

/* The low byte of a state, and a new one in its place. */
ma_inline unsigned ma_slot_phase(unsigned state)
{
	return state & 0xff;
}

ma_inline void ma_slot_set_phase(_Atomic uint16_t *state, uint8_t phase)
{
	atomic_store_explicit((_Atomic uint8_t *)state, phase, memory_order_release);
}

ma_inline void ma_slab_set_phase(struct ma_slab *slab, uint32_t idx, uint8_t phase)
{
	ma_slot_set_phase(&slab->states[idx], phase);
}

ma_inline bool ma_slot_is_live(unsigned state)
{
	return ma_slot_phase(state) <= MA_SLOT_WIDE;
}

/* Who made the object; a slot that was never in use has the highest value. */
ma_inline unsigned ma_slot_origin(unsigned state)
{
	return (state & MA_SLOT_ORIGIN) >> MA_SLOT_ORIGIN_SHIFT;
}

ma_inline bool ma_slot_was_used(unsigned state)
{
	return (state & MA_SLOT_ORIGIN) != MA_SLOT_ORIGIN;
}

/* The high byte of the next life of a slot. */
ma_inline unsigned ma_slot_next_life(unsigned state)
{
	return (state + ma_canary.stride) & MA_SLOT_LIVES;
}

/*
 * What the canaries of a slot depend on in the life that @state tells:
 * [ life (6 bits) | secret of the slab | address of the slot's state (48 bits) ].
 */
ma_inline uintptr_t ma_slab_secret(const struct ma_slab *slab, size_t idx, unsigned state)
{
	return (slab->where + idx * sizeof(uint16_t)) ^
	       ((uintptr_t)(state & MA_SLOT_LIVES) << MA_SLAB_ADDR_BITS);
}

ma_inline _Atomic uint16_t *ma_slot_state_at(uintptr_t secret)
{
	return (_Atomic uint16_t *)(secret & (((uintptr_t)1 << MA_SLAB_ADDR_BITS) - 1));
}

/* The same slot's in its next life. */
ma_inline uintptr_t ma_slot_next_secret(uintptr_t secret)
{
	return secret + ((uintptr_t)ma_canary.stride << MA_SLAB_ADDR_BITS);
}

/* The high byte of the state of a slot that has this secret. */
ma_inline unsigned ma_slot_life_of(uintptr_t secret)
{
	return (unsigned)(secret >> MA_SLAB_ADDR_BITS) & MA_SLOT_LIVES;
}

/*
 * The phase of a live slot with @slack; where a byte is too short, the slack is noted beside.
 */
ma_inline unsigned ma_slab_phase_of(struct ma_slab *slab, uint32_t idx, size_t slack)
{
	if (ma_likely(slack < MA_SLOT_WIDE))
		return (unsigned)slack;
	atomic_store_explicit(&slab->wide[idx], (uint32_t)slack, memory_order_release);
	return MA_SLOT_WIDE;
}

/* The slack of a live slot. */
ma_inline uint32_t ma_slab_slack(const struct ma_slab *slab, uint32_t idx, unsigned state)
{
	unsigned phase = ma_slot_phase(state);

	if (ma_likely(phase != MA_SLOT_WIDE))
		return phase;
	return atomic_load_explicit(&slab->wide[idx], memory_order_relaxed);
}

/* The bytes behind the canary, as far as one look tells: the last ones of the slot are zero. */
ma_inline bool ma_slot_tail_intact(const char *ptr, size_t slot, size_t slack)
{
	uint64_t last = ma_canary_found(ptr + slot - sizeof(last));

	return slack == 0 || last >> (64 - 8 * ma_min(slack, 8)) == 0;
}

/* Canary and tail behind @size bytes. */
ma_inline void ma_slab_seal(const struct ma_slab *slab, char *ptr, size_t size, uint64_t secret)
{
	if (!(slab->flags & MA_SLAB_FILLED))
		ma_canary_clear(ptr + slab->slot - MA_CANARY);
	ma_canary_put(ptr + size, secret);
}

ma_inline bool ma_slab_is_zero(const struct ma_slab *slab, uint32_t idx)
{
	return ma_fill_is_zero(ma_slab_slot_ptr(slab, idx), &slab->fill);
}

ma_inline void ma_slab_zero(const struct ma_slab *slab, uint32_t idx)
{
	ma_fill_zero(ma_slab_slot_ptr(slab, idx), &slab->fill);
}

/**
 * ma_slab_arm() - slot @idx, just taken, becomes a live object of @size bytes. Reports a write
 * after free.
 */
ma_inline void *ma_slab_arm(struct ma_slab *slab, uint32_t idx, size_t size)
{
	unsigned state = ma_slot_next_life(ma_slab_load(slab, idx));
	char *ptr = ma_slab_slot_ptr(slab, idx);

	if (ma_unlikely(!ma_slab_is_zero(slab, idx)))
		ma_slab_damaged(slab, idx);
	ma_canary_put(ptr + size, ma_slab_secret(slab, idx, state));
	state |= ma_slab_phase_of(slab, idx, slab->slot - MA_CANARY - size);
	ma_slab_store(slab, idx, state);
	return ptr;
}

/** ma_slab_resize() - a live slot now holds @size bytes, which fit. Owner only. */
void ma_slab_resize(struct ma_slab *slab, struct ma_slot slot, size_t size);

/** ma_slab_set_origin() - note who made the live object at @ptr. Owner only. */
void ma_slab_set_origin(struct ma_slab *slab, const void *ptr, unsigned origin);

/**
 * ma_slab_take_fresh() - slots that were never handed out; there is one. Owner only.
 * @n:  how many at most; becomes how many
 *
 * Return: the index of the first; the others follow.
 */
uint32_t ma_slab_take_fresh(struct ma_slab *slab, uint32_t *n);

/** ma_slab_take_other() - ma_slab_take() of a fresh slot, or of any where they are shuffled. */
uint32_t ma_slab_take_other(struct ma_slab *slab);

/** ma_slab_take() - a free slot's index; there is one. Owner only. */
ma_inline uint32_t ma_slab_take(struct ma_slab *slab)
{
	uint64_t *word = &slab->vacant[slab->hint];
	uint32_t bit;

	if (slab->nvacant == 0 || (slab->flags & MA_SLAB_SHUFFLED))
		return ma_slab_take_other(slab);
	slab->used++;
	/* The lowest, so that what is used lies close together. */
	while (*word == 0)
		word++;
	bit = (uint32_t)__builtin_ctzll(*word);
	*word &= *word - 1;
	slab->nvacant--;
	slab->hint = (uint16_t)(word - slab->vacant);
	return slab->hint * 64u + bit;
}

/**
 * ma_slab_retire() - a live slot in @state ceases to be: it is zeroed (S6). Owner only.
 */
ma_inline void ma_slab_retire(struct ma_slab *slab, uint32_t idx, unsigned state)
{
	unsigned life = state & ~0xffu;

	ma_slab_store(slab, idx, life | MA_SLOT_LEAVING);
	atomic_thread_fence(memory_order_release);
	ma_slab_zero(slab, idx);
	ma_slab_store(slab, idx, life | MA_SLOT_RETIRED);
}

/** ma_slab_put() - slot @idx, retired, becomes free. Owner only. */
ma_inline void ma_slab_put(struct ma_slab *slab, uint32_t idx)
{
	ma_slab_set_phase(slab, idx, MA_SLOT_FREE);
	slab->vacant[idx / 64] |= (uint64_t)1 << (idx % 64);
	slab->hint = (uint16_t)ma_min(slab->hint, idx / 64);
	slab->nvacant++;
	slab->used--;
}

/** ma_slab_prove() - is @ptr, somewhere in the slab's block, a live and undamaged object? */
ma_inline enum ma_proof ma_slab_prove(const struct ma_slab *slab, const void *ptr,
				      struct ma_slot *slot)
{
	size_t offset = (size_t)((const char *)ptr - ma_slab_base(slab));
	uint32_t idx = (uint32_t)((offset * slab->recip) >> 32);
	uintptr_t secret;
	unsigned state;
	size_t size;

	if (ma_unlikely((size_t)idx * slab->slot != offset || idx >= slab->nslots))
		return MA_PROOF_INTERIOR;
	slot->idx = idx;
	state = ma_slab_load(slab, idx);
	slot->state = state;
	if (ma_unlikely(!ma_slot_is_live(state)))
		return MA_PROOF_FREE;
	slot->slack = ma_slab_slack(slab, idx, state);
	size = ma_slot_size(slab, *slot);
	secret = ma_slab_secret(slab, idx, state);
	if (ma_unlikely(!ma_canary_intact((const char *)ptr + size, secret)))
		return MA_PROOF_OVERRUN;
	if (ma_unlikely(!ma_slot_tail_intact(ptr, slab->slot, slot->slack)))
		return MA_PROOF_OVERRUN;
	if (ma_unlikely(slab->flags & MA_SLAB_CLOSE) && !ma_slab_tail_is_zero(slab, ptr, size))
		return MA_PROOF_OVERRUN;
	return MA_PROOF_OK;
}

#endif
