/*
 * broken - an allocator to preload that gives the same memory twice to who asks for BROKEN_SIZE
 * bytes: replay must notice. Nothing is used again otherwise.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BROKEN_SIZE 48
#define MEMORY_SIZE (1 << 20)

static union {
	max_align_t align;
	unsigned char bytes[MEMORY_SIZE];
} memory;

static size_t used = BROKEN_SIZE;

void *malloc(size_t size)
{
	size_t at = used;

	if (size == BROKEN_SIZE)
		return memory.bytes;
	if (size > MEMORY_SIZE / 2 || at + size > MEMORY_SIZE)
		return NULL;
	used = (at + size + 15) & ~(size_t)15;
	return memory.bytes + at;
}

void *calloc(size_t n, size_t size)
{
	return malloc(n * size);
}

void *realloc(void *ptr, size_t size)
{
	void *to = malloc(size);

	if (to != NULL && ptr != NULL)
		memmove(to, ptr, size);
	return to;
}

void free(void *ptr)
{
	(void)ptr;
}
