/*
 * A program that uses up its memory and goes on: malloc() returns NULL with ENOMEM, half of what it
 * holds is freed, and then it allocates and uses memory again. Once with small objects, once with
 * pages, once with large objects, once growing a single one.
 *
 * It sets a limit to its own address space, so that nobody needs to set one before running it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LIMIT ((rlim_t)64 << 20)

/* Called through pointers, since compilers take it for granted that malloc() leaves errno alone. */
static void *(*volatile allocate)(size_t) = malloc;
static void *(*volatile reallocate)(void *, size_t) = realloc;

struct object {
	struct object *next;
	size_t size;
	unsigned char bytes[];
};

static void fail(const char *what)
{
	printf("FAILED: %s\n", what);
	exit(1);
}

static void limit_address_space(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) != 0)
		fail("getrlimit");
	if (limit.rlim_cur <= LIMIT)
		return;
	limit.rlim_cur = LIMIT;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		fail("setrlimit");
}

static unsigned char pattern(const struct object *object)
{
	return (unsigned char)((size_t)object >> 4 ^ object->size);
}

/* A new object in front of the list, filled; NULL, the list unchanged, when there is no memory. */
static struct object *push(struct object **list, size_t size)
{
	struct object *object;

	errno = 0;
	object = allocate(sizeof(*object) + size);
	if (object == NULL)
		return NULL;
	object->size = size;
	memset(object->bytes, pattern(object), size);
	object->next = *list;
	*list = object;
	return object;
}

static void check(const struct object *object)
{
	for (size_t i = 0; i < object->size; i++)
		if (object->bytes[i] != pattern(object))
			fail("an object's bytes changed");
}

static size_t fill(struct object **list, size_t size)
{
	size_t count = 0;

	while (push(list, size) != NULL)
		count++;
	if (errno != ENOMEM)
		fail("malloc() returned NULL and errno is not ENOMEM");
	return count;
}

/* Free every second object, checking all of them; how many were freed. */
static size_t free_half(struct object **list)
{
	size_t count = 0;

	for (struct object **link = list; *link != NULL; link = &(*link)->next) {
		struct object *next = (*link)->next;

		check(*link);
		if (next == NULL)
			break;
		check(next);
		(*link)->next = next->next;
		free(next);
		count++;
	}
	return count;
}

static void free_all(struct object **list)
{
	while (*list != NULL) {
		struct object *object = *list;

		check(object);
		*list = object->next;
		free(object);
	}
}

static void exhaust(const char *name, size_t size)
{
	struct object *list = NULL;
	size_t first = fill(&list, size);
	size_t freed = free_half(&list);
	size_t again = 0;

	if (first < 8)
		fail("not even eight objects fit");
	while (again < freed / 2 && push(&list, size) != NULL)
		again++;
	if (again < freed / 2)
		fail("half of what was freed cannot be allocated again");
	free_all(&list);
	fprintf(stderr, "%s: %zu objects, %zu freed, %zu allocated again\n", name, first, freed,
		again);
	printf("%s: NULL with ENOMEM, went on\n", name);
}

/* realloc() that fails must leave the object as it was. */
static void exhaust_by_realloc(void)
{
	size_t size = 4096;
	unsigned char *bytes = allocate(size);
	unsigned char *larger;

	if (bytes == NULL)
		fail("the first object of realloc()");
	memset(bytes, 0x5a, size);
	for (errno = 0; (larger = reallocate(bytes, size * 2)) != NULL; errno = 0) {
		bytes = larger;
		memset(bytes + size, 0x5a, size);
		size *= 2;
	}
	if (errno != ENOMEM)
		fail("realloc() returned NULL and errno is not ENOMEM");
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0x5a)
			fail("realloc() failed and the object's bytes changed");
	free(bytes);
	fprintf(stderr, "realloc: %zu bytes\n", size);
	puts("realloc: NULL with ENOMEM, went on");
}

int main(void)
{
	limit_address_space();
	exhaust("small", 100);
	exhaust("pages", 10000);
	exhaust("large", 1000000);
	exhaust_by_realloc();
	exhaust("small again", 40);
	puts("went on");
	return 0;
}
