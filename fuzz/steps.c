#include <stdio.h>
#include <stdlib.h>

#include "os_fake.h"
#include "steps.h"

bool steps_are_told(void)
{
	static int told = -1;

	if (told < 0)
		told = getenv("FUZZ_VERBOSE") != NULL;
	return told > 0;
}

size_t steps_page(const struct world *w)
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

void steps_free(struct world *w, unsigned slot, unsigned thread)
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

	steps_free(w, slot, w->thread);
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
	const struct ma_request req = {.size = input_size(&w->in, steps_page(w)), .zero = zero};

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

	req.size = input_size(&w->in, steps_page(w));
	alloc_slot(w, slot, &req);
}

/* As the C library's: nothing to resize is an allocation, size 0 frees. */
static void do_resize(struct world *w, unsigned slot)
{
	const struct ma_request req = {.size = input_size(&w->in, steps_page(w))};

	if (w->model.object[slot].ptr == NULL)
		alloc_slot(w, slot, &req);
	else if (req.size == 0)
		steps_free(w, slot, w->thread);
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
		req.size = input_size(&w->in, steps_page(w)) % 65536;
	for (unsigned i = 0; i < n; i++) {
		unsigned slot = (first + i) % MODEL_NOBJECTS;

		if ((how & 0x80) == 0)
			alloc_slot(w, slot, &req);
		else if (mask >> i % 8 & 1)
			steps_free(w, slot, (w->thread + (how >> 6 & 1)) % WORLD_NTHREADS);
	}
}

/* ---- bytes ----------------------------------------------------------------------------------- */

bool steps_object(struct world *w, unsigned op)
{
	unsigned slot = slot_of(w, op);

	switch (op >> 5) {
	case 0:
	case 1:
		do_alloc(w, slot, op >> 5 == 1);
		return true;
	case 2:
		do_aligned(w, slot);
		return true;
	case 3:
		do_resize(w, slot);
		return true;
	case 4:
		steps_free(w, slot, w->thread);
		return true;
	case 5:
		steps_free(w, slot, (w->thread + 1) % WORLD_NTHREADS);
		return true;
	case 6:
		do_run(w, slot);
		return true;
	default:
		return false;
	}
}
