#include <stdlib.h>
#include <string.h>

#include "annotate.h"

#ifdef MA_VALGRIND
#include <valgrind/helgrind.h>
#endif

struct ma_tools ma_tools;

/* ---- sanitizers: theirs, if the program has them --------------------------------------------- */

#define WEAK __attribute__((weak))

WEAK void __asan_poison_memory_region(const volatile void *ptr, size_t size);
WEAK void __asan_unpoison_memory_region(const volatile void *ptr, size_t size);
WEAK void __lsan_register_root_region(const void *ptr, size_t size);
WEAK void __lsan_unregister_root_region(const void *ptr, size_t size);
WEAK void __msan_allocated_memory(const volatile void *ptr, size_t size);
WEAK void __msan_unpoison(const volatile void *ptr, size_t size);
WEAK void __msan_poison(const volatile void *ptr, size_t size);
WEAK void __tsan_acquire(void *ptr);
WEAK void __tsan_release(void *ptr);
WEAK void __tsan_write_range(void *ptr, size_t size);

bool ma_annotate_has_sanitizer(void)
{
	return __asan_poison_memory_region != NULL || __msan_poison != NULL ||
	       __tsan_acquire != NULL;
}

static void find_sanitizers(void)
{
	ma_tools.asan = __asan_poison_memory_region != NULL &&
			__asan_unpoison_memory_region != NULL;
	ma_tools.lsan = __lsan_register_root_region != NULL &&
			__lsan_unregister_root_region != NULL;
	ma_tools.msan = __msan_allocated_memory != NULL && __msan_unpoison != NULL &&
			__msan_poison != NULL;
	ma_tools.tsan = __tsan_acquire != NULL && __tsan_release != NULL &&
			__tsan_write_range != NULL;
}

/* ---- Helgrind and DRD ------------------------------------------------------------------------ */

#ifdef MA_VALGRIND

void ma_annotate_private(void *ptr, size_t size)
{
	if (ma_likely(!ma_tools.races))
		return;
	VALGRIND_HG_DISABLE_CHECKING(ptr, size);
}

#else

void ma_annotate_drd_new(const void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
}

void ma_annotate_private(void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
}

#endif

/* ---- objects --------------------------------------------------------------------------------- */

/* What is behind it has been closed since it was a region's. */
void ma_annotate_opened(const struct ma_annotated *o)
{
	if (ma_tools.asan)
		__asan_unpoison_memory_region(o->ptr, o->size);
	if (ma_tools.races)
		ma_annotate_drd_new(o->ptr, o->size);
	if (ma_tools.msan && o->zero)
		__msan_unpoison(o->ptr, o->size);
	else if (ma_tools.msan)
		__msan_allocated_memory(o->ptr, o->size);
	if (ma_tools.msan)
		__msan_poison((char *)o->ptr + o->size, o->room - o->size);
	if (ma_tools.tsan) {
		__tsan_acquire(o->ptr);
		__tsan_write_range(o->ptr, o->size);
	}
}

void ma_annotate_closed(const struct ma_annotated *o)
{
	if (ma_tools.tsan) {
		__tsan_write_range(o->ptr, o->size);
		__tsan_release(o->ptr);
	}
	if (ma_tools.asan)
		__asan_poison_memory_region(o->ptr, o->room);
	if (ma_tools.msan)
		__msan_poison(o->ptr, o->size);
	ma_annotate_private(o->ptr, o->size);
}

/* ---- regions --------------------------------------------------------------------------------- */

#ifdef MA_VALGRIND

static void forbid(const void *ptr, size_t size)
{
	if (ma_tools.valgrind)
		(void)VALGRIND_MAKE_MEM_NOACCESS(ptr, size);
}

#else

static void forbid(const void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
}

#endif

/* Nobody's. */
static void close_range(void *ptr, size_t size)
{
	forbid(ptr, size);
	ma_annotate_private(ptr, size);
	ma_annotate_close(ptr, size);
}

