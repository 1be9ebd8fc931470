#include "supply.h"
#include "bins.h"
#include "pagemap.h"
#include "remote.h"

/* ---- slabs ----------------------------------------------------------------------------------- */

static struct ma_slab *adopt_locked(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_heap *shared = &heap->instance->shared;
	struct ma_slab *slab;

	(void)ma_remote_collect(shared);
	slab = shared->bin[class_idx].avail;
	if (slab == NULL)
		return NULL;
	ma_bins_part(shared, slab);
	ma_bins_join(heap, slab);
	return slab;
}

static struct ma_slab *adopt(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_instance *inst = heap->instance;
	struct ma_slab *slab;

	if (atomic_load_explicit(&inst->nshared, memory_order_relaxed) == 0)
		return NULL;
	ma_lock(&inst->shared_lock);
	slab = adopt_locked(heap, class_idx);
	ma_unlock(&inst->shared_lock);
	return slab;
}

static struct ma_slab *create(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_bin *bin = &heap->bin[class_idx];
	struct ma_slab *slab = ma_slab_create(&heap->source, class_idx, bin->nslabs);

	if (slab != NULL)
		ma_bins_join(heap, slab);
	return slab;
}

struct ma_slab *ma_supply_refill(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_slab *slab;

	ma_remote_deliver(heap);
	(void)ma_remote_collect(heap);
	slab = ma_bins_next(heap, class_idx);
	if (slab == NULL)
		slab = adopt(heap, class_idx);
	if (slab == NULL)
		slab = create(heap, class_idx);
	return slab;
}

/* One slot leaves the quarantine. False: none is left. */
static bool release_one(struct ma_heap *heap)
{
	struct ma_retired retired = ma_quarantine_take(&heap->quarantine);

	if (retired.slab == NULL)
		return false;
	ma_slab_put(retired.slab, retired.idx);
	ma_bins_settle(heap, retired.slab);
	return true;
}

void ma_supply_relieve(struct ma_heap *heap)
{
	while (ma_quarantine_is_over(&heap->quarantine) && release_one(heap))
		;
	ma_bins_decay(heap->instance);
}

/* ---- stocks ---------------------------------------------------------------------------------- */

static struct ma_slab *slab_of(const struct ma_heap *heap, struct ma_stocked slot)
{
	return ma_slab_of(ma_pagemap_get(heap->instance->pagemap, (uintptr_t)slot.ptr));
}

static uint32_t idx_of(const struct ma_slab *slab, struct ma_stocked slot)
{
	return (uint32_t)(ma_slot_state_at(slot.secret) - slab->states);
}

uint32_t ma_supply_idx(const struct ma_heap *heap, struct ma_stocked slot)
{
	return idx_of(slab_of(heap, slot), slot);
}

/* A slab that is not full and not empty stays where it is: so the same slab may be next. */
static void give_back(struct ma_heap *heap, struct ma_stock *stock, uint32_t n)
{
	struct ma_slab *slab = NULL;
	uintptr_t base = 0;
	size_t size = 0; /* of the slots of @slab */

	for (; n > 0; n--) {
		struct ma_stocked slot = ma_stock_take(stock);

		if ((uintptr_t)slot.ptr - base >= size) {
			slab = slab_of(heap, slot);
			base = (uintptr_t)ma_slab_base(slab);
			size = (size_t)slab->nslots * slab->slot;
		}
		ma_slab_put(slab, idx_of(slab, slot));
		if (ma_unlikely(!slab->is_avail || slab->used == 0)) {
			ma_bins_settle(heap, slab);
			size = 0;
		}
	}
}

/* Slabs and sizes of the class find it from now on. */
static void enter(struct ma_heap *heap, struct ma_stock *stock)
{
	unsigned class_idx = stock->class_idx;

	heap->stock[class_idx] = stock;
	for (size_t i = 1; i <= MA_FAST_ENTRIES - 1; i++)
		if (ma_class_of(i * MA_ALIGN) == class_idx)
			heap->fast[i] = stock;
	for (struct ma_slab *s = heap->bin[class_idx].avail; s != NULL; s = s->next)
		s->stock = stock;
	for (struct ma_slab *s = heap->bin[class_idx].full; s != NULL; s = s->next)
		s->stock = stock;
}

struct ma_stock *ma_supply_stock(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_instance *inst = heap->instance;
	struct ma_stock *stock = heap->stock[class_idx];

	if (ma_likely(stock != &ma_stock_none))
		return stock;
	stock = ma_meta_alloc(&inst->meta, sizeof(*stock));
	if (stock == NULL)
		return heap->stock[class_idx];
	ma_stock_init(stock, &inst->config.stock, class_idx, &inst->config.slab);
	enter(heap, stock);
	return stock;
}

static uintptr_t next_secret(const struct ma_slab *slab, uint32_t idx, unsigned state)
{
	return ma_slot_next_secret(ma_slab_secret(slab, idx, state));
}

