/*
 * No bug, but what makes a stale pointer useful to an attacker: the memory of a freed object is
 * handed out at once. Harm: in more than half of the trials.
 *
 * [control] SIZE: of all objects.
 */
#include "row.h"

#define NTRIALS 200

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	int nsame = 0;

	for (int i = 0; i < NTRIALS; i++) {
		unsigned char *stale = opaque(row.objects[i % ROW_LENGTH]);

		row_renew(&row, i % ROW_LENGTH);
		nsame += row.objects[i % ROW_LENGTH] == stale;
	}
	row_end(&row);
	return bug_end(&bug, nsame > NTRIALS / 2);
}
