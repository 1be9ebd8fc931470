/*
 * Thousands of threads that live for a moment, a few at a time: each allocates some hundred
 * objects, frees them, and ends. What an allocator sets up for a thread, and takes down after it,
 * is paid for by few operations here; what it forgets to take down adds up.
 */
#include "bench.h"

#define NTHREADS 4 /* at a time */
#define NROUNDS ((size_t)3500)
#define NOBJECTS 300
#define SIZE_MIN ((size_t)16)
#define SIZE_LARGEST ((size_t)512)

static void take_all(void **objects, struct bench_random *random)
{
	for (size_t i = 0; i < NOBJECTS; i++) {
		objects[i] = bench_malloc(bench_between(random, SIZE_MIN, SIZE_LARGEST));
		bench_mark(objects[i], i);
	}
}

/* Each thread has a sequence of its own, which continues the one of the thread before. */
static void *live(void *with)
{
	void *objects[NOBJECTS];

	take_all(objects, with);
	for (size_t i = 0; i < NOBJECTS; i++)
		bench_free(objects[i], i);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t nrounds = bench_scaled(argc, argv, NROUNDS);
	struct bench_random randoms[NTHREADS];
	pthread_t threads[NTHREADS];

	for (size_t t = 0; t < NTHREADS; t++)
		randoms[t] = bench_seeded(t);
	for (size_t round = 0; round < nrounds; round++) {
		for (size_t t = 0; t < NTHREADS; t++)
			threads[t] = bench_start(live, &randoms[t]);
		for (size_t t = 0; t < NTHREADS; t++)
			bench_join(threads[t]);
	}
	return 0;
}
