/*
 * violation - what the programs that misuse memory have in common.
 *
 * Each does one thing wrong, and must be stopped with a report. With the argument "control" it does
 * all the same without that one thing, and must come to its end in silence.
 */
#ifndef TESTS_VIOLATION_H
#define TESTS_VIOLATION_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is wrong is for memalloc to find, and not for a tool that looks on. */
extern const char *memalloc_options;
const char *memalloc_options = "annotate=0";

/** misuse() - whether to do what is wrong. */
static inline bool misuse(int argc, char **argv)
{
	return argc < 2 || strcmp(argv[1], "control") != 0;
}

/** opaque() - @ptr, of which the compiler knows nothing. Ends the program when it is NULL. */
static inline void *opaque(void *ptr)
{
	void *volatile hidden = ptr;

	if (hidden == NULL)
		exit(99);
	return hidden;
}

#endif
