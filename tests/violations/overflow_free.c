/*
 * A write goes past the end of an object, which is freed then. Harm: another object changed.
 *
 * [control] SIZE AMOUNT VALUE: AMOUNT bytes of VALUE behind the SIZE bytes that were asked for.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t amount = bug_size(&bug, 1, 8);
	int value = (int)bug_size(&bug, 2, ROW_OTHER);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);

	memset(victim, value, size + (bug.asked ? amount : 0));
	free(victim);
	return bug_end(&bug, row_end(&row));
}
