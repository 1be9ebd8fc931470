#include <string.h>

#include "os.h"
#include "stats.h"
#include "sweep.h"

static_assert(MA_BLOCK_NEW < MA_WAIT_TIGHT, "nobody waits for what new blocks say");

/* A page of the address table has entries for so many granules. */
#define TABLE_ENTRY sizeof(void *)

struct walk {
	const struct ma_instance *inst;
	struct ma_stats *stats;
	size_t page;
	uintptr_t window; /* the last page of the address table that was counted, and one */
};

/* ---- slabs ----------------------------------------------------------------------------------- */

/* What one look at all slots of a slab tells. */
struct slots {
	uint32_t live, retired, used, fresh; /* numbers */
	size_t bytes;                        /* requested, of live ones */
	size_t npages;                       /* that were touched */
	uint32_t end;                        /* slots up to the last that was in use */
};

static void count_slot(struct slots *n, const struct ma_slab *slab, uint32_t idx, unsigned state)
{
	struct ma_slot slot = {.idx = idx, .state = state};

	if (ma_slot_phase(state) == MA_SLOT_FREE) {
		n->used += ma_slot_was_used(state);
		n->fresh += !ma_slot_was_used(state);
	} else if (!ma_slot_is_live(state) || ma_slab_state(slab, idx) != 'l') {
		n->retired++;
	} else {
		slot.slack = ma_slab_slack(slab, idx, state);
		n->bytes += ma_slot_size(slab, slot);
		n->live++;
	}
}

/* States are read once each: other threads may change them meanwhile (S8). */
static struct slots count_slots(const struct ma_slab *slab, size_t nstale, size_t page)
{
	struct slots n = {.npages = nstale};
	size_t next = nstale; /* the first page that is not counted yet */

	for (uint32_t i = 0; i < slab->nslots; i++) {
		unsigned state = ma_slab_load(slab, i);
		size_t first = ma_max((size_t)i * slab->slot / page, next);
		size_t end = (((size_t)i + 1) * slab->slot - 1) / page + 1;

		count_slot(&n, slab, i, state);
		if (ma_slot_phase(state) == MA_SLOT_FREE && !ma_slot_was_used(state))
			continue;
		n.end = i + 1;
		if (end > first) {
			n.npages += end - first;
			next = end;
		}
	}
	return n;
}

/*
 * Of the pages of a slab's block, those that may have been physical before its first slot was
 * taken.
 */
static size_t stale_of(const struct walk *walk, const struct ma_block *block)
{
	const struct ma_slab_policy *policy = &walk->inst->config.slab;
	const struct ma_slab *slab = (const struct ma_slab *)(const void *)block->rider;
	size_t guard = slab->flags & MA_SLAB_GUARDED ? walk->page : 0;
	size_t npages = (block->size - guard) / walk->page;
	bool cleaned = (slab->flags & MA_SLAB_FILLED) && policy->shuffled && !block->zero;

	return block->purpose != MA_BLOCK_NEW || cleaned ? npages : ma_min(block->nstale, npages);
}

static void add_slab(struct walk *walk, struct ma_block *block)
{
	const struct ma_slab *slab = ma_slab_of(block);
	struct slots n = count_slots(slab, stale_of(walk, block), walk->page);
	size_t guard = slab->flags & MA_SLAB_GUARDED ? walk->page : 0;
	struct ma_stats *stats = walk->stats;

	stats->nslabs++;
	stats->slabs += block->size;
	stats->live += n.bytes;
	stats->slack += (size_t)n.live * slab->slot - n.bytes;
	stats->used += (size_t)n.used * slab->slot;
	stats->fresh += (size_t)n.fresh * slab->slot;
	stats->quarantine += (size_t)n.retired * slab->slot;
	stats->tails += block->size - guard - (size_t)slab->nslots * slab->slot;
	stats->guards += guard;
	stats->objects += n.live;
	stats->retired_slots += n.retired;
	stats->free_slots += n.used + n.fresh;
	stats->resident += n.npages * walk->page;
}

/* ---- other blocks ---------------------------------------------------------------------------- */

/*
 * Pages in front of a large object, and the guard behind it. Those in front are never touched,
 * guard or not.
 */
static size_t around_large(const struct ma_block *block, size_t page)
{
	const struct ma_large *large = (const struct ma_large *)(const void *)block->rider;

	return ma_align_down(large->offset, page) + (block->guarded ? page : 0);
}

