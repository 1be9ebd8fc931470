/* What waits, and how long (W16, W18, W20); what a fork leaves behind (W17). */
#include <string.h>

#include "oracle.h"
#include "os.h"
#include "os_fake.h"

/* One in so many bytes of the heap waits at most where nothing is sealed, and LEAST in any. */
#define PART 16
#define LEAST ((size_t)128 * 1024)

/* One in so many bytes a block may be larger than what it is taken for. */
#define SPARE 4

/* ---- how long pages stay --------------------------------------------------------------------- */

static bool has_come_of_age(const struct ma_pool *pool, const struct ma_block *block)
{
	uint64_t now = ma_os_now_ms();

	return block->free && now >= block->dirty_ms &&
	       now - block->dirty_ms >= pool->config.age_ms;
}

/* Also one without pages: what becomes free beside it may take over its age. */
static bool any_due(const struct ma_pool *pool)
{
	for (const struct ma_block *b = pool->blocks; b != NULL; b = b->next)
		if (has_come_of_age(pool, b))
			return true;
	return false;
}

static size_t given_back(const struct ma_pool *pool)
{
	return pool->counts.purged + pool->counts.shrunk;
}

static void check_due(const struct oracle_waits *before, const struct ma_pool *pool)
{
	bool given = given_back(pool) != before->given;
	bool early = given && !before->due && pool->config.age_ms > 0 && !before->direct;
	bool late = !given && pool->oldest != NULL && has_come_of_age(pool, pool->oldest);

	if (early || late)
		model_fail("world", "W18 what has come of age is given back, and nothing else");
}

/* ---- what waits ------------------------------------------------------------------------------ */

static _Noreturn void fail_order(void)
{
	model_fail("world", "W16 what has waited longest is the next to go");
}

static void drop(struct oracle_waits *list, uint32_t i)
{
	list->bytes -= list->entry[i].size;
	list->n--;
	for (; i < list->n; i++)
		list->entry[i] = list->entry[i + 1];
}

/* Which one must go so that @size bytes may wait; n: none. */
static uint32_t driven_out(const struct oracle_waits *list, size_t size)
{
	uint32_t i = 0;

	if (list->n == 0 || list->bytes + size <= list->most)
		return list->n;
	if (list->n == MA_WAITLIST || list->bytes + size > list->max || size <= list->most)
		return 0;
	while (i < list->n && list->entry[i].purpose < MA_WAIT_TIGHT)
		i++;
	return i;
}

/* One that has no entry left goes for any. */
static void append(struct oracle_waits *list, const struct ma_block *block, unsigned purpose)
{
	uint32_t i;

	if (block->size > list->max)
		return;
	while ((i = list->n == MA_WAITLIST ? 0 : driven_out(list, block->size)) < list->n)
		drop(list, i);
	list->entry[list->n++] = (struct oracle_waiting){ma_block_addr(block), block->size,
							 purpose};
	list->bytes += block->size;
}

static void remember(struct oracle_waits *waits, const struct ma_instance *inst)
{
	const struct ma_waitlist *list = &inst->waitlist;

	waits->max = inst->config.wait;
	waits->most = ma_max(LEAST, inst->pool.regions.mapped / PART);
	if (inst->config.wait_sealed || waits->most > waits->max)
		waits->most = waits->max;
	waits->n = list->n;
	waits->bytes = 0;
	for (uint32_t i = 0; i < list->n; i++) {
		const struct ma_block *b = list->entry[i].block;

		waits->entry[i] = (struct oracle_waiting){ma_block_addr(b), b->size, b->purpose};
		waits->bytes += b->size;
		waits->direct = waits->direct || b->region->direct;
	}
}

static unsigned purpose_of(const struct ma_instance *inst, struct ma_block *block,
			   const struct model_object *o)
{
	const struct ma_large *large = ma_large_of(block);

	if (large->tight)
		return MA_WAIT_TIGHT;
	if (o->align > inst->pool.page)
		return MA_WAIT_ODD;
	return large->bare ? MA_WAIT_BARE : MA_WAIT_LARGE;
}

void oracle_large_leaves(struct oracle_waits *waits, const struct world *w,
			 const struct model_object *o)
{
	const struct ma_instance *inst = &w->instance[o->owner];
	struct ma_block *block = ma_pagemap_get(&w->pagemap, (uintptr_t)o->ptr);

	waits->inst = NULL;
	if (block->kind != MA_BLOCK_LARGE)
		return;
	waits->inst = inst;
	waits->refused = os_fake_refused();
	waits->given = given_back(&inst->pool);
	waits->due = any_due(&inst->pool);
	waits->direct = block->region->direct;
	waits->addr = ma_block_addr(block);
	waits->end = o->ptr + o->size;
	remember(waits, inst);
	append(waits, block, purpose_of(inst, block, o));
}

/* No secret is left in a block that waits, nor anything else if it is so small. */
static void check_cleaned(const struct oracle_waits *waits, const struct ma_waiting *last)
{
	const struct ma_instance *inst = waits->inst;
	bool small = last->block->size <= MA_WAIT_ZEROED;
	uint64_t canary = 0;

	if (ma_block_addr(last->block) != waits->addr || last->purpose == MA_WAIT_TIGHT)
		return;
	if (small || !inst->config.wait_sealed)
		memcpy(&canary, waits->end, sizeof(canary));
	if (canary != 0 || (small && inst->larges.cleaned && !last->block->zero))
		model_fail("world", "W16 what waits holds nothing that it may not");
}

