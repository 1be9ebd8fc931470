/*
 * Phases, each with sizes of its own: what one phase leaves behind is of no use to the next one
 * unless the allocator joins free memory or gives it back. In each phase most objects die soon,
 * one of sixteen lives for several phases, scattered among the others. The peak of memory says more
 * here than time does. Most of what is alive is freed at the end, in the order of the table.
 */
#include "bench.h"

#define NROUNDS ((size_t)6)
#define NPHASES 12
#define NALLOCATED ((size_t)110000)
#define NSHORT 4096
#define NLONG 65536
#define SIZE_FIRST ((size_t)16)
#define LONG_EVERY 16

struct object {
	void *ptr; /* NULL: none */
	size_t size;
};

static struct object short_lived[NSHORT];
static struct object long_lived[NLONG];

static void drop(struct object *object)
{
	if (object->ptr != NULL)
		bench_free(object->ptr, object->size);
	object->ptr = NULL;
}

static void replace(struct object *object, size_t size)
{
	drop(object);
	object->ptr = bench_malloc(size);
	object->size = size;
	bench_touch(object->ptr, size);
	bench_mark(object->ptr, size);
}

/* The largest size grows by half from phase to phase: from 24 bytes to two kilobytes. */
static size_t largest_of(size_t phase)
{
	size_t largest = SIZE_FIRST;

	for (size_t i = 0; i <= phase; i++)
		largest += largest / 2;
	return largest;
}

/* Long-lived objects take the places one after the other, which is how they come to die. */
static void run_phase(struct bench_random *random, size_t phase, size_t *place)
{
	size_t largest = largest_of(phase);

	for (size_t n = 0; n < NALLOCATED; n++) {
		size_t size = bench_between(random, largest / 2, largest);

		if (bench_below(random, LONG_EVERY) == 0)
			replace(&long_lived[(*place)++ % NLONG], size);
		else
			replace(&short_lived[bench_below(random, NSHORT)], size);
	}
}

static void drop_all(struct object *objects, size_t n)
{
	for (size_t i = 0; i < n; i++)
		drop(&objects[i]);
}

int main(int argc, char **argv)
{
	size_t nphases = bench_scaled(argc, argv, NROUNDS * NPHASES);
	struct bench_random random = bench_seeded(1);
	size_t place = 0;

	for (size_t i = 0; i < nphases; i++)
		run_phase(&random, i % NPHASES, &place);
	drop_all(short_lived, NSHORT);
	drop_all(long_lived, NLONG);
	return 0;
}
