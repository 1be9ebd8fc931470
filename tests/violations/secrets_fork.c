/*
 * No bug, but what helps an attacker who may kill one child after the other: parent and child each
 * allocate after a fork. Harm: both have the same secret behind an object at the same address.
 *
 * [control] SIZE: of the objects. Control compares nothing.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "row.h"

#define BEHIND 8
#define RANDOM_BYTES 5

struct seen {
	unsigned char *object;
	unsigned char behind[BEHIND];
};

static void look(struct seen *seen, size_t size)
{
	for (int i = 0; i < ROW_LENGTH; i++) {
		seen[i].object = opaque(malloc(size));
		memcpy(seen[i].behind, seen[i].object + size, BEHIND);
	}
}

/* Sizes and flags that stand there are no secrets: of these few bytes are zero. */
static bool is_secret(const unsigned char *behind)
{
	int n = 0;

	for (int at = 0; at < BEHIND; at++)
		n += behind[at] != 0;
	return n >= RANDOM_BYTES;
}

static bool is_shared(const struct seen *a, const struct seen *b)
{
	return a->object == b->object && is_secret(a->behind) &&
	       memcmp(a->behind, b->behind, BEHIND) == 0;
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct seen mine[ROW_LENGTH], others[ROW_LENGTH];
	bool harmed = false;
	int ends[2];
	pid_t child;

	free(opaque(malloc(size)));
	if (pipe(ends) != 0 || (child = fork()) < 0)
		return BUG_UNSET;
	look(mine, size);
	if (child == 0)
		_exit(write(ends[1], mine, sizeof(mine)) != sizeof(mine));
	if (read(ends[0], others, sizeof(others)) != sizeof(others) || waitpid(child, NULL, 0) < 0)
		return BUG_UNSET;
	for (int i = 0; i < ROW_LENGTH; i++) {
		for (int j = 0; j < ROW_LENGTH; j++)
			harmed |= is_shared(&mine[i], &others[j]);
	}
	return bug_end(&bug, harmed);
}
