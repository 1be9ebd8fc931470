#include <stdio.h>

#include "fixture.h"
#include "report.h"

jmp_buf fixture_jump;

/* The report that ends here would never be over. */
void fixture_abort(void)
{
	ma_report_forget();
	longjmp(fixture_jump, 1);
}

int fixture_reset(void **state)
{
	(void)state;
	os_fake_reset();
	os_fake_on_abort(NULL);
	ma_report_configure(&(struct ma_report_config){0});
	ma_report_forget();
	return 0;
}

int fixture_empty(void **state)
{
	(void)state;
	if (os_fake_mapped() == 0 && os_fake_written()[0] == '\0')
		return 0;
	(void)fprintf(stderr, "%zu bytes are still mapped; written: %s\n", os_fake_mapped(),
		      os_fake_written());
	return -1;
}

void assert_reported(const char *words, const char *file, int line)
{
	os_fake_on_abort(NULL);
	if (strstr(os_fake_written(), words) == NULL) {
		print_error("expected \"%s\" in: %s\n", words, os_fake_written());
		_fail(file, line);
	}
	os_fake_forget();
}

void assert_rule(const char *rule, const char *answer, const char *file, int line)
{
	if (answer != NULL && strncmp(answer, rule, strlen(rule)) == 0)
		return;
	print_error("expected rule %s, not: %s\n", rule, answer != NULL ? answer : "all is well");
	_fail(file, line);
}
