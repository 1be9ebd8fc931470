/*
 * malloc() and free() of one object after the other, with nothing else alive: the shortest way
 * through an allocator, and nothing but that. Sizes go from 16 to 512 bytes, so that several
 * classes of sizes take turns, or are what is given; an object is marked and verified, which a
 * program would do no less.
 */
#include "bench.h"

#define NPAIRS ((size_t)36000000)
#define SIZE_MIN ((size_t)16)
#define SIZE_LARGEST ((size_t)512)
#define SIZE_GIVEN_MAX ((size_t)1 << 30)

int main(int argc, char **argv)
{
	struct bench_option size = {"SIZE", 0, sizeof(uint64_t), SIZE_GIVEN_MAX};
	size_t npairs = bench_scaled_with(argc, argv, NPAIRS, &size);
	size_t min = size.value != 0 ? size.value : SIZE_MIN;
	size_t max = size.value != 0 ? size.value : SIZE_LARGEST;
	struct bench_random random = bench_seeded(1);

	for (size_t i = 0; i < npairs; i++) {
		void *ptr = bench_malloc(bench_between(&random, min, max));

		bench_mark(ptr, i);
		bench_free(ptr, i);
	}
	return 0;
}
