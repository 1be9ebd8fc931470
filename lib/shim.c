/*
 * shim - the C library's names, and C++'s, in the preload library only.
 *
 * Each is one call of the public API; what differs is said where it differs. The C++ operators are
 * written by their mangled names so that the library needs no C++ runtime; it throws through the
 * program's own, if that has one.
 */
#include <errno.h>
#include <stdlib.h>

#include "instance.h"
#include "memalloc.h"
#include "os.h"

/*
 * glibc declares some of these, with attributes of its own, in headers that are not included here.
 */
void *memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
void *valloc(size_t size);
void *pvalloc(size_t size);
void *reallocarray(void *ptr, size_t count, size_t size);
size_t malloc_usable_size(void *ptr);
void free_sized(void *ptr, size_t size);
void free_aligned_sized(void *ptr, size_t alignment, size_t size);
int posix_memalign(void **out, size_t alignment, size_t size);

ma_export void *malloc(size_t size)
{
	return custom_malloc(size);
}

ma_export void free(void *ptr)
{
	ma_malloc_free(ptr);
}

ma_export void *calloc(size_t count, size_t size)
{
	return custom_calloc(count, size);
}

ma_export void *realloc(void *ptr, size_t size)
{
	if (ma_unlikely(ma_global.watched) && !ma_watched_realloc(ptr)) {
		errno = ENOMEM;
		return NULL;
	}
	return custom_realloc(ptr, size);
}

ma_export void *reallocarray(void *ptr, size_t count, size_t size)
{
	if (ma_unlikely(ma_global.watched) && !ma_watched_realloc(ptr)) {
		errno = ENOMEM;
		return NULL;
	}
	return custom_reallocarray(ptr, count, size);
}

ma_export void *aligned_alloc(size_t alignment, size_t size)
{
	return custom_aligned_alloc(alignment, size);
}

ma_export void *memalign(size_t alignment, size_t size)
{
	return custom_aligned_alloc(alignment, size);
}

ma_export void *valloc(size_t size)
{
	return custom_aligned_alloc(ma_os_page_size(), size);
}

/* A whole number of pages, one for no bytes. */
ma_export void *pvalloc(size_t size)
{
	size_t page = ma_os_page_size();

	if (size > MA_REQUEST_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	return custom_aligned_alloc(page, ma_align_up(ma_max(size, 1), page));
}

/* Tells the error by its result; errno stays as it was. */
ma_export int posix_memalign(void **out, size_t alignment, size_t size)
{
	int saved = errno;
	void *ptr;

	if (!ma_is_pow2(alignment) || alignment % sizeof(void *) != 0)
		return EINVAL;
	ptr = custom_aligned_alloc(alignment, size);
	errno = saved;
	if (ptr == NULL)
		return ENOMEM;
	*out = ptr;
	return 0;
}

ma_export size_t malloc_usable_size(void *ptr)
{
	return custom_usable_size(ptr);
}

static void end_sized(void *ptr, size_t size, size_t align)
{
	if (ma_unlikely(ma_global.watched))
		ma_watched_free(ptr, size, align, MA_FROM_MALLOC | MA_ENDS_CLAIMING);
	else
		ma_free_sized(ptr, size, align);
}

ma_export void free_sized(void *ptr, size_t size)
{
	end_sized(ptr, size, 1);
}

ma_export void free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
	end_sized(ptr, size, alignment);
}
