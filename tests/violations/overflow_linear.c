/*
 * A loop does not end, and writes over all that is behind an object: does it reach what the
 * allocator needs to know? Harm: another object changed, or what was allocated then did.
 *
 * [control] SIZE TOTAL: TOTAL bytes behind the SIZE bytes that were asked for.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t total = bug_size(&bug, 1, 70000);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	struct row later;

	memset(victim, ROW_OTHER, size + (bug.asked ? total : 0));
	free(victim);
	go_on(size);
	later = row_init(size);
	go_on(size);
	return bug_end(&bug, row_changed(&row) || row_changed(&later));
}
