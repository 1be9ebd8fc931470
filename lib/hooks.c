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

void ma_hooks_allocated(struct ma_heap *heap, void *ptr)
{
	(void)ptr;
	validate(heap);
}

void ma_hooks_freed(struct ma_instance *inst, void *ptr)
{
	(void)inst;
	(void)ptr;
}
