#include "fixture.h"
#include "text.h"

static char buf[16];
static struct ma_text text;

static void assert_text(const char *expected)
{
	assert_int_equal(text.used, strlen(expected));
	assert_memory_equal(buf, expected, text.used);
}

static int setup(void **state)
{
	memset(buf, '#', sizeof(buf));
	ma_text_init(&text, buf, 8, -1);
	return fixture_reset(state);
}

static void test_empty(void **state)
{
	(void)state;
	assert_text("");
	ma_text_str(&text, "");
	ma_text_flush(&text);
	assert_text("");
	assert_int_equal(text.lost, 0);
	assert_string_equal(os_fake_written(), "");
}

static void test_strings_append(void **state)
{
	(void)state;
	ma_text_str(&text, "ab");
	ma_text_str(&text, "c");
	assert_text("abc");
	assert_int_equal(text.lost, 0);
}

/* X1 */
static void test_nothing_is_written_beyond_the_buffer(void **state)
{
	(void)state;
	ma_text_str(&text, "12345678");
	assert_text("12345678");
	assert_int_equal(text.lost, 0);
	ma_text_str(&text, "9");
	ma_text_dec(&text, 12);
	assert_text("12345678");
	assert_int_equal(text.lost, 3);
	assert_int_equal(buf[8], '#');
}

static void test_a_string_that_does_not_fit_is_cut(void **state)
{
	(void)state;
	ma_text_str(&text, "abcde");
	ma_text_str(&text, "fghijk");
	assert_text("abcdefgh");
	assert_int_equal(text.lost, 3);
	assert_int_equal(buf[8], '#');
}

static void test_parts_of_strings_append(void **state)
{
	(void)state;
	ma_text_chars(&text, "abcd", 2);
	ma_text_chars(&text, "", 0);
	ma_text_chars(&text, "e\0f", 3);
	assert_memory_equal(buf, "abe\0f", 5);
	assert_int_equal(text.used, 5);
}

/* The buffer is one longer than its size. */
static void test_a_text_ends_as_a_string(void **state)
{
	(void)state;
	assert_string_equal(ma_text_end(&text), "");
	ma_text_str(&text, "ab");
	assert_string_equal(ma_text_end(&text), "ab");
	ma_text_str(&text, "cdefghij");
	assert_string_equal(ma_text_end(&text), "abcdefgh");
	assert_int_equal(buf[9], '#');
}

static void assert_number(void (*append)(struct ma_text *, uint64_t), uint64_t n,
			  const char *expected)
{
	char digits[32];

	ma_text_init(&text, digits, sizeof(digits), -1);
	append(&text, n);
	assert_int_equal(text.used, strlen(expected));
	assert_memory_equal(digits, expected, text.used);
	assert_int_equal(text.lost, 0);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_number(ma_text_dec, 0, "0");
	assert_number(ma_text_dec, 9, "9");
	assert_number(ma_text_dec, 10, "10");
	assert_number(ma_text_dec, 1234567890, "1234567890");
	assert_number(ma_text_dec, UINT64_MAX, "18446744073709551615");
	assert_number(ma_text_hex, 0, "0x0");
	assert_number(ma_text_hex, 15, "0xf");
	assert_number(ma_text_hex, 16, "0x10");
	assert_number(ma_text_hex, 0x7fedcba98765, "0x7fedcba98765");
	assert_number(ma_text_hex, UINT64_MAX, "0xffffffffffffffff");
}

static void test_a_full_buffer_goes_to_the_descriptor(void **state)
{
	(void)state;
	ma_text_init(&text, buf, 8, 2);
	ma_text_str(&text, "abcdef");
	assert_string_equal(os_fake_written(), "");
	ma_text_str(&text, "ghi");
	assert_string_equal(os_fake_written(), "abcdef");
	assert_text("ghi");
	ma_text_flush(&text);
	assert_string_equal(os_fake_written(), "abcdefghi");
	assert_text("");
	assert_int_equal(text.lost, 0);
}

static void test_more_than_the_buffer_at_once_is_cut(void **state)
{
	(void)state;
	ma_text_init(&text, buf, 8, 2);
	ma_text_str(&text, "x");
	ma_text_str(&text, "0123456789");
	assert_string_equal(os_fake_written(), "x");
	assert_text("01234567");
	assert_int_equal(text.lost, 2);
	assert_int_equal(buf[8], '#');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, setup),
		cmocka_unit_test_setup(test_strings_append, setup),
		cmocka_unit_test_setup(test_nothing_is_written_beyond_the_buffer, setup),
		cmocka_unit_test_setup(test_a_string_that_does_not_fit_is_cut, setup),
		cmocka_unit_test_setup(test_parts_of_strings_append, setup),
		cmocka_unit_test_setup(test_a_text_ends_as_a_string, setup),
		cmocka_unit_test_setup(test_numbers, setup),
		cmocka_unit_test_setup(test_a_full_buffer_goes_to_the_descriptor, setup),
		cmocka_unit_test_setup(test_more_than_the_buffer_at_once_is_cut, setup),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
