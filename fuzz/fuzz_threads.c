/*
 * Property: whatever threads allocate, resize, hand over and free at the same time, every object
 * keeps its place and contents, the heap is valid whenever all of them stand still, and nothing is
 * left behind.
 *
 * Unlike in the other targets threads, locks and the operating system are real: what an input says
 * is done is always the same, in which order threads come to it is not. An input is three bytes of
 * configuration (README.md has the table) and operations (seq.h), which are dealt to the threads
 * that they name. They go on to a barrier, perform what they have, several times over, and stop at
 * the next one, where every validator runs. What they do is in parallel.h.
 */
#include <sched.h>
#include <string.h>

#include "canary.h"
#include "decay.h"
#include "parallel.h"
#include "remote.h"
#include "sweep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- threads --------------------------------------------------------------------------------- */

/* All begin at once: a barrier lets one after the other go. */
static void gather(struct arena *arena)
{
	unsigned n = atomic_fetch_add(&arena->ngathered, 1);

	while (atomic_load(&arena->ngathered) < n - n % NTHREADS + NTHREADS)
		(void)sched_yield();
}

static void *work(void *context)
{
	struct worker *w = context;

	for (;;) {
		(void)pthread_barrier_wait(&w->arena->barrier);
		if (w->arena->is_over)
			return NULL;
		gather(w->arena);
		for (unsigned i = 0; i < w->arena->repeats; i++)
			for (size_t k = 0; k < w->nops; k++)
				parallel_do(w, &w->ops[k]);
		(void)pthread_barrier_wait(&w->arena->barrier);
	}
}

/* ---- what holds while they stand still ------------------------------------------------------- */

static void must_hold(const char *broken)
{
	if (broken != NULL)
		model_fail("validator", broken);
}

struct tally {
	size_t n;
	size_t bytes;
};

static void count_slab(struct tally *tally, const struct ma_slab *slab)
{
	for (uint32_t i = 0; i < slab->fresh; i++) {
		uint32_t idx = (slab->start + i) % slab->nslots;
		unsigned state = ma_slab_load(slab, idx);

		if (!ma_slot_is_live(state))
			continue;
		tally->n++;
		tally->bytes += slab->slot - MA_CANARY - ma_slab_slack(slab, idx, state);
	}
}

static struct tally count_heap(const struct arena *arena)
{
	struct tally tally = {0, 0};

	for (struct ma_block *b = arena->instance.pool.blocks; b != NULL; b = b->next) {
		if (b->kind == MA_BLOCK_SLAB)
			count_slab(&tally, ma_slab_of(b));
		if (b->kind != MA_BLOCK_LARGE)
			continue;
		tally.n++;
		tally.bytes += ma_large_of(b)->requested;
	}
	return tally;
}

/*
 * Contents, and how many objects there are: as many as the heap has live ones, so that no two of
 * different threads are one.
 */
static void check_objects(struct arena *arena, struct tally *tally)
{
	struct model_object *parcel;

	for (unsigned t = 0; t < NTHREADS; t++) {
		size_t bytes;

		model_check_all(&arena->worker[t].model);
		tally->n += model_count(&arena->worker[t].model, 0, &bytes);
		tally->bytes += bytes;
	}
	for (unsigned i = 0; i < NSLOTS; i++) {
		struct worker *w = &arena->worker[i % NTHREADS];

		parcel = atomic_load(&arena->box[i]);
		if (parcel == NULL)
			continue;
		w->model.object[WORK] = *parcel;
		model_check(&w->model, WORK);
		w->model.object[WORK].ptr = NULL;
		tally->n++;
		tally->bytes += parcel->size;
	}
}

static void check_all(struct arena *arena)
{
	struct tally has = count_heap(arena);
	struct tally known = {0, 0};

	must_hold(ma_pagemap_check(&arena->pagemap));
	must_hold(ma_instance_check(&arena->instance, NULL));
	for (unsigned t = 0; t < NTHREADS; t++)
		if (arena->worker[t].heap != NULL)
			must_hold(ma_heap_check(arena->worker[t].heap));
	check_objects(arena, &known);
	if (has.n != known.n || has.bytes != known.bytes)
		model_fail("threads", "slabs and blocks hold exactly the live objects");
	if (ma_sweep(&arena->instance, 0).block != NULL)
		model_fail("threads", "a sweep finds nothing where nothing is damaged");
}

/* ---- an input -------------------------------------------------------------------------------- */

static void run_round(struct arena *arena)
{
	(void)pthread_barrier_wait(&arena->barrier);
	(void)pthread_barrier_wait(&arena->barrier);
	for (unsigned t = 0; t < NTHREADS; t++)
		arena->worker[t].nops = 0;
	check_all(arena);
}

static void deal(struct arena *arena, struct seq *seq)
{
	struct seq_op op;
	unsigned n = 0;

	while (seq_next(seq, &op)) {
		struct worker *w = &arena->worker[op.thread % NTHREADS];

		w->ops[w->nops++] = op;
		n++;
		if (n % arena->per_round == 0 || op.code == SEQ_COMPARE)
			run_round(arena);
	}
	run_round(arena);
}

