/*
 * Property: whatever is allocated, resized and freed, by whichever thread, in whichever order, with
 * the OS refusing at any call, the heap stays valid after every single step, every object keeps its
 * place and contents, nothing is refused that could be served, and nothing is left behind.
 *
 * The format of an input is in seq.h, its configuration and what is checked in README.md; the rules
 * are in world.h and model.h.
 */
#include <stdio.h>

#include "decay.h"
#include "oracle.h"
#include "os.h"
#include "os_fake.h"
#include "remote.h"
#include "steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void do_exit_thread(struct world *w)
{
	struct ma_heap **heap = &w->heap[w->inst][w->thread];

	if (*heap == NULL)
		return;
	SAY("thread %u leaves instance %u\n", w->thread, w->inst);
	ma_heap_release(*heap);
	*heap = NULL;
}

static void do_refuse(const struct seq_op *op, unsigned kinds, bool once)
{
	size_t n = op->arg % 32 + 1;

	SAY("the OS refuses %s call %zu, of kinds %x\n", once ? "only" : "from", n, kinds);
	os_fake_lift();
	os_fake_fail_mask(kinds);
	if (once)
		os_fake_fail_at(n);
	else
		os_fake_fail_from(n);
}

static void do_clock(struct world *w, const struct seq_op *op)
{
	os_fake_set_now(ma_os_now_ms() + op->arg * 4);
	if (op->code == SEQ_DECAY)
		(void)ma_decay_step(&w->instance[w->inst].pool);
}

static void do_reserve(struct world *w, size_t bytes)
{
	struct ma_pool *pool = &w->instance[w->inst].pool;
	bool known = pool->regions.nregions > 0 && pool->config.limit == 0;
	size_t refused = os_fake_refused();
	bool done = ma_pool_reserve(pool, bytes);

	SAY("reserve %zu bytes: %d\n", bytes, done);
	if (done && known && pool->counts.free_bytes < bytes)
		model_fail("world", "W10 what was reserved is free");
	if (!done && known && bytes <= MA_RESERVE_MAX && os_fake_refused() == refused)
		model_fail("world", "W1 a request is refused only for a reason");
}

/*
 * What a fork does to the one that forks. The other threads stay, which must not matter once they
 * have told what they had freed: a child's others would never tell.
 */
static void do_fork(struct world *w)
{
	struct ma_instance *inst = &w->instance[w->inst];
	struct oracle_fork before;

	for (unsigned t = 0; t < WORLD_NTHREADS; t++)
		if (w->heap[w->inst][t] != NULL)
			ma_remote_deliver(w->heap[w->inst][t]);
	oracle_before_fork(&before, inst);
	ma_instance_lock(inst);
	ma_instance_unlock(inst);
	ma_instance_forked(inst, w->heap[w->inst][w->thread]);
	oracle_after_fork(&before, inst, w->heap[w->inst][w->thread]);
}

static void do_give(struct world *w, const struct seq_op *op)
{
	struct ma_instance *inst = &w->instance[w->inst];
	struct ma_heap *heap = w->heap[w->inst][w->thread];

	SAY("give back, code %u, %u\n", (unsigned)op->code, (unsigned)op->arg);
	if (op->code == SEQ_COMPACT) {
		ma_heap_compact(inst, heap);
		if (heap != NULL)
			oracle_compacted(heap);
	} else if (op->code == SEQ_COMPACT_SHARED) {
		ma_heap_compact(inst, NULL);
	} else if (op->code == SEQ_TRIM) {
		world_decay(w, w->inst, op->arg * steps_page(w) / 2);
	} else {
		world_give_all(w, w->inst, op->arg * steps_page(w));
	}
}

static void do_second(struct world *w, bool reset)
{
	SAY("%s\n", reset ? "the second instance ends" : "the other instance");
	if (reset)
		world_reset(w);
	else if (w->inst == 0)
		world_open(w);
	w->inst = reset ? 0 : 1 - w->inst;
}

/* The OS refuses from now on: any call, or calls of one kind. */
static void do_refusals(const struct seq_op *op)
{
	static const struct {
		unsigned kinds;
		bool once;
	} refused[] = {
		[SEQ_REFUSE_AT - SEQ_REFUSE_AT] = {OS_FAKE_ALL, true},
		[SEQ_REFUSE_FROM - SEQ_REFUSE_AT] = {OS_FAKE_ALL, false},
		[SEQ_REFUSE_UNMAP - SEQ_REFUSE_AT] = {OS_FAKE_UNMAP, false},
		[SEQ_REFUSE_RESIZE_AT - SEQ_REFUSE_AT] = {OS_FAKE_RESIZE, true},
		[SEQ_REFUSE_MOVE - SEQ_REFUSE_AT] = {OS_FAKE_MOVE, false},
		[SEQ_REFUSE_PURGE_AT - SEQ_REFUSE_AT] = {OS_FAKE_PURGE, true},
	};
	unsigned i = op->code - (unsigned)SEQ_REFUSE_AT;

	do_refuse(op, refused[i].kinds, refused[i].once);
}

static void do_other(struct world *w, const struct seq_op *op)
{
	switch (op->code) {
	case SEQ_SWITCH_INSTANCE:
	case SEQ_END_INSTANCE:
		do_second(w, op->code == SEQ_END_INSTANCE);
		return;
	case SEQ_EXIT_THREAD:
		do_exit_thread(w);
		return;
	case SEQ_COMPACT:
	case SEQ_COMPACT_SHARED:
	case SEQ_TRIM:
	case SEQ_GIVE_ALL:
	case SEQ_GIVE:
		do_give(w, op);
		return;
	case SEQ_CLOCK:
	case SEQ_DECAY:
		do_clock(w, op);
		return;
	case SEQ_RESERVE:
		do_reserve(w, op->size);
		return;
	case SEQ_FORK:
		do_fork(w);
		return;
	case SEQ_LIFT:
		os_fake_lift();
		return;
	case SEQ_COMPARE:
		model_check_all(&w->model);
		return;
	default:
		if (op->code >= SEQ_REFUSE_AT && op->code <= SEQ_REFUSE_PURGE_AT)
			do_refusals(op);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seq_op op;
	struct world w;

	if (!world_init(&w, data, size))
		return 0;
	while (seq_next(&w.seq, &op)) {
		if (!steps_object(&w, &op))
			do_other(&w, &op);
		world_check(&w);
	}
	world_fini(&w);
	return 0;
}
