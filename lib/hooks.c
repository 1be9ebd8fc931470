#include "hooks.h"
#include "sweep.h"

/* Around the mean, so that a program's own rhythm does not decide what is sampled. */
static uint64_t next_sample(struct ma_heap *heap)
{
	uint64_t mean = heap->instance->config.sample;

	return 1 + mean / 2 + ma_random_next(&heap->random) % ma_max(mean, 1);
}

bool ma_hooks_is_sampled(struct ma_heap *heap)
{
	if (heap->until_sample == 0 || --heap->until_sample > 0)
		return false;
	heap->until_sample = heap->instance->config.sample == 1 ? 1 : next_sample(heap);
	return true;
}

static void validate(struct ma_heap *heap)
{
	if (heap->until_check == 0 || --heap->until_check > 0)
		return;
	heap->until_check = heap->instance->config.check;
	ma_sweep_report(heap->instance, heap);
}

/* The stack of the call that is under way, as a number. */
static uint32_t record(const struct ma_instance *inst, struct ma_heap *heap, bool deep)
{
	const void *frame = heap != NULL ? heap->frame : NULL;
	struct ma_stack_place *place = heap != NULL ? &heap->place : NULL;
	uintptr_t pc[MA_STACK_MAX];
	size_t n;

	if (deep || frame == NULL)
		n = ma_stack_full(pc, MA_STACK_MAX, frame, place);
	else
		n = ma_stack_fast(pc, MA_STACK_MAX, frame, place);
	return ma_depot_put(inst->config.depot, pc, n);
}

static struct ma_trace *trace_of(struct ma_block *block, const void *ptr)
{
	struct ma_slab *slab = ma_slab_of(block);

	if (block->kind != MA_BLOCK_SLAB || slab->trace == NULL)
		return NULL;
	return &slab->trace[(size_t)((const char *)ptr - ma_slab_base(slab)) / slab->slot];
}

/* Samples are few: they have the whole stack. */
static bool is_recorded(const struct ma_instance *inst, const struct ma_block *block)
{
	return inst->config.depot != NULL && (inst->config.slab.traced || ma_large_is_tight(block));
}

void ma_hooks_allocated(struct ma_heap *heap, void *ptr)
{
	struct ma_instance *inst = heap->instance;
	struct ma_block *block = ma_pagemap_get(inst->pagemap, (uintptr_t)ptr);
	struct ma_trace *trace = trace_of(block, ptr);
	uint32_t stack = 0;

	if (is_recorded(inst, block))
		stack = record(inst, heap, inst->config.deep || ma_large_is_tight(block));
	if (trace != NULL) {
		atomic_store(&trace->allocated, stack);
		atomic_store(&trace->freed, 0);
	} else if (block->kind == MA_BLOCK_LARGE) {
		ma_large_of(block)->allocated = stack;
	}
	validate(heap);
}

void ma_hooks_freed(struct ma_instance *inst, struct ma_heap *heap, void *ptr)
{
	struct ma_block *block = ma_pagemap_get(inst->pagemap, (uintptr_t)ptr);
	struct ma_trace *trace = trace_of(block, ptr);
	uint32_t stack;

	if (!is_recorded(inst, block))
		return;
	stack = record(inst, heap, inst->config.deep || ma_large_is_tight(block));
	if (trace != NULL)
		atomic_store(&trace->freed, stack);
	else if (block->kind == MA_BLOCK_LARGE)
		ma_large_of(block)->freed = stack;
}
