#include "slab.h"
#include "guard.h"

/* Where the arrays beside a slab lie in their one piece of meta memory. */
struct layout {
	size_t vacant, wide, trace; /* offsets; the states are at 0 */
	size_t size;
};

/* One for each place in the block where a slot might start (S9). */
static size_t nstates_of(size_t size, size_t slot)
{
	return size / slot + 1;
}

static struct layout layout_of(size_t size, size_t slot, size_t nslots, bool traced)
{
	size_t nstates = nstates_of(size, slot);
	bool wide = slot - MA_CANARY >= MA_SLOT_WIDE;
	struct layout l;

	l.vacant = ma_align_up(nstates * sizeof(uint16_t), sizeof(uint64_t));
	l.wide = l.vacant + (nslots + 63) / 64 * sizeof(uint64_t);
	l.trace = l.wide + (wide ? nslots * sizeof(uint32_t) : 0);
	l.size = l.trace + (traced ? nslots * sizeof(struct ma_trace) : 0);
	if (!wide)
		l.wide = 0;
	if (!traced)
		l.trace = 0;
	return l;
}

/* ---- making ---------------------------------------------------------------------------------- */

static struct ma_block *take_block(const struct ma_slab_source *source, size_t size,
				   unsigned class_idx)
{
	struct ma_pool_request req = {size, 0, MA_BLOCK_SLAB};
	const struct ma_wanted wanted = {class_idx, size, 0};
	size_t which;
	struct ma_block *block = ma_waitlist_take(source->waitlist, &wanted, 1, &which);

	if (block == NULL)
		return ma_pool_alloc(source->pool, &req);
	memset(block->rider, 0, sizeof(block->rider));
	ma_block_become(block, MA_BLOCK_SLAB);
	return block;
}

/* All slots are vacant, instead of fresh ones that come in address order. */
static void shuffle(struct ma_slab *slab, struct ma_random *random)
{
	for (uint32_t i = 0; i < slab->nslots; i++) {
		if (!slab->zero)
			ma_slab_zero(slab, i);
		slab->vacant[i / 64] |= (uint64_t)1 << (i % 64);
	}
	slab->zero = true;
	slab->fresh = slab->nslots;
	slab->nvacant = slab->nslots;
	slab->choice = (uint32_t)ma_random_next(random);
}

static void set_arrays(struct ma_slab *slab, char *beside, const struct layout *l)
{
	slab->states = (_Atomic uint16_t *)(void *)beside;
	slab->wide = l->wide > 0 ? (_Atomic uint32_t *)(void *)(beside + l->wide) : NULL;
	slab->trace = l->trace > 0 ? (struct ma_trace *)(void *)(beside + l->trace) : NULL;
	slab->vacant = (uint64_t *)(void *)(beside + l->vacant);
}

/* Generations start anywhere, so that those of an earlier slab in this place do not come again. */
static void set_states(char *states, size_t size, struct ma_random *random)
{
	unsigned life = (unsigned)ma_random_next(random) & MA_SLOT_LIVES;
	uint64_t four = (life | MA_SLOT_ORIGIN | MA_SLOT_FREE) * (UINT64_MAX / UINT16_MAX);

	/* Nobody sees the slab so far. */
	for (size_t at = 0; at < size; at += sizeof(four))
		memcpy(states + at, &four, sizeof(four));
}

struct ma_slab *ma_slab_create(const struct ma_slab_source *source, unsigned class_idx,
			       size_t growth)
{
	const struct ma_slab_policy *policy = source->policy;
	struct ma_pool *pool = source->pool;
	size_t slot = ma_class_slot(class_idx);
	size_t size = ma_class_slab_size(class_idx, growth, pool->page);
	size_t guard = policy->guarded ? pool->page : 0;
	struct layout l = layout_of(size + guard, slot, size / slot, policy->traced);
	char *beside = ma_meta_alloc(pool->meta, l.size);
	struct ma_block *block = beside != NULL ? take_block(source, size + guard, class_idx)
						: NULL;
	struct ma_slab *slab;

	if (block == NULL) {
		ma_meta_free(pool->meta, beside, l.size);
		return NULL;
	}
	if (guard > 0 && !block->guarded)
		ma_guard_ends(block, 0, guard);
	slab = ma_slab_of(block);
	slab->granule = block->granule;
	slab->slot = (uint32_t)slot;
	slab->recip = (uint32_t)((((uint64_t)1 << 32) + slot - 1) / slot);
	slab->nslots = (uint32_t)(size / slot);
	slab->fill = ma_fill_of(slot, slot <= policy->fill_max);
	slab->class_idx = (uint8_t)class_idx;
	slab->flags = (uint8_t)((slot <= policy->fill_max ? MA_SLAB_FILLED : 0) |
				(policy->traced ? MA_SLAB_TRACED : 0) |
				(guard > 0 ? MA_SLAB_GUARDED : 0) |
				(policy->redzone > 0 ? MA_SLAB_CLOSE : 0) |
				(policy->shuffled ? MA_SLAB_SHUFFLED : 0));
	slab->start = (uint32_t)ma_random_below(source->random, slab->nslots);
	slab->zero = block->zero;
	set_arrays(slab, beside, &l);
	slab->where = (uintptr_t)beside |
		      ma_random_below(source->random, (size_t)1 << MA_SLAB_SECRET_BITS)
			      << MA_SLAB_ADDR_BITS;
	set_states(beside, l.vacant, source->random);
	if (policy->shuffled)
		shuffle(slab, source->random);
	return slab;
}

