/*
 * report_json - the facts and the stacks of a report as JSON.
 *
 * What and why: part of a report (report.h), for programs that collect reports of many processes.
 * Each line is a whole object, so that a crash on the way to the stacks leaves the facts valid:
 *
 *      {"memalloc":1,"kind":"heap overflow","pointer":"0x7f21a3c04074","why":"...", ... }
 *      {"memalloc":1,"stacks":{"detected":[{"pc":"0x1","module":"foo","offset":"0x1"}, ...], ...}}
 *
 * Rules:
 *   J1  What is not known is left out. Addresses and numbers of 64 bits are strings.
 *   J2  What is UTF-8 stays as it is; other bytes of a string come as the character of that number.
 *
 * Locks: none. Cost: O(characters). Source: RFC 8259; RFC 3629, "Syntax of UTF-8 Byte Sequences".
 */
#ifndef MA_REPORT_JSON_H
#define MA_REPORT_JSON_H

#include "facts.h"

/** ma_json_string() - append a string with its quotes. */
void ma_json_string(struct ma_text *text, const char *str);

/** ma_json_facts() - append the line of the facts. */
void ma_json_facts(struct ma_text *text, const struct ma_facts *facts);

/** ma_json_nested() - append the line for a violation found while reporting. */
void ma_json_nested(struct ma_text *text, const struct ma_violation *v);

/** ma_json_stacks_begin() - append the begin of the line of the stacks. */
void ma_json_stacks_begin(struct ma_text *text);

/** ma_json_stack() - append a stack to the line; @first: it is the first one there. */
void ma_json_stack(struct ma_text *text, const char *name, const uintptr_t *pc, size_t n,
		   bool first);

/** ma_json_stacks_end() - append the end of the line. */
void ma_json_stacks_end(struct ma_text *text);

#endif
