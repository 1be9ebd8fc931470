/*
 * verdict - what must have been told of a misuse.
 *
 * What and why: reports return here, and are text that the fake OS has kept. What was told since
 * the last verdict is compared with what the target knows to be wrong.
 *
 * Rules:
 *   M1  Nothing is told where nothing is wrong.
 *   M2  What is wrong is told at once.
 *   M3  And once.
 *   M4  By its name.
 *   M6  Damage that is told is not what was expected there.
 *
 * Locks: none.
 */
#ifndef FUZZ_VERDICT_H
#define FUZZ_VERDICT_H

#include <stdbool.h>

/* Which of the reports, told apart by their first words, is due; NULL: none. */
struct verdict {
	const char *kind, *or_kind;
};

/** verdict_is_due() - whether anything was told since the last time. */
bool verdict_is_due(void);

/** verdict_expect() - exactly that was told since the last time. */
void verdict_expect(struct verdict due);

#endif
