#include <stdio.h>

#include "decay.h"
#include "os.h"
#include "os_fake.h"
#include "remote.h"
#include "ways.h"

void ways_free(struct world *w, unsigned slot, unsigned thread)
{
	const struct seq_op op = {
		.kind = SEQ_FREE,
		.function = SEQ_BY_FREE,
		.slot = slot,
		.thread = (uint8_t)thread,
		.count = 1,
		.mask = SEQ_MASK_ALL,
	};

	(void)steps_object(w, &op);
}

static void exit_thread(struct world *w)
{
	struct ma_heap **heap = &w->heap[w->inst][w->thread];

	if (*heap != NULL)
		ma_heap_release(*heap);
	*heap = NULL;
}

/* The others tell first what they have freed: a child's others would never tell. */
static void fork_here(struct world *w)
{
	struct ma_instance *inst = &w->instance[w->inst];

	for (unsigned t = 0; t < WORLD_NTHREADS; t++)
		if (w->heap[w->inst][t] != NULL)
			ma_remote_deliver(w->heap[w->inst][t]);
	ma_instance_lock(inst);
	ma_instance_unlock(inst);
	ma_instance_forked(inst, w->heap[w->inst][w->thread]);
}

void ways_world(struct world *w, const struct seq_op *op)
{
	struct ma_instance *inst = &w->instance[w->inst];

	SAY("world: code %u, %u, instance %u\n", (unsigned)op->code, (unsigned)op->arg, w->inst);
	switch (op->code) {
	case SEQ_EXIT_THREAD:
		exit_thread(w);
		return;
	case SEQ_COMPACT:
		ma_heap_compact(inst, w->heap[w->inst][w->thread]);
		return;
	case SEQ_COMPACT_SHARED:
		ma_heap_compact(inst, NULL);
		return;
	case SEQ_TRIM:
		world_decay(w, w->inst, op->arg * steps_page(w) / 2);
		return;
	case SEQ_GIVE_ALL:
	case SEQ_GIVE:
		world_give_all(w, w->inst, op->arg * steps_page(w));
		return;
	case SEQ_DECAY:
		(void)ma_decay_step(&inst->pool);
		return;
	case SEQ_RESERVE:
		(void)ma_pool_reserve(&inst->pool, op->size);
		return;
	case SEQ_FORK:
		fork_here(w);
		return;
	default:
		return;
	}
}
