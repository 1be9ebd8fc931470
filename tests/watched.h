/*
 * watched - whether a memory checker looks on, which finds what a test does wrong before memalloc.
 */
#ifndef TESTS_WATCHED_H
#define TESTS_WATCHED_H

#include <stdbool.h>
#include <stddef.h>

#ifdef MA_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

void __asan_poison_memory_region(const volatile void *ptr, size_t size) __attribute__((weak));

/** is_watched() - whether there is one. */
static inline bool is_watched(void)
{
	return RUNNING_ON_VALGRIND != 0 || __asan_poison_memory_region != NULL;
}

#endif
