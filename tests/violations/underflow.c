/*
 * All bits change of the bytes directly in front of an object; it and those beside it are freed.
 * Harm: another object changed.
 *
 * [control] SIZE AMOUNT: AMOUNT bytes in front of an object of SIZE bytes.
 */
#include "row.h"

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t amount = bug.asked ? bug_size(&bug, 1, 8) : 0;
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	bool harmed;

	for (size_t i = 1; i <= amount; i++)
		*(victim - i) ^= 0xff;
	harmed = row_changed(&row);
	free(victim);
	row_renew(&row, ROW_BEFORE);
	row_renew(&row, ROW_BEHIND);
	return bug_end(&bug, row_end(&row) || harmed);
}
