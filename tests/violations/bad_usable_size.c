/*
 * malloc_usable_size() is asked about what is not a live object. Harm: it answers with a size.
 *
 * [control] SIZE WAY: 0  an object that was freed   1  the middle of an object   2  the stack
 */
#include <malloc.h>

#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t way = bug_size(&bug, 1, 0);
	unsigned char stack[512] = {0};
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char *volatile wrong = victim;
	size_t answer = 0;

	if (way == 0)
		free(victim);
	if (way == 1)
		wrong += 16;
	if (way == 2)
		wrong = stack + 64;
	if (bug.asked)
		answer = malloc_usable_size(wrong);
	return bug_end(&bug, (answer != 0) | row_end(&row));
}
