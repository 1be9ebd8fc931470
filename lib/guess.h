/*
 * guess - what the bytes that should not be there look like.
 *
 * What and why: part of a report (report.h). Whoever reads it has to find who wrote; often the
 * bytes themselves tell. A guess says what was seen, and asks for the rest. It looks at nothing but
 * the violation, and at the list of mappings.
 *
 * Rules:
 *   U1  Without damage there is no guess.
 *   U2  The surest sign is named, and it alone.
 *
 * Does not prove anything: it is a guess.
 *
 * Locks: none. Cost: the list of mappings is read at most once.
 */
#ifndef MA_GUESS_H
#define MA_GUESS_H

#include "report.h"
#include "text.h"

/** ma_guess() - append a clause about the damage, or nothing. */
void ma_guess(struct ma_text *text, const struct ma_violation *v);

#endif
