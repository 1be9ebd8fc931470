#include <string.h>

#include "slab.h"

struct tally {
	uint32_t free;
	uint32_t used;
};

static bool is_zero(const char *ptr, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (ptr[i] != 0)
			return false;
	return true;
}

/* S6 */
static bool is_filled(const struct ma_slab *slab, const char *ptr)
{
	if (slab->flags & MA_SLAB_FILLED)
		return is_zero(ptr, slab->slot);
	return is_zero(ptr, 16) && is_zero(ptr + slab->slot - 16, 16);
}

static const char *check_live(const struct ma_slab *slab, uint32_t idx, unsigned state)
{
	struct ma_slot slot = {idx, ma_slab_slack(slab, idx, state), state};
	const char *ptr = ma_slab_slot_ptr(slab, idx);
	size_t size;

	if (slot.slack > slab->slot - MA_CANARY)
		return "S4 the slack leaves room for the canary";
	size = ma_slot_size(slab, slot);
	if (!ma_canary_intact(ptr + size, ma_slab_secret(slab, idx, state)))
		return "S5 canaries are intact";
	if (!ma_slot_tail_intact(ptr, slab->slot, slot.slack))
		return "S5 the end of a slot is zero";
	if ((slab->flags & MA_SLAB_FILLED) && !is_zero(ptr + size + MA_CANARY, slot.slack))
		return "S5 what is behind the canary is zero";
	return NULL;
}

static uint32_t order_of(const struct ma_slab *slab, uint32_t idx)
{
	return idx >= slab->start ? idx - slab->start : idx + slab->nslots - slab->start;
}

/* The slot that is handed out as the @order-th. */
static uint32_t idx_of(const struct ma_slab *slab, uint32_t order)
{
	uint32_t idx = slab->start + order;

	return idx >= slab->nslots ? idx - slab->nslots : idx;
}

static const char *check_contents(const struct ma_slab *slab, uint32_t idx, unsigned state)
{
	if (ma_slot_is_live(state))
		return check_live(slab, idx, state);
	if (ma_slot_phase(state) == MA_SLOT_LEAVING || is_filled(slab, ma_slab_slot_ptr(slab, idx)))
		return NULL;
	return "S6 free and retired slots are zero";
}

/* Another thread may be freeing it at this moment: then its state changes first (S8). */
static const char *check_slot(const struct ma_slab *slab, uint32_t idx, struct tally *tally)
{
	unsigned state = ma_slab_load(slab, idx);
	const char *broken = NULL;

	if (ma_slot_phase(state) > MA_SLOT_LOST)
		return "S4 states are free, retired, remote or live";
	broken = check_contents(slab, idx, state);
	if (broken != NULL && ma_slab_load(slab, idx) == state)
		return broken;
	if (ma_slot_phase(state) == MA_SLOT_FREE)
		tally->free++;
	else
		tally->used++;
	return NULL;
}

/* Slots that were handed out, and then those that were not. */
static const char *check_slots(const struct ma_slab *slab, struct tally *tally)
{
	const char *broken = NULL;

	for (uint32_t i = 0; i < slab->fresh && broken == NULL; i++)
		broken = check_slot(slab, idx_of(slab, i), tally);
	if (broken != NULL)
		return broken;
	for (uint32_t i = slab->fresh; i < slab->nslots; i++) {
		unsigned phase = ma_slot_phase(ma_slab_load(slab, idx_of(slab, i)));

		if (phase > MA_SLOT_LOST)
			return "S4 states are free, retired, remote or live";
		if (phase != MA_SLOT_FREE)
			return "S2 slots in use were handed out";
		tally->free++;
	}
	return NULL;
}

static const char *check_vacant(const struct ma_slab *slab)
{
	uint32_t nwords = (slab->nslots + 63) / 64;
	uint32_t n = 0;

	for (uint32_t i = 0; i < nwords * 64; i++) {
		if (slab->vacant[i / 64] >> (i % 64) == 0) {
			i |= 63;
			continue;
		}
		if ((slab->vacant[i / 64] >> (i % 64) & 1) == 0)
			continue;
		if (i >= slab->nslots || order_of(slab, i) >= slab->fresh ||
		    ma_slot_phase(ma_slab_load(slab, i)) != MA_SLOT_FREE)
			return "S3 bits are set for free slots";
		if (i / 64 < slab->hint && !(slab->flags & MA_SLAB_SHUFFLED))
			return "S3 no bit is in front of the hint";
		n++;
	}
	return n == slab->nvacant ? NULL : "S3 the bits are counted";
}

const char *ma_slab_check(const struct ma_slab *slab)
{
	const struct ma_block *block = ma_slab_block((struct ma_slab *)(uintptr_t)slab);
	struct tally tally = {0, 0};
	const char *broken;

	if (block->kind != MA_BLOCK_SLAB || block->granule != slab->granule)
		return "S1 the slab rides in its block";
	if ((size_t)slab->nslots * slab->slot > block->size || slab->slot % MA_ALIGN != 0)
		return "S1 the slots fit into the block";
	if (slab->fresh > slab->nslots || slab->nvacant > slab->fresh ||
	    slab->start >= slab->nslots)
		return "S2 counts are within the slab";
	broken = check_slots(slab, &tally);
	if (broken != NULL)
		return broken;
	if (tally.used != slab->used || tally.free != slab->nvacant + (slab->nslots - slab->fresh))
		return "S2 every slot is used, vacant or fresh";
	return check_vacant(slab);
}
