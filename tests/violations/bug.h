/*
 * bug - what the one-bug programs have in common.
 *
 * Each program does one thing wrong with memory from malloc(), and nothing else wrong, so that it
 * can be run under any allocator. With "control" as its first argument it does all the same without
 * that one thing, and must end with 0 and in silence. Otherwise, when nobody has stopped it, it
 * looks whether the bug did harm, and says so by how it ends: unharmed() or harmed().
 *
 *      program [control] [argument ...]      the arguments are sizes and counts, told in its first
 *                                            comment
 */
#ifndef TESTS_VIOLATIONS_BUG_H
#define TESTS_VIOLATIONS_BUG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum bug_end {
	BUG_CONTROL = 0,   /* no bug was asked for */
	BUG_UNHARMED = 10, /* the bug happened and nothing came of it */
	BUG_HARMED = 11,   /* it changed or revealed what it should not */
	BUG_UNSET = 99,    /* the program could not be set up */
};

struct bug {
	bool asked; /* whether to do what is wrong */
	int argc;   /* arguments behind "control" */
	char **argv;
};

/** bug_init() - read the arguments of main(). */
static inline struct bug bug_init(int argc, char **argv)
{
	struct bug bug = {true, argc - 1, argv + 1};

	if (argc > 1 && strcmp(argv[1], "control") == 0) {
		bug.asked = false;
		bug.argc--;
		bug.argv++;
	}
	return bug;
}

/** bug_size() - argument @i as a size in bytes, @otherwise when it is missing. */
static inline size_t bug_size(const struct bug *bug, int i, size_t otherwise)
{
	return i < bug->argc ? strtoull(bug->argv[i], NULL, 10) : otherwise;
}

/** opaque() - @ptr, of which the compiler knows nothing. Ends the program when it is NULL. */
static inline void *opaque(void *ptr)
{
	void *volatile hidden = ptr;

	if (hidden == NULL)
		exit(BUG_UNSET);
	return hidden;
}

/** bug_end() - how the program ends: main() returns this, so that exit handlers run. */
static inline int bug_end(const struct bug *bug, bool harmed)
{
	if (!bug->asked)
		return BUG_CONTROL;
	return harmed ? BUG_HARMED : BUG_UNHARMED;
}

#endif
