/*
 * A handful of objects of 5 to 25 MiB, replaced at random, each page of them written to: matrices,
 * images, whole files. The system's part is most of the cost: an allocator pays for what it gives
 * back too early with page faults, and for what it keeps with memory.
 */
#include "bench.h"

#define NOBJECTS 6
#define NREPLACED ((size_t)320)
#define SIZE_MIN ((size_t)5 << 20)
#define SIZE_LARGEST ((size_t)25 << 20)

static void *objects[NOBJECTS];
static size_t sizes[NOBJECTS];

static void drop(size_t i)
{
	if (objects[i] != NULL)
		bench_free(objects[i], sizes[i]);
	objects[i] = NULL;
}

static void take(size_t i, size_t size)
{
	objects[i] = bench_malloc(size);
	sizes[i] = size;
	bench_touch(objects[i], size);
	bench_mark(objects[i], size);
}

int main(int argc, char **argv)
{
	size_t nreplaced = bench_scaled(argc, argv, NREPLACED);
	struct bench_random random = bench_seeded(1);

	for (size_t n = 0; n < nreplaced; n++) {
		size_t i = bench_below(&random, NOBJECTS);

		drop(i);
		take(i, bench_between(&random, SIZE_MIN, SIZE_LARGEST));
	}
	for (size_t i = 0; i < NOBJECTS; i++)
		drop(i);
	return 0;
}
