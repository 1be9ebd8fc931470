/* What a heap does beside each operation (W14), and what goes the short way (W15). */
#include "fast.h"
#include "oracle.h"

/* Of larger slots, none waits to be told. */
#define TOLD_AT_ONCE 1024

/* ---- how a heap is set up -------------------------------------------------------------------- */

static _Noreturn void fail_setup(void)
{
	model_fail("world", "W14 a heap does what its configuration says");
}

static void check_kind(const struct ma_heap *heap)
{
	const struct ma_instance_config *config = &heap->instance->config;
	bool shared = heap == &heap->instance->shared;
	bool hooked = config->watched || config->sample != 0 || config->check != 0 ||
		      config->slab.traced || config->slab.redzone != 0;

	if (heap->hooked != hooked ||
	    heap->stocked != (!hooked && !shared && config->stock.entries != 0))
		fail_setup();
}

static void check_list(const struct ma_slab *slab, const struct ma_stock *stock)
{
	for (; slab != NULL; slab = slab->next)
		if (slab->stock != stock)
			fail_setup();
}

static void check_stocks(const struct ma_heap *heap)
{
	for (size_t i = 1; i < MA_FAST_ENTRIES; i++)
		if (heap->fast[i] != heap->stock[ma_class_of(i * MA_ALIGN)])
			fail_setup();
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		check_list(heap->bin[i].avail, heap->stock[i]);
		check_list(heap->bin[i].full, heap->stock[i]);
	}
}

static bool is_small(uint64_t told)
{
	return ((const struct ma_slab *)(uintptr_t)(told >> 16))->slot <= TOLD_AT_ONCE;
}

static void check_batches(const struct ma_heap *heap)
{
	uint32_t nspare = 0;

	for (const struct ma_batch *b = heap->spare; b != NULL; b = b->next)
		nspare++;
	if (nspare != heap->nspare)
		fail_setup();
	for (size_t i = 0; i < MA_OUTBOXES; i++) {
		const struct ma_batch *b = heap->out[i].batch;

		if (b != NULL && (b->n >= MA_BATCH || !is_small(b->slot[b->n - 1])))
			fail_setup();
	}
}

void oracle_compacted(const struct ma_heap *heap)
{
	for (size_t i = 0; i < MA_OUTBOXES; i++)
		if (heap->out[i].batch != NULL)
			fail_setup();
}

/* Of a new instance: the shared heap's are the first. */
void oracle_choices(const struct ma_instance *inst)
{
	struct ma_random first;

	ma_random_init(&first, inst->config.seed);
	if (inst->shared.random.state != first.state)
		fail_setup();
}

void oracle_heap(const struct ma_heap *heap)
{
	check_kind(heap);
	check_stocks(heap);
	check_batches(heap);
}

/* ---- the short way --------------------------------------------------------------------------- */

static _Noreturn void fail_way(void)
{
	model_fail("world", "W15 what can go the short way does");
}

struct oracle_way oracle_before_free(struct world *w, const struct model_object *o, unsigned thread)
{
	struct oracle_way way = {.heap = w->heap[o->owner][thread], .ptr = (char *)o->ptr};
	struct ma_block *block = ma_pagemap_get(&w->pagemap, (uintptr_t)o->ptr);
	const struct ma_request claim = {.size = o->size, .align = o->align};
	struct ma_fast_object fast;

	if (block->kind != MA_BLOCK_SLAB || way.heap == NULL || !way.heap->stocked ||
	    ma_slab_of(block)->slot > MA_FAST_SLOT ||
	    ma_slab_of(block)->slot - MA_CANARY - o->size >= MA_SLOT_WIDE ||
	    atomic_load(&block->owner) != (uintptr_t)way.heap) {
		way.heap = NULL;
		return way;
	}
	if (!ma_fast_prove(&w->pagemap, way.heap, o->ptr, &fast) ||
	    ma_fast_size(&fast) != o->size || !ma_fast_is(&fast, o->ptr, &claim) ||
	    fast.slab != ma_slab_of(block))
		fail_way();
	way.stock = way.heap->stock[fast.slab->class_idx];
	way.n = ma_stock_count(way.stock);
	way.secret = ma_slab_secret(fast.slab, (uint32_t)fast.idx, fast.state);
	return way;
}

void oracle_after_free(const struct oracle_way *way)
{
	const struct ma_stock *stock = way->stock;
	const struct ma_stocked *last;

	if (way->heap == NULL || stock == &ma_stock_none)
		return;
	last = ma_stock_at(stock, stock->tail - (int64_t)sizeof(*last));
	if (last->ptr != way->ptr || last->secret != ma_slot_next_secret(way->secret) ||
	    ma_slot_life_of(last->secret) == ma_slot_life_of(way->secret))
		fail_way();
	/* Half of those of a stock without room go back to their slabs, and no more. */
	if (ma_stock_count(stock) !=
	    (way->n < stock->room ? way->n + 1 : way->n - (way->n + 1) / 2 + 1))
		fail_way();
}

struct oracle_way oracle_before_alloc(struct world *w, const struct ma_request *req)
{
	struct oracle_way way = {.heap = w->heap[w->inst][w->thread]};
	unsigned class_idx;

	if (way.heap == NULL || !way.heap->stocked || req->size > MA_FAST_MAX)
		return way;
	class_idx = ma_class_aligned(req->size + MA_CANARY, ma_max(req->align, MA_ALIGN),
				     w->instance[w->inst].pool.page);
	if (class_idx == MA_NCLASSES || ma_class_slot(class_idx) > MA_FAST_SLOT)
		return way;
	way.stock = way.heap->stock[class_idx];
	way.n = ma_stock_count(way.stock);
	if (ma_stock_is_ready(way.stock))
		way.ptr = ma_stock_at(way.stock, way.stock->head)->ptr;
	return way;
}

void oracle_after_alloc(const struct oracle_way *way, const void *ptr)
{
	if (way->stock == NULL)
		return;
	if (way->ptr != NULL && (ptr != way->ptr || ma_stock_count(way->stock) + 1 != way->n))
		fail_way();
	if (way->ptr != NULL)
		return;
	/* What was fetched was fetched after all had been told. */
	for (size_t i = 0; i < MA_OUTBOXES; i++)
		if (way->heap->out[i].batch != NULL)
			fail_way();
}
