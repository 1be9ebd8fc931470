#include <string.h>

#include "annotate.h"
#include "bins.h"
#include "decay.h"
#include "fast.h"
#include "heap.h"
#include "hooks.h"
#include "pagemap.h"
#include "proof.h"
#include "remote.h"
#include "supply.h"

/* The shared heap has no quarantine: what is freed there was freed by a thread without heap. */
static void init_quarantine(struct ma_heap *heap)
{
	struct ma_instance *inst = heap->instance;
	struct ma_quarantine_config config = inst->config.quarantine;

	if (heap == &inst->shared)
		config.cap = 0;
	ma_quarantine_init(&heap->quarantine, &config, &inst->meta, &heap->random);
}

static bool is_hooked(const struct ma_instance_config *config)
{
	return config->watched || config->sample > 0 || config->check > 0 || config->slab.traced ||
	       config->slab.redzone > 0;
}

static void init_stocks(struct ma_heap *heap)
{
	struct ma_stock *none = (struct ma_stock *)(uintptr_t)&ma_stock_none;

	for (size_t i = 0; i < MA_FAST_ENTRIES; i++)
		heap->fast[i] = none;
	for (size_t i = 0; i < MA_NCLASSES; i++)
		heap->stock[i] = none;
}

void ma_heap_init(struct ma_heap *heap, struct ma_instance *inst, uint64_t ordinal)
{
	const struct ma_instance_config *config = &inst->config;

	memset(heap, 0, sizeof(*heap));
	heap->instance = inst;
	heap->behind = MA_CANARY + config->slab.redzone;
	heap->small_max = ma_class_limit(inst->pool.page) - heap->behind;
	heap->hooked = is_hooked(config);
	heap->self = 1; /* no owner is that */
	heap->stocked = !heap->hooked && heap != &inst->shared && config->stock.entries > 0;
	heap->until_sample = config->sample;
	heap->until_check = config->check;
	if (heap->stocked)
		heap->self = (uintptr_t)heap;
	ma_random_init(&heap->random, config->seed != 0 ? config->seed + ordinal : 0);
	heap->source = (struct ma_slab_source){
		.pool = &inst->pool,
		.waitlist = &inst->waitlist,
		.policy = &config->slab,
		.random = &heap->random,
	};
	init_quarantine(heap);
	init_stocks(heap);
}

void ma_instance_init(struct ma_instance *inst, const struct ma_instance_config *config,
		      struct ma_pagemap *pagemap)
{
	memset(inst, 0, sizeof(*inst));
	inst->pagemap = pagemap;
	inst->config = *config;
	ma_lock_init(&inst->registry);
	ma_lock_init(&inst->shared_lock);
	ma_meta_init(&inst->meta);
	ma_pool_init(&inst->pool, &config->pool, &inst->meta, pagemap);
	ma_waitlist_init(&inst->waitlist, &inst->pool, config->wait, config->wait_sealed);
	inst->larges = (struct ma_larges){
		.pool = &inst->pool,
		.waitlist = &inst->waitlist,
		.guarded = config->guard_large,
		.sparing = config->guard_sparing,
		.cleaned = config->wait_sealed,
	};
	ma_heap_init(&inst->shared, inst, 0);
}

void ma_instance_fini(struct ma_instance *inst)
{
	ma_pool_fini(&inst->pool);
	ma_meta_fini(&inst->meta);
}

/* ---- heaps and threads ----------------------------------------------------------------------- */

static struct ma_heap *new_heap_locked(struct ma_instance *inst)
{
	struct ma_heap *heap = ma_meta_alloc(&inst->meta, sizeof(*heap));

	if (heap == NULL)
		return NULL;
	ma_heap_init(heap, inst, ++inst->nheaps);
	heap->next = inst->heaps;
	inst->heaps = heap;
	return heap;
}

struct ma_heap *ma_heap_acquire(struct ma_instance *inst)
{
	struct ma_heap *heap;

	ma_lock(&inst->registry);
	heap = inst->idle;
	if (heap != NULL)
		inst->idle = heap->next_idle;
	else
		heap = new_heap_locked(inst);
	ma_unlock(&inst->registry);
	if (heap != NULL)
		ma_remote_open(heap);
	return heap;
}

