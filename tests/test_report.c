#include "fixture.h"
#include "report.h"

static const char *const kinds[] = {
	[MA_DOUBLE_FREE] = "double free",     [MA_INVALID_FREE] = "invalid free",
	[MA_HEAP_OVERFLOW] = "heap overflow", [MA_WRITE_AFTER_FREE] = "write after free",
	[MA_BAD_REALLOC] = "bad realloc",     [MA_BAD_USABLE_SIZE] = "bad usable size",
	[MA_SIZE_MISMATCH] = "size mismatch", [MA_ALIGNMENT_MISMATCH] = "alignment mismatch",
	[MA_WRONG_POOL] = "wrong pool",       [MA_BAD_POOL] = "bad pool",
};

/* What the fake OS says of the thread. */
#define LAST_LINE "memalloc:   thread 1; a debugger or a core file shows where\n"

static struct ma_violation plain(enum ma_violation_kind kind)
{
	const struct ma_violation v = {
		.kind = kind,
		.ptr = (const void *)0x1234,
		.why = "is wrong",
		.requested = SIZE_MAX,
		.expected = UINT64_MAX,
		.found = UINT64_MAX,
	};

	return v;
}

/* Bytes as they stand in memory, first one first. */
static uint64_t bytes(const char *eight)
{
	uint64_t n;

	memcpy(&n, eight, sizeof(n));
	return n;
}

/* V3, and nothing else when nothing else is known */
static void assert_first_line(enum ma_violation_kind kind)
{
	const struct ma_violation v = plain(kind);
	char expected[256] = "memalloc: ";

	(void)strcat(expected, kinds[kind]);
	(void)strcat(expected, ": 0x1234 is wrong\n" LAST_LINE);
	assert_reports(expected, ma_report(&v));
}

static void test_the_first_line_of_each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		assert_first_line((enum ma_violation_kind)i);
}

static void test_the_object(void **state)
{
	struct ma_violation v = plain(MA_INVALID_FREE);

	(void)state;
	v.object = (const void *)0x1200;
	assert_reports("\nmemalloc:   object 0x1200\n", ma_report(&v));
	v.slot = 64;
	assert_reports("\nmemalloc:   object 0x1200, in 64 bytes\n", ma_report(&v));
	v.requested = 20;
	assert_reports("\nmemalloc:   object 0x1200, 20 bytes requested, in 64 bytes\n",
		       ma_report(&v));
	v.requested = 0;
	v.slot = 0;
	assert_reports("\nmemalloc:   object 0x1200, 0 bytes requested\n", ma_report(&v));
}

static void test_the_damage(void **state)
{
	struct ma_violation v = plain(MA_BAD_REALLOC);

	(void)state;
	v.damage = (const void *)0x1240;
	v.expected = 0xfedcba9876543210;
	v.found = 0x10;
	assert_reports(
		"\nmemalloc:   at 0x1240: expected 0xfedcba9876543210, found 0x10\n" LAST_LINE,
		ma_report(&v));
}

static const char zero_byte[] = "one zero byte past the end";
static const char text_bytes[] = "the bytes are text";

static struct ma_violation damaged(enum ma_violation_kind kind, const char *found)
{
	struct ma_violation v = plain(kind);

	v.damage = (const void *)0x1240;
	v.expected = bytes("\x81\x82\x83\x84\x85\x86\x87\x88");
	v.found = bytes(found);
	return v;
}

static void test_guesses(void **state)
{
	struct ma_violation v = damaged(MA_HEAP_OVERFLOW, "\0\x82\x83\x84\x85\x86\x87\x88");

	(void)state;
	assert_reports(zero_byte, ma_report(&v));
	v = damaged(MA_HEAP_OVERFLOW, "abc\0\x85\x86\x87\x88");
	assert_reports(text_bytes, ma_report(&v));
	v = damaged(MA_WRITE_AFTER_FREE, "abcdefgh");
	assert_reports(text_bytes, ma_report(&v));
}

static void assert_no_guess(struct ma_violation v)
{
	os_fake_on_abort(fixture_abort);
	if (setjmp(fixture_jump) == 0)
		ma_report(&v);
	assert_null(strstr(os_fake_written(), zero_byte));
	assert_null(strstr(os_fake_written(), text_bytes));
	assert_reported(LAST_LINE, __FILE__, __LINE__);
}

static void test_no_guess_without_reason(void **state)
{
	(void)state;
	assert_no_guess(damaged(MA_HEAP_OVERFLOW, "ab\x83\x84\x85\x86\x87\x88"));
	assert_no_guess(damaged(MA_HEAP_OVERFLOW, "\0\0\x83\x84\x85\x86\x87\x88"));
	assert_no_guess(damaged(MA_HEAP_OVERFLOW, "\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_no_guess(damaged(MA_WRITE_AFTER_FREE, "\0\x82\x83\x84\x85\x86\x87\x88"));
	assert_no_guess(damaged(MA_DOUBLE_FREE, "abcdefgh"));
}

/* V1: no memory is asked for; and everything at its longest fits. */
static void test_the_longest_report(void **state)
{
	struct ma_violation v = damaged(MA_WRITE_AFTER_FREE, "abcdefgh");
	size_t calls = os_fake_calls();

	(void)state;
	v.ptr = v.object = v.damage = (const void *)UINTPTR_MAX;
	v.why = "was written to by somebody after the object that used to be there was freed";
	v.requested = SIZE_MAX - 1;
	v.slot = SIZE_MAX;
	assert_reports(LAST_LINE, ma_report(&v));
	assert_int_equal(os_fake_calls(), calls);
}

static void test_warnings(void **state)
{
	(void)state;
	ma_warn("a", NULL, NULL);
	ma_warn("a: ", "b", NULL);
	ma_warn("a: ", "b", "; c");
	assert_string_equal(os_fake_written(), "memalloc: a\nmemalloc: a: b\nmemalloc: a: b; c\n");
	os_fake_forget();
}

static void test_a_bug_of_ours(void **state)
{
	(void)state;
	assert_reports("memalloc: bug in memalloc itself: room.c:42: x > 0\n",
		       ma_assert_failed("x > 0", "room.c", 42));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_line_of_each_kind),
		cmocka_unit_test(test_the_object),
		cmocka_unit_test(test_the_damage),
		cmocka_unit_test(test_guesses),
		cmocka_unit_test(test_no_guess_without_reason),
		cmocka_unit_test(test_the_longest_report),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_a_bug_of_ours),
	};

	return cmocka_run_group_tests_name("report", tests, fixture_reset, fixture_empty);
}
