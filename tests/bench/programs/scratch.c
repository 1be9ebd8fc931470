/*
 * False sharing: threads that write to small objects of their own again and again. If two threads'
 * objects lie in one cache line, the processors take it from each other at each write. Passive is
 * what comes of objects that one thread allocated next to each other and gave to others, which
 * free them and are handed them again; active, of objects that an allocator takes from one line for
 * several threads. After Hoard's cache-scratch and cache-thrash.
 */
#include "bench.h"

#define NTHREADS 2
#define NROUNDS ((size_t)72)
#define NOBJECTS 500     /* of each thread in a round */
#define NGIVEN 100       /* times that an object given by another thread is written to */
#define PASSIVE_EVERY 24 /* rounds; a write to a shared line takes fifty times as long */
#define NWRITES 20000
#define SIZE ((size_t)8)

static void write_often(void *ptr)
{
	volatile uint64_t *count = ptr;

	*count = 0;
	for (size_t i = 0; i < NWRITES; i++)
		*count = *count + 1;
	if (*count != NWRITES)
		bench_fail("another thread wrote to an object");
}

/* Begins with an object of the thread that started it, or with none. */
static void *scratch(void *given)
{
	for (size_t i = 0; i < NGIVEN && given != NULL; i++)
		write_often(given);
	free(given);
	for (size_t i = 0; i < NOBJECTS; i++) {
		void *ptr = bench_malloc(SIZE);

		write_often(ptr);
		free(ptr);
	}
	return NULL;
}

static void run_round(void *const given[NTHREADS])
{
	pthread_t threads[NTHREADS];

	for (size_t t = 0; t < NTHREADS; t++)
		threads[t] = bench_start(scratch, given[t]);
	for (size_t t = 0; t < NTHREADS; t++)
		bench_join(threads[t]);
}

int main(int argc, char **argv)
{
	size_t nrounds = bench_scaled(argc, argv, NROUNDS);

	for (size_t round = 0; round < nrounds; round++) {
		void *given[NTHREADS] = {NULL};

		for (size_t t = 0; t < NTHREADS && round % PASSIVE_EVERY == 0; t++)
			given[t] = bench_malloc(SIZE);
		run_round(given);
	}
	return 0;
}