void ma_heap_release(struct ma_heap *heap)
{
	struct ma_instance *inst = heap->instance;

	ma_supply_flush(heap);
	ma_remote_deliver(heap);
	ma_lock(&inst->shared_lock);
	ma_remote_close(heap);
	ma_supply_drop_empty(heap);
	ma_supply_hand_over(heap, &inst->shared);
	if (atomic_exchange(&heap->overlooked, false))
		atomic_store(&inst->shared.overlooked, true);
	(void)ma_remote_collect(&inst->shared);
	ma_unlock(&inst->shared_lock);
	ma_lock(&inst->registry);
	heap->next_idle = inst->idle;
	inst->idle = heap;
	ma_unlock(&inst->registry);
	ma_bins_decay(inst);
}

void ma_heap_compact(struct ma_instance *inst, struct ma_heap *heap)
{
	if (heap != NULL) {
		ma_supply_flush(heap);
		ma_remote_deliver(heap);
		(void)ma_remote_collect(heap);
		ma_supply_drop_empty(heap);
	}
	ma_lock(&inst->shared_lock);
	(void)ma_remote_collect(&inst->shared);
	ma_supply_drop_empty(&inst->shared);
	ma_unlock(&inst->shared_lock);
	ma_waitlist_flush(&inst->waitlist);
}

/* ---- allocation ------------------------------------------------------------------------------ */

/* A slot at hand; which slab it is of is known to the map. */
static void *alloc_stocked(struct ma_heap *heap, struct ma_stock *stock, size_t size)
{
	struct ma_stocked slot = ma_stock_take(stock);
	struct ma_block *block = ma_pagemap_get(heap->instance->pagemap, (uintptr_t)slot.ptr);

	return ma_slab_arm(ma_slab_of(block), ma_supply_idx(heap, slot), size);
}

void *ma_fast_damaged(const struct ma_heap *heap, struct ma_stocked slot, size_t size)
{
	struct ma_block *block = ma_pagemap_get(heap->instance->pagemap, (uintptr_t)slot.ptr);

	return ma_slab_arm(ma_slab_of(block), ma_supply_idx(heap, slot), size);
}

static void *alloc_slab(struct ma_heap *heap, unsigned class_idx, size_t size)
{
	struct ma_slab *slab = ma_supply_refill(heap, class_idx);

	if (slab == NULL)
		return NULL;
	ma_bins_decay(heap->instance);
	return ma_slab_arm(slab, ma_slab_take(slab), size);
}

static void *alloc_large(struct ma_heap *heap, const struct ma_request *req, bool tight)
{
	const struct ma_large_request large = {
		.size = req->size,
		.align = ma_max(req->align, MA_ALIGN),
		.zero = req->zero,
		.tight = tight,
		.random = &heap->random,
	};

	return ma_large_alloc(&heap->instance->larges, &large);
}

static void *alloc_class(struct ma_heap *heap, unsigned class_idx, size_t size)
{
	struct ma_slab *slab = heap->bin[class_idx].avail;

	if (heap->stocked && ma_class_slot(class_idx) <= MA_FAST_SLOT) {
		struct ma_stock *stock = ma_supply_stock(heap, class_idx);

		if (ma_stock_is_ready(stock) || ma_supply_stock_up(heap, stock))
			return alloc_stocked(heap, stock, size);
	}
	if (slab != NULL && slab->nvacant > 0)
		return ma_slab_arm(slab, ma_slab_take(slab), size);
	return alloc_slab(heap, class_idx, size);
}

static void *alloc_plain(struct ma_heap *heap, const struct ma_request *req)
{
	struct ma_instance *inst = heap->instance;
	size_t align = ma_max(req->align, MA_ALIGN);
	unsigned class_idx = MA_NCLASSES;
	void *ptr;

	if (req->size <= heap->small_max)
		class_idx = ma_class_aligned(req->size + heap->behind, align, inst->pool.page);
	if (class_idx == MA_NCLASSES)
		return alloc_large(heap, req, false);
	ptr = alloc_class(heap, class_idx, req->size);
	if (req->zero && ptr != NULL && ma_class_slot(class_idx) > inst->config.slab.fill_max) {
		ma_annotate_open(ptr, req->size);
		memset(ptr, 0, req->size);
	}
	return ptr;
}

