/*
 * Buffers that grow by realloc(), several at a time and in turn, so that each stands in the way of
 * the others: strings, vectors, and files of unknown length that are read. Some grow by half of
 * what they have, as vectors do, some by a few bytes, as careless programs do, which an allocator
 * bears well that has left room or grows in place. What was written must still be there: the first
 * word and the last one of before are verified at each step.
 */
#include <string.h>

#include "bench.h"

#define NROUNDS ((size_t)400)
#define NBUFFERS 8
#define NSTEPS 400
#define SIZE_FIRST ((size_t)16)
#define SIZE_LARGEST ((size_t)1 << 20)
#define STEP_MIN ((size_t)8)
#define STEP_MAX ((size_t)100)

struct buffer {
	unsigned char *bytes; /* NULL: none yet */
	size_t size;
	unsigned char last; /* what its last byte is */
	size_t known;       /* what its first word is made of */
};

static struct buffer buffers[NBUFFERS];

/* Its address is no part of the word, for the buffer moves. */
static void check(const struct buffer *buffer)
{
	if (*(const uint64_t *)(const void *)buffer->bytes != buffer->known)
		bench_fail("the head of a buffer has changed");
	if (buffer->bytes[buffer->size - 1] != buffer->last)
		bench_fail("the tail of a buffer has changed");
}

static void resize(struct buffer *buffer, size_t size, size_t known)
{
	buffer->bytes = bench_realloc(buffer->bytes, size);
	if (buffer->size != 0)
		check(buffer);
	memset(buffer->bytes + buffer->size, (int)(known & 0xff), size - buffer->size);
	buffer->size = size;
	buffer->last = (unsigned char)(known | 1);
	buffer->known = known;
	buffer->bytes[size - 1] = buffer->last;
	*(uint64_t *)(void *)buffer->bytes = known;
}

static void drop(struct buffer *buffer)
{
	if (buffer->size != 0)
		check(buffer);
	free(buffer->bytes);
	*buffer = (struct buffer){NULL, 0, 0, 0};
}

/* Every other one grows by half. */
static size_t grown(struct bench_random *random, const struct buffer *buffer, size_t i)
{
	if (buffer->size == 0)
		return SIZE_FIRST;
	if (i % 2 == 0)
		return buffer->size + buffer->size / 2;
	return buffer->size + bench_between(random, STEP_MIN, STEP_MAX);
}

static void grow_all(struct bench_random *random, size_t round)
{
	for (size_t step = 0; step < NSTEPS; step++) {
		size_t i = bench_below(random, NBUFFERS);
		size_t size = grown(random, &buffers[i], i);

		if (size > SIZE_LARGEST)
			drop(&buffers[i]);
		else
			resize(&buffers[i], size, round * NSTEPS + step);
	}
}

int main(int argc, char **argv)
{
	size_t nrounds = bench_scaled(argc, argv, NROUNDS);
	struct bench_random random = bench_seeded(1);

	for (size_t round = 0; round < nrounds; round++) {
		grow_all(&random, round);
		for (size_t i = 0; i < NBUFFERS; i++)
			drop(&buffers[i]);
	}
	return 0;
}
