#include <string.h>

#include "plain_slots.h"

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

/* ---- lives ----------------------------------------------------------------------------------- */

/* [ life | secret of the slab | address of the slot's state ] */
static uint64_t secret_of(const struct plain_slab *slab, size_t idx, unsigned life)
{
	uint64_t state_at = (uintptr_t)&slab->real->states[idx];

	plain_must((slab->real->where & (((uint64_t)1 << 48) - 1)) == (uintptr_t)slab->real->states,
		   "L6 a slab's secret stands above the address of its states");
	return (state_at | slab->real->where >> 48 << 48) ^ (uint64_t)life << 48;
}

static uint64_t canary_of(const struct plain_slab *slab, size_t idx, const char *at)
{
	uint64_t secret = secret_of(slab, idx, slab->at[idx].life);
	ma_canary_wide product = (ma_canary_wide)((uintptr_t)at ^ secret) * ma_canary.key;

	return (((uint64_t)product ^ (uint64_t)(product >> 64)) >> 8) | 1;
}

static unsigned state_of(const struct plain_slab *slab, size_t idx)
{
	const struct plain_slot *slot = &slab->at[idx];
	unsigned high = slot->life | (slot->used ? 0 : MA_SLOT_ORIGIN);
	size_t slack = slab->slot - MA_CANARY - slot->size;

	if (slot->fresh || slot->phase == PLAIN_VACANT)
		return high | MA_SLOT_FREE;
	if (slot->phase == PLAIN_RETIRED)
		return high | MA_SLOT_RETIRED;
	if (slack < MA_SLOT_WIDE)
		return high | (unsigned)slack;
	plain_must(slab->real->wide != NULL && slab->real->wide[idx] == slack,
		   "L5 a wide slack is noted beside");
	return high | MA_SLOT_WIDE;
}

static void match_vacant(const struct plain_slab *slab)
{
	const struct ma_slab *real = slab->real;

	for (size_t i = 0; i < slab->nslots; i++) {
		bool vacant = !slab->at[i].fresh && slab->at[i].phase == PLAIN_VACANT;

		plain_must((real->vacant[i / 64] >> i % 64 & 1) == vacant,
			   "L5 a vacant slot has its bit, and no other has");
		plain_must(!vacant || real->hint <= i / 64, "L5 the hint is not behind a bit");
	}
}

static unsigned flags_of(const struct plain_slab *slab)
{
	return (slab->filled ? MA_SLAB_FILLED : 0) | (slab->close ? MA_SLAB_CLOSE : 0);
}

static void match_slab(const struct plain_slab *slab, const struct ma_heap *heap)
{
	const struct ma_slab *real = slab->real;
	size_t nfresh = real->nslots - real->fresh;

	plain_must(nfresh == slab->nfresh && real->nvacant == slab->nvacant &&
			   real->used == slab->nslots - slab->nfresh - slab->nvacant,
		   "L5 slots are counted");
	plain_must(real->flags == flags_of(slab), "L5 a slab is as its class and the policy say");
	plain_must(*ma_slab_owner(slab->real) == (uintptr_t)heap, "L5 the heap owns its slabs");
	plain_must(real->stock == heap->stock[slab->class_idx], "L5 a slab knows its stock");
}

static void match_states(const struct plain_slab *slab)
{
	const struct ma_slab *real = slab->real;

	for (size_t i = 0; i < slab->nslots; i++)
		plain_must(ma_slab_load(real, (uint32_t)i) == state_of(slab, i),
			   "L5 the state of each slot is what became of it");
	match_vacant(slab);
}

/* ---- contents -------------------------------------------------------------------------------- */

/* Canary and zeros behind an object. */
static void match_tail(const struct plain_slab *slab, size_t idx, const char *ptr)
{
	size_t size = slab->at[idx].size;
	size_t tail = slab->slot - size - MA_CANARY;
	size_t seen = slab->filled ? tail : ma_min(tail, 8);
	uint64_t found;

	memcpy(&found, ptr + size, sizeof(found));
	plain_must(found == canary_of(slab, idx, ptr + size), "L6 a live slot has its canary");
	for (size_t i = slab->slot - seen; i < slab->slot; i++)
		plain_must(ptr[i] == 0, "L6 nothing but zeros is behind the canary");
}

static void match_slots(struct plain_slab *slab)
{
	slab->touched = false;
	match_states(slab);
	for (size_t i = 0; i < slab->nslots; i++) {
		const char *ptr = slab->base + i * slab->slot;

		if (slab->at[i].fresh)
			continue;
		if (slab->at[i].phase == PLAIN_LIVE)
			match_tail(slab, i, ptr);
		else
			plain_must(slab->filled
					   ? is_zero(ptr, slab->slot)
					   : is_zero(ptr, 16) && is_zero(ptr + slab->slot - 16, 16),
				   "L6 a slot that holds nothing is zero");
	}
}

void slots_match_all(struct plain_slots *p)
{
	for (size_t i = 0; i < PLAIN_NSLABS; i++)
		if (p->slab[i].real != NULL)
			match_slots(&p->slab[i]);
}

