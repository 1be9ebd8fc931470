/*
 * An object is freed twice. Harm: later two objects get the same memory, or another one changed.
 *
 * [control] SIZE WAY: size of the object, and how the second free comes about:
 *      0  at once              3  by another thread
 *      1  after other work     4  by this thread, of an object of a thread that has ended, twice
 *      2  after the freeing of many objects of the size, so that caches were emptied
 *      5  by the old pointer of an object that realloc moved
 */
#include <pthread.h>

#include "twins.h"

#define MANY 2000

static void *free_it(void *ptr)
{
	free(ptr);
	return NULL;
}

static void *make_it(void *size)
{
	return opaque(malloc(*(size_t *)size));
}

static void *in_thread(void *(*work)(void *), void *arg)
{
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, NULL, work, arg) != 0 || pthread_join(thread, &result) != 0)
		exit(BUG_UNSET);
	return result;
}

static void empty_caches(size_t size)
{
	static void *object[MANY];
	size_t n = size > 1024 * 1024 ? 4 : MANY;

	for (size_t i = 0; i < n; i++)
		object[i] = opaque(malloc(size));
	for (size_t i = 0; i < n; i++)
		free(object[i]);
}

/* Neither its size nor what lies behind it lets it stay where it is. */
static void *moved(unsigned char *ptr, size_t size)
{
	for (int i = 0; i < 8; i++)
		(void)opaque(malloc(size));
	return opaque(realloc(ptr, 3 * size + 5000));
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t way = bug_size(&bug, 1, 0);
	struct row row = row_init(size > 1024 * 1024 ? 1000 : size);
	unsigned char *victim = way == 4 ? in_thread(make_it, &size) : opaque(malloc(size));
	unsigned char *volatile stale = victim;

	if (way == 5)
		victim = moved(victim, size);
	free(way == 5 ? (bug.asked ? stale : NULL) : victim);
	if (way == 1)
		go_on(100);
	if (way == 2)
		empty_caches(size);
	if (bug.asked && way == 3)
		(void)in_thread(free_it, stale);
	else if (bug.asked && way != 5)
		free(stale);
	return bug_end(&bug, twins_found(size, NULL) | row_end(&row));
}
