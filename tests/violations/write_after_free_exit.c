/*
 * Eight bytes are written through a stale pointer, and main() returns. Harm: another object
 * changed.
 *
 * [control] SIZE: of the object, 8 or more.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char *stale = opaque(victim);

	free(victim);
	memset(stale, ROW_OTHER, bug.asked ? 8 : 0);
	return bug_end(&bug, row_changed(&row));
}
