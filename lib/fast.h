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

/** ma_fast_damaged() - a slot at hand was written to: report. */
void ma_fast_damaged(const struct ma_heap *heap, struct ma_stocked slot) __attribute__((cold));

/* The slot becomes a live object of @size bytes; its class has no wide slack (slab.h). */
ma_inline void *ma_fast_arm(const struct ma_heap *heap, const struct ma_stock *stock,
			    struct ma_stocked slot, size_t size)
{
	_Atomic uint16_t *at = ma_slot_state_at(slot.where);
	unsigned state =
		ma_slot_next_life(atomic_load_explicit(at, memory_order_relaxed));

	if (ma_likely(stock->fill > 0)) {
		if (ma_unlikely(!ma_fill_is_zero(slot.ptr, stock->fill)))
			ma_fast_damaged(heap, slot);
	} else {
		ma_canary_clear(slot.ptr + stock->slot - MA_CANARY);
	}
	ma_canary_put(slot.ptr + size, ma_slot_secret(slot.where, state));
	state |= stock->slot - ((unsigned)size + (unsigned)MA_CANARY - 1);
	atomic_store_explicit(at, (uint16_t)state, memory_order_release);
	return slot.ptr;
}

/** ma_fast_alloc() - ma_heap_alloc(), or NULL: the long way is to be taken. */
ma_inline void *ma_fast_alloc(struct ma_heap *heap, size_t size)
{
	struct ma_stock *stock;

	if (ma_unlikely(size > MA_FAST_MAX))
		return NULL;
	stock = heap->fast[(size + MA_CANARY + MA_ALIGN - 1) / MA_ALIGN];
	if (ma_unlikely(stock->ready <= 0))
		return NULL;
	return ma_fast_arm(heap, stock, ma_stock_take(stock), size);
}

/* Bits of the last eight bytes of a slot that lie behind the canary, by the phase of its state. */
extern const uint64_t ma_fast_tail[MA_SLOT_WIDE];

/* The canary of a live slot, and as much behind it as is seen at one look. */
ma_inline bool ma_fast_intact(const char *last, unsigned state, uintptr_t where)
{
	unsigned phase = ma_slot_phase(state);
	const char *end = last + 1 - phase;
	uint64_t damage = ma_canary_found(end) ^ ma_canary_at(end, ma_slot_secret(where, state));

	return (damage | (ma_canary_found(last) & ma_fast_tail[phase])) == 0;
}

/* Zero where slots are filled; retired from then on. */
ma_inline void ma_fast_retire(_Atomic uint16_t *at, unsigned state, char *ptr, size_t fill)
{
	unsigned life = state & ~0xffu;

	if (ma_likely(fill > 0)) {
		atomic_store_explicit(at, (uint16_t)(life | MA_SLOT_LEAVING), memory_order_release);
		atomic_signal_fence(memory_order_seq_cst);
		ma_fill_zero(ptr, fill);
	}
	atomic_store_explicit(at, (uint16_t)(life | MA_SLOT_RETIRED), memory_order_release);
}

/** ma_fast_free() - ma_heap_free(), or false: the long way is to be taken. @heap is not NULL. */
ma_inline bool ma_fast_free(const struct ma_pagemap *map, const struct ma_heap *heap, void *ptr)
{
	struct ma_block *block = ma_pagemap_get(map, (uintptr_t)ptr);
	struct ma_stock *stock;
	struct ma_slab *slab;
	size_t offset, idx;
	unsigned state;

	/* Other kinds of blocks have no owner; a pending slab has a bit in it. */
	if (ma_unlikely(block == NULL || atomic_load_explicit(&block->owner, memory_order_relaxed) !=
						 (uintptr_t)heap))
		return false;
	slab = ma_slab_of(block);
	stock = slab->stock;
	offset = (uintptr_t)ptr - ma_block_addr(block);
	idx = (offset * slab->recip) >> 32;
	/* A state is there (S9), of a slot or not. */
	if (ma_unlikely(stock->room <= 0 || idx * slab->slot != offset))
		return false;
	state = atomic_load_explicit(&slab->states[idx], memory_order_relaxed);
	if (ma_unlikely(ma_slot_phase(state) - 1 >= MA_SLOT_WIDE - 1) ||
	    ma_unlikely(!ma_fast_intact((char *)ptr + slab->slot - MA_CANARY, state,
					slab->where + idx * sizeof(uint16_t))))
		return false;
	ma_fast_retire(&slab->states[idx], state, ptr, stock->fill);
	ma_stock_put(stock, ptr, slab->where + idx * sizeof(uint16_t));
	return true;
}

#endif
