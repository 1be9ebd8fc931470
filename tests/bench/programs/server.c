/*
 * Threads replace random objects of their arrays; after a round all end, and each array goes
 * to a new thread, after Larson and Krishnan's model of a server whose connections outlive the
 * threads that work for them. What a thread frees was often allocated by one that is no more, so
 * memory of ended threads must come to use again.
 */
#include "bench.h"

#define NTHREADS_MAX 64
#define NOBJECTS 2000
#define NROUNDS ((size_t)660) /* of one thread, or a share of it for each */
#define NREPLACED ((size_t)24000)
#define SIZE_MIN ((size_t)10)
#define SIZE_LARGEST ((size_t)500)

struct connections {
	void *objects[NOBJECTS]; /* NULL: none */
	size_t sizes[NOBJECTS];
	struct bench_random random;
};

static struct connections all[NTHREADS_MAX];

static void drop(struct connections *one, size_t i)
{
	if (one->objects[i] != NULL)
		bench_free(one->objects[i], one->sizes[i]);
	one->objects[i] = NULL;
}

static void take(struct connections *one, size_t i)
{
	size_t size = bench_between(&one->random, SIZE_MIN, SIZE_LARGEST);

	one->objects[i] = bench_malloc(size);
	one->sizes[i] = size;
	bench_mark(one->objects[i], size);
}

static void *serve(void *with)
{
	struct connections *one = with;

	for (size_t n = 0; n < NREPLACED; n++) {
		size_t i = bench_below(&one->random, NOBJECTS);

		drop(one, i);
		take(one, i);
	}
	return NULL;
}

static void run_round(size_t nthreads)
{
	pthread_t threads[NTHREADS_MAX];

	for (size_t t = 0; t < nthreads; t++)
		threads[t] = bench_start(serve, &all[t]);
	for (size_t t = 0; t < nthreads; t++)
		bench_join(threads[t]);
}

int main(int argc, char **argv)
{
	struct bench_option nthreads = {"THREADS", 2, 1, NTHREADS_MAX};
	size_t nrounds = bench_scaled_with(argc, argv, NROUNDS, &nthreads);
	size_t n = nthreads.value;
	size_t nrounds_each = bench_share(nrounds, n);

	for (size_t t = 0; t < n; t++)
		all[t].random = bench_seeded(t);
	for (size_t round = 0; round < nrounds_each; round++)
		run_round(n);
	for (size_t i = 0; i < n * NOBJECTS; i++)
		drop(&all[i / NOBJECTS], i % NOBJECTS);
	return 0;
}
