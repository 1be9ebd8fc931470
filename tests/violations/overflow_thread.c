/*
 * A thread writes past the end of another thread's object, and the owner frees it. Harm: another
 * object changed.
 *
 * [control] SIZE AMOUNT VALUE: AMOUNT bytes of VALUE behind the SIZE bytes that were asked for.
 */
#include <pthread.h>

#include "row.h"

struct write {
	unsigned char *start;
	size_t size;
	int value;
};

static void *writer(void *arg)
{
	const struct write *write = arg;

	memset(write->start, write->value, write->size);
	return NULL;
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t amount = bug_size(&bug, 1, 8);
	struct row row = row_init(size);
	struct write write = {row_take(&row), size + (bug.asked ? amount : 0),
			      (int)bug_size(&bug, 2, ROW_OTHER)};
	pthread_t thread;

	if (pthread_create(&thread, NULL, writer, &write) != 0 || pthread_join(thread, NULL) != 0)
		return BUG_UNSET;
	free(write.start);
	return bug_end(&bug, row_end(&row));
}
