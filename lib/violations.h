/*
 * violations - the program is told of its own misuse.
 *
 * What and why: a program that keeps a log of its crashes, or a server that must tell its
 * supervisor, wants to know of a report, not only stderr. What it gets is public and stable
 * (memalloc.h); struct ma_violation is neither.
 *
 * Rules: none. Locks: none: the thread that calls in may hold any. Cost: a load for each report.
 */
#ifndef MA_VIOLATIONS_H
#define MA_VIOLATIONS_H

#include "report.h"

/** ma_violations_tell() - the handler for struct ma_report_config: calls the program's, if any. */
void ma_violations_tell(const struct ma_violation *v, const char *report);

#endif