void oracle_large_left(const struct oracle_waits *waits)
{
	const struct ma_waitlist *list;

	if (waits->inst == NULL || os_fake_refused() != waits->refused)
		return;
	list = &waits->inst->waitlist;
	if (list->n != waits->n)
		fail_order();
	for (uint32_t i = 0; i < list->n; i++)
		if (ma_block_addr(list->entry[i].block) != waits->entry[i].addr ||
		    list->entry[i].purpose != waits->entry[i].purpose)
			fail_order();
	if (list->n > 0)
		check_cleaned(waits, &list->entry[list->n - 1]);
	check_due(waits, &waits->inst->pool);
}

/* ---- who is taken ---------------------------------------------------------------------------- */

/* Where the object in the block that has waited longest would be, the youngest excepted; or 0. */
static uintptr_t first_of(const struct ma_waitlist *list, unsigned purpose,
			  const struct world_plan *plan)
{
	for (uint32_t i = 0; i + 1 < list->n; i++) {
		const struct ma_waiting *e = &list->entry[i];

		if (e->purpose == purpose && e->block->size >= plan->size &&
		    e->block->size <= plan->size + plan->size / SPARE)
			return ma_block_addr(e->block) + plan->front;
	}
	return 0;
}

struct oracle_taken oracle_before_large(const struct world *w, const struct ma_request *req)
{
	const struct ma_instance *inst = &w->instance[w->inst];
	struct oracle_taken taken = {.list = NULL};
	struct oracle_spared guards = oracle_before_guards(w, req);
	struct world_plan plan;

	if (inst->config.wait == 0 || inst->config.sample > 0 || req->align > inst->pool.page ||
	    req->size > MA_REQUEST_MAX / 2 ||
	    world_class(inst, req->size, req->align) != MA_NCLASSES)
		return taken;
	if (inst->config.guard_sparing && guards.inst == NULL)
		return taken;
	plan = world_plan(w, w->inst, req->size, req->align);
	taken.list = &inst->waitlist;
	taken.n = taken.list->n;
	taken.addr = first_of(taken.list, MA_WAIT_LARGE, &plan);
	if (taken.addr == 0 && guards.spared) {
		plan = world_plan_bare(w, w->inst, req->size, req->align);
		taken.addr = first_of(taken.list, MA_WAIT_BARE, &plan);
	}
	return taken;
}

/* Where none was taken, all wait on; or none does, if all had to go. */
void oracle_after_large(const struct oracle_taken *taken, const void *ptr)
{
	uint32_t n;

	if (taken->list == NULL)
		return;
	n = taken->list->n;
	if (taken->addr != 0 ? taken->addr != (uintptr_t)ptr || n + 1 != taken->n
			     : n != taken->n && n != 0)
		fail_order();
}

/* ---- a fork ---------------------------------------------------------------------------------- */

void oracle_before_fork(struct oracle_fork *fork, const struct ma_instance *inst)
{
	fork->seed = inst->config.seed;
	fork->n = 0;
	for (const struct ma_heap *h = inst->heaps; h != NULL; h = h->next)
		if (fork->n < sizeof(fork->state) / sizeof(*fork->state))
			fork->state[fork->n++] = h->random.state;
}

void oracle_after_fork(const struct oracle_fork *fork, const struct ma_instance *inst,
		       const struct ma_heap *heap)
{
	const struct ma_heap *h = inst->heaps;
	bool same = inst->config.seed == fork->seed || inst->config.seed <= 1;

	for (size_t i = 0; i < fork->n; i++, h = h->next)
		same = same || h->random.state == fork->state[i] || h->random.state <= 1;
	for (size_t i = 0; i < MA_NCLASSES && heap != NULL; i++)
		same = same || ma_stock_count(heap->stock[i]) > 0;
	if (same)
		model_fail("world", "W17 a fork leaves nothing that both would choose");
}

/* ---- what is due ----------------------------------------------------------------------------- */

static size_t slabs_of(const struct ma_instance *inst)
{
	size_t n = 0;

	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		n += inst->shared.bin[i].nslabs;
		for (const struct ma_heap *h = inst->heaps; h != NULL; h = h->next)
			n += h->bin[i].nslabs;
	}
	return n;
}

void oracle_is_due(struct oracle_due *due, const struct world *w)
{
	due->refused = os_fake_refused();
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++) {
		const struct ma_instance *inst = &w->instance[i];

		if (!w->exists[i])
			continue;
		due->left[i] = atomic_load(&inst->due);
		due->aged[i] = inst->pool.oldest != NULL &&
			       has_come_of_age(&inst->pool, inst->pool.oldest);
		due->given[i] = given_back(&inst->pool);
		due->nslabs[i] = slabs_of(inst);
	}
}

/* An allocation that was nearly refused has compacted all. */
void oracle_not_late(const struct oracle_due *due, const struct world *w)
{
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++) {
		const struct ma_instance *inst = &w->instance[i];
		bool late;

		if (!w->exists[i])
			continue;
		/* A block that waits does not come to the pool. */
		late = due->aged[i] && inst->config.wait == 0 &&
		       os_fake_refused() == due->refused && slabs_of(inst) < due->nslabs[i] &&
		       given_back(&inst->pool) == due->given[i];
		if (late || (atomic_load(&inst->due) && !due->left[i]))
			model_fail("world", "W20 what is due is done before a free ends");
	}
}
