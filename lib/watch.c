#include <errno.h>

#include "below.h"
#include "tell.h"
#include "watch.h"

static ma_cold void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static struct ma_teller teller(struct ma_heap *heap)
{
	return (struct ma_teller){.heap = heap, .inst = &ma_global.instance};
}

static ma_noinline void *alloc(size_t size, size_t align, enum ma_record_op op)
{
	const struct ma_request req = {
		.size = size,
		.align = align,
		.zero = op == MA_RECORD_CALLOC,
	};
	struct ma_heap *heap = ma_global_heap();
	const struct ma_teller t = teller(heap);
	void *ptr;

	if (heap == NULL)
		return no_memory();
	heap->frame = ma_stack_frame();
	ptr = ma_tools.any ? ma_tell_alloc(&t, &req) : ma_heap_alloc_request(heap, &req);
	heap->frame = NULL;
	if (ptr == NULL)
		return no_memory();
	if (ma_record_is_on())
		ma_record_alloc(heap, op, ptr, size, align);
	return ptr;
}

/* Whether nobody but memcheck looks on: then there is a short way. */
static bool is_short(void)
{
	return ma_tools.memcheck && !ma_record_is_on() && ma_global_own_heap() != NULL;
}

static ma_noinline void *alloc_short(size_t size, enum ma_record_op op)
{
	const struct ma_teller t = teller(ma_global_own_heap());
	void *ptr = ma_tell_short(&t, size, op == MA_RECORD_CALLOC);

	return ma_likely(ptr != NULL) ? ptr : alloc(size, 0, op);
}

void *ma_watched_alloc(size_t size, size_t align, enum ma_record_op op)
{
	if (ma_global.passing)
		return ma_below_alloc(size, align, op == MA_RECORD_CALLOC);
	if (align <= MA_ALIGN && is_short())
		return alloc_short(size, op);
	return alloc(size, align, op);
}

/* The object leaves the recording while it may move (J2). */
static ma_noinline void *resize(void *ptr, size_t size, enum ma_record_op op)
{
	struct ma_heap *heap = ma_global_heap();
	const struct ma_teller t = teller(heap);
	uint32_t slot;
	void *resized;

	if (heap == NULL)
		return no_memory();
	heap->frame = ma_stack_frame();
	slot = ma_record_leave(heap, ptr);
	resized = ma_tools.any ? ma_tell_realloc(&t, ptr, size) : ma_heap_realloc(heap, ptr, size);
	ma_record_resized(heap, op, slot, ptr, resized, size);
	heap->frame = NULL;
	return resized != NULL ? resized : no_memory();
}

void *ma_watched_resize(void *ptr, size_t size, enum ma_record_op op)
{
	if (ma_global.passing)
		return ma_below_realloc(ptr, size);
	return resize(ptr, size, op);
}

static void end_object(struct ma_heap *heap, void *ptr, const struct ma_request *claim,
		       unsigned how)
{
	enum ma_origin origin = (enum ma_origin)(how & ~MA_ENDS_CLAIMING);
	struct ma_instance *inst = &ma_global.instance;

	if (ma_global.options.alloc_dealloc_mismatch && origin != MA_FROM_ANY &&
	    !ma_heap_check_origin(inst, ptr, origin, MA_INVALID_FREE))
		return;
	if (ma_record_is_on())
		ma_record_free(heap, ptr);
	if (how & MA_ENDS_CLAIMING)
		ma_heap_free_sized(inst, heap, ptr, claim);
	else
		ma_heap_free(inst, heap, ptr);
}

static ma_noinline void end(void *ptr, size_t size, size_t align, unsigned how)
{
	const struct ma_request claim = {.size = size, .align = align};
	struct ma_heap *heap = ma_global_heap();
	const struct ma_teller t = teller(heap);

	if (heap != NULL)
		heap->frame = ma_stack_frame();
	if (ma_tools.any)
		ma_tell_free(&t, ptr);
	ma_annotate_enter();
	end_object(heap, ptr, &claim, how);
	ma_annotate_leave();
	if (heap != NULL)
		heap->frame = NULL;
}

/* Memcheck has been told. */
static ma_noinline void end_told(void *ptr)
{
	struct ma_heap *heap = ma_global_own_heap();

	heap->frame = ma_stack_frame();
	ma_annotate_enter();
	ma_heap_free(&ma_global.instance, heap, ptr);
	ma_annotate_leave();
	heap->frame = NULL;
}

static ma_noinline void end_short(void *ptr)
{
	ma_annotate_tell_free(NULL, ptr);
	if (ma_unlikely(!ma_tell_slot_free(ma_global_own_heap(), ptr)))
		end_told(ptr);
}

/* Nobody asks who made it, nor what it should be. */
static bool may_end_short(unsigned how)
{
	return is_short() && !ma_global.options.alloc_dealloc_mismatch && !(how & MA_ENDS_CLAIMING);
}

void ma_watched_free(void *ptr, size_t size, size_t align, unsigned how)
{
	if (ptr == NULL)
		return;
	if (ma_global.passing)
		ma_below_free(ptr);
	else if (may_end_short(how))
		end_short(ptr);
	else
		end(ptr, size, align, how);
}

static bool may_realloc(const void *ptr)
{
	return !ma_global.options.alloc_dealloc_mismatch || ma_global.passing ||
	       ma_heap_check_origin(&ma_global.instance, ptr, MA_FROM_MALLOC, MA_BAD_REALLOC);
}

void *ma_watched_realloc(void *ptr, size_t size, enum ma_record_op op)
{
	if (ptr == NULL)
		return ma_watched_alloc(size, 0, op);
	if (!may_realloc(ptr))
		return no_memory();
	if (size > 0)
		return ma_watched_resize(ptr, size, op);
	ma_watched_free(ptr, 0, 0, MA_FROM_ANY);
	return NULL;
}

void *ma_watched_reallocarray(void *ptr, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return no_memory();
	return ma_watched_realloc(ptr, total, MA_RECORD_REALLOCARRAY);
}

ma_noinline size_t ma_watched_size(const void *ptr)
{
	size_t size;

	if (ma_global.passing)
		return ma_below_size(ptr);
	ma_annotate_enter();
	size = ma_heap_usable_size(&ma_global.instance, ptr);
	ma_annotate_leave();
	return size;
}
