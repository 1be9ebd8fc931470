/*
 * Property: whatever is allocated, resized and freed, by whichever thread, in whichever order, with
 * the OS refusing at any call, the heap stays valid after every single step, every object keeps its
 * place and contents, nothing is refused that could be served, and nothing is left behind.
 *
 * The format of an input and what is checked is in README.md; the rules are in world.h and model.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "decay.h"
#include "os.h"
#include "os_fake.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line per step on stderr: FUZZ_VERBOSE=1. */
#define SAY(...) (is_verbose() ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

static bool is_verbose(void)
{
	static int verbose = -1;

	if (verbose < 0)
		verbose = getenv("FUZZ_VERBOSE") != NULL;
	return verbose > 0;
}

static size_t page_of(const struct world *w)
{
	return w->instance[0].pool.page;
}

/* ---- one object ------------------------------------------------------------------------------ */

/* Slots are absolute: an operation means the same wherever it stands in the input. */
static unsigned slot_of(const struct world *w, unsigned low)
{
	return w->bank * 32 + low % 32;
}

static void check_size(struct world *w, unsigned inst, const void *ptr, size_t size)
{
	if (ma_heap_usable_size(&w->instance[inst], ptr) != size)
		model_fail("world", "W3 the usable size is the requested size");
}

static void free_slot(struct world *w, unsigned slot, unsigned thread)
{
	struct model_object *o = &w->model.object[slot];
	const struct ma_request claim = {.size = o->size, .align = o->align};
	unsigned inst = o->owner;
	void *ptr = o->ptr;

	if (ptr == NULL)
		return;
	SAY("free %u by thread %u: %p, %zu bytes\n", slot, thread, ptr, o->size);
	check_size(w, inst, ptr, o->size);
	model_remove(&w->model, slot);
	if (slot % 2 == 0)
		ma_heap_free(&w->instance[inst], w->heap[inst][thread], ptr);
	else
		ma_heap_free_sized(&w->instance[inst], w->heap[inst][thread], ptr, &claim);
}

/* No whole page more than the object needs, or may have; the OS refused nothing meanwhile (W9). */
static void check_slack(struct world *w, const struct model_object *o)
{
	const struct ma_instance_config *config = &w->config[o->owner];
	struct ma_block *block = ma_pagemap_get(&w->pagemap, (uintptr_t)o->ptr);
	struct world_plan plan = world_plan(w, o->owner, o->size, o->align);
	size_t spare = config->guard_large || config->wait > 0 ? plan.size / 4 : 0;
	size_t least = plan.size - plan.front;

	if (block->kind != MA_BLOCK_LARGE || ma_large_of(block)->tight)
		return;
	if (block->size < least || block->size > plan.size + spare)
		model_fail("world", "W9 a block is no longer than its object needs");
}

/* Refused at the limit: what waits for reuse or was freed by others has been given back before. */
static void check_last_resort(struct world *w, unsigned inst)
{
	const struct ma_heap *heap = w->heap[inst][w->thread];
	bool waits = atomic_load(&heap->inbox) != NULL;

	world_check_given(&w->instance[inst].pool, 0);
	for (unsigned i = 0; i < heap->quarantine.cap; i++)
		waits = waits || heap->quarantine.entry[i].slab != NULL;
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		waits = waits || ma_stock_count(heap->stock[i]) > 0;
		for (const struct ma_slab *s = heap->bin[i].avail; s != NULL; s = s->next)
			waits = waits || s->used == 0;
	}
	if (waits)
		model_fail("world",
			   "W1 a request is refused after all that is free was given back");
}

/* A refusal needs a reason, and the world is as it was then: the next check sees to that. */
static void check_refusal(struct world *w, unsigned inst, const struct ma_request *req,
			  size_t refused)
{
	SAY("  refused\n");
	if (os_fake_refused() != refused)
		return;
	if (!world_may_refuse(w, inst, req->size, req->align))
		model_fail("world", "W1 a request is refused only for a reason");
	if (ma_max(req->size, req->align) < MA_REQUEST_MAX / 2)
		check_last_resort(w, inst);
}

static void alloc_slot(struct world *w, unsigned slot, const struct ma_request *req)
{
	struct model_object object = {NULL, req->size, ma_max(req->align, MA_ALIGN), w->inst, 0};
	struct world_choice choice;
	struct ma_heap *heap;
	size_t refused;

	free_slot(w, slot, w->thread);
	SAY("alloc %u by thread %u of instance %u: %zu bytes, alignment %zu%s\n", slot, w->thread,
	    w->inst, req->size, req->align, req->zero ? ", zero" : "");
	refused = os_fake_refused();
	choice = world_choose(w, w->inst, req->size, req->align);
	heap = world_heap(w, w->inst);
	if (heap != NULL && req->align == 0 && !req->zero)
		object.ptr = ma_heap_alloc(heap, req->size);
	else if (heap != NULL)
		object.ptr = ma_heap_alloc_request(heap, req);
	if (object.ptr == NULL) {
		check_refusal(w, w->inst, req, refused);
		return;
	}
	SAY("  %p\n", (void *)object.ptr);
	if (os_fake_refused() == refused) {
		world_check_choice(&choice, object.ptr);
		check_slack(w, &object);
	}
	model_add(&w->model, slot, &object, req->zero);
	check_size(w, w->inst, object.ptr, req->size);
}

