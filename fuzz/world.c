#include <string.h>

#include "canary.h"
#include "decay.h"
#include "oracle.h"
#include "os.h"
#include "os_fake.h"
#include "remote.h"
#include "sweep.h"
#include "world.h"

/* Of the fake OS, whose arena has twice that. */
#define ARENA_ALIGN ((size_t)512 << 20)
#define ARENA_LIMIT ((size_t)384 << 20)
#define ARENA_SMALL ((size_t)8 << 20)

/* Steps from one sweep to the next. What it looks at is looked at after each. */
#define SWEEP 256

/* ---- beginning ------------------------------------------------------------------------------- */

/* Where guards are spared, so many large objects have them here before. */
#define GUARDED 2

static size_t page_of(unsigned choice)
{
	if (choice < 6)
		return 4096;
	return choice == 6 ? 16384 : 65536;
}

/*
 * The same input must mean the same wherever the arena lies: what is mapped starts at a multiple of
 * ARENA_ALIGN, so it is covered by one leaf of the pagemap, and ends at a limit.
 */
static void start_os(size_t page, size_t limit)
{
	void *probe;

	os_fake_fast(true);
	os_fake_reset();
	os_fake_set_page_size(page);
	probe = ma_os_map(page);
	if (probe == NULL || !ma_os_unmap(probe, page))
		model_fail("world", "the fake OS starts");
	os_fake_set_offset((size_t)(-(uintptr_t)probe % ARENA_ALIGN) / page);
	os_fake_set_limit(limit);
}

/* Byte 2: how the choices begin, and what is hardened beyond the fixed part. */
static void read_hardening(struct ma_instance_config *config, unsigned byte)
{
	config->seed = byte + 1u;
	config->renewed = true;
	config->wait = byte & 0x01 ? 300000 : 0;
	config->guard_large = (byte & 0x01) != (byte >> 5 & 1);
	config->slab.shuffled = byte & 0x02;
	config->quarantine.shuffled = byte & 0x02;
	config->slab.fill_max = byte & 0x02 ? 32768 : MA_FILL_MAX;
	config->slab.guarded = (byte >> 1 & 1) != (byte >> 6 & 1);
	config->sample = byte & 0x04 ? 7 : 0;
	config->quarantine.bytes = byte & 0x08 ? 2000 : SIZE_MAX;
	config->wait_sealed = byte & 0x10;
	config->slab.traced = byte & 0x80;
}

/* Few slots at hand, or many, in place of the quarantine. */
static void use_stocks(struct ma_instance_config *config)
{
	bool few = config->quarantine.cap < MA_STOCK;

	config->stock.entries = few ? 16 : MA_STOCK;
	config->stock.bytes = few ? 2048 : 65536;
	config->stock.quiet = config->quarantine.cap;
	config->quarantine.cap = 0;
}

/* Bytes 0 to 2 of an input; README.md has the table. */
static void read_config(struct world *w)
{
	static const size_t waits[4] = {0, 4, 32, 64};
	static const size_t firsts[4] = {65536, 0, 16384, 262144};
	static const size_t limits[4] = {0, 262144, 1048576, 8388608};
	unsigned a = seq_byte(&w->seq);
	unsigned b = seq_byte(&w->seq);
	unsigned c = seq_byte(&w->seq);
	struct ma_instance_config *config = &w->config[0];

	start_os(page_of(a >> 3 & 7), b & 0x80 ? ARENA_SMALL : ARENA_LIMIT);
	if (b & 0x40)
		os_fake_fail_at(1);
	config->guard_sparing = (a >> 3 & 7) == 5;
	config->pool.fit = a & 1 ? MA_FIT_BEST : MA_FIT_FIRST;
	read_hardening(config, c);
	config->quarantine.cap = waits[a >> 1 & 3];
	if ((a & 0x02) && !config->slab.shuffled)
		use_stocks(config);
	config->pool.retain = a & 0x40 ? 131072 : 0;
	config->pool.age_ms = a & 0x80 ? 100 : 0;
	config->pool.first = firsts[b & 3];
	config->pool.limit = b & 0x10 ? limits[b >> 2 & 3] : 0;
	w->config[1] = w->config[0];
	w->config[1].pool.fit = a & 1 ? MA_FIT_FIRST : MA_FIT_BEST;
	w->config[1].pool.limit = b & 0x20 ? limits[b >> 2 & 3] : 0;
}

