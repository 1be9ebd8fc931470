/*
 * states - which bytes a memory checker takes for whose, before and after each call.
 *
 * One letter for each byte of a piece of memory, from eight bytes in front of an object on, as the
 * tool that looks on has it:
 *
 *      -  nobody may use it     u  usable, not initialised     D  usable, and initialised
 *
 * AddressSanitizer knows nothing of initialisation: there, usable is D. MemorySanitizer knows
 * nothing else: there, what nobody may use is u. Native, or with annotations off, all is D.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef MA_VALGRIND
#include <valgrind/memcheck.h>
#endif

#include "memalloc.h"

#define FRONT 8
#define MAX 80

/* The same slots in each run: in front of a pool's first one is no memory of ours. */
const char *memalloc_options = "seed=1";

int __asan_address_is_poisoned(const volatile void *addr) __attribute__((weak));
long __msan_test_shadow(const volatile void *addr, size_t size) __attribute__((weak));
void __msan_unpoison(const volatile void *addr, size_t size) __attribute__((weak));

static memalloc_pool *pool; /* NULL: the heap */
static unsigned nwrong;

/* ---- what a tool has ------------------------------------------------------------------------- */

static bool is_memcheck(void)
{
#ifdef MA_VALGRIND
	char bits;

	return VALGRIND_GET_VBITS(&pool, &bits, 1) == 1;
#else
	return false;
#endif
}

static char state_of(const char *at)
{
#ifdef MA_VALGRIND
	unsigned char bits = 0;

	switch (VALGRIND_GET_VBITS(at, &bits, 1)) {
	case 3:
		return '-';
	case 1:
		(void)VALGRIND_MAKE_MEM_DEFINED(&bits, 1);
		return bits == 0 ? 'D' : 'u';
	}
#endif
	if (__asan_address_is_poisoned != NULL)
		return __asan_address_is_poisoned(at) ? '-' : 'D';
	if (__msan_test_shadow != NULL)
		return __msan_test_shadow(at, 1) == -1 ? 'D' : 'u';
	return 'D';
}

/* What is expected, as this tool would have it. */
static char seen_as(char letter)
{
	if (is_memcheck())
		return letter;
	if (__asan_address_is_poisoned != NULL)
		return letter == '-' ? '-' : 'D';
	if (__msan_test_shadow != NULL)
		return letter == 'D' ? 'D' : 'u';
	return 'D';
}

/* Compare @size bytes from @at on; the last letter stands for all that follow. */
static void expect(const char *what, const char *at, size_t size, const char *letters)
{
	char found[MAX + 1] = "", wanted[MAX + 1] = "";
	size_t len = strlen(letters);

	for (size_t i = 0; i < size; i++) {
		found[i] = state_of(at + i);
		wanted[i] = seen_as(letters[i < len ? i : len - 1]);
	}
	if (__msan_unpoison != NULL)
		__msan_unpoison(found, sizeof(found));
	printf("%-28s %s\n", what, found);
	if (strcmp(found, wanted) == 0)
		return;
	printf("%-28s %s is wrong, expected\n", "", wanted);
	nwrong++;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static char *get(size_t size)
{
	return pool != NULL ? memalloc_pool_malloc(pool, size) : custom_malloc(size);
}

static char *get_zeroed(size_t size)
{
	return pool != NULL ? memalloc_pool_calloc(pool, size, 1) : custom_calloc(size, 1);
}

static char *resize(char *ptr, size_t size)
{
	return pool != NULL ? memalloc_pool_realloc(pool, ptr, size) : custom_realloc(ptr, size);
}

static void give_back(char *ptr)
{
	if (pool != NULL)
		memalloc_pool_free(pool, ptr);
	else
		custom_free(ptr);
}

/* Slots of 48 bytes: 21 are asked for, 8 are a canary. */
static void small(void)
{
	char *old, *ptr = get(33);

	expect("malloc 33", ptr - FRONT, FRONT + 48, "--------uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu-");
	memset(ptr, 1, 13);
	expect("write 13", ptr - FRONT, FRONT + 48, "--------DDDDDDDDDDDDDuuuuuuuuuuuuuuuuuuuu-");
	old = ptr;
	ptr = resize(ptr, 40);
	expect("realloc to 40: the old", old - FRONT, FRONT + 48, "-");
	expect("realloc to 40: the new", ptr - FRONT, FRONT + 48,
	       "--------DDDDDDDDDDDDDuuuuuuuuuuuuuuuuuuuuuuuuuuu-");
	old = ptr;
	ptr = resize(ptr, 9);
	expect("realloc to 9: the old", old - FRONT, FRONT + 48, "-");
	expect("realloc to 9: the new", ptr - FRONT, FRONT + 32, "--------DDDDDDDDD-");
	give_back(ptr);
	expect("free", ptr - FRONT, FRONT + 32, "-");
	ptr = get_zeroed(20);
	expect("calloc 20", ptr - FRONT, FRONT + 32, "--------DDDDDDDDDDDDDDDDDDDD-");
	give_back(ptr);
}

/* What is in front of a page is no object's. */
static void large(void)
{
	char *ptr = get(300001);

	expect("malloc 300001: begins", ptr, 24, "u");
	expect("malloc 300001: ends", ptr + 300000, 24, "u-");
	memset(ptr, 1, 300001);
	expect("write all: ends", ptr + 300000, 24, "D-");
	give_back(ptr);
	expect("free 300001: begins", ptr, 24, "-");
	expect("free 300001: ends", ptr + 300000, 24, "-");
	ptr = get_zeroed(300001);
	expect("calloc 300001: begins", ptr, 24, "D");
	expect("calloc 300001: ends", ptr + 300000, 24, "D-");
	give_back(ptr);
}

/* It is the program's memory again when it has gone back. */
static void reset(void)
{
	char *ptr;

	pool = memalloc_pool_create(NULL);
	ptr = get(33);
	memalloc_pool_reset(pool);
	ptr = get(33);
	expect("reset, malloc 33", ptr - FRONT, FRONT + 48,
	       "--------uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu-");
	memalloc_pool_destroy(pool);
	pool = NULL;
}

int main(void)
{
	puts("heap:");
	small();
	large();
	pool = memalloc_pool_create(NULL);
	puts("pool:");
	small();
	large();
	memalloc_pool_destroy(pool);
	reset();
	printf("%u wrong\n", nwrong);
	return nwrong > 0;
}
