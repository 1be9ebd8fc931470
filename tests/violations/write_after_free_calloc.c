/*
 * A whole object is written to through a stale pointer, and its memory is asked for zeroed. Harm:
 * memory from calloc() is not zero.
 *
 * [control] SIZE NOBJECTS: NOBJECTS objects of SIZE bytes are allocated afterwards.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t nobjects = bug_size(&bug, 1, 4000);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char *stale = opaque(victim);
	bool harmed = false;

	free(victim);
	memset(stale, ROW_OTHER, bug.asked ? size : 0);
	for (size_t i = 0; i < nobjects; i++) {
		harmed |= has_other_than_zero(opaque(calloc(1, size)), size);
		free(opaque(malloc(size)));
	}
	return bug_end(&bug, row_end(&row) || harmed);
}
