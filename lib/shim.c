/*
 * shim - the C library's names, and C++'s, in the preload library only.
 *
 * Each is one call of the public API; what differs is said where it differs. The C++ operators are
 * written by their mangled names so that the library needs no C++ runtime; it throws through the
 * program's own, if that has one.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "active.h"
#include "instance.h"
#include "memalloc.h"
#include "os.h"
#include "watch.h"

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
void malloc_stats(void);

/* As in glibc's malloc.h. */
struct mallinfo {
	int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

struct mallinfo2 {
	size_t arena;    /* bytes mapped, but for direct mappings */
	size_t ordblks;  /* free blocks */
	size_t smblks;   /* free slots */
	size_t hblks;    /* direct mappings */
	size_t hblkhd;   /* their bytes */
	size_t usmblks;  /* 0 */
	size_t fsmblks;  /* bytes of free slots */
	size_t uordblks; /* bytes of arena in use */
	size_t fordblks; /* bytes of arena not in use */
	size_t keepcost; /* free bytes that a trim would give back */
};

struct mallinfo mallinfo(void);
struct mallinfo2 mallinfo2(void);

/* There is no other malloc() below (below.h). */
extern const char ma_dropin;
const char ma_dropin = 1;

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
	if (ma_unlikely(ma_global.watched))
		return ma_watched_realloc(ptr, size, MA_RECORD_REALLOC);
	return custom_realloc(ptr, size);
}

ma_export void *reallocarray(void *ptr, size_t count, size_t size)
{
	if (ma_unlikely(ma_global.watched))
		return ma_watched_reallocarray(ptr, count, size);
	return custom_reallocarray(ptr, count, size);
}

ma_export void *aligned_alloc(size_t alignment, size_t size)
{
	return custom_aligned_alloc(alignment, size);
}

ma_export void *memalign(size_t alignment, size_t size)
{
	return ma_aligned_alloc(alignment, size, MA_RECORD_MEMALIGN);
}

ma_export void *valloc(size_t size)
{
	return ma_aligned_alloc(ma_os_page_size(), size, MA_RECORD_VALLOC);
}

/* A whole number of pages, one for no bytes. */
ma_export void *pvalloc(size_t size)
{
	size_t page = ma_os_page_size();

	if (size > MA_REQUEST_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	return ma_aligned_alloc(page, ma_align_up(ma_max(size, 1), page), MA_RECORD_VALLOC);
}

/* Tells the error by its result; errno stays as it was. */
ma_export int posix_memalign(void **out, size_t alignment, size_t size)
{
	int saved = errno;
	void *ptr;

	if (!ma_is_pow2(alignment) || alignment % sizeof(void *) != 0)
		return EINVAL;
	ptr = ma_aligned_alloc(alignment, size, MA_RECORD_POSIX_MEMALIGN);
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

/* After the library's own: options have been read. */
__attribute__((constructor)) static void loaded(void)
{
	if (ma_global_ready())
		ma_active_start();
}

/* ---- looking inside -------------------------------------------------------------------------- */

ma_export void malloc_stats(void)
{
	memalloc_print_stats();
}

ma_export struct mallinfo2 mallinfo2(void)
{
	struct memalloc_statistics stats;
	struct mallinfo2 info = {0};
	size_t unused;

	memalloc_stats(&stats);
	unused = stats.free + stats.free_used + stats.free_fresh + stats.quarantine + stats.waiting;
	info.arena = stats.mapped - stats.direct;
	info.ordblks = stats.free_blocks;
	info.smblks = stats.free_slots;
	info.hblks = stats.direct_blocks;
	info.hblkhd = stats.direct;
	info.fsmblks = stats.free_used + stats.free_fresh;
	info.fordblks = ma_min(unused, info.arena);
	info.uordblks = info.arena - info.fordblks;
	info.keepcost = stats.stale;
	return info;
}

static int saturated(size_t n)
{
	return (int)ma_min(n, INT_MAX);
}

ma_export struct mallinfo mallinfo(void)
{
	const struct mallinfo2 info = mallinfo2();

	return (struct mallinfo){
		.arena = saturated(info.arena),
		.ordblks = saturated(info.ordblks),
		.smblks = saturated(info.smblks),
		.hblks = saturated(info.hblks),
		.hblkhd = saturated(info.hblkhd),
		.fsmblks = saturated(info.fsmblks),
		.uordblks = saturated(info.uordblks),
		.fordblks = saturated(info.fordblks),
		.keepcost = saturated(info.keepcost),
	};
}
