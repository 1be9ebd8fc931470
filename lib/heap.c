#include <string.h>

#include "bins.h"
#include "decay.h"
#include "heap.h"
#include "pagemap.h"

void ma_heap_init(struct ma_heap *heap, struct ma_instance *inst, uint64_t ordinal)
{
	uint64_t seed = inst->config.seed;

	memset(heap, 0, sizeof(*heap));
	heap->instance = inst;
	heap->small_max = ma_class_limit(inst->pool.page) - MA_CANARY;
	ma_random_init(&heap->random, seed != 0 ? seed + ordinal : 0);
	ma_quarantine_init(&heap->quarantine, inst->config.quarantine);
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
	return heap;
}

void ma_heap_release(struct ma_heap *heap)
{
	struct ma_instance *inst = heap->instance;

	ma_bins_flush(heap);
	(void)ma_bins_drain(heap);
	ma_bins_drop_empty(heap);
	ma_lock(&inst->shared_lock);
	ma_bins_hand_over(heap, &inst->shared);
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
		ma_bins_flush(heap);
		(void)ma_bins_drain(heap);
		ma_bins_drop_empty(heap);
	}
	ma_lock(&inst->shared_lock);
	(void)ma_bins_drain(&inst->shared);
	ma_bins_drop_empty(&inst->shared);
	ma_unlock(&inst->shared_lock);
}

/* ---- allocation ------------------------------------------------------------------------------ */

static ma_noinline void *alloc_slow(struct ma_heap *heap, unsigned class_idx, size_t size)
{
	struct ma_slab *slab = ma_bins_refill(heap, class_idx);

	if (slab == NULL)
		return NULL;
	ma_bins_decay(heap->instance);
	return ma_slab_arm(slab, ma_slab_take(slab), size);
}

ma_inline void *alloc_class(struct ma_heap *heap, unsigned class_idx, size_t size)
{
	struct ma_slab *slab = heap->bin[class_idx].avail;

	if (ma_likely(slab != NULL && slab->top > 0))
		return ma_slab_arm(slab, ma_slab_take(slab), size);
	return alloc_slow(heap, class_idx, size);
}

static ma_noinline void *alloc_once(struct ma_heap *heap, const struct ma_request *req)
{
	struct ma_instance *inst = heap->instance;
	size_t align = ma_max(req->align, MA_ALIGN);
	unsigned class_idx = MA_NCLASSES;
	void *ptr;

	if (req->size <= heap->small_max)
		class_idx = ma_class_aligned(req->size + MA_CANARY, align, inst->pool.page);
	if (class_idx == MA_NCLASSES)
		return ma_large_alloc(&inst->pool, req->size, align, req->zero);
	ptr = alloc_class(heap, class_idx, req->size);
	if (req->zero && ptr != NULL && ma_class_slot(class_idx) > MA_FILL_MAX)
		memset(ptr, 0, req->size);
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

	if (ma_likely(size <= heap->small_max)) {
		void *ptr = alloc_class(heap, ma_class_of(size + MA_CANARY), size);

		if (ma_likely(ptr != NULL))
			return ptr;
	}
	return ma_heap_alloc_request(heap, &req);
}

/* ---- proofs ---------------------------------------------------------------------------------- */

/* What a pointer turned out to be. */
struct target {
	struct ma_block *block;
	struct ma_slab *slab; /* NULL: large */
	struct ma_slot slot;  /* of a slab */
	size_t size;          /* requested bytes */
};

static ma_cold void report_block(const struct ma_block *block, const void *ptr,
				 enum ma_violation_kind kind)
{
	bool freed = block != NULL && block->free;
	struct ma_violation v = {
		.kind = freed && kind == MA_INVALID_FREE ? MA_DOUBLE_FREE : kind,
		.ptr = ptr,
		.why = freed ? "lies in memory that is free" : "is not memory of this allocator",
		.requested = SIZE_MAX,
	};

	ma_report(&v);
}

static ma_cold void report_slot(const struct ma_slab *slab, const void *ptr, enum ma_proof proof,
				enum ma_violation_kind kind)
{
	bool freed = proof == MA_PROOF_FREE;
	size_t offset = (size_t)((const char *)ptr - ma_slab_base(slab));
	struct ma_violation v = {
		.kind = freed && kind == MA_INVALID_FREE ? MA_DOUBLE_FREE : kind,
		.ptr = ptr,
		.why = freed ? "is not live: it was freed before" : "does not start an object",
		.object = (const char *)ptr - offset % slab->slot,
		.requested = SIZE_MAX,
		.slot = slab->slot,
	};

