/*
 * fast - the short way through malloc and free.
 *
 * What and why: the stock of the calling thread's heap has a slot at hand, or room for one; the
 * slot is verified and armed, or proven and retired, right here. Whatever else is the case, nothing
 * has been changed and the long way (heap.c) is to be taken. In a header, so that it becomes part
 * of what the program calls.
 *
 * Rules: F1  What the long way would check is checked here, too.
 * Locks, cost: none; no atomic read-modify-write, no call, three dependent loads from a pointer to
 * its slot's state.
 */
#ifndef MA_FAST_H
#define MA_FAST_H

#include "heap.h"
#include "pagemap.h"

/** ma_fast_stock() - the stock that serves requests of @size bytes; none is ready in some. */
ma_inline struct ma_stock *ma_fast_stock(const struct ma_heap *heap, size_t size)
{
	return heap->fast[(size + MA_CANARY + MA_ALIGN - 1) / MA_ALIGN];
}

/** ma_fast_damaged() - a slot at hand was written to: report, and go on. */
void *ma_fast_damaged(const struct ma_heap *heap, struct ma_stocked slot, size_t size)
	__attribute__((cold, noinline));

/** ma_fast_alloc() - a live object of @size bytes from a stock that has one ready for that size. */
ma_inline void *ma_fast_alloc(const struct ma_heap *heap, struct ma_stock *stock, size_t size)
{
	struct ma_stocked slot = ma_stock_take(stock);
	unsigned state = ma_slot_life_of(slot.secret);

	if (ma_unlikely(!ma_fill_is_zero(slot.ptr, &stock->fill)))
		return ma_fast_damaged(heap, slot, size);
	ma_canary_put(slot.ptr + size, slot.secret);
	/* The class has no wide slack (slab.h). */
	state |= stock->last - (unsigned)size;
	atomic_store_explicit(ma_slot_state_at(slot.secret), (uint16_t)state, memory_order_release);
	return slot.ptr;
}

/* Bits of the last eight bytes of a slot that lie behind the canary, by the phase of its state. */
extern const uint64_t ma_fast_tail[MA_SLOT_WIDE];

/* The canary of a live slot, and as much behind it as is seen at one look. */
ma_inline bool ma_fast_intact(const char *last, unsigned phase, uintptr_t secret)
{
	const char *end = last - phase;
	uint64_t damage = ma_canary_found(end) ^ ma_canary_at(end, secret);

	return (damage | (ma_canary_found(last) & ma_fast_tail[phase])) == 0;
}

ma_inline void ma_fast_set_phase(_Atomic uint16_t *state, uint8_t phase)
{
	atomic_store_explicit((_Atomic uint8_t *)state, phase, memory_order_release);
}

/* Zeroed (S6), and retired from then on. */
ma_inline void ma_fast_retire(_Atomic uint16_t *state, char *ptr, const struct ma_fill *fill)
{
	ma_fast_set_phase(state, MA_SLOT_LEAVING);
	atomic_signal_fence(memory_order_seq_cst);
	ma_fill_zero(ptr, fill);
	ma_fast_set_phase(state, MA_SLOT_RETIRED);
}

/** ma_fast_put() - a retired slot goes elsewhere: the stock of its class is full. */
void ma_fast_put(struct ma_slab *slab, size_t idx) __attribute__((noinline));

/** ma_fast_free() - ma_heap_free(), or false: the long way is to be taken. @heap is not NULL. */
ma_inline bool ma_fast_free(const struct ma_pagemap *map, const struct ma_heap *heap, void *ptr)
{
	struct ma_block *block = ma_pagemap_get_any(map, (uintptr_t)ptr);
	struct ma_stock *stock;
	struct ma_slab *slab;
	size_t offset, idx;
	unsigned state, phase;
	uintptr_t secret;

	/* Other kinds of blocks have no owner. */
	if (ma_unlikely(block == NULL ||
			atomic_load_explicit(&block->owner, memory_order_relaxed) != heap->self))
		return false;
	slab = ma_slab_of(block);
	offset = (uintptr_t)ptr - ma_block_addr(block);
	idx = (offset * slab->recip) >> 32;
	/* An address that is not this block's has no such index; a state is there (S9). */
	if (ma_unlikely(idx * slab->slot != offset))
		return false;
	state = atomic_load_explicit(&slab->states[idx], memory_order_relaxed);
	phase = ma_slot_phase(state);
	if (ma_unlikely(phase >= MA_SLOT_WIDE))
		return false;
	secret = ma_slab_secret(slab, idx, state);
	if (ma_unlikely(!ma_fast_intact((char *)ptr + slab->slot - MA_CANARY, phase, secret)))
		return false;
	ma_fast_retire(&slab->states[idx], ptr, &slab->fill);
	stock = slab->stock;
	if (ma_likely(!ma_stock_is_full(stock)))
		ma_stock_put(stock, ptr, ma_slot_next_secret(secret));
	else
		ma_fast_put(slab, idx);
	return true;
}

#endif
