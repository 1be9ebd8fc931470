/*
 * report_plain - the facts and the stacks of a report as text.
 *
 * What and why: part of a report (report.h), for people, and for scripts that look at first lines.
 * Its picture is there. Every line begins with "memalloc:", so that it is told from what else the
 * program writes; lines that belong to the one above are indented.
 *
 * Rules: none. Locks: none. Cost: O(characters).
 */
#ifndef MA_REPORT_PLAIN_H
#define MA_REPORT_PLAIN_H

#include "facts.h"

/** ma_plain_facts() - append the lines of the facts. */
void ma_plain_facts(struct ma_text *text, const struct ma_facts *facts);

/** ma_plain_nested() - append the line for a violation found while reporting. */
void ma_plain_nested(struct ma_text *text, const struct ma_violation *v);

/** ma_plain_stack() - append a heading, and a line for each address. */
void ma_plain_stack(struct ma_text *text, const char *heading, const uintptr_t *pc, size_t n);

/** ma_plain_end() - append the line that tells the run, and what would show more; or nothing. */
void ma_plain_end(struct ma_text *text, const struct ma_violation *v,
		  const struct ma_report_config *config);

#endif
