#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "options.h"
#include "random.h"

/* Every option, as this test sees it: written down by the same list, read by another way. */
struct entry {
	const char *name;
	enum { FLAG_ENTRY, NUMBER_ENTRY, CHOICE_ENTRY } type;
	uint64_t value, least, most;
	const char *words;
	uint64_t (*get)(const struct ma_options *options);
};

#define GETTER(name)                                           \
	static uint64_t get_##name(const struct ma_options *o) \
	{                                                      \
		return (uint64_t)o->name;                      \
	}
#define FLAG(name, value, help) GETTER(name)
#define NUMBER(name, value, least, most, help) GETTER(name)
#define CHOICE(name, value, words, help) GETTER(name)
#include "options.def"
#undef FLAG
#undef NUMBER
#undef CHOICE

static const struct entry entries[] = {
#define FLAG(name, value, help) {#name, FLAG_ENTRY, value, 0, 1, NULL, get_##name},
#define NUMBER(name, value, least, most, help) \
	{#name, NUMBER_ENTRY, value, least, most, NULL, get_##name},
#define CHOICE(name, value, words, help) {#name, CHOICE_ENTRY, value, 0, 0, words, get_##name},
#include "options.def"
#undef FLAG
#undef NUMBER
#undef CHOICE
};

#define NENTRIES (sizeof(entries) / sizeof(*entries))

static struct ma_options options;

static int setup(void **state)
{
	ma_options_init(&options);
	return fixture_reset(state);
}

static size_t nwords(const char *words)
{
	size_t n = 1;

	for (; *words != '\0'; words++)
		n += *words == '|';
	return n;
}

static uint64_t most_of(const struct entry *e)
{
	return e->type == CHOICE_ENTRY ? nwords(e->words) - 1 : e->most;
}

/* N1 */
static void assert_all_in_range(void)
{
	for (size_t i = 0; i < NENTRIES; i++) {
		uint64_t value = entries[i].get(&options);

		assert_true(value >= entries[i].least && value <= most_of(&entries[i]));
	}
}

static void assert_defaults_but(const struct entry *but)
{
	for (size_t i = 0; i < NENTRIES; i++)
		if (&entries[i] != but)
			assert_int_equal(entries[i].get(&options), entries[i].value);
}

/* N2: one warning, that names the entry; nothing changed. */
static void assert_refused(const char *entry)
{
	ma_options_init(&options);
	os_fake_forget();
	assert_int_equal(ma_options_parse(&options, entry), 1);
	assert_defaults_but(NULL);
	assert_ptr_equal(strstr(os_fake_written(), "memalloc: "), os_fake_written());
	assert_non_null(strstr(os_fake_written(), entry));
	assert_ptr_equal(strchr(os_fake_written(), '\n') + 1, strchr(os_fake_written(), '\0'));
	os_fake_forget();
}

static void assert_taken(const char *entry, const struct entry *e, uint64_t value)
{
	ma_options_init(&options);
	assert_int_equal(ma_options_parse(&options, entry), 0);
	assert_int_equal(e->get(&options), value);
	assert_defaults_but(e);
	assert_string_equal(os_fake_written(), "");
}

static const char *text_of(const struct entry *e, uint64_t value)
{
	static char text[80];

	(void)snprintf(text, sizeof(text), "%s=%llu", e->name, (unsigned long long)value);
	return text;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_defaults_but(NULL);
	assert_all_in_range();
	assert_int_equal(ma_options_parse(&options, NULL), 0);
	assert_int_equal(ma_options_parse(&options, ""), 0);
	assert_defaults_but(NULL);
}

/* ---- every option ---------------------------------------------------------------------------- */

static void test_numbers_and_flags(void **state)
{
	(void)state;
	for (size_t i = 0; i < NENTRIES; i++) {
		const struct entry *e = &entries[i];

		if (e->type == CHOICE_ENTRY)
			continue;
		assert_taken(text_of(e, e->least), e, e->least);
		assert_taken(text_of(e, e->most), e, e->most);
		assert_taken(text_of(e, e->least + 1), e, e->least + 1);
		if (e->most < UINT64_MAX)
			assert_refused(text_of(e, e->most + 1));
		if (e->least > 0)
			assert_refused(text_of(e, e->least - 1));
	}
}

static void choose(const struct entry *e, const char *word, size_t len, uint64_t value)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "%s=%.*s", e->name, (int)len, word);
	assert_taken(text, e, value);
	/* Neither a part of a word, nor one with more behind it, nor its number. */
	text[strlen(text) - 1] = '\0';
	assert_refused(text);
	(void)snprintf(text, sizeof(text), "%s=%.*sx", e->name, (int)len, word);
	assert_refused(text);
	assert_refused(text_of(e, value));
}