	ma_report(&v);
}

static ma_cold void report_large(struct ma_block *block, const void *ptr,
				 enum ma_violation_kind kind)
{
	struct ma_violation v = {
		.kind = kind,
		.ptr = ptr,
		.why = "does not start an object",
		.object = ma_large_ptr(block),
		.requested = ma_large_of(block)->requested,
		.slot = block->size,
	};

	ma_report(&v);
}

static ma_cold void report_instance(const void *ptr)
{
	struct ma_violation v = {
		.kind = MA_WRONG_POOL,
		.ptr = ptr,
		.why = "belongs to another pool",
		.requested = SIZE_MAX,
	};

	ma_report(&v);
}

static void prove_large(struct ma_block *block, const void *ptr, enum ma_violation_kind kind)
{
	if (block == NULL || block->kind != MA_BLOCK_LARGE)
		report_block(block, ptr, kind);
	if (ptr != ma_large_ptr(block))
		report_large(block, ptr, kind);
	if (!ma_large_intact(block))
		ma_large_overrun(block);
}

static ma_cold void slot_unproven(const struct ma_slab *slab, const void *ptr, enum ma_proof proof,
				  struct ma_slot slot, enum ma_violation_kind kind)
{
	if (proof == MA_PROOF_OVERRUN && !ma_slab_is_remote(slab, slot.idx))
		ma_slab_overrun(slab, slot);
	report_slot(slab, ptr, proof == MA_PROOF_OVERRUN ? MA_PROOF_FREE : proof, kind);
}

/* The proof that every entry with a pointer begins with, for those off the fast path. */
static struct target prove(struct ma_instance *inst, const void *ptr, enum ma_violation_kind kind)
{
	struct target t = {.block = ma_pagemap_get(inst->pagemap, (uintptr_t)ptr)};
	enum ma_proof proof;

	if (t.block == NULL || t.block->kind != MA_BLOCK_SLAB) {
		prove_large(t.block, ptr, kind);
		t.size = ma_large_of(t.block)->requested;
	} else {
		t.slab = ma_slab_of(t.block);
		proof = ma_slab_prove(t.slab, ptr, &t.slot);
		if (proof != MA_PROOF_OK)
			slot_unproven(t.slab, ptr, proof, t.slot, kind);
		if (ma_slab_is_remote(t.slab, t.slot.idx))
			report_slot(t.slab, ptr, MA_PROOF_FREE, kind);
		t.size = ma_slot_size(t.slab, t.slot);
	}
	if (ma_pool_of(t.block) != &inst->pool)
		report_instance(ptr);
	return t;
}

/* ---- free ------------------------------------------------------------------------------------ */

static ma_noinline void free_large(struct ma_instance *inst, struct ma_block *block, void *ptr)
{
	prove_large(block, ptr, MA_INVALID_FREE);
	if (ma_pool_of(block) != &inst->pool)
		report_instance(ptr);
	if (ma_large_free(block))
		(void)ma_decay_step(&inst->pool);
}

static ma_noinline void settle(struct ma_heap *heap, struct ma_slab *slab)
{
	ma_bins_settle(heap, slab);
	ma_bins_decay(heap->instance);
}

/* The owner frees: through the quarantine, back to the slab. The slot was proven. */
ma_inline void free_owned(struct ma_heap *heap, struct ma_slab *slab, void *ptr, uint32_t idx)
{
	if (slab->filled)
		ma_fill_zero(ptr, slab->slot);
	if (heap->quarantine.cap > 0) {
		struct ma_retired in = {slab, idx};

		atomic_store_explicit(&slab->states[idx], MA_SLOT_RETIRED, memory_order_relaxed);
		in = ma_quarantine_put(&heap->quarantine, in);
		slab = in.slab;
		idx = in.idx;
		if (slab == NULL)
			return;
	}
	ma_slab_put(slab, idx);
	if (ma_unlikely(!slab->is_avail || slab->used == 0))
		settle(heap, slab);
}

/* Not the owner, or the owner while others' frees are pending. */
static ma_noinline void free_remote(struct ma_instance *inst, struct ma_heap *heap,
				    struct ma_slab *slab, void *ptr)
{
	struct target t = prove(inst, ptr, MA_INVALID_FREE);
	uintptr_t owner = atomic_load_explicit(ma_slab_owner(slab), memory_order_acquire);

