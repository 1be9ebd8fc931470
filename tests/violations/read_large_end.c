/*
 * A read goes one page beyond a large object. Harm: there was something to be read.
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
	const volatile unsigned char *end = victim + size - 1;

	(void)end[bug.asked ? PAGE : 0];
	free(victim);
	row_end(&row);
	return bug_end(&bug, true);
}
