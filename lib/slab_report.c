/* What is told of slots that are not as they should be. */
#include "annotate.h"
#include "slab.h"

/* Slots shown on each side of the one in question. */
#define AROUND 12

static_assert(2 * AROUND + 4 <= MA_AROUND, "the picture has room");

static ma_unchecked size_t first_difference(const char *ptr, size_t size)
{
	size_t at = 0;

	while (at < size && ptr[at] == 0)
		at++;
	return at;
}

/* ---- looking from outside -------------------------------------------------------------------- */

/* Everything behind the canary is zero where slots are filled. */
bool ma_slab_tail_is_zero(const struct ma_slab *slab, const char *ptr, size_t size)
{
	const char *last = ptr + slab->slot - sizeof(uint64_t);

	if (!ma_slot_tail_intact(ptr, slab->slot, slab->slot - MA_CANARY - size))
		return false;
	if (!(slab->flags & MA_SLAB_FILLED))
		return true;
	for (const char *at = ptr + size + MA_CANARY; at < last; at += sizeof(uint64_t))
		if (ma_canary_found(at) != 0)
			return false;
	return true;
}

/* A canary of any life: a thread that vanished in a fork had another stride than there is now. */
static bool is_canary(const struct ma_slab *slab, uint32_t idx, const char *at)
{
	for (unsigned life = 0; life <= MA_SLOT_LIVES; life += MA_SLOT_LIFE)
		if (ma_canary_intact(at, ma_slab_secret(slab, idx, life)))
			return true;
	return false;
}

/* The first byte from @at on that is filled (S6) and not zero; the slot's size if there is none. */
static ma_unchecked size_t first_written(const struct ma_slab *slab, const char *ptr, size_t at)
{
	size_t last = slab->slot - MA_ALIGN;

	if (slab->flags & MA_SLAB_FILLED)
		return at + first_difference(ptr + at, slab->slot - at);
	for (; at < MA_ALIGN; at++)
		if (ptr[at] != 0)
			return at;
	at = ma_max(at, last);
	return at + first_difference(ptr + at, slab->slot - at);
}

/*
 * Its owner may have put the canary, and not be at the state yet (S8): nothing else is there. Of
 * the canary, the end may be all that lies where slots are filled.
 */
static bool is_being_armed(const struct ma_slab *slab, uint32_t idx, unsigned state)
{
	const char *ptr = ma_slab_slot_ptr(slab, idx);
	size_t at = first_written(slab, ptr, 0);
	size_t from = at - ma_min(at, MA_CANARY - 1);

	if (ma_slot_is_live(state))
		return false;
	for (size_t p = from; p <= at && p + MA_CANARY <= slab->slot; p++)
		if (is_canary(slab, idx, ptr + p) &&
		    first_written(slab, ptr, p + MA_CANARY) == slab->slot)
			return true;
	return false;
}

/* Free or retired, and known to have been zeroed. */
static bool must_be_zero(const struct ma_slab *slab, unsigned state)
{
	return slab->zero || ma_slot_was_used(state);
}

static enum ma_proof look(const struct ma_slab *slab, uint32_t idx, struct ma_slot *slot)
{
	const char *ptr = ma_slab_slot_ptr(slab, idx);
	size_t size;

	slot->idx = idx;
	slot->state = ma_slab_load(slab, idx);
	if (ma_slot_phase(slot->state) == MA_SLOT_LEAVING)
		return MA_PROOF_OK;
	if (ma_slot_is_live(slot->state)) {
		slot->slack = ma_slab_slack(slab, idx, slot->state);
		if (slot->slack > slab->slot - MA_CANARY)
			return MA_PROOF_OK;
		size = ma_slot_size(slab, *slot);
		if (ma_canary_intact(ptr + size, ma_slab_secret(slab, idx, slot->state)) &&
		    ma_slab_tail_is_zero(slab, ptr, size))
			return MA_PROOF_OK;
		return MA_PROOF_OVERRUN;
	}
	if (!must_be_zero(slab, slot->state) || ma_slab_is_zero(slab, idx) ||
	    is_being_armed(slab, idx, slot->state))
		return MA_PROOF_OK;
	return MA_PROOF_WRITTEN;
}