	if (heap != NULL && (owner & ~MA_SLAB_PENDING) == (uintptr_t)heap) {
		free_owned(heap, slab, ptr, t.slot.idx);
		(void)ma_bins_drain(heap);
		ma_bins_decay(inst);
		return;
	}
	if (!ma_slab_set_remote(slab, t.slot.idx))
		report_slot(slab, ptr, MA_PROOF_FREE, MA_INVALID_FREE);
	ma_bins_notify(slab);
}

void ma_heap_free(struct ma_instance *inst, struct ma_heap *heap, void *ptr)
{
	struct ma_block *block = ma_pagemap_get(inst->pagemap, (uintptr_t)ptr);
	struct ma_slab *slab;
	struct ma_slot slot;
	enum ma_proof proof;

	if (ma_unlikely(block == NULL || block->kind != MA_BLOCK_SLAB)) {
		free_large(inst, block, ptr);
		return;
	}
	slab = ma_slab_of(block);
	if (ma_unlikely(atomic_load_explicit(&block->owner, memory_order_relaxed) !=
			(uintptr_t)heap)) {
		free_remote(inst, heap, slab, ptr);
		return;
	}
	proof = ma_slab_prove(slab, ptr, &slot);
	if (ma_unlikely(proof != MA_PROOF_OK))
		slot_unproven(slab, ptr, proof, slot, MA_INVALID_FREE);
	free_owned(heap, slab, ptr, slot.idx);
}

size_t ma_heap_usable_size(struct ma_instance *inst, const void *ptr)
{
	return prove(inst, ptr, MA_BAD_USABLE_SIZE).size;
}

void ma_heap_free_sized(struct ma_instance *inst, struct ma_heap *heap, void *ptr,
			const struct ma_request *claim)
{
	struct target t = prove(inst, ptr, MA_INVALID_FREE);
	struct ma_violation v = {
		.kind = MA_SIZE_MISMATCH,
		.ptr = ptr,
		.why = "is freed with another size than it was asked with",
		.object = ptr,
		.requested = t.size,
		.slot = t.slab != NULL ? t.slab->slot : t.block->size,
	};

	if (claim->size != SIZE_MAX && claim->size != t.size)
		ma_report(&v);
	v.kind = MA_ALIGNMENT_MISMATCH;
	v.why = "is freed with an alignment that it does not have";
	if (!ma_is_pow2(claim->align) || (uintptr_t)ptr % claim->align != 0)
		ma_report(&v);
	ma_heap_free(inst, heap, ptr);
}

/* ---- realloc --------------------------------------------------------------------------------- */

/*
 * Only the owner: another one may be looking at the state and the canary at this moment (S5). The
 * old canary is no longer behind the object but in it, and not for the program to read.
 */
static bool resize_slot(const struct ma_heap *heap, const struct target *t, char *ptr, size_t size)
{
	uintptr_t owner = atomic_load_explicit(&t->block->owner, memory_order_relaxed);

	if ((owner & ~MA_SLAB_PENDING) != (uintptr_t)heap || size > heap->small_max ||
	    ma_class_of(size + MA_CANARY) != t->slab->class_idx)
		return false;
	ma_canary_clear(ptr + t->size);
	ma_slab_set_slack(t->slab, t->slot.idx, t->slab->slot - MA_CANARY - size);
	ma_canary_put(ptr + size);
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

void *ma_heap_realloc(struct ma_heap *heap, void *ptr, size_t size)
{
	struct target t = prove(heap->instance, ptr, MA_BAD_REALLOC);
	void *resized;

	if (t.slab != NULL) {
		if (resize_slot(heap, &t, ptr, size))
			return ptr;
	} else {
		resized = ma_large_resize(t.block, size, heap->small_max);
		if (resized != NULL)
			return resized;
	}
	return move_object(heap, ptr, t.size, size);
}

/* ---- fork ------------------------------------------------------------------------------------ */

void ma_instance_lock(struct ma_instance *inst)
{
	ma_lock(&inst->registry);
	ma_lock(&inst->shared_lock);
	ma_lock(&inst->pool.lock);
	ma_lock(&inst->meta.lock);
}

void ma_instance_unlock(struct ma_instance *inst)
{
	ma_unlock(&inst->meta.lock);
	ma_unlock(&inst->pool.lock);
	ma_unlock(&inst->shared_lock);
	ma_unlock(&inst->registry);
}

void ma_instance_forked(struct ma_instance *inst, struct ma_heap *heap)
{
	if (heap != NULL)
		ma_bins_forked(heap);
	ma_bins_forked(&inst->shared);
}
