/*
 * Ten thousand live objects, of which a random one is replaced by another of a random size again
 * and again: what a program with many small objects of no common lifetime asks for. Sizes go from 1
 * to 1000, the smaller the more frequent. Frees miss the caches, and an allocator that hands the
 * last freed object out again gains little.
 */
#include "bench.h"

#define NOBJECTS 10000
#define NREPLACED ((size_t)15000000)
#define LOG_SIZE_MAX 10
#define SIZE_LARGEST ((size_t)1000)

struct object {
	unsigned char *ptr; /* NULL: none */
	size_t size;
};

static struct object objects[NOBJECTS];

/* Objects of less than a token are marked by their first byte. */
static void drop(struct object *object)
{
	if (object->ptr != NULL && object->size >= sizeof(uint64_t))
		bench_verify(object->ptr, object->size);
	else if (object->ptr != NULL && object->ptr[0] != (unsigned char)object->size)
		bench_fail("a small object has changed");
	free(object->ptr);
	object->ptr = NULL;
}

static void take(struct object *object, size_t size)
{
	object->ptr = bench_malloc(size);
	object->size = size;
	if (size >= sizeof(uint64_t))
		bench_mark(object->ptr, size);
	else
		object->ptr[0] = (unsigned char)size;
}

static size_t random_size(struct bench_random *random)
{
	size_t size = bench_log_size(random, 0, LOG_SIZE_MAX);

	return size < SIZE_LARGEST ? size : SIZE_LARGEST;
}

int main(int argc, char **argv)
{
	size_t nreplaced = bench_scaled(argc, argv, NREPLACED);
	struct bench_random random = bench_seeded(1);

	for (size_t i = 0; i < nreplaced; i++) {
		struct object *object = &objects[bench_below(&random, NOBJECTS)];

		drop(object);
		take(object, random_size(&random));
	}
	for (size_t i = 0; i < NOBJECTS; i++)
		drop(&objects[i]);
	return 0;
}
