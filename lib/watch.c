#include <errno.h>

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

ma_noinline void *ma_watched_alloc(size_t size, size_t align, bool zero)
{
	const struct ma_request req = {.size = size, .align = align, .zero = zero};
	struct ma_heap *heap = ma_global_heap();
	const struct ma_teller t = teller(heap);
	void *ptr;

	if (heap == NULL)
		return no_memory();
	heap->frame = ma_stack_frame();
	ptr = ma_tools.any ? ma_tell_alloc(&t, &req) : ma_heap_alloc_request(heap, &req);
	heap->frame = NULL;
	return ptr != NULL ? ptr : no_memory();
}

ma_noinline void *ma_watched_resize(void *ptr, size_t size)
{
	struct ma_heap *heap = ma_global_heap();
	const struct ma_teller t = teller(heap);
	void *resized;

	if (heap == NULL)
		return no_memory();
	heap->frame = ma_stack_frame();
	resized = ma_tools.any ? ma_tell_realloc(&t, ptr, size) : ma_heap_realloc(heap, ptr, size);
	heap->frame = NULL;
	return resized != NULL ? resized : no_memory();
}

static void end_object(struct ma_heap *heap, void *ptr, const struct ma_request *claim,
		       unsigned how)
{
	enum ma_origin origin = (enum ma_origin)(how & ~MA_ENDS_CLAIMING);
	struct ma_instance *inst = &ma_global.instance;

	if (ma_global.options.alloc_dealloc_mismatch && origin != MA_FROM_ANY &&
	    !ma_heap_check_origin(inst, ptr, origin, MA_INVALID_FREE))
		return;
	if (how & MA_ENDS_CLAIMING)
		ma_heap_free_sized(inst, heap, ptr, claim);
	else
		ma_heap_free(inst, heap, ptr);
}

ma_noinline void ma_watched_free(void *ptr, size_t size, size_t align, unsigned how)
{
	const struct ma_request claim = {.size = size, .align = align};
	struct ma_heap *heap = ma_global_heap();
	const struct ma_teller t = teller(heap);

	if (ptr == NULL)
		return;
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

ma_noinline bool ma_watched_realloc(const void *ptr)
{
	if (ptr == NULL || !ma_global.options.alloc_dealloc_mismatch)
		return true;
	return ma_heap_check_origin(&ma_global.instance, ptr, MA_FROM_MALLOC, MA_BAD_REALLOC);
}

ma_noinline size_t ma_watched_size(const void *ptr)
{
	size_t size;

	ma_annotate_enter();
	size = ma_heap_usable_size(&ma_global.instance, ptr);
	ma_annotate_leave();
	return size;
}
