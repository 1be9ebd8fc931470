#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "os_fake.h"
#include "steps.h"
#include "verdict.h"

static bool is_told(const char *text, const char *kind)
{
	const char *at = strstr(text, "memalloc: ");

	return kind != NULL && at != NULL &&
	       strncmp(at + strlen("memalloc: "), kind, strlen(kind)) == 0;
}

/* Reports that were written: each has one line with its thread. */
static size_t count_reports(const char *text)
{
	size_t n = 0;

	while ((text = strstr(text, "memalloc:   thread ")) != NULL) {
		text++;
		n++;
	}
	return n;
}

/* What a line tells of damage: "expected 0x..., found 0x...". */
static bool is_damage(const char *text)
{
	const char *expected = strstr(text, ": expected ");
	const char *found = strstr(text, ", found ");

	return expected == NULL || found == NULL ||
	       strtoull(expected + strlen(": expected "), NULL, 16) !=
		       strtoull(found + strlen(", found "), NULL, 16);
}

void verdict_expect(struct verdict due)
{
	const char *text = os_fake_written();
	size_t n = count_reports(text);

	SAY("%s", text);
	if (due.kind == NULL && n > 0)
		model_fail("misuse", "M1 nothing is told where nothing is wrong");
	if (due.kind != NULL && n == 0)
		model_fail("misuse", "M2 what is wrong is told at once");
	if (n > 1)
		model_fail("misuse", "M3 what is wrong is told once");
	if (due.kind != NULL && !is_told(text, due.kind) && !is_told(text, due.or_kind))
		model_fail("misuse", "M4 what is wrong is told by its name");
	if (!is_damage(text))
		model_fail("misuse", "M6 what is told to be damaged is");
	os_fake_forget();
}

bool verdict_is_due(void)
{
	return count_reports(os_fake_written()) > 0;
}