static void add_large(struct walk *walk, struct ma_block *block)
{
	const struct ma_large *large = ma_large_of(block);
	struct ma_stats *stats = walk->stats;
	size_t around;

	stats->large += block->size;
	stats->nlarge++;
	if (!atomic_load(&large->sealed)) {
		stats->aside += block->size;
		stats->resident += block->size;
		return;
	}
	around = around_large(block, walk->page);
	stats->live += large->requested;
	stats->guards += around;
	stats->slack += block->size - around - large->requested;
	stats->objects++;
	stats->resident += block->size - around;
}

/* Pages of the address table that are written when a range is entered; blocks come in order. */
static void add_windows(struct walk *walk, uintptr_t from, uintptr_t to)
{
	size_t span = walk->page / TABLE_ENTRY * MA_GRANULE;
	uintptr_t first = ma_max(from / span + 1, walk->window + 1);
	uintptr_t last = (to - 1) / span + 1;

	if (last < first)
		return;
	walk->stats->metadata_resident += (last - first + 1) * walk->page;
	walk->window = last;
}

static void add_table(struct walk *walk, const struct ma_block *block)
{
	uintptr_t addr = ma_block_addr(block);
	uintptr_t end = ma_block_end(block);

	if (!block->free) {
		add_windows(walk, addr, end);
		return;
	}
	add_windows(walk, addr, addr + MA_GRANULE);
	add_windows(walk, end - MA_GRANULE, end);
}

static void add_block(struct walk *walk, struct ma_block *block)
{
	struct ma_stats *stats = walk->stats;

	add_table(walk, block);
	stats->direct += block->region->direct ? block->size : 0;
	stats->ndirect += block->region->direct;
	if (block->kind == MA_BLOCK_FREE) {
		stats->free += block->size;
		stats->stale += block->nstale * walk->page;
	} else if (block->kind == MA_BLOCK_SLAB && ma_slab_is_set_up(block)) {
		add_slab(walk, block);
	} else if (block->kind == MA_BLOCK_LARGE) {
		add_large(walk, block);
	} else if (block->kind == MA_BLOCK_RETIRED) {
		stats->waiting += block->size;
		stats->resident += block->size;
	} else {
		stats->aside += block->size;
	}
}

/* Of a block on the waitlist, bytes that are guards; nobody changes it while the lock is held. */
static size_t guarded_of(const struct walk *walk, const struct ma_waiting *waiting)
{
	const struct ma_block *block = waiting->block;
	bool odd = waiting->purpose > MA_WAIT_TIGHT;

	if (!block->guarded)
		return 0;
	if (waiting->purpose == MA_WAIT_TIGHT ||
	    (walk->inst->waitlist.sealed && odd && block->size > MA_WAIT_ZEROED))
		return block->zero ? block->size : around_large(block, walk->page);
	return odd ? around_large(block, walk->page) : walk->page;
}

/* ---- metadata -------------------------------------------------------------------------------- */

/* Of chunks but the newest all is taken to have been touched. */
static void add_meta(struct walk *walk, const struct ma_meta *meta)
{
	struct ma_stats *stats = walk->stats;
	size_t touched = 0;

	for (const struct ma_meta_chunk *c = meta->chunks; c != NULL; c = c->next)
		touched += c->size;
	if (meta->chunks != NULL)
		touched -= ma_align_down(meta->left, walk->page);
	stats->metadata += meta->mapped;
	stats->metadata_used += meta->in_use;
	stats->metadata_resident += touched;
}

/* Beside the pages that were counted with the blocks: the root's, and the end of each leaf. */
static void add_pagemap(struct walk *walk, const struct ma_pagemap *map)
{
	const struct ma_pagemap_leaf *leaf = atomic_load(&map->leaves);
	size_t root = SIZE_MAX;

	walk->stats->metadata += ma_pagemap_size(map);
	for (; leaf != NULL; leaf = leaf->next) {
		if (leaf->idx * TABLE_ENTRY / walk->page != root)
			walk->stats->metadata_resident += walk->page;
		root = leaf->idx * TABLE_ENTRY / walk->page;
		walk->stats->metadata_resident += walk->page;
	}
}

