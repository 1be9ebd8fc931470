/*
 * calloc() of 16 bytes to 64 KiB, of which the first half is written before it is freed: tables and
 * structures that begin empty. An allocator that knows which of its memory the system has just
 * cleared, or that clears what is freed, may save work. Words at both ends and in the middle must
 * be zero, and what was written is dirt for whoever has that memory next.
 */
#include <string.h>

#include "bench.h"

#define NOBJECTS 256
#define NREPLACED ((size_t)1500000)
#define LOG_SIZE_MIN 4
#define LOG_SIZE_MAX 16

static void *objects[NOBJECTS];
static size_t sizes[NOBJECTS];

static uint64_t word_at(const unsigned char *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static void drop(size_t i)
{
	if (objects[i] != NULL)
		bench_free(objects[i], sizes[i]);
	objects[i] = NULL;
}

static void take(size_t i, size_t size)
{
	unsigned char *bytes = calloc(size / 8, 8);

	if (bytes == NULL)
		bench_fail("no memory");
	if ((word_at(bytes, 0) | word_at(bytes, size / 2) | word_at(bytes, size - 8)) != 0)
		bench_fail("memory of calloc() is not zero");
	memset(bytes, 0xa5, size / 2);
	bytes[size - 1] = 1;
	bench_mark(bytes, size);
	objects[i] = bytes;
	sizes[i] = size;
}

/* A multiple of 8. */
static size_t random_size(struct bench_random *random)
{
	return bench_log_size(random, LOG_SIZE_MIN, LOG_SIZE_MAX) & ~(size_t)7;
}

int main(int argc, char **argv)
{
	size_t nreplaced = bench_scaled(argc, argv, NREPLACED);
	struct bench_random random = bench_seeded(1);

	for (size_t n = 0; n < nreplaced; n++) {
		size_t i = bench_below(&random, NOBJECTS);

		drop(i);
		take(i, random_size(&random));
	}
	for (size_t i = 0; i < NOBJECTS; i++)
		drop(i);
	return 0;
}