static void begin(struct world *w, unsigned inst)
{
	ma_instance_init(&w->instance[inst], &w->config[inst], &w->pagemap);
	atomic_store(&w->instance[inst].larges.nmade, MA_LARGE_GUARDED - GUARDED);
	w->exists[inst] = true;
}

bool world_init(struct world *w, const uint8_t *data, size_t size)
{
	memset(w, 0, sizeof(*w));
	seq_init(&w->seq, data, size);
	read_config(w);
	model_init(&w->model);
	w->low = UINTPTR_MAX;
	ma_canary_init(0x5eed5eed5eed5eedu);
	if (!ma_pagemap_init(&w->pagemap)) {
		if (os_fake_refused() == 0 || os_fake_mapped() != 0)
			model_fail("world", "W1 a request is refused only for a reason");
		return false;
	}
	begin(w, 0);
	oracle_choices(&w->instance[0]);
	w->seq.page = w->instance[0].pool.page;
	return true;
}

struct ma_heap *world_heap(struct world *w, unsigned inst)
{
	struct ma_heap **heap = &w->heap[inst][w->thread];

	if (*heap == NULL)
		*heap = ma_heap_acquire(&w->instance[inst]);
	return *heap;
}

void world_open(struct world *w)
{
	if (w->exists[1])
		return;
	begin(w, 1);
}

/* ---- what holds after each step -------------------------------------------------------------- */

static void must_hold(const char *broken)
{
	if (broken != NULL)
		model_fail("validator", broken);
}

static void sweep(struct world *w)
{
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++)
		if (w->exists[i] && ma_sweep(&w->instance[i], 0).block != NULL)
			model_fail("world", "W12 a sweep finds nothing where nothing is damaged");
}

static void check_rooms(struct world *w, unsigned inst)
{
	const struct ma_heap *shared = &w->instance[inst].shared;
	size_t nshared = 0;

	must_hold(ma_instance_check(&w->instance[inst], NULL));
	for (unsigned i = 0; i < MA_NCLASSES; i++)
		nshared += shared->bin[i].nslabs;
	if (nshared != atomic_load(&w->instance[inst].nshared))
		model_fail("world", "W11 the slabs of ended threads are counted");
	for (unsigned t = 0; t < WORLD_NTHREADS; t++)
		if (w->heap[inst][t] != NULL) {
			must_hold(ma_heap_check(w->heap[inst][t]));
			oracle_heap(w->heap[inst][t]);
		}
}

struct tally {
	size_t n;
	size_t bytes;
};

static void tally_slab(struct tally *tally, const struct ma_slab *slab)
{
	uint32_t idx = slab->start;

	for (uint32_t i = 0; i < slab->fresh; i++) {
		unsigned state = ma_slab_load(slab, idx);

		if (ma_slot_is_live(state)) {
			tally->bytes += slab->slot - MA_CANARY - ma_slab_slack(slab, idx, state);
			tally->n++;
		}
		idx = idx + 1 < slab->nslots ? idx + 1 : 0;
	}
}

static void check_tally(struct world *w, unsigned inst)
{
	struct tally tally = {0, 0};
	size_t bytes;
	size_t n = model_count(&w->model, inst, &bytes);

	for (struct ma_block *b = w->instance[inst].pool.blocks; b != NULL; b = b->next) {
		if (b->kind == MA_BLOCK_SLAB) {
			tally_slab(&tally, ma_slab_of(b));
			oracle_untouched(ma_slab_of(b));
			oracle_arrays(ma_slab_of(b));
		}
		if (b->kind != MA_BLOCK_LARGE)
			continue;
		tally.bytes += ma_large_of(b)->requested;
		tally.n++;
	}
	if (tally.n != n || tally.bytes != bytes)
		model_fail("world", "W4 slabs and blocks hold exactly the live objects");
}

