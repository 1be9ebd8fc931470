/*
 * traced - does every operation a known number of times, in two threads. test_traces.py knows how
 * often.
 *
 *      traced idle     does what has to be done for that: the thread, and nothing in it
 *      traced work     does it
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NTHINGS 100

static void *given[NTHINGS];
static volatile size_t too_much = SIZE_MAX; /* volatile: compilers warn of it */

static void check(int is_good)
{
	if (!is_good)
		abort();
}

/* Frees what the other thread allocated, and leaves something for it. */
static void *work_of_thread(void *is_working)
{
	if (is_working == NULL)
		return NULL;
	for (size_t i = 0; i < NTHINGS; i++) {
		free(given[i]);
		given[i] = calloc(i + 1, 3);
		check(given[i] != NULL);
	}
	return NULL;
}

static void in_thread(void *is_working)
{
	pthread_t thread;

	check(pthread_create(&thread, NULL, work_of_thread, is_working) == 0);
	check(pthread_join(thread, NULL) == 0);
}

/* Grows and shrinks a thing, and ends it by each of the two ways. */
static void resize(void)
{
	unsigned char *ptr = realloc(NULL, 10);

	for (size_t size = 20; ptr != NULL && size <= 200000; size *= 10)
		ptr = realloc(ptr, size);
	check(ptr != NULL);
	ptr = reallocarray(ptr, 5, 7);
	check(ptr != NULL);
	check(reallocarray(ptr, too_much, 2) == NULL);
	check(realloc(ptr, too_much / 2) == NULL);
	free(ptr);
}

static void align(void)
{
	void *ptr[4];

	ptr[0] = aligned_alloc(64, 128);
	ptr[1] = memalign(4096, 100);
	check(posix_memalign(&ptr[2], 32, 1000) == 0);
	ptr[3] = valloc(5000);
	for (size_t i = 0; i < 4; i++) {
		check(ptr[i] != NULL);
		free(ptr[i]);
	}
}

int main(int argc, char **argv)
{
	int is_working = argc == 2 && strcmp(argv[1], "work") == 0;

	for (size_t i = 0; is_working && i < NTHINGS; i++)
		given[i] = malloc(48);
	in_thread(is_working ? given : NULL);
	if (!is_working)
		return 0;
	resize();
	align();
	for (size_t i = 0; i < NTHINGS / 2; i++)
		free(given[i]);
	return 0;
}
