/*
 * One byte is written through a stale pointer, and its memory is allocated again later. Harm:
 * another object changed, or memory from calloc() is not zero.
 *
 * [control] SIZE WHERE: WHERE is first, middle, last, or the offset of the byte.
 */
#include "row.h"

#define NZEROED 100

static size_t where(const struct bug *bug, size_t size)
{
	const char *word = bug->argc > 1 ? bug->argv[1] : "first";

	if (strcmp(word, "first") == 0)
		return 0;
	if (strcmp(word, "middle") == 0)
		return size / 2;
	return strcmp(word, "last") == 0 ? size - 1 : bug_size(bug, 1, 0);
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char *stale = opaque(victim);
	bool harmed = false;

	free(victim);
	if (bug.asked)
		stale[where(&bug, size)] = ROW_OTHER;
	free(reuse(stale, size, 4000));
	for (int i = 0; i < NZEROED; i++)
		harmed |= has_other_than_zero(opaque(calloc(1, size)), size);
	return bug_end(&bug, row_end(&row) || harmed);
}