static void put_used(struct ma_stock *stock, const struct ma_slab *slab, uint32_t idx,
		     unsigned state)
{
	ma_stock_put(stock, ma_slab_slot_ptr(slab, idx), next_secret(slab, idx, state));
	ma_stock_settle(stock);
}

/* What was in use waits as what is freed does: another thread may have freed it just now. */
static void take_vacant(struct ma_slab *slab, struct ma_stock *stock)
{
	uint32_t idx = ma_slab_take(slab);
	unsigned state = (ma_slab_load(slab, idx) & ~0xffu) | MA_SLOT_RETIRED;

	ma_slab_store(slab, idx, state);
	if (ma_slot_was_used(state))
		put_used(stock, slab, idx, state);
	else
		ma_stock_push(stock, ma_slab_slot_ptr(slab, idx), next_secret(slab, idx, state));
}

/*
 * Slots that were never in use, next to each other and so in the same life, are the next to be
 * taken; the last of a slab before the first.
 */
static void take_fresh(struct ma_slab *slab, struct ma_stock *stock, uint32_t most)
{
	uint32_t n = most;
	uint32_t first = ma_slab_take_fresh(slab, &n);
	unsigned state = (ma_slab_load(slab, first) & ~0xffu) | MA_SLOT_RETIRED;
	uintptr_t secret = next_secret(slab, first, state);

	if (n < most && slab->fresh < slab->nslots)
		take_fresh(slab, stock, most - n);
	for (uint32_t i = n; i-- > 0;) {
		ma_slab_store(slab, first + i, state);
		ma_stock_push(stock, ma_slab_slot_ptr(slab, first + i),
			      secret + i * sizeof(uint16_t));
	}
}

/* Slots of one slab: as many as it has, and a batch at most. */
static void take_from(struct ma_slab *slab, struct ma_stock *stock)
{
	uint32_t n = (uint32_t)ma_min(stock->batch, stock->room - ma_stock_count(stock));

	stock->batch = (uint16_t)ma_min(stock->batch * 2, stock->batch_max);
	for (; n > 0 && slab->nvacant > 0; n--)
		take_vacant(slab, stock);
	if (n > 0 && slab->fresh < slab->nslots)
		take_fresh(slab, stock, n);
}

bool ma_supply_stock_up(struct ma_heap *heap, struct ma_stock *stock)
{
	if (stock == &ma_stock_none)
		return false;
	while (!ma_stock_is_ready(stock)) {
		struct ma_slab *slab = ma_supply_refill(heap, stock->class_idx);

		if (slab == NULL)
			break;
		take_from(slab, stock);
	}
	ma_bins_decay(heap->instance);
	return ma_stock_count(stock) > 0;
}

bool ma_supply_stock_put(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx)
{
	struct ma_stock *stock = slab->stock;

	if (stock == &ma_stock_none)
		return false;
	if (!ma_stock_has_room(stock)) {
		give_back(heap, stock, (ma_stock_count(stock) + 1) / 2);
		ma_bins_decay(heap->instance);
	}
	put_used(stock, slab, idx, ma_slab_load(slab, idx));
	return true;
}

static void flush_stocks(struct ma_heap *heap)
{
	for (unsigned i = 0; i < MA_NCLASSES && heap->stocked; i++)
		if (heap->stock[i] != &ma_stock_none)
			give_back(heap, heap->stock[i], ma_stock_count(heap->stock[i]));
}

void ma_supply_flush(struct ma_heap *heap)
{
	while (release_one(heap))
		;
	flush_stocks(heap);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void ma_supply_drop_empty(struct ma_heap *heap)
{
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		struct ma_slab *next;

		for (struct ma_slab *slab = heap->bin[i].avail; slab != NULL; slab = next) {
			next = slab->next;
			if (slab->used == 0)
				ma_bins_drop(heap, slab);
		}
	}
}

static void hand_over_one(struct ma_heap *heap, struct ma_slab *slab, struct ma_heap *to)
{
	if (slab->used == 0) {
		ma_bins_drop(heap, slab);
		return;
	}
	ma_bins_part(heap, slab);
	ma_bins_join(to, slab);
}

static struct ma_slab *any_slab(const struct ma_bin *bin)
{
	return bin->avail != NULL ? bin->avail : bin->full;
}

void ma_supply_hand_over(struct ma_heap *heap, struct ma_heap *to)
{
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		struct ma_slab *slab = any_slab(&heap->bin[i]);

		while (slab != NULL) {
			hand_over_one(heap, slab, to);
			slab = any_slab(&heap->bin[i]);
		}
	}
}

void ma_supply_forked(struct ma_heap *heap)
{
	/* What is at hand has the canaries of the parent's next objects. */
	flush_stocks(heap);
	ma_remote_forked(heap);
}
