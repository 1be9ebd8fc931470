/* What nobody has had so far (W12), what lies beside slots (W22), what somebody left (W19). */
#include <string.h>

#include "oracle.h"

static bool is_zero(const char *ptr, size_t size)
{
	uint64_t sum = 0;
	uint64_t word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, ptr + i, sizeof(word));
		sum |= word;
	}
	return sum == 0;
}

/* Slots @from to @to, never handed out. */
static bool are_untouched(const struct ma_slab *slab, uint32_t from, uint32_t to)
{
	const char *ptr = ma_slab_slot_ptr(slab, from);

	if (slab->flags & MA_SLAB_FILLED)
		return from >= to || is_zero(ptr, (size_t)(to - from) * slab->slot);
	for (uint32_t i = from; i < to; i++, ptr += slab->slot)
		if (!is_zero(ptr, MA_ALIGN) || !is_zero(ptr + slab->slot - MA_ALIGN, MA_ALIGN))
			return false;
	return true;
}

/*
 * What a sweep looks at and the slab's own check does not: slots of a zero block that nobody has
 * had so far.
 */
void oracle_untouched(const struct ma_slab *slab)
{
	uint32_t end = slab->start + slab->fresh;
	bool zero;

	if (!slab->zero)
		return;
	if (end > slab->nslots)
		zero = are_untouched(slab, end - slab->nslots, slab->start);
	else
		zero = are_untouched(slab, 0, slab->start) &&
		       are_untouched(slab, end, slab->nslots);
	if (!zero)
		model_fail("world", "W12 a sweep finds nothing where nothing is damaged");
}

void oracle_arrays(const struct ma_slab *slab)
{
	const char *next = (const char *)(slab->vacant + slab->nslots / 64);

	if (slab->nslots % 64 != 0)
		next += sizeof(*slab->vacant);
	if (slab->wide != NULL) {
		if (next != (const char *)slab->wide)
			model_fail("world", "W22 the parts of a slab lie side by side");
		next = (const char *)(slab->wide + slab->nslots);
	}
	if (slab->trace != NULL && next != (const char *)slab->trace)
		model_fail("world", "W22 the parts of a slab lie side by side");
}

struct oracle_left oracle_before_slab(struct ma_heap *heap, const struct ma_request *req)
{
	struct ma_instance *inst = heap != NULL ? heap->instance : NULL;
	struct oracle_left left = {.heap = heap};
	unsigned class_idx = MA_NCLASSES;

	if (heap != NULL && req->size <= heap->small_max)
		class_idx = ma_class_aligned(req->size + heap->behind, ma_max(req->align, MA_ALIGN),
					     inst->pool.page);
	if (class_idx == MA_NCLASSES)
		return left;
	left.slab = inst->shared.bin[class_idx].avail;
	left.class_idx = class_idx;
	left.nslabs = heap->bin[class_idx].nslabs;
	return left;
}

void oracle_after_slab(const struct oracle_left *left)
{
	if (left->slab == NULL || left->heap->bin[left->class_idx].nslabs == left->nslabs)
		return;
	if (*ma_slab_owner(left->slab) == (uintptr_t)&left->heap->instance->shared)
		model_fail("world", "W19 a slab that was left serves before another is made");
}
