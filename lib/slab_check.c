#include <string.h>

#include "slab.h"

/* The lowest bit of each of four states. */
#define EACH ((uint64_t)0x0001000100010001)

struct tally {
	uint32_t free;
	uint32_t used;
};

/* Without a way out before the end: so compilers make wide loads of it. */
ma_touches bool is_zero(const char *ptr, size_t size)
{
	uint64_t sum = 0;
	uint64_t word;
	size_t i = 0;

	for (; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, ptr + i, sizeof(word));
		sum |= word;
	}
	for (; i < size; i++)
		sum |= (unsigned char)ptr[i];
	return sum == 0;
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

static bool was_handed_out(const struct ma_slab *slab, uint32_t idx)
{
	uint32_t order = idx >= slab->start ? idx - slab->start : idx + slab->nslots - slab->start;

	return order < slab->fresh;
}

static const char *check_contents(const struct ma_slab *slab, uint32_t idx, unsigned state)
{
	if (ma_slot_is_live(state))
		return check_live(slab, idx, state);
	if (ma_slot_phase(state) == MA_SLOT_LEAVING || !was_handed_out(slab, idx) ||
	    is_filled(slab, ma_slab_slot_ptr(slab, idx)))
		return NULL;
	return "S6 free and retired slots are zero";
}

/* Another thread may be freeing it at this moment: then its state changes first (S8). */
static const char *check_slot(const struct ma_slab *slab, uint32_t idx, struct tally *tally)
{
	unsigned state = ma_slab_load(slab, idx);
	const char *broken = NULL;

	if (ma_slot_phase(state) > MA_SLOT_LOST ||
	    (ma_slot_phase(state) == MA_SLOT_WIDE && slab->wide == NULL))
		return "S4 states are free, retired, remote or live";
	if (ma_slot_phase(state) != MA_SLOT_FREE && !was_handed_out(slab, idx))
		return "S2 slots in use were handed out";
	broken = check_contents(slab, idx, state);
	atomic_thread_fence(memory_order_acquire);
	if (broken != NULL && ma_slab_load(slab, idx) == state)
		return broken;
	if (ma_slot_phase(state) == MA_SLOT_FREE)
		tally->free++;
	else
		tally->used++;
	return NULL;
}

/* Four states at once; their places are multiples of four. */
static bool are_four_free(const struct ma_slab *slab, uint32_t idx)
{
	const _Atomic uint64_t *four = (const _Atomic uint64_t *)(const void *)&slab->states[idx];
	uint64_t states = atomic_load_explicit(four, memory_order_relaxed);

	return ((states ^ EACH * MA_SLOT_FREE) & EACH * 0xff) == 0;
}

/* Slots from @from on, below @to, that are free: they are the owner's alone. */
static uint32_t count_free(const struct ma_slab *slab, uint32_t from, uint32_t to)
{
	uint32_t i = from;

	while (i < to) {
		if (i % 4 == 0 && i + 4 <= to && are_four_free(slab, i))
			i += 4;
		else if (ma_slot_phase(ma_slab_load(slab, i)) == MA_SLOT_FREE)
			i++;
		else
			break;
	}
	return i - from;
}

/* Slots that were handed out; where free ones lie side by side, all between their ends is zero. */
static const char *check_range(const struct ma_slab *slab, uint32_t from, uint32_t to,
			       struct tally *tally)
{
	bool filled = slab->flags & MA_SLAB_FILLED;
	const char *broken = NULL;

	while (from < to && broken == NULL) {
		uint32_t n = filled ? count_free(slab, from, to) : 0;

		if (n > 0 && is_zero(ma_slab_slot_ptr(slab, from), (size_t)n * slab->slot)) {
			tally->free += n;
			from += n;
		} else {
			broken = check_slot(slab, from++, tally);
		}
	}
	return broken;
}

/*
 * Slots that were never handed out, of which there may be many: nobody else writes their states, so
 * they can be read any number at a time. Which one is wrong, and how, is found out slot by slot.
 */
static const char *check_fresh(const struct ma_slab *slab, uint32_t from, uint32_t to,
			       struct tally *tally)
{
	const uint16_t *states = (const uint16_t *)(const void *)slab->states;
	unsigned other = 0;

	for (uint32_t i = from; i < to; i++)
		other |= states[i] ^ (unsigned)MA_SLOT_FREE;
	if (ma_slot_phase(other) != 0)
		return check_range(slab, from, to, tally);
	tally->free += to - from;
	return NULL;
}

/* Handed out were those from start on, round to end; or [0, end) and [start, nslots). */
static const char *check_slots(const struct ma_slab *slab, struct tally *tally)
{
	uint32_t end = slab->start + slab->fresh;
	bool round = end > slab->nslots;
	uint32_t low = round ? end - slab->nslots : slab->start;
	uint32_t high = round ? slab->start : end;
	const char *broken = round ? check_range(slab, 0, low, tally)
				   : check_fresh(slab, 0, low, tally);

	if (broken == NULL)
		broken = round ? check_fresh(slab, low, high, tally)
			       : check_range(slab, low, high, tally);
	if (broken == NULL)
		broken = round ? check_range(slab, high, slab->nslots, tally)
			       : check_fresh(slab, high, slab->nslots, tally);
	return broken;
}

/* May the bit of slot @idx be set? */
static bool is_vacant(const struct ma_slab *slab, uint32_t idx)
{
	return idx < slab->nslots && was_handed_out(slab, idx) &&
	       ma_slot_phase(ma_slab_load(slab, idx)) == MA_SLOT_FREE;
}

static const char *check_vacant(const struct ma_slab *slab)
{
	uint32_t nwords = (slab->nslots + 63) / 64;
	bool shuffled = slab->flags & MA_SLAB_SHUFFLED;
	bool all = shuffled && slab->fresh == slab->nslots;
	uint32_t n = 0;

	for (uint32_t w = 0; w < nwords; w++) {
		uint64_t bits = slab->vacant[w];

		if (all && bits == UINT64_MAX && w * 64 + 64 <= slab->nslots &&
		    count_free(slab, w * 64, w * 64 + 64) == 64) {
			n += 64;
			continue;
		}
		if (bits != 0 && w < slab->hint && !shuffled)
			return "S3 no bit is in front of the hint";
		for (; bits != 0; bits &= bits - 1, n++)
			if (!is_vacant(slab, w * 64 + (uint32_t)__builtin_ctzll(bits)))
				return "S3 bits are set for free slots";
	}
	return n == slab->nvacant ? NULL : "S3 the bits are counted";
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