/* ---- what waits ------------------------------------------------------------------------------ */

static void match_list(const struct plain_list *list, const struct ma_slab *first, bool avail)
{
	const struct ma_slab *prev = NULL;

	for (size_t i = 0; i < list->n; i++, prev = first, first = first->next)
		plain_must(first != NULL && first == list->slab[i]->real && first->prev == prev &&
				   first->is_avail == avail,
			   "L2 slabs are in the order in which they serve");
	plain_must(first == NULL, "L2 there is no slab beyond those");
}

static void match_fast(const struct ma_heap *heap, unsigned class_idx, size_t slot, size_t below)
{
	for (size_t size = below + MA_ALIGN; size <= ma_min(slot, MA_FAST_SLOT); size += MA_ALIGN)
		plain_must(heap->fast[size / MA_ALIGN] == heap->stock[class_idx],
			   "L3 a size finds its stock");
}

static void match_stock(const struct plain_stock *stock, const struct ma_stock *real)
{
	plain_must(stock->exists == (real != &ma_stock_none), "L3 a stock is there when needed");
	if (!stock->exists)
		return;
	plain_must(ma_stock_count(real) == stock->queue.n && real->quiet == stock->quiet &&
			   real->quiet_max == stock->quiet_max && real->room == stock->room &&
			   real->batch == stock->batch && real->batch_max == stock->batch_max,
		   "L3 a stock has what it should have at hand");
	plain_must(ma_stock_is_ready(real) == (stock->queue.n > stock->quiet),
		   "L3 what is not quiet is ready");
	plain_must(ma_stock_is_full(real) ==
			   (stock->quiet < stock->quiet_max || stock->queue.n >= stock->room),
		   "L3 the short way ends where the stock does");
	for (size_t i = 0; i < stock->queue.n; i++) {
		const struct plain_waiting *one = &stock->queue.entry[i];
		const struct ma_stocked *entry = ma_stock_at(
			real, real->head + (int64_t)(i * sizeof(struct ma_stocked)));
		unsigned life = one->slab->at[one->idx].life + ma_canary.stride;

		plain_must(entry->ptr == one->slab->base + one->idx * one->slab->slot,
			   "L3 slots are at hand in their order");
		plain_must(entry->secret == secret_of(one->slab, one->idx, life & MA_SLOT_LIVES),
			   "L3 and in their next life");
	}
}

static void match_quarantine(const struct plain_slots *p, const struct ma_quarantine *q)
{
	size_t n = 0;

	plain_must(q->bytes == p->bytes, "L4 bytes that wait are counted");
	for (size_t i = 0; i < q->cap; i++) {
		const struct ma_retired *entry = &q->entry[(q->next + i) % q->cap];
		const struct plain_waiting *one = &p->quarantine.entry[n];

		if (entry->slab == NULL)
			continue;
		plain_must(n < p->quarantine.n && entry->slab == one->slab->real &&
				   entry->idx == one->idx && entry->size == one->slab->slot,
			   "L4 freed slots wait in their order");
		n++;
	}
	plain_must(n == p->quarantine.n, "L4 all of them wait");
}

void slots_match(struct plain_slots *p, const struct ma_heap *heap)
{
	size_t below = 0;

	match_quarantine(p, &heap->quarantine);
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		const struct plain_bin *bin = &p->bin[i];

		match_list(&bin->avail, heap->bin[i].avail, true);
		match_list(&bin->full, heap->bin[i].full, false);
		plain_must(heap->bin[i].nslabs == bin->avail.n + bin->full.n,
			   "L2 slabs are counted");
		match_stock(&bin->stock, heap->stock[i]);
		match_fast(heap, i, ma_class_slot(i), below);
		below = ma_class_slot(i);
	}
	for (size_t i = 0; i < PLAIN_NSLABS; i++) {
		if (p->slab[i].real == NULL)
			continue;
		match_slab(&p->slab[i], heap);
		if (p->slab[i].touched)
			match_slots(&p->slab[i]);
	}
}

/* ---- proofs ---------------------------------------------------------------------------------- */

void slots_match_proof(struct plain_slots *p, const char *ptr)
{
	struct ma_slot slot;
	size_t idx;
	const struct plain_slab *slab = plain_slots_find(p, ptr, &idx);
	enum ma_proof expected = MA_PROOF_OK;
	enum ma_proof proof;

	if (slab == NULL)
		return;
	if (ptr != slab->base + idx * slab->slot)
		expected = MA_PROOF_INTERIOR;
	else if (slab->at[idx].fresh || slab->at[idx].phase != PLAIN_LIVE)
		expected = MA_PROOF_FREE;
	proof = ma_slab_prove(slab->real, ptr, &slot);
	plain_must(proof == expected, "L7 an address is taken for what it is");
	plain_must(proof != MA_PROOF_OK || (slot.idx == idx &&
					    ma_slot_size(slab->real, slot) == slab->at[idx].size),
		   "L7 and so is its size");
}
