/*
 * fixture - what the tests of the rooms share: a fresh fake OS, and reports that come back.
 *
 * What and why: a report ends the process. Where a test expects one, ma_os_abort() jumps back into
 * the test instead, so that it can look at the text and at the heap behind it.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "os_fake.h"

/* Where the abort hook jumps to. */
extern jmp_buf fixture_jump;

/** fixture_abort() - the hook. */
void fixture_abort(void) __attribute__((noreturn));

/** fixture_reset() - a fresh fake OS; as a cmocka setup function. */
int fixture_reset(void **state);

/** fixture_empty() - a cmocka teardown function: nothing is mapped and nothing was written. */
int fixture_empty(void **state);

/** assert_reported() - the report just made has @words in it; forget it. */
void assert_reported(const char *words, const char *file, int line);

/** assert_reports() - running @code ends in a report with @words in it. */
#define assert_reports(words, code)                           \
	do {                                                  \
		os_fake_forget();                             \
		os_fake_on_abort(fixture_abort);              \
		if (setjmp(fixture_jump) == 0) {              \
			code;                                 \
			fail_msg("no report: %s", words);     \
		}                                             \
		assert_reported((words), __FILE__, __LINE__); \
	} while (0)

/** assert_sound() - a validator's answer is NULL. */
#define assert_sound(check)                      \
	do {                                     \
		const char *broken_ = (check);   \
		if (broken_ != NULL)             \
			fail_msg("%s", broken_); \
	} while (0)

/** assert_broken() - a validator's answer names @rule ("S2"). */
#define assert_broken(rule, check) assert_rule((rule), (check), __FILE__, __LINE__)

void assert_rule(const char *rule, const char *answer, const char *file, int line);

#endif
