/*
 * An index is wrong by more than one: some bytes past the end are skipped, eight are written. Harm:
 * another object changed.
 *
 * [control] SIZE GAP: GAP bytes are skipped behind the SIZE bytes that were asked for.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t gap = bug_size(&bug, 1, 8);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);

	memset(victim + size + gap, ROW_OTHER, bug.asked ? 8 : 0);
	free(victim);
	return bug_end(&bug, row_end(&row));
}