/* A sampled one that cannot be had with guards of its own is served like any other. */
static ma_noinline void *alloc_once(struct ma_heap *heap, const struct ma_request *req)
{
	void *ptr = NULL;

	if (ma_likely(!heap->hooked))
		return alloc_plain(heap, req);
	if (ma_hooks_is_sampled(heap) && req->align <= heap->instance->pool.page)
		ptr = alloc_large(heap, req, true);
	if (ptr == NULL)
		ptr = alloc_plain(heap, req);
	if (ptr != NULL)
		ma_hooks_allocated(heap, ptr);
	return ptr;
}

/*
 * Nothing fits and nothing more is to be had: give back what is free elsewhere and look once more.
 */
static ma_cold void *alloc_last_resort(struct ma_heap *heap, const struct ma_request *req)
{
	if (req->size > MA_REQUEST_MAX)
		return NULL;
	ma_heap_compact(heap->instance, heap);
	(void)ma_decay_all(&heap->instance->pool, 0);
	return alloc_once(heap, req);
}

void *ma_heap_alloc_request(struct ma_heap *heap, const struct ma_request *req)
{
	void *ptr = alloc_once(heap, req);

	return ma_likely(ptr != NULL) ? ptr : alloc_last_resort(heap, req);
}

void *ma_heap_alloc(struct ma_heap *heap, size_t size)
{
	const struct ma_request req = {size, 0, false};

	if (ma_likely(size <= MA_FAST_MAX)) {
		struct ma_stock *stock = ma_fast_stock(heap, size);

		if (ma_likely(ma_stock_is_ready(stock)))
			return ma_fast_alloc(heap, stock, size);
	}
	return ma_heap_alloc_request(heap, &req);
}

/* ---- free ------------------------------------------------------------------------------------ */

static ma_noinline void free_large(struct ma_instance *inst, struct ma_heap *heap,
				   struct ma_block *block, void *ptr)
{
	if (!ma_prove_large(inst, block, ptr, MA_INVALID_FREE))
		return;
	ma_hooks_freed(inst, heap, ptr);
	if (ma_large_free(&inst->larges, block))
		(void)ma_decay_step(&inst->pool);
}

static ma_noinline void settle(struct ma_heap *heap, struct ma_slab *slab)
{
	ma_bins_settle(heap, slab);
	ma_bins_decay(heap->instance);
}

/* The owner's retired slot: through stock or quarantine, back to the slab. */
static void put_owned(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx)
{
	if (heap->stocked && ma_supply_stock_put(heap, slab, idx))
		return;
	if (heap->quarantine.cap > 0) {
		struct ma_retired in = {slab, idx, slab->slot};

		in = ma_quarantine_put(&heap->quarantine, in);
		if (ma_unlikely(ma_quarantine_is_over(&heap->quarantine)))
			ma_supply_relieve(heap);
		slab = in.slab;
		idx = in.idx;
		if (slab == NULL)
			return;
	}
	ma_slab_put(slab, idx);
	if (ma_unlikely(!slab->is_avail || slab->used == 0))
		settle(heap, slab);
}

/* The slot was proven. */
static void free_owned(struct ma_heap *heap, struct ma_slab *slab, struct ma_slot slot)
{
	ma_slab_retire(slab, slot.idx, slot.state);
	put_owned(heap, slab, slot.idx);
}

void ma_fast_put(struct ma_slab *slab, size_t idx)
{
	uintptr_t owner = atomic_load_explicit(ma_slab_owner(slab), memory_order_relaxed);

	put_owned((struct ma_heap *)owner, slab, (uint32_t)idx);
}

static ma_noinline void free_long(struct ma_instance *inst, struct ma_heap *heap, void *ptr)
{
	struct ma_block *block = ma_pagemap_get(inst->pagemap, (uintptr_t)ptr);
	struct ma_target t;
	uintptr_t owner;

	if (block == NULL || block->kind != MA_BLOCK_SLAB) {
		free_large(inst, heap, block, ptr);
		return;
	}
	if (!ma_prove(inst, ptr, MA_INVALID_FREE, &t))
		return;
	if (ma_unlikely(t.slab->flags & MA_SLAB_TRACED))
		ma_hooks_freed(inst, heap, ptr);
	owner = atomic_load_explicit(&block->owner, memory_order_acquire);
	if (heap != NULL && owner == (uintptr_t)heap)
		free_owned(heap, t.slab, t.slot);
	else if (ma_unlikely(!ma_remote_free(heap, t.slab, t.slot)))
		(void)ma_prove_failed(t.slab, ptr, MA_PROOF_FREE, &t.slot, MA_INVALID_FREE);
}

