/*
 * A stale pointer is written through when its memory has become another object. Harm: that object
 * changed.
 *
 * [control] SIZE: of both objects.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char *stale = opaque(victim);
	unsigned char *object;
	bool harmed = false;

	free(victim);
	object = reuse(stale, size, 4000);
	if (object != NULL) {
		memset(object, ROW_FILL, size);
		*stale = bug.asked ? ROW_OTHER : ROW_FILL;
		harmed = !row_is_fill(object, size, 0);
	}
	free(object);
	return bug_end(&bug, row_end(&row) || harmed);
}
