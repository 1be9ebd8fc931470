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

/* Zeroed (S6), and retired from then on. */
ma_inline void ma_fast_retire(_Atomic uint16_t *state, char *ptr, const struct ma_fill *fill)
{
	ma_slot_set_phase(state, MA_SLOT_LEAVING);
	atomic_thread_fence(memory_order_release);
	ma_fill_zero(ptr, fill);
	ma_slot_set_phase(state, MA_SLOT_RETIRED);
}

/** ma_fast_put() - a retired slot goes elsewhere: the stock of its class is full. */
void ma_fast_put(struct ma_slab *slab, size_t idx) __attribute__((noinline));

/* A live object of the heap's. */
struct ma_fast_object {
	struct ma_slab *slab;
	size_t idx;
	unsigned state;
	uintptr_t secret; /* known once it was proven */
};

/** ma_fast_find() - is @ptr a live object of the heap's? False: the long way tells. */
ma_inline bool ma_fast_find(const struct ma_pagemap *map, const struct ma_heap *heap,
			    const void *ptr, struct ma_fast_object *o)
{
	struct ma_block *block = ma_pagemap_get_any(map, (uintptr_t)ptr);
	size_t offset;

	/* Other kinds of blocks have no owner. */
	if (ma_unlikely(block == NULL ||
			atomic_load_explicit(&block->owner, memory_order_relaxed) != heap->self))
		return false;
	o->slab = ma_slab_of(block);
	offset = (uintptr_t)ptr - ma_block_addr(block);
	o->idx = (offset * o->slab->recip) >> 32;
	if (ma_unlikely(o->idx * o->slab->slot != offset || o->idx >= o->slab->nslots))
		return false;
	o->state = atomic_load_explicit(&o->slab->states[o->idx], memory_order_relaxed);
	return ma_likely(ma_slot_phase(o->state) < MA_SLOT_WIDE);
}

/** ma_fast_prove() - is it undamaged, too? */
ma_inline bool ma_fast_prove(const struct ma_pagemap *map, const struct ma_heap *heap,
			     const void *ptr, struct ma_fast_object *o)
{
	if (ma_unlikely(!ma_fast_find(map, heap, ptr, o)))
		return false;
	o->secret = ma_slab_secret(o->slab, o->idx, o->state);
	return ma_likely(ma_fast_intact((const char *)ptr + o->slab->slot - MA_CANARY,
					ma_slot_phase(o->state), o->secret));
}

/** ma_fast_size() - requested bytes of an object that was proven. */
ma_inline size_t ma_fast_size(const struct ma_fast_object *o)
{
	return o->slab->slot - MA_CANARY - ma_slot_phase(o->state);
}

/** ma_fast_is() - whether a claim holds of an object that was proven (ma_heap_free_sized()). */
ma_inline bool ma_fast_is(const struct ma_fast_object *o, const void *ptr,
			  const struct ma_request *claim)
{
	return (claim->size == ma_fast_size(o) || claim->size == SIZE_MAX) &&
	       ma_is_pow2(claim->align) && ((uintptr_t)ptr & (claim->align - 1)) == 0;
}

/** ma_fast_end() - the object at @ptr, which was proven, is freed. */
ma_inline void ma_fast_end(const struct ma_fast_object *o, void *ptr)
{
	struct ma_stock *stock = o->slab->stock;

	ma_fast_retire(&o->slab->states[o->idx], ptr, &o->slab->fill);
	if (ma_likely(!ma_stock_is_full(stock)))
		ma_stock_put(stock, ptr, ma_slot_next_secret(o->secret));
	else
		ma_fast_put(o->slab, o->idx);
}

/** ma_fast_free() - ma_heap_free(), or false: the long way is to be taken. @heap is not NULL. */
ma_inline bool ma_fast_free(const struct ma_pagemap *map, const struct ma_heap *heap, void *ptr)
{
	struct ma_fast_object o;

	if (ma_unlikely(!ma_fast_prove(map, heap, ptr, &o)))
		return false;
	ma_fast_end(&o, ptr);
	return true;
}

#endif