static size_t known_mapped(const struct world *w)
{
	size_t sum = ma_pagemap_size(&w->pagemap) + w->lost;

	for (unsigned i = 0; i < WORLD_NINSTANCES; i++) {
		const struct ma_instance *inst = &w->instance[i];

		if (w->exists[i])
			sum += inst->meta.mapped + inst->pool.regions.mapped +
			       inst->pool.counts.stranded;
	}
	return sum;
}

static void note_range(struct world *w, const struct ma_region_set *set)
{
	if (set->nregions == 0)
		return;
	w->low = ma_min(w->low, ma_region_addr(set->table[0]));
	w->high = ma_max(w->high, ma_region_end(set->table[set->nregions - 1]));
}

void world_check(struct world *w)
{
	must_hold(ma_pagemap_check(&w->pagemap));
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++) {
		if (!w->exists[i])
			continue;
		check_rooms(w, i);
		check_tally(w, i);
		note_range(w, &w->instance[i].pool.regions);
	}
	if (os_fake_mapped() != known_mapped(w))
		model_fail("world", "W5 what the OS has mapped is known");
	oracle_guards(w);
	if (++w->nchecks % SWEEP == 0)
		sweep(w);
}

/* ---- giving back, and the end ---------------------------------------------------------------- */

void world_check_given(const struct ma_pool *pool, size_t keep)
{
	size_t most = ma_align_up(ma_max(keep, 1), pool->page);

	if (pool->counts.dirty != 0)
		model_fail("world", "W6 free pages are given back");
	for (size_t i = 0; i < pool->regions.nregions; i++) {
		const struct ma_block *last = pool->regions.table[i]->last;

		if (last->free && last->size > most)
			model_fail("world", "W6 ends of regions are given back");
	}
}

/* What was given back is what is no longer mapped, and what was dirty and still is (W6). */
void world_decay(struct world *w, unsigned inst, size_t keep)
{
	struct ma_pool *pool = &w->instance[inst].pool;
	struct ma_pool_counts before = ma_pool_counts(pool);
	size_t refused = os_fake_refused();
	size_t given = ma_decay_all(pool, keep);
	size_t unmapped = before.mapped - ma_pool_counts(pool).mapped;

	if (os_fake_refused() != refused)
		return;
	world_check_given(pool, keep);
	if (given < unmapped || given - unmapped > before.dirty ||
	    (given > 0) != (unmapped + before.dirty > 0))
		model_fail("world", "W6 bytes given back are counted");
}

static void compact_all(struct world *w, unsigned inst)
{
	for (unsigned t = 0; t < WORLD_NTHREADS; t++)
		if (w->heap[inst][t] != NULL)
			ma_remote_deliver(w->heap[inst][t]);
	for (unsigned t = 0; t < WORLD_NTHREADS; t++)
		if (w->heap[inst][t] != NULL)
			ma_heap_compact(&w->instance[inst], w->heap[inst][t]);
	ma_heap_compact(&w->instance[inst], NULL);
}

/* Twice: what one has collected it may have sent on to another, whose the slab is by now. */
void world_give_all(struct world *w, unsigned inst, size_t keep)
{
	compact_all(w, inst);
	compact_all(w, inst);
	world_decay(w, inst, keep);
}

/* What the OS did not take back of an instance that ends stays mapped for good. */
static void end_instance(struct world *w, unsigned inst)
{
	struct ma_instance *instance = &w->instance[inst];
	size_t refused = os_fake_refused();
	size_t known;

	w->lost += instance->pool.counts.stranded;
	ma_instance_fini(instance);
	memset(w->heap[inst], 0, sizeof(w->heap[inst]));
	w->exists[inst] = false;
	known = known_mapped(w);
	if (os_fake_refused() != refused && os_fake_mapped() > known)
		w->lost += os_fake_mapped() - known;
}

static void no_entry(const struct world *w, const void *ptr)
{
	if (ma_pagemap_get(&w->pagemap, (uintptr_t)ptr) != NULL)
		model_fail("world", "W8 the pagemap has no entry for what has ended");
}

void world_reset(struct world *w)
{
	if (!w->exists[1])
		return;
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		if (w->model.object[i].ptr != NULL && w->model.object[i].owner == 1)
			model_check(&w->model, i);
	end_instance(w, 1);
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		if (w->model.object[i].ptr != NULL && w->model.object[i].owner == 1)
			no_entry(w, w->model.object[i].ptr);
	model_forget(&w->model, 1);
}

