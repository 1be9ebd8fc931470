#include "parallel.h"

#include <stdlib.h>

#include "decay.h"
#include "fast.h"

/* ---- the allocator, as the drop-in calls it -------------------------------------------------- */

struct ma_heap *parallel_heap(struct worker *w)
{
	if (w->heap == NULL)
		w->heap = ma_heap_acquire(&w->arena->instance);
	if (w->heap == NULL)
		model_fail("threads", "there is a heap for every thread");
	return w->heap;
}

static void *allocate(struct worker *w, const struct ma_request *req)
{
	struct ma_heap *heap = parallel_heap(w);
	struct ma_stock *stock;

	if (req->align == 0 && !req->zero && req->size <= MA_FAST_MAX) {
		stock = ma_fast_stock(heap, req->size);
		if (ma_stock_is_ready(stock))
			return ma_fast_alloc(heap, stock, req->size);
	}
	return ma_heap_alloc_request(heap, req);
}

void parallel_release(struct worker *w, void *ptr)
{
	struct ma_heap *heap = parallel_heap(w);

	if (!ma_fast_free(&w->arena->pagemap, heap, ptr))
		ma_heap_free(&w->arena->instance, heap, ptr);
}

/* ---- objects --------------------------------------------------------------------------------- */

static void free_object(struct worker *w, unsigned slot)
{
	const struct model_object *object = &w->model.object[slot];
	void *ptr = object->ptr;

	if (ptr == NULL)
		return;
	if (ma_heap_usable_size(&w->arena->instance, ptr) != object->size)
		model_fail("threads", "the usable size is the requested size");
	model_remove(&w->model, slot);
	parallel_release(w, ptr);
}

static void alloc_object(struct worker *w, unsigned slot, const struct ma_request *req)
{
	struct model_object object = {.size = req->size, .align = ma_max(req->align, MA_ALIGN)};

	object.ptr = allocate(w, req);
	if (object.ptr != NULL)
		model_add(&w->model, slot, &object, req->zero);
	else if (req->size < SIZE_BOUND)
		model_fail("threads", "what there is memory for is not refused");
}

static void resize_object(struct worker *w, unsigned slot, size_t size)
{
	const struct ma_request req = {.size = size};
	struct model_object *object = &w->model.object[slot];
	void *ptr;

	if (object->ptr == NULL) {
		alloc_object(w, slot, &req);
		return;
	}
	if (size == 0) {
		free_object(w, slot);
		return;
	}
	model_check(&w->model, slot);
	ptr = ma_heap_realloc(parallel_heap(w), object->ptr, size);
	if (ptr != NULL)
		model_moved(&w->model, slot, ptr, size);
	else if (size < SIZE_BOUND)
		model_fail("threads", "what there is memory for is not refused");
	else
		model_check(&w->model, slot);
}

/* ---- boxes ----------------------------------------------------------------------------------- */

/* What was handed over is now in the thread's hands, which were empty. */
static void take(struct worker *w, struct model_object *parcel)
{
	if (parcel == NULL)
		return;
	w->model.object[WORK] = *parcel;
	w->model.nlive++;
	free(parcel);
}

/* What is in the thread's hands, if anything, on its own. */
static struct model_object *wrap(struct worker *w)
{
	struct model_object *object = &w->model.object[WORK];
	struct model_object *parcel;

	if (object->ptr == NULL)
		return NULL;
	parcel = malloc(sizeof(*parcel));
	if (parcel == NULL)
		model_fail("harness", "there is memory");
	*parcel = *object;
	object->ptr = NULL;
	w->model.nlive--;
	return parcel;
}

/* Put what is in hand into the box, and free what was there. */
static void hand_over(struct worker *w, unsigned slot)
{
	take(w, atomic_exchange(&w->arena->box[slot], wrap(w)));
	free_object(w, WORK);
}

static bool is_box(unsigned slot)
{
	return slot % 2 != 0;
}

/* ---- operations ------------------------------------------------------------------------------ */

static size_t size_of(const struct seq_op *op)
{
	return op->size > MA_REQUEST_MAX / 2 ? op->size : op->size % SIZE_BOUND;
}

static void do_alloc(struct worker *w, const struct seq_op *op, unsigned slot)
{
	const struct ma_request req = {
		.size = size_of(op),
		.align = op->align <= ALIGN_BOUND ? op->align : 0,
		.zero = op->zero || op->kind == SEQ_CALLOC,
	};

	if (is_box(slot)) {
		alloc_object(w, WORK, &req);
		hand_over(w, slot);
		return;
	}
	free_object(w, slot);
	alloc_object(w, slot, &req);
}

static void do_resize(struct worker *w, const struct seq_op *op, unsigned slot)
{
	if (!is_box(slot)) {
		resize_object(w, slot, size_of(op));
		return;
	}
	take(w, atomic_exchange(&w->arena->box[slot], NULL));
	resize_object(w, WORK, size_of(op));
	hand_over(w, slot);
}

static void do_free(struct worker *w, unsigned slot)
{
	if (is_box(slot))
		hand_over(w, slot);
	else
		free_object(w, slot);
}

static void do_slot(struct worker *w, const struct seq_op *op, unsigned slot)
{
	if (op->kind == SEQ_FREE)
		do_free(w, slot);
	else if (op->kind == SEQ_REALLOC)
		do_resize(w, op, slot);
	else
		do_alloc(w, op, slot);
}

static void do_other(struct worker *w, const struct seq_op *op)
{
	struct ma_instance *inst = &w->arena->instance;

	switch (op->code) {
	case SEQ_EXIT_THREAD:
		ma_heap_release(parallel_heap(w));
		w->heap = NULL;
		return;
	case SEQ_COMPACT:
	case SEQ_COMPACT_SHARED:
		ma_heap_compact(inst, op->code == SEQ_COMPACT ? parallel_heap(w) : NULL);
		return;
	case SEQ_TRIM:
	case SEQ_GIVE_ALL:
	case SEQ_GIVE:
		(void)ma_decay_all(&inst->pool, op->arg * inst->pool.page);
		return;
	case SEQ_DECAY:
		(void)ma_decay_step(&inst->pool);
		return;
	case SEQ_RESERVE:
		(void)ma_pool_reserve(&inst->pool, op->size % SIZE_BOUND);
		return;
	case SEQ_FORK:
		ma_instance_lock(inst);
		ma_instance_unlock(inst);
		return;
	default:
		return;
	}
}

void parallel_do(struct worker *w, const struct seq_op *op)
{
	if (op->kind == SEQ_OTHER) {
		do_other(w, op);
		return;
	}
	for (unsigned i = 0; i < op->count; i++)
		if (seq_selects(op, i))
			do_slot(w, op, (op->slot + i) % NSLOTS);
}

void parallel_empty_box(struct worker *w, unsigned slot)
{
	hand_over(w, slot);
}