static void resize_slot(struct world *w, unsigned slot, size_t size)
{
	struct model_object *o = &w->model.object[slot];
	const struct ma_request req = {.size = size};
	unsigned inst = o->owner;
	struct world_choice choice;
	bool stays;
	size_t refused = os_fake_refused();
	struct ma_heap *heap = world_heap(w, inst);
	void *ptr = NULL;

	SAY("resize %u by thread %u: %p, %zu to %zu bytes\n", slot, w->thread, (void *)o->ptr,
	    o->size, size);
	model_check(&w->model, slot);
	choice = world_choose(w, inst, size, 0);
	stays = world_must_stay(w, inst, o, size);
	if (heap != NULL)
		ptr = ma_heap_realloc(heap, o->ptr, size);
	/* Guards must be lifted for it. */
	if (w->config[inst].guard_large)
		stays = stays && os_fake_refused() == refused;
	if (stays && heap != NULL && ptr != o->ptr)
		model_fail("world", "W9 a resize that needs no other place stays");
	if (ptr == NULL) {
		check_refusal(w, inst, &req, refused);
		model_check(&w->model, slot);
		return;
	}
	SAY("  %p\n", ptr);
	if (os_fake_refused() == refused && ptr != o->ptr)
		world_check_choice(&choice, ptr);
	model_moved(&w->model, slot, ptr, size);
	if (os_fake_refused() == refused)
		check_slack(w, o);
	check_size(w, inst, ptr, size);
}

static void do_alloc(struct world *w, unsigned slot, bool zero)
{
	const struct ma_request req = {.size = input_size(&w->in, page_of(w)), .zero = zero};

	alloc_slot(w, slot, &req);
}

/* Alignments up to 1 MiB, twice a region, and one that nothing can have. */
static struct ma_request read_aligned(struct world *w)
{
	unsigned a = input_byte(&w->in);
	struct ma_request req = {.align = (size_t)16 << a % 17, .zero = (a & 0x80) != 0};

	if ((a & 0x7f) >= 120)
		req.align = a % 2 ? (size_t)1 << 63 : (size_t)32 << 20 << a / 2 % 3;
	return req;
}

static void do_aligned(struct world *w, unsigned slot)
{
	struct ma_request req = read_aligned(w);

	req.size = input_size(&w->in, page_of(w));
	alloc_slot(w, slot, &req);
}

/* As the C library's: nothing to resize is an allocation, size 0 frees. */
static void do_resize(struct world *w, unsigned slot)
{
	const struct ma_request req = {.size = input_size(&w->in, page_of(w))};

	if (w->model.object[slot].ptr == NULL)
		alloc_slot(w, slot, &req);
	else if (req.size == 0)
		free_slot(w, slot, w->thread);
	else
		resize_slot(w, slot, req.size);
}

/*
 * Up to 64 slots from @first on: one size for all, or free those that a mask of eight selects. One
 * step: a slab of many slots could not be filled otherwise.
 */
static void do_run(struct world *w, unsigned first)
{
	unsigned how = input_byte(&w->in);
	unsigned n = how % 64 + 1;
	struct ma_request req = {0};
	unsigned mask = 0xff;

	if (how & 0x80)
		mask = input_byte(&w->in);
	else if (how & 0x40)
		req = read_aligned(w);
	if ((how & 0x80) == 0)
		req.size = input_size(&w->in, page_of(w)) % 65536;
	for (unsigned i = 0; i < n; i++) {
		unsigned slot = (first + i) % MODEL_NOBJECTS;

		if ((how & 0x80) == 0)
			alloc_slot(w, slot, &req);
		else if (mask >> i % 8 & 1)
			free_slot(w, slot, (w->thread + (how >> 6 & 1)) % WORLD_NTHREADS);
	}
}

/* ---- everything else ------------------------------------------------------------------------- */

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
	size_t bytes = input_size(&w->in, page_of(w));
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

/* What a fork does to the one that forks; the other threads stay, which must not matter. */
static void do_fork(struct world *w)
{
	struct ma_instance *inst = &w->instance[w->inst];

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
		world_decay(w, w->inst, input_byte(&w->in) * page_of(w) / 2);
	else
		world_give_all(w, w->inst, which == 3 ? 0 : input_byte(&w->in) * page_of(w));
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
	unsigned slot = slot_of(w, op);

	switch (op >> 5) {
	case 0:
	case 1:
		do_alloc(w, slot, op >> 5 == 1);
		break;
	case 2:
		do_aligned(w, slot);
		break;
	case 3:
		do_resize(w, slot);
		break;
	case 4:
		free_slot(w, slot, w->thread);
		break;
	case 5:
		free_slot(w, slot, (w->thread + 1) % WORLD_NTHREADS);
		break;
	case 6:
		do_run(w, slot);
		break;
	default:
		do_other(w, op % 32);
	}
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
