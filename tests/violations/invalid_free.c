/*
 * What is freed is not an object. Harm: it is handed out as one later, or another object changed.
 *
 * [control] PLACE SIZE OFFSET: what it is:
 *      0  OFFSET bytes into an object of SIZE bytes
 *      1  the stack   2  a global   3  a function   4  a mapping of the program's own
 *      5  memory of the heap that was never handed out: near an object of SIZE bytes
 *      6  a small number   7  an address that cannot exist   8  one that nobody has mapped
 *      9  OFFSET bytes into an object aligned to 4096
 */
#include <sys/mman.h>

#include "twins.h"

#define MAPPED ((size_t)64 * 1024)

static unsigned char global[4096];

static unsigned char *in_mapping(void)
{
	unsigned char *ptr = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

	if (ptr == MAP_FAILED)
		exit(BUG_UNSET);
	return ptr + MAPPED / 2;
}

/* The places where an object could be, from this one on, until there is none. */
static unsigned char *never_handed_out(const struct row *row)
{
	size_t distance = (size_t)(row->objects[ROW_BEHIND] - row->objects[ROW_VICTIM]);
	unsigned char *ptr = row->objects[ROW_LENGTH - 1] + distance;

	return distance > 65536 ? row->objects[ROW_LENGTH - 1] + 16 : ptr + distance;
}

static unsigned char *choose(size_t place, const struct row *row, size_t offset,
			     unsigned char *stack)
{
	void *aligned;

	switch (place) {
	case 0:
		return row->objects[ROW_VICTIM] + offset;
	case 1:
		return stack;
	case 2:
		return global + 64;
	case 3:
		return (unsigned char *)(uintptr_t)choose;
	case 4:
		return in_mapping();
	case 5:
		return never_handed_out(row);
	case 6:
		return (unsigned char *)(uintptr_t)0x10;
	case 7:
		return (unsigned char *)(uintptr_t)0xdead000000000010;
	case 8:
		return (unsigned char *)(uintptr_t)0x100000000010;
	default:
		if (posix_memalign(&aligned, 4096, row->size) != 0)
			exit(BUG_UNSET);
		return (unsigned char *)aligned + offset;
	}
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t place = bug_size(&bug, 0, 0);
	size_t size = bug_size(&bug, 1, 24);
	unsigned char stack[4096];
	struct row row = row_init(size);
	unsigned char *ptr = choose(place, &row, bug_size(&bug, 2, 16), stack + 64);
	volatile bool asked = bug.asked;

	memset(stack, 0, sizeof(stack));
	if (asked)
		free(opaque(ptr));
	return bug_end(&bug, twins_found(size, place == 5 ? NULL : ptr) | row_end(&row));
}
