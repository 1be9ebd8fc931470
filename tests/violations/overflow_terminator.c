/*
 * A string is copied into an object that has no place for its terminator: one zero byte too many.
 * Harm: another object changed.
 *
 * [control] SIZE: of the object, and length of the string, at most 1 MiB.
 */
#include "row.h"

static char text[(1 << 20) + 1];

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	char *victim = (char *)row_take(&row);

	if (size == 0 || size >= sizeof(text))
		return BUG_UNSET;
	memset(text, 'x', bug.asked ? size : size - 1);
	strcpy(victim, text);
	free(victim);
	return bug_end(&bug, row_end(&row));
}
