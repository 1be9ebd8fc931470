/*
 * bench_pool - is the cost of a block flat in the number of blocks?
 *
 * What and why: n blocks of one to four pages, never touched; half of them are freed at random.
 * Then a random one is freed and another of random size allocated, again and again. Prints the
 * nanoseconds for both together, and the ratio to the first row of the same policy.
 *
 *      bench_pool [largest n]      1000000 unless told
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pool.h"

#define NSTEPS 400000
#define NROUNDS 3

static struct ma_meta meta;
static struct ma_pagemap map;
static struct ma_pool pool;
static uint64_t seed;

static size_t below(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed >> 16) % n;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct ma_block *take(void)
{
	const struct ma_pool_request req = {
		.size = (1 + below(4)) * pool.page,
		.align = 1,
		.kind = MA_BLOCK_LARGE,
	};
	struct ma_block *block = ma_pool_alloc(&pool, &req);

	if (block == NULL) {
		(void)fprintf(stderr, "no memory\n");
		exit(1);
	}
	return block;
}

static void shuffle(struct ma_block **live, size_t n)
{
	for (size_t i = n - 1; i > 0; i--) {
		size_t k = below(i + 1);
		struct ma_block *block = live[i];

		live[i] = live[k];
		live[k] = block;
	}
}

/* Nanoseconds of a pair of calls. */
static double churn(struct ma_block **live, size_t n)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < NSTEPS; i++) {
		size_t k = below(n);

		(void)ma_pool_free(&pool, live[k]);
		live[k] = take();
	}
	return (double)(now_ns() - start) / NSTEPS;
}

static double measure(enum ma_fit_policy fit, size_t n)
{
	const struct ma_pool_config config = {.fit = fit, .age_ms = UINT64_MAX};
	struct ma_block **live = malloc(n * sizeof(struct ma_block *));
	double best = 0;

	if (live == NULL || !ma_pagemap_init(&map))
		exit(1);
	seed = 1;
	ma_meta_init(&meta);
	ma_pool_init(&pool, &config, &meta, &map);
	for (size_t i = 0; i < n; i++)
		live[i] = take();
	shuffle(live, n);
	for (size_t i = n / 2; i < n; i++)
		(void)ma_pool_free(&pool, live[i]);
	(void)churn(live, n / 2);
	for (int round = 0; round < NROUNDS; round++) {
		double ns = churn(live, n / 2);

		best = round == 0 || ns < best ? ns : best;
	}
	ma_pool_fini(&pool);
	ma_pagemap_fini(&map);
	ma_meta_fini(&meta);
	free(live);
	return best;
}

int main(int argc, char **argv)
{
	static const char *const name[] = {"first", "best"};
	size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;

	(void)printf("%-6s %9s %12s %7s\n", "fit", "n", "ns per pair", "ratio");
	for (int fit = MA_FIT_FIRST; fit <= MA_FIT_BEST; fit++) {
		double first = 0;

		for (size_t n = 1000; n <= most; n *= 10) {
			double ns = measure((enum ma_fit_policy)fit, n);

			first = n == 1000 ? ns : first;
			(void)printf("%-6s %9zu %12.1f %7.2f\n", name[fit], n, ns, ns / first);
		}
	}
	return 0;
}
