/*
 * Objects of alignments from 16 bytes to 64 KiB, by aligned_alloc() and posix_memalign() in turn,
 * small and large, a thousand of them live: vectors, cache lines, pages, and buffers for devices.
 * What an allocator loses by aligning, in time or in memory, shows here. Alignments are verified.
 */
#include "bench.h"

#define NOBJECTS 1000
#define NREPLACED ((size_t)3000000)
#define LOG_ALIGNMENT_MIN 4
#define LOG_ALIGNMENT_MAX 16
#define LOG_LINE 6 /* of a cache line */
#define LOG_SIZE_MIN 4
#define LOG_SIZE_MAX 14

static void *objects[NOBJECTS];
static size_t sizes[NOBJECTS];

static void *aligned_by_posix(size_t alignment, size_t size)
{
	void *ptr;

	return posix_memalign(&ptr, alignment, size) == 0 ? ptr : NULL;
}

/* aligned_alloc() wants a size that is a multiple of the alignment, as C11 has it. */
static void *aligned_by_c11(size_t alignment, size_t size)
{
	return aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}

/* Three of four alignments are of a cache line or less, as in programs. */
static size_t random_alignment(struct bench_random *random)
{
	uint32_t choice = bench_next(random);

	if (choice % 4 != 0)
		return (size_t)1 << bench_between(random, LOG_ALIGNMENT_MIN, LOG_LINE);
	return (size_t)1 << bench_between(random, LOG_LINE, LOG_ALIGNMENT_MAX);
}

static void drop(size_t i)
{
	if (objects[i] != NULL)
		bench_free(objects[i], sizes[i]);
	objects[i] = NULL;
}

static void take(size_t i, struct bench_random *random)
{
	size_t alignment = random_alignment(random);
	size_t size = bench_log_size(random, LOG_SIZE_MIN, LOG_SIZE_MAX);
	void *ptr;

	if (bench_next(random) & 1)
		ptr = aligned_by_posix(alignment, size);
	else
		ptr = aligned_by_c11(alignment, size);
	if (ptr == NULL)
		bench_fail("no memory");
	if (((uintptr_t)ptr & (alignment - 1)) != 0)
		bench_fail("an object is not aligned");
	bench_touch(ptr, size);
	bench_mark(ptr, size);
	objects[i] = ptr;
	sizes[i] = size;
}

int main(int argc, char **argv)
{
	size_t nreplaced = bench_scaled(argc, argv, NREPLACED);
	struct bench_random random = bench_seeded(1);

	for (size_t n = 0; n < nreplaced; n++) {
		size_t i = bench_below(&random, NOBJECTS);

		drop(i);
		take(i, &random);
	}
	for (size_t i = 0; i < NOBJECTS; i++)
		drop(i);
	return 0;
}
