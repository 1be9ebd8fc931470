/*
 * An attack on canaries: what stands behind an object is read, overwritten, and put back before
 * the object is freed. No allocator can see that. Harm: another object changed.
 *
 * [control] SIZE: of the object.
 */
#include "row.h"

#define BEHIND 16

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 20);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char read[BEHIND];

	memcpy(read, victim + size, BEHIND);
	if (bug.asked) {
		memset(victim + size, ROW_OTHER, BEHIND);
		memcpy(opaque(victim + size), read, BEHIND);
	}
	free(victim);
	return bug_end(&bug, row_end(&row));
}