static ma_cold void enter_region(void *ptr, size_t size)
{
	close_range(ptr, size);
	if (ma_tools.lsan)
		__lsan_register_root_region(ptr, size);
}

static ma_cold void leave_region(void *ptr, size_t size)
{
	ma_annotate_open(ptr, size);
	if (ma_tools.lsan)
		__lsan_unregister_root_region(ptr, size);
}

void ma_annotate_region(uintptr_t addr, size_t size)
{
	if (ma_unlikely(ma_tools.any))
		enter_region((void *)addr, size);
}

void ma_annotate_no_region(uintptr_t addr, size_t size)
{
	if (ma_unlikely(ma_tools.any))
		leave_region((void *)addr, size);
}

static ma_cold void resize_region(uintptr_t addr, size_t old, size_t size)
{
	if (ma_tools.lsan)
		__lsan_unregister_root_region((void *)addr, old);
	if (size > old)
		close_range((void *)(addr + old), size - old);
	else
		ma_annotate_open((void *)(addr + size), old - size);
	if (ma_tools.lsan)
		__lsan_register_root_region((void *)addr, size);
}

void ma_annotate_resized(uintptr_t addr, size_t old, size_t size)
{
	if (ma_unlikely(ma_tools.any))
		resize_region(addr, old, size);
}

void ma_annotate_open(void *ptr, size_t size)
{
	if (ma_unlikely(ma_tools.asan))
		__asan_unpoison_memory_region(ptr, size);
	if (ma_unlikely(ma_tools.msan))
		__msan_unpoison(ptr, size);
}

void ma_annotate_written(void *ptr, size_t size)
{
	if (__msan_unpoison != NULL)
		__msan_unpoison(ptr, size);
}

#ifdef MA_SANITIZED_MEMORY

void ma_annotate_filled(void *ptr, size_t size)
{
	if (ma_tools.msan)
		__msan_poison(ptr, size);
}

#endif

void ma_annotate_close(void *ptr, size_t size)
{
	if (ma_unlikely(ma_tools.asan))
		__asan_poison_memory_region(ptr, size);
	if (ma_unlikely(ma_tools.msan))
		__msan_poison(ptr, size);
}

/* ---- which tools look on --------------------------------------------------------------------- */

#ifdef MA_VALGRIND

/* What a tool has preloaded tells: others complain of requests that are not meant for them. */
static bool has_preloaded(const char *name)
{
	const char *preloaded = secure_getenv("LD_PRELOAD");

	return preloaded != NULL && strstr(preloaded, name) != NULL;
}

bool ma_annotate_is_under_valgrind(void)
{
	return RUNNING_ON_VALGRIND != 0;
}

/*
 * Memcheck looks for leaks in mempools only where something else is allocated, too: a byte is,
 * which can be reached from here for ever.
 */
static void start_valgrind(void)
{
	static char byte;
	static char *volatile held = &byte;

	if (!RUNNING_ON_VALGRIND)
		return;
	ma_tools.races = has_preloaded("vgpreload_helgrind") || has_preloaded("vgpreload_drd");
	ma_tools.valgrind = has_preloaded("vgpreload_memcheck") || has_preloaded("vgpreload_drd") ||
			    has_preloaded("vgpreload_massif");
	ma_tools.memcheck = has_preloaded("vgpreload_memcheck") && !ma_annotate_has_sanitizer();
	if (ma_tools.valgrind)
		VALGRIND_MALLOCLIKE_BLOCK(held, sizeof(byte), 0, 1);
}

#else

bool ma_annotate_is_under_valgrind(void)
{
	return false;
}

static void start_valgrind(void)
{
}

#endif

void ma_annotate_start(void)
{
	find_sanitizers();
	start_valgrind();
	ma_tools.any = ma_tools.valgrind || ma_tools.races || ma_tools.asan || ma_tools.lsan ||
		       ma_tools.msan || ma_tools.tsan;
}

void ma_annotate_stop(void)
{
	ma_tools = (struct ma_tools){.any = false};
}
