/*
 * A read goes past the end of an object. Harm: it saw what is written in another object.
 *
 * [control] SIZE AMOUNT: AMOUNT bytes behind the SIZE bytes that were asked for.
 */
#include "row.h"

#define WORD 8

/* Whether a word of what was read is all the fill of another object; one byte may be chance. */
static bool is_others(const unsigned char *word)
{
	for (int i = 0; i < ROW_LENGTH; i++) {
		if (i != ROW_VICTIM && row_is_fill(word, WORD, i))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t amount = bug.asked ? bug_size(&bug, 1, 64) : 0;
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	bool harmed = false;

	for (size_t at = 0; at + WORD <= amount; at++)
		harmed |= is_others(victim + size + at);
	free(victim);
	row_end(&row);
	return bug_end(&bug, harmed);
}
