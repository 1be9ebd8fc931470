#include "fixture.h"
#include "memalloc.h"
#include "violations.h"

static struct {
	struct memalloc_violation last;
	void *arg;
	size_t ncalls;
} told;

static int where, elsewhere;

static void note(const struct memalloc_violation *violation, void *arg)
{
	told.last = *violation;
	told.arg = arg;
	told.ncalls++;
}

static int setup(void **state)
{
	const struct ma_report_config config = {
		.action = MA_ON_REPORT,
		.handler = ma_violations_tell,
	};

	(void)fixture_reset(state);
	memset(&told, 0, sizeof(told));
	ma_report_configure(&config);
	memalloc_set_violation_handler(NULL, NULL);
	return 0;
}

static void misuse(void)
{
	const struct ma_violation v = {
		.kind = MA_HEAP_OVERFLOW,
		.ptr = (const void *)0x1234,
		.why = "is wrong",
		.object = (const void *)0x1220,
		.requested = 20,
	};

	ma_report(&v);
}

static void test_what_a_handler_is_told(void **state)
{
	(void)state;
	memalloc_set_violation_handler(note, &where);
	misuse();
	assert_int_equal(told.ncalls, 1);
	assert_string_equal(told.last.kind, "heap overflow");
	assert_ptr_equal(told.last.pointer, (void *)0x1234);
	assert_ptr_equal(told.last.object, (void *)0x1220);
	assert_int_equal(told.last.size, 20);
	assert_ptr_equal(told.arg, &where);
	for (size_t i = 0; i < 4; i++)
		assert_null(told.last.reserved[i]);
	os_fake_forget();
}

static void compare(const struct memalloc_violation *violation, void *arg)
{
	(void)arg;
	assert_int_equal(strncmp(violation->report, os_fake_written(), strlen(violation->report)),
			 0);
	assert_int_equal(strncmp(violation->report, "memalloc: heap overflow: 0x1234 ", 32), 0);
	assert_int_equal(violation->report[strlen(violation->report) - 1], '\n');
	told.ncalls++;
}

static void test_the_report_of_a_handler(void **state)
{
	(void)state;
	memalloc_set_violation_handler(compare, NULL);
	misuse();
	assert_int_equal(told.ncalls, 1);
	os_fake_forget();
}

static void test_the_last_handler_counts(void **state)
{
	(void)state;
	misuse();
	assert_int_equal(told.ncalls, 0);
	memalloc_set_violation_handler(compare, NULL);
	memalloc_set_violation_handler(note, &where);
	memalloc_set_violation_handler(note, &elsewhere);
	misuse();
	assert_ptr_equal(told.arg, &elsewhere);
	assert_int_equal(told.ncalls, 1);
	memalloc_set_violation_handler(NULL, &where);
	misuse();
	assert_int_equal(told.ncalls, 1);
	os_fake_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_a_handler_is_told, setup),
		cmocka_unit_test_setup(test_the_report_of_a_handler, setup),
		cmocka_unit_test_setup(test_the_last_handler_counts, setup),
	};

	return cmocka_run_group_tests_name("violations", tests, fixture_reset, fixture_empty);
}
