/*
 * A negative index: a write into the page in front of a large object. Harm: another object changed.
 *
 * [control] SIZE: of the object, more than a page.
 */
#include "row.h"

#define PAGE 4096

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 300000);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);

	memset(bug.asked ? victim - PAGE : victim, ROW_OTHER, 8);
	free(victim);
	return bug_end(&bug, row_end(&row));
}
