/*
 * facts - what is known of a violation before any stack is walked.
 *
 * What and why: part of a report (report.h). It is put together once, and written as text
 * (report_plain.h) or as JSON (report_json.h).
 *
 * Rules: none. Locks: none. Cost: none.
 */
#ifndef MA_FACTS_H
#define MA_FACTS_H

#include "report.h"
#include "text.h"

/* Characters of a clause. */
#define MA_CLAUSE 512

struct ma_facts {
	const struct ma_violation *v;
	const struct ma_report_config *config;
	unsigned thread;
	unsigned process;
	char guess[MA_CLAUSE + 1]; /* about the damage; "" for none */
	char place[MA_CLAUSE + 1]; /* where the pointer lies; "" when its object is known */
};

#endif
