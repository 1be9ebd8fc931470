#include "bins.h"
#include "decay.h"
#include "pagemap.h"
#include "remote.h"

static bool is_shared(const struct ma_heap *heap)
{
	return heap == &heap->instance->shared;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void link_slab(struct ma_slab **list, struct ma_slab *slab)
{
	slab->prev = NULL;
	slab->next = *list;
	if (*list != NULL)
		(*list)->prev = slab;
	*list = slab;
}

static void unlink_slab(struct ma_slab **list, struct ma_slab *slab)
{
	if (slab->next != NULL)
		slab->next->prev = slab->prev;
	if (slab->prev != NULL)
		slab->prev->next = slab->next;
	else
		*list = slab->next;
}

static struct ma_bin *bin_of(struct ma_heap *heap, const struct ma_slab *slab)
{
	return &heap->bin[slab->class_idx];
}

/* A slab without list joins the heap. */
static void join(struct ma_heap *heap, struct ma_slab *slab)
{
	struct ma_bin *bin = bin_of(heap, slab);

	slab->is_avail = ma_slab_has_free(slab);
	link_slab(slab->is_avail ? &bin->avail : &bin->full, slab);
	slab->stock = heap->stock[slab->class_idx];
	bin->nslabs++;
	if (is_shared(heap))
		atomic_fetch_add_explicit(&heap->instance->nshared, 1, memory_order_relaxed);
}

static void part(struct ma_heap *heap, struct ma_slab *slab)
{
	struct ma_bin *bin = bin_of(heap, slab);

	unlink_slab(slab->is_avail ? &bin->avail : &bin->full, slab);
	bin->nslabs--;
	if (is_shared(heap))
		atomic_fetch_sub_explicit(&heap->instance->nshared, 1, memory_order_relaxed);
}

/* ---- slabs come and go ----------------------------------------------------------------------- */

static void set_owner(struct ma_slab *slab, const struct ma_heap *heap)
{
	atomic_store_explicit(ma_slab_owner(slab), (uintptr_t)heap, memory_order_release);
}

/* An empty slab goes back to the pool. */
static void destroy(struct ma_heap *heap, struct ma_slab *slab)
{
	set_owner(slab, NULL);
	part(heap, slab);
	if (ma_slab_destroy(slab, &heap->instance->waitlist))
		atomic_store_explicit(&heap->instance->due, true, memory_order_relaxed);
}

void ma_bins_decay(struct ma_instance *inst)
{
	if (ma_likely(!atomic_load_explicit(&inst->due, memory_order_relaxed)))
		return;
	atomic_store_explicit(&inst->due, false, memory_order_relaxed);
	(void)ma_decay_step(&inst->pool);
}

void ma_bins_settle(struct ma_heap *heap, struct ma_slab *slab)
{
	struct ma_bin *bin = bin_of(heap, slab);

	if (!slab->is_avail && slab->top > 0) {
		unlink_slab(&bin->full, slab);
		slab->is_avail = true;
		/* Behind the first: that one may be in the middle of its slots. */
		if (bin->avail != NULL) {
			slab->prev = bin->avail;
			slab->next = bin->avail->next;
			if (slab->next != NULL)
				slab->next->prev = slab;
			bin->avail->next = slab;
		} else {
			link_slab(&bin->avail, slab);
		}
	}
	/* Empty: keep the one that serves the next requests. */
	if (slab->used == 0 && (bin->avail != slab || is_shared(heap)))
		destroy(heap, slab);
}

static struct ma_slab *adopt_locked(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_heap *shared = &heap->instance->shared;
	struct ma_slab *slab;

	(void)ma_remote_collect(shared);
	slab = shared->bin[class_idx].avail;
	if (slab == NULL)
		return NULL;
	part(shared, slab);
	set_owner(slab, heap);
	join(heap, slab);
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

	if (slab == NULL)
		return NULL;
	set_owner(slab, heap);
	join(heap, slab);
	return slab;
}

/* First in avail with a free slot, once exhausted ones have moved to full; NULL for none. */
static struct ma_slab *next_avail(struct ma_bin *bin)
{
	struct ma_slab *slab = bin->avail;

	while (slab != NULL && !ma_slab_has_free(slab)) {
		unlink_slab(&bin->avail, slab);
		slab->is_avail = false;
		link_slab(&bin->full, slab);
		slab = bin->avail;
	}
	return slab;
}

struct ma_slab *ma_bins_refill(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_slab *slab;

	ma_remote_deliver(heap);
	(void)ma_remote_collect(heap);
	slab = next_avail(&heap->bin[class_idx]);
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

void ma_bins_relieve(struct ma_heap *heap)
{
	while (ma_quarantine_is_over(&heap->quarantine) && release_one(heap))
		;
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

uint32_t ma_bins_idx(const struct ma_heap *heap, struct ma_stocked slot)
{
	return idx_of(slab_of(heap, slot), slot);
}

static void give_back(struct ma_heap *heap, struct ma_stock *stock, uint32_t n)
{
	for (; n > 0; n--) {
		struct ma_stocked slot = ma_stock_take(stock);
		struct ma_slab *slab = slab_of(heap, slot);

		ma_slab_put(slab, idx_of(slab, slot));
		if (!slab->is_avail || slab->used == 0)
			ma_bins_settle(heap, slab);
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

struct ma_stock *ma_bins_stock(struct ma_heap *heap, unsigned class_idx)
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

static void put(struct ma_stock *stock, const struct ma_slab *slab, uint32_t idx)
{
	uintptr_t secret = ma_slab_secret(slab, idx, ma_slab_load(slab, idx));

	ma_stock_put(stock, ma_slab_slot_ptr(slab, idx), ma_slot_next_secret(secret));
}

/* Slots of one slab: as many as it has, until @n may be taken. */
static void take_from(struct ma_slab *slab, struct ma_stock *stock, uint32_t n)
{
	uint32_t end = stock->quiet + n;

	while (ma_stock_count(stock) < end && !ma_stock_is_full(stock) && ma_slab_has_free(slab)) {
		uint32_t idx = ma_slab_take(slab);

		ma_slab_set_phase(slab, idx, MA_SLOT_RETIRED);
		put(stock, slab, idx);
	}
}

bool ma_bins_stock_up(struct ma_heap *heap, struct ma_stock *stock)
{
	if (stock == &ma_stock_none)
		return false;
	while (!ma_stock_is_ready(stock)) {
		struct ma_slab *slab = ma_bins_refill(heap, stock->class_idx);

		if (slab == NULL)
			break;
		take_from(slab, stock, stock->batch);
	}
	ma_bins_decay(heap->instance);
	return ma_stock_count(stock) > 0;
}

bool ma_bins_stock_put(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx)
{
	struct ma_stock *stock = slab->stock;

	if (stock == &ma_stock_none)
		return false;
	if (ma_stock_is_full(stock)) {
		give_back(heap, stock, (ma_stock_count(stock) + 1) / 2);
		ma_bins_decay(heap->instance);
	}
	put(stock, slab, idx);
	return true;
}

static void flush_stocks(struct ma_heap *heap)
{
	for (unsigned i = 0; i < MA_NCLASSES && heap->stocked; i++)
		if (heap->stock[i] != &ma_stock_none)
			give_back(heap, heap->stock[i], ma_stock_count(heap->stock[i]));
}

void ma_bins_flush(struct ma_heap *heap)
{
	while (release_one(heap))
		;
	flush_stocks(heap);
}

/* ---------------------------------------------------------------------------------------------- */

void ma_bins_drop_empty(struct ma_heap *heap)
{
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		struct ma_slab *next;

		for (struct ma_slab *slab = heap->bin[i].avail; slab != NULL; slab = next) {
			next = slab->next;
			if (slab->used == 0)
				destroy(heap, slab);
		}
	}
}

static void hand_over_one(struct ma_heap *heap, struct ma_slab *slab, struct ma_heap *to)
{
	if (slab->used == 0) {
		destroy(heap, slab);
		return;
	}
	part(heap, slab);
	set_owner(slab, to);
	join(to, slab);
}

static struct ma_slab *any_slab(const struct ma_bin *bin)
{
	return bin->avail != NULL ? bin->avail : bin->full;
}

void ma_bins_hand_over(struct ma_heap *heap, struct ma_heap *to)
{
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		struct ma_slab *slab = any_slab(&heap->bin[i]);

		while (slab != NULL) {
			hand_over_one(heap, slab, to);
			slab = any_slab(&heap->bin[i]);
		}
	}
}

void ma_bins_forked(struct ma_heap *heap)
{
	/* What is at hand has the canaries of the parent's next objects. */
	flush_stocks(heap);
	ma_remote_forked(heap);
}
