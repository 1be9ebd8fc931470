/*
 * No bug, but what makes a stale pointer useful to an attacker: memory of freed objects becomes
 * objects of another size, in which other things stand at other places. Harm: more than half of
 * the new objects lie in pages that held old ones.
 *
 * [control] SIZE OTHER: of the old objects and of the new ones, 16 or more.
 */
#include "row.h"

#define OLD_BYTES ((size_t)4 << 20)
#define NEW_BYTES ((size_t)1 << 20)
#define LEAST 16
#define PAGE 4096
#define NPLACES ((size_t)1 << 15)

static void *objects[OLD_BYTES / LEAST];
static uintptr_t places[NPLACES]; /* a table of pages, 0 where there is none */

/* The place of a page, or the free one where it belongs. There are far more places than pages. */
static uintptr_t *place(uintptr_t page)
{
	size_t i = page % NPLACES;

	while (places[i] != 0 && places[i] != page)
		i = (i + 1) % NPLACES;
	return &places[i];
}

static void note(const void *object, size_t size)
{
	uintptr_t last = ((uintptr_t)object + size - 1) / PAGE;

	for (uintptr_t page = (uintptr_t)object / PAGE; page <= last; page++)
		*place(page) = page;
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 48);
	size_t other = bug_size(&bug, 1, 200);
	size_t nold = 0;

	if (size < LEAST || other < LEAST)
		return BUG_UNSET;
	for (size_t i = 0; i < OLD_BYTES / size; i++) {
		objects[i] = opaque(malloc(size));
		note(objects[i], size);
	}
	for (size_t i = 0; i < OLD_BYTES / size; i++)
		free(objects[i]);
	for (size_t i = 0; i < NEW_BYTES / other; i++)
		nold += *place((uintptr_t)opaque(malloc(other)) / PAGE) != 0;
	return bug_end(&bug, nold > NEW_BYTES / other / 2);
}
