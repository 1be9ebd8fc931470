/* watched - whether a memory checker looks on, and is in the way of what a test wants to see. */
#ifndef TESTS_WATCHED_H
#define TESTS_WATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#ifdef MA_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

void __asan_poison_memory_region(const volatile void *ptr, size_t size) __attribute__((weak));

void __tsan_acquire(void *ptr) __attribute__((weak));

/** is_under_tsan() - whether it is ThreadSanitizer, whose own memory comes and goes. */
static inline bool is_under_tsan(void)
{
	return __tsan_acquire != NULL;
}

/** starts_after_fork() - whether a child of fork can start threads: not with TSan, nor in qemu. */
static inline bool starts_after_fork(void)
{
	return !is_under_tsan() && getenv("MESON_EXE_WRAPPER") == NULL;
}

/** is_watched() - whether one finds what a test does wrong before memalloc does. */
static inline bool is_watched(void)
{
	return RUNNING_ON_VALGRIND != 0 || __asan_poison_memory_region != NULL;
}

#endif
