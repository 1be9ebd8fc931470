/*
 * malloc() and free() of one object after the other, with nothing else alive: the shortest way
 * through an allocator, and nothing but that. Sizes go from 16 to 512 bytes, so that several
 * classes of sizes take turns; an object is marked and verified, which a program would do no less.
 */
#include "bench.h"

#define NPAIRS ((size_t)36000000)
#define SIZE_MIN ((size_t)16)
#define SIZE_LARGEST ((size_t)512)

int main(int argc, char **argv)
{
	size_t npairs = bench_scaled(argc, argv, NPAIRS);
	struct bench_random random = bench_seeded(1);

	for (size_t i = 0; i < npairs; i++) {
		void *ptr = bench_malloc(bench_between(&random, SIZE_MIN, SIZE_LARGEST));

		bench_mark(ptr, i);
		bench_free(ptr, i);
	}
	return 0;
}
