/* Which large objects do without guards (W21). */
#include "oracle.h"

/* Larger ones always have them, and one in so many others. */
#define VERY_LARGE ((size_t)1 << 20)
#define ONE_IN 64

/*
 * What is chosen first decides; where a request may be tried again, or be sampled, several things
 * are chosen.
 */
static bool is_plain(const struct world *w, const struct ma_request *req)
{
	const struct ma_instance *inst = &w->instance[w->inst];

	return inst->config.sample == 0 && inst->config.pool.limit == 0 &&
	       req->size <= MA_REQUEST_MAX / 4 && req->align <= MA_REQUEST_MAX / 4 &&
	       world_class(inst, req->size, req->align) == MA_NCLASSES;
}

struct oracle_spared oracle_before_guards(const struct world *w, const struct ma_request *req)
{
	const struct ma_instance *inst = &w->instance[w->inst];
	const struct ma_heap *heap = w->heap[w->inst][w->thread];
	struct oracle_spared guards = {.inst = NULL};
	struct ma_random random;

	if (heap == NULL || !is_plain(w, req))
		return guards;
	random = heap->random;
	guards.inst = inst;
	guards.nmade = atomic_load(&inst->larges.nmade);
	guards.unguarded = atomic_load(&inst->pool.unguarded);
	guards.spared = inst->config.guard_large && inst->config.guard_sparing &&
			req->size < VERY_LARGE && guards.nmade >= MA_LARGE_GUARDED &&
			ma_random_below(&random, ONE_IN) != 0;
	return guards;
}

void oracle_after_guards(const struct oracle_spared *guards, const struct world *w, const void *ptr)
{
	struct ma_block *block;
	uint64_t nmade;
	bool bare;

	if (guards->inst == NULL)
		return;
	block = ma_pagemap_get(&w->pagemap, (uintptr_t)ptr);
	bare = ma_large_of(block)->bare;
	nmade = atomic_load(&guards->inst->larges.nmade) - guards->nmade;
	if (nmade > 1 || (nmade == 1 && bare != guards->spared) || (bare && !guards->spared) ||
	    atomic_load(&guards->inst->pool.unguarded) - guards->unguarded != (nmade == 1 && bare))
		model_fail("world", "W21 guards are spared where they may be");
}