/* Bytes 0 to 2; README.md has the table. */
static struct ma_instance_config read_config(struct arena *arena, struct seq *seq)
{
	static const size_t waits[4] = {0, 4, 32, 64};
	unsigned a = seq_byte(seq);
	unsigned b = seq_byte(seq);
	unsigned c = seq_byte(seq);
	struct ma_instance_config config = {.seed = c + 1u};

	arena->repeats = 1u << (a >> 3 & 3);
	arena->per_round = 1 + b % ROUND;
	config.pool.fit = a & 1 ? MA_FIT_BEST : MA_FIT_FIRST;
	config.pool.retain = a & 0x20 ? 131072 : 0;
	config.wait = c & 0x01 ? 300000 : 0;
	config.slab.shuffled = config.quarantine.shuffled = c & 0x02;
	config.sample = c & 0x04 ? 7 : 0;
	config.quarantine.bytes = c & 0x08 ? 2000 : SIZE_MAX;
	config.wait_sealed = c & 0x10;
	config.guard_large = c & 0x20;
	config.slab.guarded = c & 0x40;
	config.slab.fill_max = c & 0x80 ? 32768 : MA_FILL_MAX;
	config.quarantine.cap = waits[a >> 1 & 3];
	if ((a & 2) && !config.slab.shuffled) {
		config.stock.entries = a & 4 ? MA_STOCK : 16;
		config.stock.bytes = a & 4 ? 65536 : 2048;
		config.stock.quiet = config.quarantine.cap;
		config.quarantine.cap = 0;
	}
	return config;
}

static void start(struct arena *arena, struct seq *seq)
{
	struct ma_instance_config config = read_config(arena, seq);

	ma_canary_init(0x5eed5eed5eed5eedu);
	if (!ma_pagemap_init(&arena->pagemap))
		model_fail("harness", "there is memory");
	ma_instance_init(&arena->instance, &config, &arena->pagemap);
	seq->page = arena->instance.pool.page;
	if (pthread_barrier_init(&arena->barrier, NULL, ALL) != 0)
		model_fail("harness", "there is a barrier");
	for (unsigned t = 0; t < NTHREADS; t++) {
		struct worker *w = &arena->worker[t];

		model_init(&w->model);
		w->arena = arena;
		if (pthread_create(&w->thread, NULL, work, w) != 0)
			model_fail("harness", "there are threads");
	}
}

static void join(struct arena *arena)
{
	arena->is_over = true;
	(void)pthread_barrier_wait(&arena->barrier);
	for (unsigned t = 0; t < NTHREADS; t++)
		(void)pthread_join(arena->worker[t].thread, NULL);
	(void)pthread_barrier_destroy(&arena->barrier);
}

/* Each object is freed by another thread than has it, as far as the allocator can tell. */
static void free_all(struct arena *arena)
{
	for (unsigned t = 0; t < NTHREADS; t++) {
		struct worker *w = &arena->worker[t];
		struct worker *other = &arena->worker[(t + 1) % NTHREADS];

		for (unsigned i = 0; i < NSLOTS; i++) {
			void *ptr = w->model.object[i].ptr;

			if (ptr == NULL)
				continue;
			model_remove(&w->model, i);
			parallel_release(other, ptr);
		}
	}
	for (unsigned i = 0; i < NSLOTS; i++)
		parallel_empty_box(&arena->worker[i % NTHREADS], i);
}

static void give_all(struct arena *arena)
{
	struct ma_instance *inst = &arena->instance;

	for (unsigned i = 0; i < 2 * NTHREADS; i++) {
		struct ma_heap *heap = parallel_heap(&arena->worker[i % NTHREADS]);

		ma_remote_deliver(heap);
		ma_heap_compact(inst, heap);
	}
	for (unsigned t = 0; t < NTHREADS; t++)
		ma_heap_compact(inst, arena->worker[t].heap);
	(void)ma_decay_all(&inst->pool, 0);
	for (const struct ma_block *b = inst->pool.blocks; b != NULL; b = b->next)
		if (!b->free)
			model_fail("threads", "nothing is left when all is freed");
}

static void finish(struct arena *arena)
{
	join(arena);
	free_all(arena);
	check_all(arena);
	give_all(arena);
	check_all(arena);
	ma_instance_fini(&arena->instance);
	must_hold(ma_pagemap_check(&arena->pagemap));
	ma_pagemap_fini(&arena->pagemap);
}

/* The model makes its pattern when it first needs it: not in several threads at once. */
static void prepare_model(struct model *model)
{
	static unsigned char bytes[16] __attribute__((aligned(16)));
	const struct model_object object = {.ptr = bytes, .size = 1, .align = 16};

	model_init(model);
	model_add(model, 0, &object, false);
	model_remove(model, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	struct seq seq;

	memset(&arena, 0, sizeof(arena));
	prepare_model(&arena.worker[0].model);
	seq_init(&seq, data, size);
	start(&arena, &seq);
	deal(&arena, &seq);
	finish(&arena);
	return 0;
}