void ma_heap_free(struct ma_instance *inst, struct ma_heap *heap, void *ptr)
{
	if (ma_unlikely(heap == NULL || !ma_fast_free(inst->pagemap, heap, ptr)))
		free_long(inst, heap, ptr);
}

size_t ma_heap_usable_size(struct ma_instance *inst, const void *ptr)
{
	struct ma_target t;

	return ma_prove(inst, ptr, MA_BAD_USABLE_SIZE, &t) ? t.size : 0;
}

/* ---- realloc --------------------------------------------------------------------------------- */

/*
 * Only the owner: another one may be looking at the state and the canary at this moment (S8).
 * Neither the old canary nor what was behind a shorter object is for the program to read.
 */
static bool resize_slot(const struct ma_heap *heap, const struct ma_target *t, size_t size)
{
	uintptr_t owner = atomic_load_explicit(&t->block->owner, memory_order_relaxed);

	if (owner != (uintptr_t)heap || size > heap->small_max ||
	    ma_class_of(size + heap->behind) != t->slab->class_idx)
		return false;
	ma_slab_resize(t->slab, t->slot, size);
	return true;
}

static void *move_object(struct ma_heap *heap, void *ptr, size_t old, size_t size)
{
	void *moved = ma_heap_alloc(heap, size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, ptr, ma_min(old, size));
	ma_heap_free(heap->instance, heap, ptr);
	return moved;
}

static void *realloc_long(struct ma_heap *heap, void *ptr, size_t size)
{
	struct ma_instance *inst = heap->instance;
	struct ma_target t;
	void *resized;

	if (!ma_prove(inst, ptr, MA_BAD_REALLOC, &t))
		return NULL;
	if (t.slab != NULL) {
		if (resize_slot(heap, &t, size))
			return ptr;
	} else {
		resized = ma_large_resize(&inst->larges, t.block, size, heap->small_max);
		if (resized != NULL)
			return resized;
	}
	return move_object(heap, ptr, t.size, size);
}

void *ma_heap_realloc(struct ma_heap *heap, void *ptr, size_t size)
{
	struct ma_fast_object o;

	if (!ma_fast_prove(heap->instance->pagemap, heap, ptr, &o) || size > heap->small_max)
		return realloc_long(heap, ptr, size);
	if (ma_class_of(size + heap->behind) != o.slab->class_idx)
		return move_object(heap, ptr, ma_fast_size(&o), size);
	ma_slab_resize(o.slab, (struct ma_slot){(uint32_t)o.idx, ma_slot_phase(o.state), o.state},
		       size);
	return ptr;
}

/* ---- fork ------------------------------------------------------------------------------------ */

void ma_instance_lock(struct ma_instance *inst)
{
	ma_lock(&inst->registry);
	ma_lock(&inst->shared_lock);
	ma_lock(&inst->waitlist.lock);
	ma_lock(&inst->pool.lock);
	ma_lock(&inst->meta.lock);
}

void ma_instance_unlock(struct ma_instance *inst)
{
	ma_unlock(&inst->meta.lock);
	ma_unlock(&inst->pool.lock);
	ma_unlock(&inst->waitlist.lock);
	ma_unlock(&inst->shared_lock);
	ma_unlock(&inst->registry);
}

void ma_instance_forked(struct ma_instance *inst, struct ma_heap *heap)
{
	if (heap != NULL)
		ma_supply_forked(heap);
	ma_supply_forked(&inst->shared);
	/* Each may have sent on what has become the other's: only now has all been told. */
	if (heap != NULL)
		ma_remote_alone(heap);
	ma_remote_alone(&inst->shared);
	if (!inst->config.renewed)
		return;
	/* What is chosen from now on is not what the parent chooses. */
	ma_random_init(&inst->shared.random, 0);
	inst->config.seed = ma_random_next(&inst->shared.random) | 1;
	for (struct ma_heap *h = inst->heaps; h != NULL; h = h->next)
		h->random.state = ma_random_next(&inst->shared.random) | 1;
	if (heap != NULL)
		ma_random_init(&heap->random, 0);
}
