#include <stdio.h>
#include <stdlib.h>

#include "oracle.h"
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

static void check_size(struct world *w, unsigned inst, const void *ptr, size_t size)
{
	if (ma_heap_usable_size(&w->instance[inst], ptr) != size)
		model_fail("world", "W3 the usable size is the requested size");
}

/* In odd slots, size and alignment are claimed in any case. */
static void free_slot(struct world *w, unsigned slot, unsigned thread, bool claims)
{
	struct model_object *o = &w->model.object[slot];
	const struct ma_request claim = {.size = o->size, .align = o->align};
	unsigned inst = o->owner;
	void *ptr = o->ptr;
	struct oracle_waits waits;
	struct oracle_way way;

	if (ptr == NULL)
		return;
	SAY("free %u by thread %u: %p, %zu bytes\n", slot, thread, ptr, o->size);
	check_size(w, inst, ptr, o->size);
	way = oracle_before_free(w, o, thread);
	oracle_large_leaves(&waits, w, o);
	model_remove(&w->model, slot);
	if (slot % 2 == 0 && !claims)
		ma_heap_free(&w->instance[inst], w->heap[inst][thread], ptr);
	else
		ma_heap_free_sized(&w->instance[inst], w->heap[inst][thread], ptr, &claim);
	oracle_after_free(&way);
	oracle_large_left(&waits);
}

/* No whole page more than the object needs, or may have; the OS refused nothing meanwhile (W9). */
static void check_slack(struct world *w, const struct model_object *o)
{
	const struct ma_instance_config *config = &w->config[o->owner];
	struct ma_block *block = ma_pagemap_get(&w->pagemap, (uintptr_t)o->ptr);
	struct world_plan plan = world_plan_of(w, o);
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
	struct oracle_spared guards;
	struct oracle_taken taken;
	struct oracle_left left;
	struct oracle_way way;
	struct ma_heap *heap;
	size_t refused;

	free_slot(w, slot, w->thread, false);
	SAY("alloc %u by thread %u of instance %u: %zu bytes, alignment %zu%s\n", slot, w->thread,
	    w->inst, req->size, req->align, req->zero ? ", zero" : "");
	refused = os_fake_refused();
	choice = world_choose(w, w->inst, req->size, req->align);
	heap = world_heap(w, w->inst);
	way = oracle_before_alloc(w, req);
	left = oracle_before_slab(heap, req);
	guards = oracle_before_guards(w, req);
	taken = oracle_before_large(w, req);
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
		oracle_after_alloc(&way, object.ptr);
		oracle_after_slab(&left);
		oracle_after_guards(&guards, w, object.ptr);
		oracle_after_large(&taken, object.ptr);
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

/* ---- operations ------------------------------------------------------------------------------ */

static struct ma_request request_of(const struct world *w, const struct seq_op *op)
{
	struct ma_request req = {.size = op->size, .align = op->align, .zero = op->zero};

	if (op->kind == SEQ_CALLOC)
		req.zero = true;
	if (op->function == SEQ_BY_VALLOC || op->function == SEQ_BY_PVALLOC)
		req.align = steps_page(w);
	return req;
}

/* As the C library's: nothing to resize is an allocation, size 0 frees. */
static void do_resize(struct world *w, unsigned slot, const struct seq_op *op)
{
	const struct ma_request req = request_of(w, op);

	if (w->model.object[slot].ptr == NULL)
		alloc_slot(w, slot, &req);
	else if (req.size == 0)
		free_slot(w, slot, w->thread, false);
	else
		resize_slot(w, slot, req.size);
}

static void do_slot(struct world *w, unsigned slot, const struct seq_op *op)
{
	const struct ma_request req = request_of(w, op);
	struct oracle_due due;

	oracle_is_due(&due, w);
	if (op->kind == SEQ_REALLOC)
		do_resize(w, slot, op);
	else if (op->kind == SEQ_FREE)
		free_slot(w, slot, op->thread % WORLD_NTHREADS, op->function != SEQ_BY_FREE);
	else
		alloc_slot(w, slot, &req);
	if (op->kind == SEQ_FREE)
		oracle_not_late(&due, w);
}

unsigned steps_slot(const struct seq_op *op, unsigned i)
{
	return (op->slot + i) % MODEL_NOBJECTS;
}

/*
 * A run is one step: a slab of many slots could not be filled otherwise. A free changes nothing for
 * the thread that runs: it may be another's.
 */
bool steps_object(struct world *w, const struct seq_op *op)
{
	if (op->kind != SEQ_FREE)
		w->thread = op->thread % WORLD_NTHREADS;
	if (op->kind == SEQ_OTHER)
		return false;
	for (unsigned i = 0; i < op->count; i++)
		if (seq_selects(op, i))
			do_slot(w, steps_slot(op, i), op);
	return true;
}
