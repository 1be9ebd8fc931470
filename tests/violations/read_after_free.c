/*
 * An object is read directly after it was freed. Harm: at least half of the bytes are the old ones.
 *
 * [control] SIZE: of the object.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	const volatile unsigned char *stale = opaque(victim);
	size_t nold = 0;

	free(victim);
	for (size_t at = 0; bug.asked && at < size; at++)
		nold += stale[at] == ROW_FILL + ROW_VICTIM;
	row_end(&row);
	return bug_end(&bug, nold >= (size + 1) / 2);
}
