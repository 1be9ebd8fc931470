/* What the program claims of objects that it ends, and what is told when that is not so. */
#include "heap.h"
#include "pagemap.h"
#include "proof.h"

static void describe(const struct ma_target *t, struct ma_violation *v)
{
	if (t->slab != NULL)
		ma_slab_describe(t->slab, t->slot.idx, v);
	else
		ma_large_describe(t->block, v);
}

static ma_cold void report_size(const struct ma_target *t, const void *ptr)
{
	struct ma_violation v = {
		.kind = MA_SIZE_MISMATCH,
		.ptr = ptr,
		.why = "is freed with another size than it was asked with",
	};

	describe(t, &v);
	ma_report(&v);
}

static ma_cold void report_alignment(const struct ma_target *t, const void *ptr)
{
	struct ma_violation v = {
		.kind = MA_ALIGNMENT_MISMATCH,
		.ptr = ptr,
		.why = "is freed with an alignment that it does not have",
	};

	describe(t, &v);
	ma_report(&v);
}

void ma_heap_free_sized(struct ma_instance *inst, struct ma_heap *heap, void *ptr,
			const struct ma_request *claim)
{
	struct ma_target t;

	if (!ma_prove(inst, ptr, MA_INVALID_FREE, &t))
		return;
	if (claim->size != SIZE_MAX && claim->size != t.size)
		report_size(&t, ptr);
	if (!ma_is_pow2(claim->align) || (uintptr_t)ptr % claim->align != 0)
		report_alignment(&t, ptr);
	ma_heap_free(inst, heap, ptr);
}

/* ---- who may end it -------------------------------------------------------------------------- */

void ma_heap_set_origin(struct ma_instance *inst, void *ptr, enum ma_origin origin)
{
	struct ma_block *block = ma_pagemap_get(inst->pagemap, (uintptr_t)ptr);

	if (block->kind == MA_BLOCK_LARGE)
		ma_large_of(block)->origin = (uint8_t)origin;
	else
		ma_slab_set_origin(ma_slab_of(block), ptr, (unsigned)origin);
}

static ma_cold void report_origin(const struct ma_target *t, const void *ptr, unsigned from)
{
	struct ma_violation v = {
		.kind = MA_DEALLOC_MISMATCH,
		.ptr = ptr,
		.why = "came from malloc and is ended by delete",
	};

	if (from == MA_FROM_NEW)
		v.why = "came from new and is not ended by delete";
	if (from == MA_FROM_NEW_ARRAY)
		v.why = "came from new[] and is not ended by delete[]";
	describe(t, &v);
	ma_report(&v);
}

bool ma_heap_check_origin(struct ma_instance *inst, const void *ptr, enum ma_origin origin,
			  enum ma_violation_kind kind)
{
	struct ma_target t;
	unsigned from;

	if (!ma_prove(inst, ptr, kind, &t))
		return false;
	from = t.slab != NULL ? ma_slot_origin(t.slot.state) : ma_large_of(t.block)->origin;
	if (from != (unsigned)origin)
		report_origin(&t, ptr, from);
	return true;
}