/*
 * Its thread may be at work on the slot: what is damaged stays so, what was in between does not
 * (S8).
 */
enum ma_proof ma_slab_verify(const struct ma_slab *slab, uint32_t idx, struct ma_slot *slot)
{
	enum ma_proof proof = look(slab, idx, slot);

	for (int i = 0; i < 3 && ma_unlikely(proof != MA_PROOF_OK); i++) {
		struct ma_slot again;

		atomic_thread_fence(memory_order_seq_cst);
		if (look(slab, idx, &again) != proof || again.state != slot->state)
			return MA_PROOF_OK;
	}
	return proof;
}

/* ---- describing ------------------------------------------------------------------------------ */

static char letter(const struct ma_slab *slab, uint32_t idx)
{
	struct ma_slot slot;
	unsigned state = ma_slab_load(slab, idx);

	if (look(slab, idx, &slot) != MA_PROOF_OK)
		return '!';
	if (ma_slot_phase(state) == MA_SLOT_FREE)
		return '.';
	return ma_slot_is_live(state) ? 'l' : 'q';
}

static void picture(const struct ma_slab *slab, uint32_t idx, char *out)
{
	uint32_t from = idx > AROUND ? idx - AROUND : 0;
	uint32_t end = (uint32_t)ma_min((size_t)idx + AROUND + 1, slab->nslots);
	size_t n = 0;

	for (uint32_t i = from; i < end; i++) {
		if (i == idx)
			out[n++] = '[';
		out[n++] = letter(slab, i);
		if (i == idx)
			out[n++] = ']';
	}
	if (end == slab->nslots && (slab->flags & MA_SLAB_GUARDED))
		out[n++] = '#';
	out[n] = '\0';
}

static const char *state_word(const struct ma_slab *slab, uint32_t idx)
{
	switch (ma_slab_state(slab, idx)) {
	case 'f':
		return "free";
	case 'r':
		return "retired";
	default:
		return "live";
	}
}

void ma_slab_describe(const struct ma_slab *slab, uint32_t idx, struct ma_violation *v)
{
	unsigned state = ma_slab_load(slab, idx);

	v->object = ma_slab_slot_ptr(slab, idx);
	v->slot = slab->slot;
	v->state = state_word(slab, idx);
	v->requested = SIZE_MAX;
	if (ma_slot_is_live(state))
		v->requested = slab->slot - MA_CANARY - ma_slab_slack(slab, idx, state);
	if (slab->trace != NULL) {
		v->allocated = atomic_load(&slab->trace[idx].allocated);
		v->freed = atomic_load(&slab->trace[idx].freed);
	}
	picture(slab, idx, v->around);
}

/* ---- reports --------------------------------------------------------------------------------- */

/*
 * A write through a stale pointer stays within what was asked for, so it does not reach the last
 * bytes of a slot, where a canary would stand: what reaches them, and not the first ones, came from
 * the object behind.
 */
static ma_unchecked bool is_from_behind(const struct ma_slab *slab, const char *ptr)
{
	return ptr[0] == 0 && ptr[slab->slot - 1] != 0;
}

/* What begins with the slot may have come from the object in front, over its canary. */
static bool blame_left(const struct ma_slab *slab, uint32_t idx)
{
	struct ma_slot left;

	if (idx == 0 || *ma_slab_slot_ptr(slab, idx) == 0 ||
	    ma_slab_verify(slab, idx - 1, &left) != MA_PROOF_OVERRUN)
		return false;
	ma_slab_overrun(slab, left);
	return true;
}

