#include <string.h>

#include "slab.h"

struct tally {
	uint32_t free;
	uint32_t used;
};

static const char *check_live(const struct ma_slab *slab, uint32_t idx, uint8_t state)
{
	struct ma_slot slot = {idx, state == MA_SLOT_WIDE ? slab->wide[idx] : (uint32_t)state - 1};

	if (slot.slack > slab->slot - MA_CANARY)
		return "S4 the slack leaves room for the canary";
	if (ma_slab_is_remote(slab, idx))
		return NULL;
	if (!ma_canary_intact(ma_slab_slot_ptr(slab, idx) + ma_slot_size(slab, slot)))
		return "S5 canaries are intact";
	return NULL;
}

static bool was_handed_out(const struct ma_slab *slab, uint32_t idx)
{
	uint32_t order = idx >= slab->start ? idx - slab->start : idx + slab->nslots - slab->start;

	return order < slab->fresh;
}

static const char *check_slot(const struct ma_slab *slab, uint32_t idx, struct tally *tally)
{
	uint8_t state = atomic_load_explicit(&slab->states[idx], memory_order_relaxed);
	const char *ptr = ma_slab_slot_ptr(slab, idx);

	if (state > MA_SLOT_RETIRED)
		return "S4 states are free, retired or live";
	if (state == MA_SLOT_FREE) {
		tally->free++;
		if (ma_slab_is_remote(slab, idx))
			return "S7 remote bits are set for live slots only";
		if (slab->filled && was_handed_out(slab, idx) && !ma_fill_is_zero(ptr, slab->slot))
			return "S6 free slots are zero";
		return NULL;
	}
	tally->used++;
	if (!was_handed_out(slab, idx))
		return "S2 slots in use were handed out";
	return state == MA_SLOT_RETIRED ? NULL : check_live(slab, idx, state);
}

/*
 * An index may be on the stack once: its free, handed-out slots are as many as it is high, so
 * distinct suffices.
 */
static const char *check_stack(const struct ma_slab *slab)
{
	uint64_t seen[65536 / 64 / 16]; /* one pass per 4096 slots keeps this small */
	const uint32_t pass = sizeof(seen) * 8;

	for (uint32_t from = 0; from < slab->nslots; from += pass) {
		memset(seen, 0, sizeof(seen));
		for (uint32_t i = 0; i < slab->top; i++) {
			uint32_t idx = slab->stack[i];
			uint64_t bit = (uint64_t)1 << (idx % 64);

			if (idx >= slab->nslots || !was_handed_out(slab, idx) ||
			    atomic_load(&slab->states[idx]) != MA_SLOT_FREE)
				return "S3 the stack holds free slots";
			if (idx < from || idx >= from + pass)
				continue;
			if (seen[(idx - from) / 64] & bit)
				return "S3 the stack holds each slot once";
			seen[(idx - from) / 64] |= bit;
		}
	}
	return NULL;
}

const char *ma_slab_check(const struct ma_slab *slab)
{
	const struct ma_block *block = ma_slab_block((struct ma_slab *)(uintptr_t)slab);
	struct tally tally = {0, 0};
	const char *broken = NULL;

	if (block->kind != MA_BLOCK_SLAB || block->granule != slab->granule)
		return "S1 the slab rides in its block";
	if ((size_t)slab->nslots * slab->slot > block->size || slab->slot % MA_ALIGN != 0)
		return "S1 the slots fit into the block";
	if (slab->fresh > slab->nslots || slab->top > slab->fresh || slab->start >= slab->nslots)
		return "S2 counts are within the slab";
	for (uint32_t i = 0; i < slab->nslots && broken == NULL; i++)
		broken = check_slot(slab, i, &tally);
	if (broken != NULL)
		return broken;
	if (tally.used != slab->used || tally.free != slab->top + (slab->nslots - slab->fresh))
		return "S2 every slot is used, stacked or fresh";
	return check_stack(slab);
}
