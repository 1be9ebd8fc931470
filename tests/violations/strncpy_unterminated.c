/*
 * A string fills its object and has no terminator, and strlen() runs on. Harm: it saw bytes of the
 * next object.
 *
 * [control] SIZE: of the object, at most 1 MiB.
 */
#include "row.h"

static char text[(1 << 20) + 1];

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	char *victim = (char *)row_take(&row);
	size_t distance = (size_t)(row.objects[ROW_BEHIND] - (unsigned char *)victim);
	bool harmed;

	if (size == 0 || size >= sizeof(text))
		return BUG_UNSET;
	memset(text, 'x', bug.asked ? size : size - 1);
	strncpy(victim, text, size);
	/* Those behind are strings that end. */
	for (int i = 0; i < ROW_LENGTH; i++) {
		if (row.objects[i] != NULL)
			row.objects[i][size - 1] = 0;
	}
	harmed = strlen(victim) >= distance;
	free(victim);
	row_free(&row);
	return bug_end(&bug, harmed);
}
