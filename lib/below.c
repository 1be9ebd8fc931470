#include <malloc.h>
#include <stdlib.h>

#include "below.h"

/* The drop-in library has it (shim.c). */
extern const char ma_dropin __attribute__((weak));

bool ma_below_is_there(void)
{
	return &ma_dropin == NULL;
}

void *ma_below_alloc(size_t size, size_t align, bool zero)
{
	if (zero)
		return calloc(1, size);
	return align > MA_ALIGN ? memalign(align, size) : malloc(size);
}

void *ma_below_realloc(void *ptr, size_t size)
{
	return realloc(ptr, size);
}

void ma_below_free(void *ptr)
{
	free(ptr);
}

size_t ma_below_size(const void *ptr)
{
	return malloc_usable_size((void *)(uintptr_t)ptr);
}
