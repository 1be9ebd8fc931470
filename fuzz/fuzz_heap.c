/*
 * Property: whatever is allocated, resized and freed, by whichever thread, in whichever order, with
 * the OS refusing at any call, the heap stays valid after every single step, every object keeps its
 * place and contents, nothing is refused that could be served, and nothing is left behind.
 *
 * The format of an input and what is checked is in README.md; the rules are in world.h and model.h.
 */
#include <stdio.h>

#include "decay.h"
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

static void do_refuse(struct world *w, unsigned kinds, bool once)
{
	size_t n = input_range(&w->in, 1, 32);

	SAY("the OS refuses %s call %zu, of kinds %x\n", once ? "only" : "from", n, kinds);
	os_fake_lift();
	os_fake_fail_mask(kinds);
	if (once)
		os_fake_fail_at(n);
	else
		os_fake_fail_from(n);
}

static void do_clock(struct world *w, bool step)
{
	os_fake_set_now(ma_os_now_ms() + (uint64_t)input_byte(&w->in) * 4);
	if (step)
		(void)ma_decay_step(&w->instance[w->inst].pool);
}

static void do_reserve(struct world *w)
{
	size_t bytes = input_size(&w->in, steps_page(w));
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

	for (unsigned t = 0; t < WORLD_NTHREADS; t++)
		if (w->heap[w->inst][t] != NULL)
			ma_remote_deliver(w->heap[w->inst][t]);
	ma_instance_lock(inst);
	ma_instance_unlock(inst);
	ma_instance_forked(inst, w->heap[w->inst][w->thread]);
}

static void do_give(struct world *w, unsigned which)
{
	struct ma_instance *inst = &w->instance[w->inst];

	SAY("give back, kind %u\n", which);
	if (which == 0)
		ma_heap_compact(inst, w->heap[w->inst][w->thread]);
	else if (which == 1)
		ma_heap_compact(inst, NULL);
	else if (which == 2)
		world_decay(w, w->inst, input_byte(&w->in) * steps_page(w) / 2);
	else
		world_give_all(w, w->inst, which == 3 ? 0 : input_byte(&w->in) * steps_page(w));
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

static void do_other(struct world *w, unsigned which)
{
	if (which >= 24)
		w->bank = which - 24;
	else if (which < 3)
		w->thread = which;
	else if (which == 3 || which == 4)
		do_second(w, which == 4);
	else if (which == 5 || which == 6)
		do_exit_thread(w);
	else if (which < 12)
		do_give(w, which - 7);
	else if (which < 14)
		do_clock(w, which == 13);
	else if (which == 14)
		do_reserve(w);
	else if (which == 15)
		do_fork(w);
	else if (which == 16)
		os_fake_lift();
	else if (which == 17)
		model_check_all(&w->model);
	else if (which == 18)
		do_refuse(w, OS_FAKE_ALL, true);
	else if (which == 19)
		do_refuse(w, OS_FAKE_ALL, false);
	else
		do_refuse(w, (unsigned)OS_FAKE_MAP << (which - 19), which % 2 != 0);
}

static void step(struct world *w)
{
	unsigned op = input_byte(&w->in);

	if (!steps_object(w, op))
		do_other(w, op % 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w;

	if (!world_init(&w, data, size))
		return 0;
	while (!input_done(&w.in)) {
		step(&w);
		world_check(&w);
	}
	world_fini(&w);
	return 0;
}
