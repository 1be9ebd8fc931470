/*
 * misuse - does one thing wrong with memory of memalloc, for a memory checker to see.
 *
 *      misuse KIND WHERE     KIND: see kinds; WHERE: heap, pool or large
 *
 * Whatever the tool, an object of SIZE or LARGE bytes comes from make(), so that its name is in the
 * stack of the allocation; take_back() frees it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memalloc.h"

#define SIZE 21
#define LARGE 300000

static memalloc_pool *pool;
static size_t size = SIZE;
static volatile char sink;
static void *volatile kept;

static __attribute__((noinline)) char *make(void)
{
	return pool != NULL ? memalloc_pool_malloc(pool, size) : custom_malloc(size);
}

static __attribute__((noinline)) void take_back(char *ptr)
{
	if (pool != NULL)
		memalloc_pool_free(pool, ptr);
	else
		custom_free(ptr);
}

/* ---- what is right --------------------------------------------------------------------------- */

/* Everything that a program may do. */
static void right(void)
{
	char *ptr[100];

	for (int i = 0; i < 100; i++) {
		ptr[i] = make();
		memset(ptr[i], i, size);
	}
	for (int i = 0; i < 100; i += 2) {
		sink = ptr[i][size - 1];
		take_back(ptr[i]);
		ptr[i] = make();
		memset(ptr[i], i, size);
	}
	for (int i = 0; i < 100; i++) {
		char *more = pool != NULL ? memalloc_pool_realloc(pool, ptr[i], size + 100)
					  : custom_realloc(ptr[i], size + 100);

		if (more[size - 1] != i)
			abort();
		memset(more, i, size + 100);
		take_back(more);
	}
	for (int k = 0; k < 30; k++) {
		ptr[k] = pool != NULL ? memalloc_pool_calloc(pool, size, 1)
				      : custom_calloc(size, 1);
		for (size_t i = 0; i < size; i++)
			if (ptr[k][i] != 0)
				abort();
		memset(ptr[k], k, size);
	}
	for (int k = 0; k < 30; k++)
		take_back(ptr[k]);
	if (pool != NULL && memalloc_pool_check(pool) != NULL)
		abort();
	if (memalloc_check() != NULL)
		abort();
}

/* All that refers to an object of the C library is an object of ours. */
static void keep(void)
{
	void **ptr = (void **)(void *)make();

	ptr[0] = strdup("kept");
	if (ptr[0] == NULL)
		abort();
	kept = ptr;
}

/* So many objects, and a place is used again before as many others were. */
static int many(void)
{
	return size > SIZE ? 40 : 6000;
}

static char *theirs[300];

static void *work(void *unused)
{
	(void)unused;
	for (int i = 0; i < 300; i++) {
		memset(theirs[i], i, size);
		take_back(theirs[i]);
	}
	return NULL;
}

static void live(int n)
{
	for (int i = 0; i < n; i++) {
		char *ptr = make();

		memset(ptr, i, size);
		if (ptr[size / 2] != (char)i)
			abort();
		take_back(ptr);
	}
}

/* What one thread writes and frees another one gets, and nothing but the allocator is between. */
static void hand_over(void)
{
	pthread_t thread;

	for (int i = 0; i < 300; i++)
		theirs[i] = make();
	if (pthread_create(&thread, NULL, work, NULL) != 0)
		abort();
	live(many());
	(void)pthread_join(thread, NULL);
	live(many());
}

/* ---- what is wrong --------------------------------------------------------------------------- */

static void overflow(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	ptr[size] = 0;
	kept = ptr;
}

static void over_read(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	sink = ptr[size];
	take_back(ptr);
}

static void use_after_free(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	take_back(ptr);
	if (ptr[3] == 77)
		puts("77");
}

static __attribute__((noinline)) char *make_other(void)
{
	return pool != NULL ? memalloc_pool_malloc(pool, size) : custom_malloc(size);
}

/* What is told is told of the last object in a place, although others were there before. */
static void second_life(void)
{
	char *ptr;

	for (int i = 0; i < 1000; i++)
		take_back(make_other());
	ptr = make();
	take_back(ptr);
	sink = ptr[3];
}

static void write_after_free(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	take_back(ptr);
	ptr[3] = 1;
	_Exit(0);
}

/* The second of two lives of a place. */
static void use_after_resize(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	kept = pool != NULL ? memalloc_pool_realloc(pool, ptr, size + 1)
			    : custom_realloc(ptr, size + 1);
	sink = ptr[3];
	take_back(kept);
}

static void uninitialised(void)
{
	char *ptr = make();

	if (ptr[5] == 77)
		puts("77");
	take_back(ptr);
}

static void leak(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	ptr = NULL;
	kept = ptr;
}

static void double_free(void)
{
	char *ptr = make();

	take_back(ptr);
	take_back(ptr);
}

static void resize_freed(void)
{
	char *ptr = make();

	take_back(ptr);
	kept = pool != NULL ? memalloc_pool_realloc(pool, ptr, size + 1)
			    : custom_realloc(ptr, size + 1);
}

static void free_interior(void)
{
	char *ptr = make();

	take_back(ptr + 1);
}

static void use_after_destroy(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	memalloc_pool_destroy(pool);
	sink = ptr[3];
}

static void use_after_reset(void)
{
	char *ptr = make();

	memset(ptr, 1, size);
	memalloc_pool_reset(pool);
	sink = ptr[3];
}

static char *shared;

static void *other(void *unused)
{
	(void)unused;
	shared[0] = 1;
	return NULL;
}

static void race(void)
{
	pthread_t thread;

	live(many());
	shared = make();
	if (pthread_create(&thread, NULL, other, NULL) != 0)
		abort();
	shared[0] = 2;
	(void)pthread_join(thread, NULL);
	take_back(shared);
}

static void *reader(void *unused)
{
	(void)unused;
	sink = shared[0];
	return NULL;
}

/* Nothing orders the read before the free, though it comes first. */
static void race_with_free(void)
{
	pthread_t thread;

	shared = make();
	shared[0] = 1;
	if (pthread_create(&thread, NULL, reader, NULL) != 0)
		abort();
	(void)usleep(100000);
	take_back(shared);
	(void)pthread_join(thread, NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} kinds[] = {
	{"right", right},
	{"keep", keep},
	{"hand-over", hand_over},
	{"overflow", overflow},
	{"over-read", over_read},
	{"use-after-free", use_after_free},
	{"second-life", second_life},
	{"write-after-free", write_after_free},
	{"use-after-resize", use_after_resize},
	{"uninitialised", uninitialised},
	{"leak", leak},
	{"double-free", double_free},
	{"resize-freed", resize_freed},
	{"free-interior", free_interior},
	{"use-after-destroy", use_after_destroy},
	{"use-after-reset", use_after_reset},
	{"race", race},
	{"race-with-free", race_with_free},
};

static __attribute__((noinline)) void run(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(name, kinds[i].name) == 0)
			kinds[i].run();
}

/* So that nothing of run() is left where a leak checker looks. */
static __attribute__((noinline)) void wipe(void)
{
	volatile char stack[4096];

	for (size_t i = 0; i < sizeof(stack); i++)
		stack[i] = 0;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (strcmp(argv[2], "large") == 0)
		size = LARGE;
	if (strcmp(argv[2], "pool") == 0)
		pool = memalloc_pool_create(NULL);
	run(argv[1]);
	wipe();
	return 0;
}