bool ma_slab_destroy(struct ma_slab *slab, struct ma_waitlist *waitlist)
{
	struct ma_block *block = ma_slab_block(slab);
	bool filled = (slab->flags & MA_SLAB_FILLED) != 0;
	void *beside = (void *)(uintptr_t)slab->states;
	size_t size = layout_of(block->size, slab->slot, slab->nslots, slab->trace != NULL).size;
	struct ma_meta *meta = ma_pool_of(block)->meta;
	bool due;

	MA_ASSERT(slab->used == 0 && atomic_load(&block->owner) == 0);
	/* Slots that were in use have been zeroed (S6). */
	block->zero = filled && (slab->zero || slab->fresh == slab->nslots);
	/* Under the pool's lock somebody may be looking at the states: they go last. */
	due = ma_waitlist_put(waitlist, block, slab->class_idx);
	ma_meta_free(meta, beside, size);
	return due;
}

/* Writes to the page, and changes nothing that somebody else wrote. */
ma_touches void touch_page(uintptr_t at)
{
	(void)atomic_fetch_or_explicit((_Atomic unsigned char *)at, 0, memory_order_relaxed);
}

/* Whether a page that starts @offset bytes from the base holds a start or an end of a slot. */
static bool holds_end(const struct ma_slab *slab, size_t offset)
{
	size_t within = offset % slab->slot;

	return within == 0 || slab->slot - within <= MA_GRANULE;
}

/*
 * What is verified first and written then costs two faults where the OS has not given the page yet:
 * write to the pages of @n slots that will be looked at, once to each.
 */
static void touch(const struct ma_slab *slab, uint32_t idx, uint32_t n)
{
	uintptr_t base = (uintptr_t)ma_slab_base(slab);
	uintptr_t first = (uintptr_t)ma_slab_slot_ptr(slab, idx);
	uintptr_t end = first + (size_t)n * slab->slot;
	bool whole = (slab->flags & MA_SLAB_FILLED) || slab->slot <= MA_GRANULE;

	if (slab->fresh == 0 || first % MA_GRANULE == 0)
		touch_page(first);
	for (uintptr_t at = ma_align_up(first + 1, MA_GRANULE); at < end; at += MA_GRANULE)
		if (whole || holds_end(slab, at - base))
			touch_page(at);
}

uint32_t ma_slab_take_fresh(struct ma_slab *slab, uint32_t *n)
{
	uint32_t idx = slab->start + slab->fresh;

	MA_ASSERT(slab->fresh < slab->nslots);
	if (idx >= slab->nslots)
		idx -= slab->nslots;
	*n = (uint32_t)ma_min(*n, ma_min(slab->nslots - slab->fresh, slab->nslots - idx));
	if (slab->zero)
		touch(slab, idx, *n);
	for (uint32_t i = 0; i < *n && !slab->zero; i++)
		ma_slab_zero(slab, idx + i);
	slab->fresh += *n;
	slab->used += *n;
	return idx;
}

static uint32_t choose(struct ma_slab *slab, uint32_t n)
{
	slab->choice = slab->choice * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)slab->choice * n) >> 32);
}

/* Any bit of the first word that has some, from any word on. */
static uint32_t take_any(struct ma_slab *slab)
{
	uint32_t nwords = (slab->nslots + 63) / 64;
	uint32_t w = choose(slab, nwords);
	uint64_t bits;

	while (slab->vacant[w] == 0)
		w = w + 1 < nwords ? w + 1 : 0;
	bits = slab->vacant[w];
	for (uint32_t n = choose(slab, (uint32_t)__builtin_popcountll(bits)); n > 0; n--)
		bits &= bits - 1;
	slab->vacant[w] &= ~(bits & -bits);
	slab->nvacant--;
	return w * 64 + (uint32_t)__builtin_ctzll(bits);
}

uint32_t ma_slab_take_other(struct ma_slab *slab)
{
	uint32_t one = 1;

	if (slab->nvacant == 0)
		return ma_slab_take_fresh(slab, &one);
	slab->used++;
	return take_any(slab);
}

void ma_slab_resize(struct ma_slab *slab, struct ma_slot slot, size_t size)
{
	char *ptr = ma_slab_slot_ptr(slab, slot.idx);
	size_t old = ma_slot_size(slab, slot);
	unsigned state = slot.state & ~0xffu;

	ma_slab_set_phase(slab, slot.idx, MA_SLOT_LEAVING);
	atomic_thread_fence(memory_order_release);
	ma_canary_clear(ptr + old);
	if (size < old)
		memset(ptr + size, 0, old - size);
	ma_slab_seal(slab, ptr, size, ma_slab_secret(slab, slot.idx, state));
	state |= ma_slab_phase_of(slab, slot.idx, slab->slot - MA_CANARY - size);
	ma_slab_store(slab, slot.idx, state);
}

void ma_slab_set_origin(struct ma_slab *slab, const void *ptr, unsigned origin)
{
	size_t idx = (size_t)((const char *)ptr - ma_slab_base(slab)) / slab->slot;
	unsigned state = ma_slab_load(slab, (uint32_t)idx);

	ma_slab_store(slab, (uint32_t)idx,
		      (state & ~MA_SLOT_ORIGIN) | origin << MA_SLOT_ORIGIN_SHIFT);
}

char ma_slab_state(const struct ma_slab *slab, uint32_t idx)
{
	unsigned state = ma_slab_load(slab, idx);

	/* At hand in a stock, but nobody's so far. */
	if (!ma_slot_is_live(state) && !ma_slot_was_used(state))
		return 'f';
	if (ma_slot_phase(state) == MA_SLOT_FREE)
		return 'f';
	return ma_slot_is_live(state) ? 'l' : 'r';
}
