/*
 * An attack on canaries: what stood behind an object in its earlier life is written behind it when
 * the address is allocated again. Harm: what stood there changed and nobody noticed, or another
 * object changed.
 *
 * [control] SIZE FURTHER: of both objects; FURTHER bytes are written behind the remembered ones.
 */
#include "row.h"

#define BEHIND 16

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 20);
	size_t further = bug.asked ? bug_size(&bug, 1, 0) : 0;
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char *stale = opaque(victim);
	unsigned char remembered[BEHIND];
	bool differ = false;

	memcpy(remembered, victim + size, BEHIND);
	free(victim);
	victim = reuse(stale, size, 100000);
	if (victim == stale) {
		differ = memcmp(victim + size, remembered, BEHIND) != 0;
		memcpy(victim + size, remembered, bug.asked && differ ? BEHIND : 0);
		memset(victim + size + BEHIND, ROW_OTHER, further);
	}
	free(victim);
	return bug_end(&bug, row_end(&row) || differ);
}