static void test_choices(void **state)
{
	(void)state;
	for (size_t i = 0; i < NENTRIES; i++) {
		const char *word = entries[i].words;
		uint64_t value = 0;

		while (word != NULL) {
			size_t len = strcspn(word, "|");

			choose(&entries[i], word, len, value++);
			word = word[len] == '|' ? word + len + 1 : NULL;
		}
		if (entries[i].words != NULL)
			assert_int_equal(value, nwords(entries[i].words));
	}
}

static void test_bad_values_of_every_option(void **state)
{
	static const char *const bad[] = {"",   "-1", "+1",  " 1",  "1 ",  "0x1",
					  "1.", "k",  "1kk", "1t",  "on",  "true",
					  "1,", "=1", "1=1", "one", "\xff"};
	char text[80];

	(void)state;
	for (size_t i = 0; i < NENTRIES; i++) {
		for (size_t k = 0; k < sizeof(bad) / sizeof(*bad); k++) {
			(void)snprintf(text, sizeof(text), "%s=%s", entries[i].name, bad[k]);
			assert_refused(text);
		}
		assert_refused(entries[i].name);
	}
}

static void test_bad_names_of_every_option(void **state)
{
	char text[80];

	(void)state;
	for (size_t i = 0; i < NENTRIES; i++) {
		(void)snprintf(text, sizeof(text), "%sx=1", entries[i].name);
		assert_refused(text);
		(void)snprintf(text, sizeof(text), " %s=1", entries[i].name);
		assert_refused(text);
		(void)snprintf(text, sizeof(text), "%s =1", entries[i].name);
		assert_refused(text);
		assert_refused(entries[i].name + 1);
	}
	assert_refused("nonsense=1");
	assert_refused("nonsense");
	assert_refused("=");
	assert_refused("=1");
	assert_refused("FIT=first");
}

/* ---- numbers --------------------------------------------------------------------------------- */

static const struct entry *entry_of(const char *name)
{
	for (size_t i = 0; i < NENTRIES; i++)
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	fail_msg("no option %s", name);
	return NULL;
}

static void test_units(void **state)
{
	const struct entry *limit = entry_of("limit");
	const struct entry *seed = entry_of("seed");

	(void)state;
	assert_taken("limit=7k", limit, 7u << 10);
	assert_taken("limit=7K", limit, 7u << 10);
	assert_taken("limit=7m", limit, 7u << 20);
	assert_taken("limit=7M", limit, 7u << 20);
	assert_taken("limit=7g", limit, (uint64_t)7 << 30);
	assert_taken("limit=7G", limit, (uint64_t)7 << 30);
	assert_taken("limit=0k", limit, 0);
	assert_taken("limit=007", limit, 7);
	assert_taken("seed=18446744073709551615", seed, UINT64_MAX);
	assert_taken("seed=17179869183g", seed, UINT64_MAX - ((1u << 30) - 1));
}

static void test_numbers_that_overflow(void **state)
{
	(void)state;
	assert_refused("seed=18446744073709551616");
	assert_refused("seed=18446744073709551625");
	assert_refused("seed=99999999999999999999");
	assert_refused("seed=184467440737095516160");
	assert_refused("seed=17179869184g");
	assert_refused("seed=18014398509481984k");
	assert_refused("seed=100000000000000000000000000000000000000000000000000000000000000");
	assert_refused("background=1k");
}

/* ---- strings --------------------------------------------------------------------------------- */