static void report_damage(const struct ma_slab *slab, uint32_t idx)
{
	const char *ptr = ma_slab_slot_ptr(slab, idx);
	size_t at = first_written(slab, ptr, 0);
	size_t shown = ma_min(at, slab->slot - sizeof(uint64_t));
	bool behind = is_from_behind(slab, ptr);
	struct ma_violation v = {
		.kind = behind ? MA_HEAP_UNDERFLOW : MA_WRITE_AFTER_FREE,
		.why = behind ? "in front of an object was overwritten"
			      : "was written after its object was freed",
		.ptr = ptr + at,
		.damage = ptr + shown,
		.found = ma_canary_found(ptr + shown),
	};

	ma_slab_describe(slab, idx, &v);
	ma_report(&v);
}

void ma_slab_damaged(const struct ma_slab *slab, uint32_t idx)
{
	if (!blame_left(slab, idx))
		report_damage(slab, idx);
	ma_slab_zero(slab, idx);
}

/* Where the bytes begin that must be zero. */
static size_t tail_of(const struct ma_slab *slab, struct ma_slot slot)
{
	size_t from = ma_slot_size(slab, slot) + MA_CANARY;

	return slab->flags & MA_SLAB_FILLED ? from : ma_max(from, slab->slot - 8);
}

static ma_unchecked void report_tail(const struct ma_slab *slab, struct ma_slot slot)
{
	const char *ptr = ma_slab_slot_ptr(slab, slot.idx);
	size_t from = tail_of(slab, slot);
	size_t at = from + first_difference(ptr + from, slab->slot - from);
	size_t shown = ma_min(at, slab->slot - sizeof(uint64_t));
	struct ma_violation v = {
		.kind = ptr[slab->slot - 1] != 0 ? MA_HEAP_UNDERFLOW : MA_HEAP_OVERFLOW,
		.ptr = ptr + at,
		.damage = ptr + shown,
		.found = ma_canary_found(ptr + shown),
	};

	v.why = v.kind == MA_HEAP_UNDERFLOW ? "in front of an object was overwritten"
					    : "far behind the end of an object was overwritten";
	ma_slab_describe(slab, slot.idx, &v);
	if (shown >= from)
		v.expected = 0;
	else
		v.damage = NULL;
	ma_report(&v);
}

/* The last bytes of the canary only, and the object behind starts there: written from behind. */
static bool canary_hit_from_behind(const char *at, uint64_t expected, size_t slack)
{
	return slack == 0 && (ma_canary_found(at) & 0xffff) == (expected & 0xffff);
}

/* What was told is not told again: canary and tail as they should be. */
static void repair(const struct ma_slab *slab, struct ma_slot slot)
{
	char *ptr = ma_slab_slot_ptr(slab, slot.idx);
	size_t size = ma_slot_size(slab, slot);

	if (slab->flags & MA_SLAB_FILLED) {
		ma_annotate_open(ptr + size, slab->slot - size);
		memset(ptr + size, 0, slab->slot - size);
		ma_annotate_close(ptr + size, slab->slot - size);
	}
	ma_slab_seal(slab, ptr, size, ma_slab_secret(slab, slot.idx, slot.state));
}

void ma_slab_overrun(const struct ma_slab *slab, struct ma_slot slot)
{
	const char *ptr = ma_slab_slot_ptr(slab, slot.idx);
	const char *end = ptr + ma_slot_size(slab, slot);
	uint64_t expected = ma_canary_at(end, ma_slab_secret(slab, slot.idx, slot.state));
	struct ma_violation v = {
		.kind = MA_HEAP_OVERFLOW,
		.ptr = end,
		.why = "behind the end of an object was overwritten",
		.damage = end,
		.expected = expected,
		.found = ma_canary_found(end),
	};

	if (v.found == expected) {
		report_tail(slab, slot);
		repair(slab, slot);
		return;
	}
	if (canary_hit_from_behind(end, expected, slot.slack)) {
		v.kind = MA_HEAP_UNDERFLOW;
		v.why = "in front of an object was overwritten";
	}
	ma_slab_describe(slab, slot.idx, &v);
	ma_report(&v);
	repair(slab, slot);
}
