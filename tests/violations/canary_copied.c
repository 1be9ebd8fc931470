/*
 * An attack on canaries: what stands behind an object is copied behind another one of the size,
 * which is freed. Harm: what stood there changed and nobody noticed, or another object changed.
 *
 * [control] SIZE: of both objects.
 */
#include "row.h"

#define BEHIND 16

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 20);
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	const unsigned char *model = row.objects[0];
	bool differ = memcmp(victim + size, model + size, BEHIND) != 0;

	memcpy(victim + size, model + size, bug.asked ? BEHIND : 0);
	free(victim);
	return bug_end(&bug, row_end(&row) || differ);
}
