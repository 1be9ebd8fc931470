#include "tell_slot.h"
#include "annotate.h"
#include "bins.h"
#include "pagemap.h"
#include "supply.h"

/* Slots that were never in use and become free at once. */
#define FRESH 16u

/* ---- allocate -------------------------------------------------------------------------------- */

/* A slab of those that the heap has, and a slot of its is free. */
ma_inline struct ma_slab *slab_for(struct ma_heap *heap, size_t size)
{
	struct ma_slab *slab;

	if (size > MA_FAST_SLOT - heap->behind)
		return NULL;
	slab = heap->bin[ma_class_of(size + heap->behind)].avail;
	return slab != NULL && slab->nvacant > 0 ? slab : NULL;
}

/* Whether all is as it is nearly always. */
ma_inline bool may_serve(const struct ma_heap *heap, const struct ma_slab *slab, bool zero)
{
	return heap->until_check == 0 && !(slab->flags & (MA_SLAB_SHUFFLED | MA_SLAB_TRACED)) &&
	       (!zero || (slab->flags & MA_SLAB_FILLED));
}

/* N1. A slot that is not zero stays where it is: it is the next one of the long way, too. */
static ma_native uintptr_t take(size_t tid, void *of, uintptr_t how)
{
	struct ma_heap *heap = of;
	size_t size = how >> 1;
	struct ma_slab *slab = slab_for(heap, size);
	uint32_t idx;

	(void)tid;
	if (slab == NULL || !may_serve(heap, slab, how & 1))
		return 0;
	idx = ma_slab_take(slab);
	if (ma_likely(ma_slab_is_zero(slab, idx)))
		return (uintptr_t)ma_slab_arm(slab, idx, size);
	ma_slab_put(slab, idx);
	return 0;
}

/* The long way takes one at a time of those that were never in use. */
static void refill(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_slab *slab = ma_supply_refill(heap, class_idx);
	uint32_t first, n = FRESH;

	if (slab != NULL && slab->nvacant == 0) {
		first = ma_slab_take_fresh(slab, &n);
		for (uint32_t i = 0; i < n; i++)
			ma_slab_put(slab, first + i);
	}
	ma_bins_decay(heap->instance);
}

static ma_noinline void *take_after_refill(struct ma_heap *heap, uintptr_t how)
{
	size_t size = how >> 1;

	if (size > MA_FAST_SLOT - heap->behind || slab_for(heap, size) != NULL)
		return NULL;
	ma_annotate_enter();
	refill(heap, ma_class_of(size + heap->behind));
	ma_annotate_leave();
	return (void *)ma_annotate_outside(take, heap, how);
}

void *ma_tell_slot_alloc(struct ma_heap *heap, size_t size, bool zero)
{
	uintptr_t how = size << 1 | zero;
	void *ptr;

	if (size > MA_FAST_SLOT)
		return NULL;
	ptr = (void *)ma_annotate_outside(take, heap, how);
	return ma_likely(ptr != NULL) ? ptr : take_after_refill(heap, how);
}

/* ---- free ------------------------------------------------------------------------------------ */

/* What else is to be done after a slot was put away; otherwise, the slab to be settled. */
#define NOT_SERVED 0
#define NOTHING 1
#define TOO_MUCH 2

ma_inline bool is_short(const struct ma_heap *heap, const struct ma_slab *slab)
{
	return slab->slot <= MA_FAST_SLOT && !(slab->flags & MA_SLAB_TRACED) &&
	       !heap->quarantine.shuffled && heap->quarantine.cap > 0;
}

/* N1. */
static ma_native uintptr_t put_away(size_t tid, void *of, size_t at)
{
	struct ma_heap *heap = of;
	const char *ptr = (const char *)at;
	struct ma_block *block = ma_pagemap_get(heap->instance->pagemap, at);
	struct ma_slab *slab;
	struct ma_slot slot;
	struct ma_retired out;

	(void)tid;
	if (block == NULL || block->kind != MA_BLOCK_SLAB ||
	    atomic_load_explicit(&block->owner, memory_order_acquire) != (uintptr_t)heap)
		return NOT_SERVED;
	slab = ma_slab_of(block);
	if (!is_short(heap, slab) || ma_slab_prove(slab, ptr, &slot) != MA_PROOF_OK)
		return NOT_SERVED;
	ma_slab_retire(slab, slot.idx, slot.state);
	out = ma_quarantine_put(&heap->quarantine, (struct ma_retired){slab, slot.idx, slab->slot});
	if (out.slab == NULL)
		return NOTHING;
	ma_slab_put(out.slab, out.idx);
	if (!out.slab->is_avail || out.slab->used == 0)
		return (uintptr_t)out.slab;
	return ma_quarantine_is_over(&heap->quarantine) ? TOO_MUCH : NOTHING;
}

static ma_noinline void settle(struct ma_heap *heap, struct ma_slab *slab)
{
	ma_annotate_enter();
	if (slab != NULL)
		ma_bins_settle(heap, slab);
	ma_supply_relieve(heap);
	ma_annotate_leave();
}

bool ma_tell_slot_free(struct ma_heap *heap, void *ptr)
{
	uintptr_t left = ma_annotate_outside(put_away, heap, (uintptr_t)ptr);

	if (left == NOT_SERVED)
		return false;
	if (ma_unlikely(left != NOTHING))
		settle(heap, left == TOO_MUCH ? NULL : (struct ma_slab *)left);
	return true;
}