static void test_entries_are_independent(void **state)
{
	(void)state;
	assert_int_equal(ma_options_parse(&options, "limit=1m:fit=worst:seed=5:what=1:help=2"), 3);
	assert_int_equal(options.limit, 1u << 20);
	assert_int_equal(options.seed, 5);
	assert_int_equal(options.fit, 0);
	assert_false(options.help);
	assert_non_null(strstr(os_fake_written(), "bad value for an option: fit=worst;"));
	assert_non_null(strstr(os_fake_written(), "unknown option: what=1;"));
	assert_non_null(strstr(os_fake_written(), "bad value for an option: help=2;"));
	os_fake_forget();
}

static void test_empty_entries_and_repetition(void **state)
{
	(void)state;
	assert_int_equal(ma_options_parse(&options, ":::seed=1::seed=2:"), 0);
	assert_int_equal(options.seed, 2);
	assert_int_equal(ma_options_parse(&options, ":"), 0);
	assert_int_equal(ma_options_parse(&options, "seed=3:fit=best"), 0);
	assert_int_equal(options.seed, 3);
	assert_int_equal(options.fit, 1);
}

static void test_long_entries_are_named_in_part(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(ma_options_parse(&options, text), 1);
	assert_non_null(strstr(os_fake_written(), "unknown option: nnnnnnnnnnnnnnnnnnnn"));
	assert_in_range(strlen(os_fake_written()), 50, 300);
	os_fake_forget();
}

static void test_random_strings(void **state)
{
	static const char letters[] = "fitlimseed=:0123456789kmg|- rstbe\xff\x01";
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 11);
	for (int round = 0; round < 100000; round++) {
		char text[64];
		size_t len = ma_random_below(&random, sizeof(text));

		for (size_t i = 0; i < len; i++)
			text[i] = round % 2
					  ? (char)ma_random_next(&random)
					  : letters[ma_random_below(&random, sizeof(letters) - 1)];
		text[len] = '\0';
		(void)ma_options_parse(&options, text);
		assert_all_in_range();
		os_fake_forget();
	}
}

/* Whole entries, put together at random. */
static void test_random_entries(void **state)
{
	static const char *const values[] = {"0",   "1",  "2",     "first", "best",
					     "64",  "65", "1k",    "9999g", "",
					     "abc", "-1", "64m:x", "1=1:1", "::"};
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 12);
	for (int round = 0; round < 20000; round++) {
		char text[512] = "";

		for (size_t i = 0; i < 8; i++) {
			size_t v = ma_random_below(&random, sizeof(values) / sizeof(*values));

			(void)strcat(text, entries[ma_random_below(&random, NENTRIES)].name);
			(void)strcat(strcat(strcat(text, "="), values[v]), ":");
		}
		assert_true(ma_options_parse(&options, text) <= 32);
		assert_all_in_range();
		os_fake_forget();
	}
}

/* ---- help ------------------------------------------------------------------------------------ */

static void test_help_lists_all(void **state)
{
	char line[128];

	(void)state;
	(void)ma_options_parse(&options, "seed=4711:fit=best");
	ma_options_help(&options, 2);
	for (size_t i = 0; i < NENTRIES; i++) {
		const struct entry *e = &entries[i];

		(void)snprintf(line, sizeof(line), "\n  %s=%llu  ", e->name,
			       (unsigned long long)e->get(&options));
		if (e->type != CHOICE_ENTRY)
			assert_non_null(strstr(os_fake_written(), line));
		else
			assert_non_null(strstr(os_fake_written(), e->words));
	}
	assert_non_null(strstr(os_fake_written(), "\n  seed=4711  "));
	assert_non_null(strstr(os_fake_written(), "\n  fit=best  "));
	os_fake_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_numbers_and_flags, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_choices, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_bad_values_of_every_option, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_bad_names_of_every_option, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_units, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_numbers_that_overflow, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_entries_are_independent, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_empty_entries_and_repetition, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_long_entries_are_named_in_part, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_random_strings, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_random_entries, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_help_lists_all, setup, fixture_empty),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
