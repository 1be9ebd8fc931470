#include "slab.h"

/* Where the arrays beside a slab lie in their one piece of meta memory. */
struct layout {
	size_t remote, wide, stack; /* offsets; the states are at 0 */
	size_t size;
};

static struct layout layout_of(size_t nslots, size_t slot)
{
	bool wide = slot - MA_CANARY + 1 >= MA_SLOT_WIDE;
	struct layout l;

	l.remote = ma_align_up(nslots, sizeof(uint64_t));
	l.wide = l.remote + (nslots + 63) / 64 * sizeof(uint64_t);
	l.stack = l.wide + (wide ? nslots * sizeof(uint32_t) : 0);
	l.size = l.stack + nslots * sizeof(uint16_t);
	if (!wide)
		l.wide = 0;
	return l;
}

struct ma_slab *ma_slab_create(struct ma_pool *pool, unsigned class_idx, size_t growth,
			       struct ma_random *random)
{
	size_t slot = ma_class_slot(class_idx);
	size_t size = ma_class_slab_size(class_idx, growth, pool->page);
	size_t nslots = size / slot;
	struct layout l = layout_of(nslots, slot);
	struct ma_pool_request req = {size, 0, MA_BLOCK_SLAB};
	char *beside = ma_meta_alloc(pool->meta, l.size);
	struct ma_block *block = beside != NULL ? ma_pool_alloc(pool, &req) : NULL;
	struct ma_slab *slab;

	if (block == NULL) {
		ma_meta_free(pool->meta, beside, l.size);
		return NULL;
	}
	slab = ma_slab_of(block);
	slab->granule = block->granule;
	slab->states = (_Atomic uint8_t *)beside;
	slab->remote = (_Atomic uint64_t *)(void *)(beside + l.remote);
	slab->wide = l.wide > 0 ? (_Atomic uint32_t *)(void *)(beside + l.wide) : NULL;
	slab->stack = (uint16_t *)(void *)(beside + l.stack);
	slab->slot = (uint32_t)slot;
	slab->recip = (uint32_t)((((uint64_t)1 << 32) + slot - 1) / slot);
	slab->nslots = (uint32_t)nslots;
	slab->class_idx = (uint8_t)class_idx;
	slab->filled = slot <= MA_FILL_MAX;
	slab->start = (uint32_t)ma_random_below(random, nslots);
	slab->zero = block->zero;
	return slab;
}

bool ma_slab_destroy(struct ma_slab *slab)
{
	struct ma_block *block = ma_slab_block(slab);
	struct ma_pool *pool = ma_pool_of(block);

	void *beside = (void *)slab->states;
	size_t size = layout_of(slab->nslots, slab->slot).size;
	bool due;

	MA_ASSERT(slab->used == 0 && atomic_load(&block->owner) == 0);
	/* Under the pool's lock somebody may be looking at the states: they go last. */
	due = ma_pool_free(pool, block);
	ma_meta_free(pool->meta, beside, size);
	return due;
}

uint32_t ma_slab_take_fresh(struct ma_slab *slab)
{
	uint32_t idx = slab->start + slab->fresh;

	MA_ASSERT(slab->fresh < slab->nslots);
	if (idx >= slab->nslots)
		idx -= slab->nslots;
	slab->fresh++;
	if (slab->filled && !slab->zero)
		ma_fill_zero(ma_slab_slot_ptr(slab, idx), slab->slot);
	return idx;
}

static void collect_one(struct ma_slab *slab, uint32_t idx)
{
	uint8_t state = atomic_load_explicit(&slab->states[idx], memory_order_relaxed);
	struct ma_violation v = {
		.kind = MA_DOUBLE_FREE,
		.ptr = ma_slab_slot_ptr(slab, idx),
		.why = "was freed by two threads at once",
		.object = ma_slab_slot_ptr(slab, idx),
		.requested = SIZE_MAX,
		.slot = slab->slot,
	};

	if (state == MA_SLOT_FREE || state == MA_SLOT_RETIRED)
		ma_report(&v);
	if (slab->filled)
		ma_fill_zero(ma_slab_slot_ptr(slab, idx), slab->slot);
	ma_slab_put(slab, idx);
}

uint32_t ma_slab_collect(struct ma_slab *slab)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w * 64 < slab->nslots; w++) {
		uint64_t bits;

		if (atomic_load(&slab->remote[w]) == 0)
			continue;
		bits = atomic_exchange(&slab->remote[w], 0);
		for (; bits != 0; bits &= bits - 1, n++)
			collect_one(slab, w * 64 + (uint32_t)__builtin_ctzll(bits));
	}
	return n;
}

char ma_slab_state(const struct ma_slab *slab, uint32_t idx)
{
	uint8_t state = atomic_load_explicit(&slab->states[idx], memory_order_relaxed);

	if (state == MA_SLOT_FREE)
		return 'f';
	return state == MA_SLOT_RETIRED || ma_slab_is_remote(slab, idx) ? 'r' : 'l';
}

void ma_slab_damaged(const struct ma_slab *slab, uint32_t idx)
{
	const char *ptr = ma_slab_slot_ptr(slab, idx);
	struct ma_violation v = {
		.kind = MA_WRITE_AFTER_FREE,
		.why = "was written after its object was freed",
		.object = ptr,
		.requested = SIZE_MAX,
		.slot = slab->slot,
	};
	size_t at = 0;

	while (at < slab->slot - sizeof(v.found) && ptr[at] == 0)
		at++;
	v.found = ma_canary_found(ptr + at);
	v.ptr = ptr + at;
	v.damage = ptr + at;
	ma_report(&v);
}

void ma_slab_overrun(const struct ma_slab *slab, struct ma_slot slot)
{
	const char *ptr = ma_slab_slot_ptr(slab, slot.idx);
	size_t size = ma_slot_size(slab, slot);
	struct ma_violation v = {
		.kind = MA_HEAP_OVERFLOW,
		.ptr = ptr + size,
		.why = "behind the end of an object was overwritten",
		.object = ptr,
		.requested = size,
		.slot = slab->slot,
		.damage = ptr + size,
		.expected = ma_canary_at(ptr + size),
		.found = ma_canary_found(ptr + size),
	};

	ma_report(&v);
}
