#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "options.h"
#include "random.h"

/* Every option, as this test sees it: written down by the same list, read by another way. */
struct entry {
	const char *name;
	enum { FLAG_ENTRY, NUMBER_ENTRY, CHOICE_ENTRY, STRING_ENTRY } type;
	uint64_t value, least, most;
	const char *words;
	uint64_t (*get)(const struct ma_options *options); /* of a string: its length */
	const char *string;
};

#define GETTER(name)                                           \
	static uint64_t get_##name(const struct ma_options *o) \
	{                                                      \
		return (uint64_t)o->name;                      \
	}
#define FLAG(name, value, help) GETTER(name)
#define NUMBER(name, value, least, most, help) GETTER(name)
#define CHOICE(name, value, words, help) GETTER(name)
#define STRING(name, help)                                     \
	static uint64_t get_##name(const struct ma_options *o) \
	{                                                      \
		return strnlen(o->name, sizeof(o->name));      \
	}
#define PRESET(profile, name, value)
#include "options.def"

static struct ma_options options;

static const struct entry entries[] = {
#define FLAG(name, value, help) {#name, FLAG_ENTRY, value, 0, 1, NULL, get_##name, NULL},
#define NUMBER(name, value, least, most, help) \
	{#name, NUMBER_ENTRY, value, least, most, NULL, get_##name, NULL},
#define CHOICE(name, value, words, help) \
	{#name, CHOICE_ENTRY, value, 0, 0, words, get_##name, NULL},
#define STRING(name, help) \
	{#name, STRING_ENTRY, 0, 0, MA_OPTION_STRING - 1, NULL, get_##name, options.name},
#define PRESET(profile, name, value)
#include "options.def"
};

/* What profiles set differently, once more. */
struct preset {
	const char *profile;
	const char *name;
	uint64_t value;
};

static const struct preset presets[] = {
#define FLAG(name, value, help)
#define NUMBER(name, value, least, most, help)
#define CHOICE(name, value, words, help)
#define STRING(name, help)
#define PRESET(profile, name, value) {#profile, #name, value},
#include "options.def"
};

#define NENTRIES (sizeof(entries) / sizeof(*entries))
#define NPRESETS (sizeof(presets) / sizeof(*presets))

static int setup(void **state)
{
	ma_options_init(&options, MA_OPTION_PROFILE_DEFAULT);
	return fixture_reset(state);
}

static size_t parse(const char *str)
{
	const struct ma_options_text text = {.source = "here", .str = str, .len = strlen(str)};

	return ma_options_apply(&options, &text);
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
		if (entries[i].string != NULL)
			assert_int_equal(entries[i].string[value], '\0');
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
	ma_options_init(&options, MA_OPTION_PROFILE_DEFAULT);
	os_fake_forget();
	assert_int_equal(parse(entry), 1);
	assert_defaults_but(NULL);
	assert_ptr_equal(strstr(os_fake_written(), "memalloc: here: "), os_fake_written());
	assert_non_null(strstr(os_fake_written(), entry));
	assert_ptr_equal(strchr(os_fake_written(), '\n') + 1, strchr(os_fake_written(), '\0'));
	os_fake_forget();
}

static void assert_taken(const char *entry, const struct entry *e, uint64_t value)
{
	ma_options_init(&options, MA_OPTION_PROFILE_DEFAULT);
	assert_int_equal(parse(entry), 0);
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
	assert_int_equal(parse(""), 0);
	assert_defaults_but(NULL);
}

/* ---- every option ---------------------------------------------------------------------------- */

static void test_numbers_and_flags(void **state)
{
	(void)state;
	for (size_t i = 0; i < NENTRIES; i++) {
		const struct entry *e = &entries[i];

		if (e->type == CHOICE_ENTRY || e->type == STRING_ENTRY)
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
	const size_t nbad = sizeof(bad) / sizeof(*bad);
	char text[80];

	(void)state;
	for (size_t i = 0; i < NENTRIES; i++) {
		for (size_t k = 0; k < nbad && entries[i].type != STRING_ENTRY; k++) {
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
	assert_int_equal(parse("limit=1m:fit=worst:seed=5:what=1:help=2"), 3);
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
	assert_int_equal(parse(":::seed=1::seed=2:"), 0);
	assert_int_equal(options.seed, 2);
	assert_int_equal(parse(":"), 0);
	assert_int_equal(parse("seed=3:fit=best"), 0);
	assert_int_equal(options.seed, 3);
	assert_int_equal(options.fit, 1);
}

static void test_long_entries_are_named_in_part(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse(text), 1);
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
		(void)parse(text);
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
		assert_true(parse(text) <= 32);
		assert_all_in_range();
		os_fake_forget();
	}
}

/* ---- profiles -------------------------------------------------------------------------------- */

static const char *const profiles[] = {"fast", "default", "strict"};

static uint64_t preset_of(const char *profile, const struct entry *e)
{
	for (size_t i = 0; i < NPRESETS; i++)
		if (strcmp(presets[i].profile, profile) == 0 &&
		    strcmp(presets[i].name, e->name) == 0)
			return presets[i].value;
	return e->value;
}

/* Of options that exist, in range, different from the default, and each once. */
static void test_presets_make_sense(void **state)
{
	(void)state;
	for (size_t i = 0; i < NPRESETS; i++) {
		const struct preset *p = &presets[i];
		const struct entry *e = entry_of(p->name);

		assert_true(e->type != STRING_ENTRY && strcmp(e->name, "profile") != 0);
		assert_true(p->value >= e->least && p->value <= most_of(e));
		assert_true(p->value != e->value);
		assert_true(strcmp(p->profile, "fast") == 0 || strcmp(p->profile, "strict") == 0);
		assert_int_equal(preset_of(p->profile, e), p->value);
		for (size_t k = 0; k < i; k++)
			assert_true(strcmp(presets[k].profile, p->profile) != 0 ||
				    strcmp(presets[k].name, p->name) != 0);
	}
}

static void test_profiles_set_what_they_say(void **state)
{
	(void)state;
	for (unsigned p = 0; p < sizeof(profiles) / sizeof(*profiles); p++) {
		ma_options_init(&options, (enum ma_option_profile)p);
		assert_all_in_range();
		assert_int_equal(options.profile, p);
		for (size_t i = 0; i < NENTRIES; i++)
			if (strcmp(entries[i].name, "profile") != 0)
				assert_int_equal(entries[i].get(&options),
						 preset_of(profiles[p], &entries[i]));
	}
}

/* The values others rely on, written out. */
static void test_profiles_in_numbers(void **state)
{
	(void)state;
	ma_options_init(&options, MA_OPTION_PROFILE_FAST);
	assert_int_equal(options.fill, 0);
	assert_int_equal(options.quarantine, 0);
	assert_int_equal(options.guards, MA_OPTION_GUARDS_NONE);
	assert_int_equal(options.exit_check_ms, 0);
	ma_options_init(&options, MA_OPTION_PROFILE_DEFAULT);
	assert_int_equal(options.fill, 256);
	assert_int_equal(options.quarantine, 32);
	assert_int_equal(options.quarantine_size, 256 << 10);
	assert_int_equal(options.guards, MA_OPTION_GUARDS_LARGE);
	assert_int_equal(options.exit_check_ms, 20);
	ma_options_init(&options, MA_OPTION_PROFILE_STRICT);
	assert_int_equal(options.fill, 32768);
	assert_int_equal(options.quarantine, 1024);
	assert_int_equal(options.quarantine_size, 4 << 20);
	assert_int_equal(options.guards, MA_OPTION_GUARDS_ALL);
	assert_int_equal(options.sample, 1000);
	assert_int_equal(options.stacks, MA_OPTION_STACKS_FAST);
	assert_int_equal(options.exit_check_ms, 60000);
	assert_true(options.shuffle && options.handle_segv && options.alloc_dealloc_mismatch);
}

static bool names_profile(const char *str, unsigned expected)
{
	const struct ma_options_text text = {.source = "here", .str = str, .len = strlen(str)};
	enum ma_option_profile profile = MA_OPTION_PROFILE_DEFAULT;

	return ma_options_profile(&text, &profile) && profile == expected;
}

static void test_the_profile_of_a_text(void **state)
{
	(void)state;
	assert_true(names_profile("profile=strict", MA_OPTION_PROFILE_STRICT));
	assert_true(names_profile("profile=strict:fill=0", MA_OPTION_PROFILE_STRICT));
	assert_true(names_profile("nonsense:profile=fast", MA_OPTION_PROFILE_FAST));
	assert_true(names_profile("profile=strict:profile=fast", MA_OPTION_PROFILE_FAST));
	assert_true(names_profile("profile=strict:profile=slow", MA_OPTION_PROFILE_STRICT));
	assert_true(names_profile("profile=default", MA_OPTION_PROFILE_DEFAULT));
	assert_false(names_profile("", MA_OPTION_PROFILE_DEFAULT));
	assert_false(names_profile("profile", MA_OPTION_PROFILE_DEFAULT));
	assert_false(names_profile("profile=", MA_OPTION_PROFILE_DEFAULT));
	assert_false(names_profile("profile=strict:5", MA_OPTION_PROFILE_DEFAULT));
	assert_false(names_profile("profiles=strict", MA_OPTION_PROFILE_DEFAULT));
	assert_string_equal(os_fake_written(), "");
}

/* ---- the words of choices, as others name them ----------------------------------------------- */

static void assert_word(const char *text, const char *name, uint64_t value)
{
	assert_int_equal(parse(text), 0);
	assert_int_equal(entry_of(name)->get(&options), value);
}

static void test_names_of_choices(void **state)
{
	(void)state;
	assert_word("profile=fast", "profile", MA_OPTION_PROFILE_FAST);
	assert_word("profile=default", "profile", MA_OPTION_PROFILE_DEFAULT);
	assert_word("profile=strict", "profile", MA_OPTION_PROFILE_STRICT);
	assert_word("fit=first", "fit", MA_OPTION_FIT_FIRST);
	assert_word("fit=best", "fit", MA_OPTION_FIT_BEST);
	assert_word("guards=none", "guards", MA_OPTION_GUARDS_NONE);
	assert_word("guards=large", "guards", MA_OPTION_GUARDS_LARGE);
	assert_word("guards=all", "guards", MA_OPTION_GUARDS_ALL);
	assert_word("stacks=off", "stacks", MA_OPTION_STACKS_OFF);
	assert_word("stacks=fast", "stacks", MA_OPTION_STACKS_FAST);
	assert_word("stacks=full", "stacks", MA_OPTION_STACKS_FULL);
	assert_word("on_violation=abort", "on_violation", MA_OPTION_ON_VIOLATION_ABORT);
	assert_word("on_violation=trap", "on_violation", MA_OPTION_ON_VIOLATION_TRAP);
	assert_word("on_violation=exit", "on_violation", MA_OPTION_ON_VIOLATION_EXIT);
	assert_word("on_violation=report", "on_violation", MA_OPTION_ON_VIOLATION_REPORT);
	assert_word("report=text", "report", MA_OPTION_REPORT_TEXT);
	assert_word("report=json", "report", MA_OPTION_REPORT_JSON);
}

/* ---- on_violation=exit:N --------------------------------------------------------------------- */

static void assert_exit(const char *str, unsigned on_violation, uint64_t exitcode)
{
	ma_options_init(&options, MA_OPTION_PROFILE_DEFAULT);
	assert_int_equal(parse(str), 0);
	assert_int_equal(options.on_violation, on_violation);
	assert_int_equal(options.exitcode, exitcode);
}

static void test_exit_with_a_status(void **state)
{
	(void)state;
	assert_exit("on_violation=exit", MA_OPTION_ON_VIOLATION_EXIT, 1);
	assert_exit("on_violation=exit:0", MA_OPTION_ON_VIOLATION_EXIT, 0);
	assert_exit("on_violation=exit:3", MA_OPTION_ON_VIOLATION_EXIT, 3);
	assert_exit("on_violation=exit:255", MA_OPTION_ON_VIOLATION_EXIT, 255);
	assert_exit("on_violation=exit:3:exitcode=4", MA_OPTION_ON_VIOLATION_EXIT, 4);
	assert_exit("exitcode=4:on_violation=exit:3:seed=1", MA_OPTION_ON_VIOLATION_EXIT, 3);
	assert_exit("exitcode=4:on_violation=exit", MA_OPTION_ON_VIOLATION_EXIT, 4);
	assert_exit("on_violation=exit:3:on_violation=trap", MA_OPTION_ON_VIOLATION_TRAP, 3);
	assert_exit("on_violation=exit::", MA_OPTION_ON_VIOLATION_EXIT, 1);
	assert_refused("on_violation=exit:256");
	assert_refused("on_violation=exit:99999999999999999999999");
	assert_refused("on_violation=exit:3:3");
	assert_refused("on_violation=abort:3");
	assert_refused("on_violation=:3");
	assert_refused("exitcode=256");
}

/* A piece of only digits belongs to the value before it, whatever that is. */
static void test_pieces_of_digits(void **state)
{
	(void)state;
	assert_refused("seed=1:2");
	assert_refused("fit=best:2:3");
	assert_refused("nonsense:2");
	assert_refused("5");
	assert_int_equal(parse("5:seed=7"), 1);
	assert_int_equal(options.seed, 7);
	assert_int_equal(parse("seed=8::5"), 1);
	assert_int_equal(options.seed, 8);
	assert_int_equal(parse("seed=9:5k"), 1);
	assert_int_equal(options.seed, 9);
	os_fake_forget();
}

/* ---- values that are strings ----------------------------------------------------------------- */

static void test_string_values(void **state)
{
	(void)state;
	assert_string_equal(options.log_path, "");
	assert_int_equal(parse("log_path=/var/log/a=b c:seed=5"), 0);
	assert_string_equal(options.log_path, "/var/log/a=b c");
	assert_int_equal(options.seed, 5);
	assert_int_equal(parse("log_path=short:7"), 0);
	assert_string_equal(options.log_path, "short:7");
	for (size_t i = strlen(options.log_path); i < sizeof(options.log_path); i++)
		assert_int_equal(options.log_path[i], '\0');
	assert_int_equal(parse("log_path="), 0);
	assert_string_equal(options.log_path, "");
	assert_refused("log_path");
}

static size_t parse_long_path(size_t len)
{
	char text[1024] = "log_path=";

	memset(text + strlen(text), 'p', len);
	return parse(text);
}

static void test_strings_that_are_too_long(void **state)
{
	(void)state;
	assert_int_equal(parse_long_path(sizeof(options.log_path) - 1), 0);
	assert_int_equal(strlen(options.log_path), sizeof(options.log_path) - 1);
	assert_all_in_range();
	assert_int_equal(parse("log_path=kept"), 0);
	assert_int_equal(parse_long_path(sizeof(options.log_path)), 1);
	assert_int_equal(parse_long_path(999), 1);
	assert_string_equal(options.log_path, "kept");
	assert_non_null(strstr(os_fake_written(), "bad value for an option: log_path=ppp"));
	os_fake_forget();
}

/* ---- where a text ends, and what it is called ------------------------------------------------ */

static size_t parse_part(const char *str, size_t len, bool blanks)
{
	const struct ma_options_text text = {"file", 12, blanks, str, len};

	return ma_options_apply(&options, &text);
}

static void test_texts_need_no_end(void **state)
{
	(void)state;
	assert_int_equal(parse_part("seed=12345", 7, false), 0);
	assert_int_equal(options.seed, 12);
	assert_int_equal(parse_part("seed=3:fit=best", 6, false), 0);
	assert_int_equal(options.seed, 3);
	assert_int_equal(options.fit, 0);
	assert_int_equal(parse_part("on_violation=exit:77", 19, false), 0);
	assert_int_equal(options.exitcode, 7);
	assert_int_equal(parse_part("seed=1", 0, false), 0);
	assert_int_equal(options.seed, 3);
}

static void test_blanks_where_they_do_not_count(void **state)
{
	static const char text[] = " seed = 5 :\tfit= best\r: :log_path = a  b :";

	(void)state;
	assert_int_equal(parse_part(text, strlen(text), true), 0);
	assert_int_equal(options.seed, 5);
	assert_int_equal(options.fit, 1);
	assert_string_equal(options.log_path, "a  b");
	assert_int_equal(parse_part(text, strlen(text), false), 4);
	os_fake_forget();
	assert_int_equal(parse_part("se ed=5", 7, true), 1);
	assert_int_equal(parse_part("seed=5 5", 8, true), 1);
	assert_int_equal(parse_part("seed=", 5, true), 1);
	os_fake_forget();
}

static void test_warnings_name_the_place(void **state)
{
	(void)state;
	assert_int_equal(parse_part("what=1", 6, true), 1);
	assert_string_equal(os_fake_written(), "memalloc: file, line 12: unknown option: what=1; "
					       "MEMALLOC_OPTIONS=help=1 lists the options\n");
	os_fake_forget();
	assert_int_equal(parse_part("a\nb\0c\x1b[31m\x7f=1", 13, false), 1);
	assert_non_null(strstr(os_fake_written(), "unknown option: a?b?c?[31m?=1;"));
	os_fake_forget();
}

/* N3 */
static void test_the_same_text_gives_the_same_bytes(void **state)
{
	static const char text[] = "log_path=abc:seed=7:what:profile=strict:fill=3";
	static struct ma_options other;

	(void)state;
	memset(&options, 0xff, sizeof(options));
	ma_options_init(&options, MA_OPTION_PROFILE_STRICT);
	assert_int_equal(parse("log_path=something longer"), 0);
	assert_int_equal(parse(text), 1);
	other = options;
	memset(&options, 0, sizeof(options));
	ma_options_init(&options, MA_OPTION_PROFILE_STRICT);
	assert_int_equal(parse(text), 1);
	assert_memory_equal(&options, &other, sizeof(options));
	os_fake_forget();
}

/* ---- help ------------------------------------------------------------------------------------ */

static void test_help_lists_all(void **state)
{
	char line[128];

	(void)state;
	assert_int_equal(parse("seed=4711:fit=best:log_path=/tmp/a log:profile=fast"), 0);
	ma_options_help(&options, 2);
	for (size_t i = 0; i < NENTRIES; i++) {
		const struct entry *e = &entries[i];

		(void)snprintf(line, sizeof(line), "\n  %s=%llu  ", e->name,
			       (unsigned long long)e->get(&options));
		if (e->type == FLAG_ENTRY || e->type == NUMBER_ENTRY)
			assert_non_null(strstr(os_fake_written(), line));
		else if (e->type == CHOICE_ENTRY)
			assert_non_null(strstr(os_fake_written(), e->words));
	}
	assert_non_null(strstr(os_fake_written(), "\n  seed=4711  "));
	assert_non_null(strstr(os_fake_written(), "\n  fit=best  "));
	assert_non_null(strstr(os_fake_written(), "\n  log_path=/tmp/a log  "));
	assert_non_null(strstr(os_fake_written(), "\n  profile=fast  "));
	assert_non_null(strstr(os_fake_written(), "\n  strict_options=0  "));
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
		cmocka_unit_test_setup_teardown(test_presets_make_sense, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_profiles_set_what_they_say, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_profiles_in_numbers, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_the_profile_of_a_text, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_names_of_choices, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_exit_with_a_status, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_pieces_of_digits, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_string_values, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_strings_that_are_too_long, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_texts_need_no_end, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_blanks_where_they_do_not_count, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_warnings_name_the_place, setup, fixture_empty),
		cmocka_unit_test_setup_teardown(test_the_same_text_gives_the_same_bytes, setup,
						fixture_empty),
		cmocka_unit_test_setup_teardown(test_help_lists_all, setup, fixture_empty),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
