/*
 * Two hundred buffers of 1 to 256 KiB, replaced at random, each page of them written to: what
 * programs do that read files, or talk to networks. Nothing here is small; what counts is how pages
 * are found and whether they are given back to the system too early.
 */
#include "bench.h"

#define NBUFFERS 200
#define NREPLACED ((size_t)650000)
#define SIZE_MIN ((size_t)1 << 10)
#define SIZE_LARGEST ((size_t)256 << 10)

static void *buffers[NBUFFERS];
static size_t sizes[NBUFFERS];

static void drop(size_t i)
{
	if (buffers[i] != NULL)
		bench_free(buffers[i], sizes[i]);
	buffers[i] = NULL;
}

static void take(size_t i, size_t size)
{
	buffers[i] = bench_malloc(size);
	sizes[i] = size;
	bench_touch(buffers[i], size);
	bench_mark(buffers[i], size);
}

int main(int argc, char **argv)
{
	size_t nreplaced = bench_scaled(argc, argv, NREPLACED);
	struct bench_random random = bench_seeded(1);

	for (size_t n = 0; n < nreplaced; n++) {
		size_t i = bench_below(&random, NBUFFERS);

		drop(i);
		take(i, bench_between(&random, SIZE_MIN, SIZE_LARGEST));
	}
	for (size_t i = 0; i < NBUFFERS; i++)
		drop(i);
	return 0;
}
