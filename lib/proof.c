#include "proof.h"

static ma_cold void report_block(struct ma_block *block, const void *ptr,
				 enum ma_violation_kind kind)
{
	bool retired = block != NULL && block->kind == MA_BLOCK_RETIRED;
	bool freed = retired || (block != NULL && block->free && !block->zero);
	struct ma_violation v = {
		.kind = freed && kind == MA_INVALID_FREE ? MA_DOUBLE_FREE : kind,
		.ptr = ptr,
		.why = "is not memory of this allocator",
		.requested = SIZE_MAX,
	};

	if (freed)
		v.why = "lies in memory that is free";
	else if (block != NULL)
		v.why = "lies in memory that is not in use";
	if (retired && block->purpose >= MA_WAIT_TIGHT && ptr == ma_large_ptr(block))
		ma_large_describe(block, &v);
	ma_report(&v);
}

static ma_cold void report_slot(const struct ma_slab *slab, const void *ptr, enum ma_proof proof,
				enum ma_violation_kind kind)
{
	size_t offset = (size_t)((const char *)ptr - ma_slab_base(slab));
	uint32_t idx = (uint32_t)ma_min(offset / slab->slot, slab->nslots - 1);
	struct ma_violation v = {
		.kind = kind,
		.ptr = ptr,
		.why = "does not start an object",
	};

	if (proof == MA_PROOF_FREE && ma_slot_was_used(ma_slab_load(slab, idx))) {
		v.why = "is not live: it was freed before";
		v.kind = kind == MA_INVALID_FREE ? MA_DOUBLE_FREE : kind;
	} else if (proof == MA_PROOF_FREE) {
		v.why = "was never allocated";
	}

	ma_slab_describe(slab, idx, &v);
	ma_report(&v);
}

static ma_cold void report_large(struct ma_block *block, const void *ptr,
				 enum ma_violation_kind kind)
{
	struct ma_violation v = {
		.kind = kind,
		.ptr = ptr,
		.why = "does not start an object",
	};

	ma_large_describe(block, &v);
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

static bool prove_instance(const struct ma_instance *inst, const struct ma_block *block,
			   const void *ptr)
{
	if (ma_likely(ma_pool_of(block) == &inst->pool))
		return true;
	report_instance(ptr);
	return false;
}

bool ma_prove_large(struct ma_instance *inst, struct ma_block *block, const void *ptr,
		    enum ma_violation_kind kind)
{
	if (block == NULL || block->kind != MA_BLOCK_LARGE) {
		report_block(block, ptr, kind);
		return false;
	}
	if (ptr != ma_large_ptr(block)) {
		report_large(block, ptr, kind);
		return false;
	}
	/* While it is being freed by another thread its canary is gone: ma_large_free() tells. */
	if (!ma_large_intact(block) && atomic_load(&ma_large_of(block)->sealed))
		ma_large_overrun(block);
	return prove_instance(inst, block, ptr);
}

bool ma_prove_failed(const struct ma_slab *slab, const void *ptr, enum ma_proof proof,
		     const struct ma_slot *slot, enum ma_violation_kind kind)
{
	if (proof == MA_PROOF_OVERRUN && ma_slab_load(slab, slot->idx) == slot->state) {
		ma_slab_overrun(slab, *slot);
		return true;
	}
	report_slot(slab, ptr, proof == MA_PROOF_OVERRUN ? MA_PROOF_FREE : proof, kind);
	return false;
}

static bool prove_slot(struct ma_target *t, const void *ptr, enum ma_violation_kind kind)
{
	enum ma_proof proof = ma_slab_prove(t->slab, ptr, &t->slot);

	return proof == MA_PROOF_OK || ma_prove_failed(t->slab, ptr, proof, &t->slot, kind);
}

bool ma_prove(struct ma_instance *inst, const void *ptr, enum ma_violation_kind kind,
	      struct ma_target *t)
{
	t->block = ma_pagemap_get(inst->pagemap, (uintptr_t)ptr);
	t->slab = NULL;
	if (t->block == NULL || t->block->kind != MA_BLOCK_SLAB) {
		if (!ma_prove_large(inst, t->block, ptr, kind))
			return false;
		t->size = ma_large_of(t->block)->requested;
		return true;
	}
	t->slab = ma_slab_of(t->block);
	if (!prove_slot(t, ptr, kind))
		return false;
	t->size = ma_slot_size(t->slab, t->slot);
	return prove_instance(inst, t->block, ptr);
}