static void add_depot(struct walk *walk)
{
	const struct ma_depot *depot = walk->inst->config.depot;

	if (depot == NULL)
		return;
	walk->stats->metadata += ma_depot_mapped(depot);
	walk->stats->metadata_used += atomic_load(&depot->used);
	walk->stats->metadata_resident += ma_align_up(atomic_load(&depot->used), walk->page);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void count_locked(struct walk *walk, struct ma_instance *inst)
{
	struct ma_pool *pool = &inst->pool;
	struct ma_stats *stats = walk->stats;

	stats->nheaps = inst->nheaps;
	stats->pool = pool->counts;
	stats->mapped = stats->pool.mapped = pool->regions.mapped;
	stats->pool.nregions = pool->regions.nregions;
	stats->guarded = atomic_load(&pool->guarded);
	stats->unguarded = atomic_load(&pool->unguarded);
	for (struct ma_block *b = pool->blocks; b != NULL; b = b->next)
		add_block(walk, b);
	for (uint32_t i = 0; i < inst->waitlist.n; i++)
		stats->resident -= guarded_of(walk, &inst->waitlist.entry[i]);
	add_meta(walk, &inst->meta);
	add_pagemap(walk, inst->pagemap);
	add_depot(walk);
	stats->resident += stats->stale + stats->metadata_resident;
}

/* In the order of L1. Return: whether all were to be had; if not, none is held. */
static bool lock_all(struct ma_instance *inst, uint64_t ms)
{
	struct ma_lock *const lock[] = {&inst->registry, &inst->waitlist.lock, &inst->pool.lock,
					&inst->meta.lock};
	size_t i = 0;

	while (i < sizeof(lock) / sizeof(*lock) && ma_sweep_lock(lock[i], ms))
		i++;
	if (i == sizeof(lock) / sizeof(*lock))
		return true;
	while (i > 0)
		ma_unlock(lock[--i]);
	return false;
}

static void unlock_all(struct ma_instance *inst)
{
	ma_unlock(&inst->meta.lock);
	ma_unlock(&inst->pool.lock);
	ma_unlock(&inst->waitlist.lock);
	ma_unlock(&inst->registry);
}

bool ma_stats_count(struct ma_instance *inst, struct ma_stats *stats, uint64_t ms)
{
	struct walk walk = {.inst = inst, .stats = stats, .page = inst->pool.page};

	memset(stats, 0, sizeof(*stats));
	if (!lock_all(inst, ms))
		return false;
	count_locked(&walk, inst);
	unlock_all(inst);
	return true;
}

/* ---- by the OS ------------------------------------------------------------------------------- */

static void ask(size_t *sum, const void *ptr, size_t size)
{
	size_t resident = *sum != SIZE_MAX ? ma_os_resident(ptr, size) : SIZE_MAX;

	*sum = resident != SIZE_MAX ? *sum + resident : SIZE_MAX;
}

static void ask_depot(size_t *sum, const struct ma_depot *depot)
{
	for (size_t i = 0; depot != NULL && i < atomic_load(&depot->nchunks); i++)
		ask(sum, atomic_load(&depot->chunk[i]), MA_DEPOT_CHUNK);
}

static size_t ask_locked(const struct ma_instance *inst)
{
	const struct ma_pagemap *map = inst->pagemap;
	size_t page = inst->pool.page;
	size_t sum = 0;

	for (size_t i = 0; i < inst->pool.regions.nregions; i++) {
		const struct ma_region *region = inst->pool.regions.table[i];

		ask(&sum, (const void *)ma_region_addr(region), region->size);
	}
	for (const struct ma_meta_chunk *c = inst->meta.chunks; c != NULL; c = c->next)
		ask(&sum, c, c->size);
	for (const struct ma_pagemap_leaf *l = atomic_load(&map->leaves); l != NULL; l = l->next)
		ask(&sum, l, ma_align_up(sizeof(*l), page));
	ask(&sum, (const void *)map->root, ma_align_up(MA_PAGEMAP_NROOT * TABLE_ENTRY, page));
	ask_depot(&sum, inst->config.depot);
	return sum;
}

size_t ma_stats_ask(struct ma_instance *inst, uint64_t ms)
{
	size_t sum;

	if (!lock_all(inst, ms))
		return SIZE_MAX;
	sum = ask_locked(inst);
	unlock_all(inst);
	return sum;
}
