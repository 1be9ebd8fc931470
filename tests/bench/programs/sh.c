/*
 * Batches of objects that are freed in the order they came, in reverse, or at random, after the
 * habits of SmartHeap's test: many small sizes, fewer large ones, several batches live at a time.
 * Which batch goes next, and how, is random; so free memory is a mixture of all orders, which lists
 * of free objects that a stack would suit bear less well.
 */
#include "bench.h"

#define NBATCHES 16
#define NOBJECTS 1000
#define NREPLACED ((size_t)9000)
#define LOG_SIZE_MIN 3
#define LOG_SIZE_MAX 10
#define LARGE_EVERY 64
#define LOG_LARGE_MAX 14

struct batch {
	void *objects[NOBJECTS];
	size_t sizes[NOBJECTS];
	size_t n;
};

static struct batch batches[NBATCHES];

static void take(struct batch *batch, struct bench_random *random)
{
	for (size_t i = 0; i < NOBJECTS; i++) {
		unsigned max = bench_below(random, LARGE_EVERY) == 0 ? LOG_LARGE_MAX : LOG_SIZE_MAX;
		size_t size = bench_log_size(random, LOG_SIZE_MIN, max);

		batch->objects[i] = bench_malloc(size);
		batch->sizes[i] = size;
		bench_mark(batch->objects[i], size);
	}
	batch->n = NOBJECTS;
}

static void drop_reverse(struct batch *batch)
{
	for (size_t i = batch->n; i-- > 0;)
		bench_free(batch->objects[i], batch->sizes[i]);
	batch->n = 0;
}

static void drop_in_order(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		bench_free(batch->objects[i], batch->sizes[i]);
	batch->n = 0;
}

/* The last one moves to where one was taken from. */
static void drop_at_random(struct batch *batch, struct bench_random *random)
{
	while (batch->n > 0) {
		size_t i = bench_below(random, batch->n--);

		bench_free(batch->objects[i], batch->sizes[i]);
		batch->objects[i] = batch->objects[batch->n];
		batch->sizes[i] = batch->sizes[batch->n];
	}
}

static void drop(struct batch *batch, struct bench_random *random)
{
	switch (bench_below(random, 3)) {
	case 0:
		drop_reverse(batch);
		break;
	case 1:
		drop_in_order(batch);
		break;
	default:
		drop_at_random(batch, random);
	}
}

int main(int argc, char **argv)
{
	size_t nreplaced = bench_scaled(argc, argv, NREPLACED);
	struct bench_random random = bench_seeded(1);

	for (size_t n = 0; n < nreplaced; n++) {
		struct batch *batch = &batches[bench_below(&random, NBATCHES)];

		drop(batch, &random);
		take(batch, &random);
	}
	for (size_t i = 0; i < NBATCHES; i++)
		drop(&batches[i], &random);
	return 0;
}