/* Bytes that a descriptor of @size bytes takes. */
static size_t piece(size_t size)
{
	size_t taken = MA_META_FINE;

	if (size <= MA_META_FINE)
		return ma_align_up(size, MA_CACHE_LINE);
	while (taken < size)
		taken *= 2;
	return taken;
}

/* What the OS did not make accessible again is never used again. */
static bool is_stuck(const struct ma_block *block)
{
	return block->kind == MA_BLOCK_RETIRED && block->guarded;
}

static bool any_stuck(const struct ma_pool *pool)
{
	for (const struct ma_block *b = pool->blocks; b != NULL; b = b->next)
		if (is_stuck(b))
			return true;
	return false;
}

/* A region of one page that was never used may stay, and one with a block that is stuck. */
static size_t left_over(const struct ma_pool *pool)
{
	bool stuck = any_stuck(pool);
	size_t in_use = 0;

	for (const struct ma_block *b = pool->blocks; b != NULL; b = b->next) {
		bool unused = b->free && b->zero && b->region->size == pool->page;

		if (!unused && !is_stuck(b) && !(stuck && b->free))
			model_fail("world", "W7 nothing is left when all is freed and given back");
		in_use += piece(sizeof(*b));
	}
	for (size_t i = 0; i < pool->regions.nregions; i++) {
		const struct ma_region *region = pool->regions.table[i];

		in_use += piece(sizeof(*region)) + piece(region->tree_bytes);
	}
	return in_use;
}

/* Heaps, and what their quarantines and stocks have beside them. */
static size_t held_by_heaps(const struct ma_instance *inst)
{
	size_t sum = inst->shared.nspare * piece(sizeof(struct ma_batch));

	for (const struct ma_heap *h = inst->heaps; h != NULL; h = h->next) {
		const struct ma_quarantine *q = &h->quarantine;

		sum += piece(sizeof(*h)) + h->nspare * piece(sizeof(struct ma_batch));
		if (q->entry != q->few)
			sum += piece(q->cap * sizeof(*q->entry));
		for (size_t i = 0; i < MA_NCLASSES; i++)
			if (h->stock[i] != &ma_stock_none)
				sum += piece(sizeof(*h->stock[i]));
	}
	return sum;
}

static void check_empty(const struct ma_instance *inst)
{
	const struct ma_pool *pool = &inst->pool;
	const struct ma_region_set *set = &pool->regions;
	size_t in_use = left_over(pool);

	in_use += held_by_heaps(inst);
	in_use += piece(set->cap * sizeof(*set->table)) + piece(set->tree_bytes);
	for (const struct ma_block *b = pool->spare; b != NULL; b = b->next)
		in_use += piece(sizeof(*b));
	if (pool->fit.bins != NULL)
		in_use += piece(sizeof(*pool->fit.bins));
	if (inst->meta.in_use != in_use)
		model_fail("world", "W7 no descriptor is left when all is freed and given back");
}

static void free_all(struct world *w)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		const struct model_object *o = &w->model.object[i];
		unsigned inst = o->owner;
		void *ptr = o->ptr;

		if (ptr == NULL)
			continue;
		model_remove(&w->model, i);
		ma_heap_free(&w->instance[inst], w->heap[inst][i % WORLD_NTHREADS], ptr);
	}
}

static void end_pagemap(struct world *w)
{
	for (uintptr_t at = w->low; at < w->high; at += MA_GRANULE)
		no_entry(w, (void *)at);
	must_hold(ma_pagemap_check(&w->pagemap));
	ma_pagemap_fini(&w->pagemap);
	if (os_fake_mapped() != w->lost)
		model_fail("world", "W8 nothing is mapped after the end");
}

void world_fini(struct world *w)
{
	os_fake_lift();
	sweep(w);
	free_all(w);
	world_check(w);
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++)
		if (w->exists[i])
			world_give_all(w, i, 0);
	world_check(w);
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++) {
		if (!w->exists[i])
			continue;
		check_empty(&w->instance[i]);
		end_instance(w, i);
	}
	end_pagemap(w);
}
