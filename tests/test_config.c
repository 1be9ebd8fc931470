#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "fixture.h"
#include "random.h"

#define PROGRAM "postgres"

/* The program's own string: this program is linked with the library's objects. */
extern const char *memalloc_options;
const char *memalloc_options;

static struct ma_options options;

static int setup(void **state)
{
	memset(&options, 0xff, sizeof(options));
	memalloc_options = NULL;
	return fixture_reset(state);
}

static struct ma_config_source string_of(const char *text)
{
	return (struct ma_config_source){"string", text, strlen(text), false};
}

static struct ma_config_source file_of(const char *text)
{
	return (struct ma_config_source){"file", text, strlen(text), true};
}

static size_t parse_file(const char *text)
{
	const struct ma_config_source source = file_of(text);

	return ma_config_parse(&options, &source, 1, PROGRAM);
}

static size_t parse_string(const char *text)
{
	const struct ma_config_source source = string_of(text);

	return ma_config_parse(&options, &source, 1, PROGRAM);
}

static bool is_profile(enum ma_option_profile profile)
{
	static struct ma_options pure;

	ma_options_init(&pure, profile);
	return memcmp(&options, &pure, sizeof(pure)) == 0;
}

static void assert_said(const char *text)
{
	if (strstr(os_fake_written(), text) == NULL)
		fail_msg("expected \"%s\" in: %s", text, os_fake_written());
}

static void assert_silent(void)
{
	assert_string_equal(os_fake_written(), "");
}

/* ---- the order of sources -------------------------------------------------------------------- */

static void test_no_source(void **state)
{
	(void)state;
	assert_int_equal(ma_config_parse(&options, NULL, 0, PROGRAM), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
	assert_int_equal(parse_string(""), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
	assert_int_equal(parse_file(""), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
}

static void test_a_profile_applies_before_all_options(void **state)
{
	(void)state;
	assert_int_equal(parse_string("profile=strict"), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_STRICT));
	assert_int_equal(parse_string("fill=0:profile=strict"), 0);
	assert_int_equal(options.fill, 0);
	assert_int_equal(options.quarantine, 1024);
	assert_int_equal(options.profile, MA_OPTION_PROFILE_STRICT);
	options.fill = 32768;
	assert_true(is_profile(MA_OPTION_PROFILE_STRICT));
}

/* Nothing of a profile that was named earlier stays. */
static void test_the_last_profile_counts(void **state)
{
	(void)state;
	assert_int_equal(parse_string("profile=strict:profile=fast"), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_FAST));
	assert_int_equal(parse_string("profile=strict:profile=default"), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
	assert_int_equal(parse_string("profile=fast:profile=nonsense"), 1);
	assert_true(is_profile(MA_OPTION_PROFILE_FAST));
	assert_said("memalloc: string: bad value for an option: profile=nonsense;");
	os_fake_forget();
}

static void test_later_sources_override(void **state)
{
	const struct ma_config_source sources[] = {
		string_of("seed=1:init=1:limit=1:profile=fast"),
		file_of("seed=2\nlimit=2\n"),
		string_of("seed=3"),
	};

	(void)state;
	assert_int_equal(ma_config_parse(&options, sources, 3, PROGRAM), 0);
	assert_int_equal(options.init, 1);
	assert_int_equal(options.limit, 2);
	assert_int_equal(options.seed, 3);
	assert_int_equal(options.profile, MA_OPTION_PROFILE_FAST);
	assert_int_equal(options.quarantine, 0);
}

/* A profile of the last source does not override single options of the first. */
static void test_a_profile_of_the_last_source(void **state)
{
	const struct ma_config_source sources[] = {
		string_of("quarantine=7:profile=fast"),
		file_of("fill = 0\nprofile = default"),
		string_of("profile=strict"),
	};

	(void)state;
	assert_int_equal(ma_config_parse(&options, sources, 3, PROGRAM), 0);
	assert_int_equal(options.profile, MA_OPTION_PROFILE_STRICT);
	assert_int_equal(options.quarantine, 7);
	assert_int_equal(options.fill, 0);
	assert_int_equal(options.sample, 1000);
}

static void test_every_source_is_warned_about_by_name(void **state)
{
	const struct ma_config_source sources[] = {
		string_of("one=1"),
		file_of("zero\n\ntwo=2\nseed=x # and why\n"),
	};

	(void)state;
	assert_int_equal(ma_config_parse(&options, sources, 2, PROGRAM), 4);
	assert_said("memalloc: string: unknown option: one=1;");
	assert_said("memalloc: file, line 1: unknown option: zero;");
	assert_said("memalloc: file, line 3: unknown option: two=2;");
	assert_said("memalloc: file, line 4: bad value for an option: seed=x;");
	os_fake_forget();
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void test_lines(void **state)
{
	(void)state;
	assert_int_equal(parse_file("seed=1:init=2\n"
				    "\n"
				    "   \t \r\n"
				    "# limit=3\n"
				    "  # limit=3\n"
				    "  limit = 4 : fit = best  \r\n"
				    "log_path = /tmp/a#b c # a comment\n"
				    "on_violation = exit:5\n"
				    "retain\t=\t6"),
			 0);
	assert_silent();
	assert_int_equal(options.seed, 1);
	assert_int_equal(options.init, 2);
	assert_int_equal(options.limit, 4);
	assert_int_equal(options.fit, MA_OPTION_FIT_BEST);
	assert_string_equal(options.log_path, "/tmp/a#b c");
	assert_int_equal(options.on_violation, MA_OPTION_ON_VIOLATION_EXIT);
	assert_int_equal(options.exitcode, 5);
	assert_int_equal(options.retain, 6);
}

static void test_bad_lines(void **state)
{
	static const char *const bad[] = {
		"seed",    "seed 5",  "seed=", "seed=5 5", "seed=5# no", "=",        "= 5",
		"se ed=5", "seed=5;", "5",     "seed=1]",  "seed==5",    "\xff\xfe", "what=1"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "init=1\n%s\nlimit=2\n", bad[i]);
		assert_int_equal(parse_file(text), 1);
		assert_int_equal(options.init, 1);
		assert_int_equal(options.limit, 2);
		assert_int_equal(options.seed, 0);
		assert_said("memalloc: file, line 2: ");
		assert_said(bad[i]);
		assert_ptr_equal(strchr(os_fake_written(), '\n') + 1,
				 strchr(os_fake_written(), '\0'));
		os_fake_forget();
	}
}

/* What a file has, a string has not. */
static void test_strings_have_no_lines(void **state)
{
	(void)state;
	assert_int_equal(parse_string("seed=1\ninit=2"), 1);
	assert_said("memalloc: string: bad value for an option: seed=1?init=2;");
	os_fake_forget();
	assert_int_equal(parse_string("# seed=1"), 1);
	assert_int_equal(parse_string("[" PROGRAM "]"), 1);
	assert_int_equal(parse_string("seed = 1"), 1);
	assert_int_equal(parse_string("seed=1 # a comment"), 1);
	os_fake_forget();
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
}

static void test_long_lines(void **state)
{
	static char text[200000];
	size_t len = 0;

	(void)state;
	while (len < 150000)
		len += (size_t)sprintf(text + len, "seed=%zu:", len);
	(void)strcpy(text + len, "seed=4711\n");
	assert_int_equal(parse_file(text), 0);
	assert_int_equal(options.seed, 4711);
	memset(text, 'x', sizeof(text) - 20);
	(void)strcpy(text + sizeof(text) - 20, "\nseed=4712\n");
	assert_int_equal(parse_file(text), 1);
	assert_int_equal(options.seed, 4712);
	assert_in_range(strlen(os_fake_written()), 100, 300);
	os_fake_forget();
}

/* ---- sections -------------------------------------------------------------------------------- */

static const char *section_seed(const char *section, const char *program)
{
	static char text[64];
	struct ma_config_source source;

	(void)snprintf(text, sizeof(text), "seed=1\n%s\nseed=2\n", section);
	source = file_of(text);
	assert_int_equal(ma_config_parse(&options, &source, 1, program), 0);
	return options.seed == 2 ? "applies" : options.seed == 1 ? "does not" : "what?";
}

static void test_names_of_sections(void **state)
{
	static const char *const own[] = {
		"[postgres]",   "[postgres*]",   "[post*]",         "[p*]",        "[*]",
		"[ postgres ]", " [postgres]\t", "[postgres] # us", "[postgres]\r"};
	static const char *const other[] = {"[postgre]",   "[postgresq]",    "[postgresq*]",
					    "[ostgres]",   "[q*]",           "[Postgres]",
					    "[pos*tgres]", "[*gres]",        "[p]",
					    "[]]",         "[/bin/postgres]"};

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		assert_string_equal(section_seed(own[i], PROGRAM), "applies");
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		assert_string_equal(section_seed(other[i], PROGRAM), "does not");
	/* Where the program's name cannot be told. */
	assert_string_equal(section_seed("[*]", ""), "applies");
	assert_string_equal(section_seed("[p*]", ""), "does not");
	assert_silent();
}

/* F1 */
static void test_what_is_in_sections(void **state)
{
	(void)state;
	assert_int_equal(parse_file("seed=1\n"
				    "[other]\n"
				    "seed=2\nprofile=strict\nnonsense\ninit=2\n"
				    "[" PROGRAM "]\n"
				    "seed=3\n"
				    "[another*]\n"
				    "seed=4\nlimit=4\n"
				    "[*]\n"
				    "retain=5\n"
				    "[post*]\n"
				    "purge_ms=6\n"),
			 0);
	assert_silent();
	assert_int_equal(options.profile, MA_OPTION_PROFILE_DEFAULT);
	assert_int_equal(options.seed, 3);
	assert_int_equal(options.init, 0);
	assert_int_equal(options.limit, 0);
	assert_int_equal(options.retain, 5);
	assert_int_equal(options.purge_ms, 6);
	assert_int_equal(parse_file("[" PROGRAM "]\nprofile=strict\n"), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_STRICT));
}

/* A zero byte ends neither a name nor a path. */
static void test_zero_bytes(void **state)
{
	static const char text[] =
		"[postgres\0*]\nseed=1\n[postgres\0]\nseed=2\n[*]\nlog_path=a\0b\n";
	const struct ma_config_source source = {"file", text, sizeof(text) - 1, true};

	(void)state;
	assert_int_equal(ma_config_parse(&options, &source, 1, PROGRAM), 1);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
	assert_said("memalloc: file, line 6: bad value for an option: log_path=a?b;");
	os_fake_forget();
}

/* What follows a bad one applies to no program; a section ends with its file. */
static void test_bad_sections(void **state)
{
	static const char *const bad[] = {"[", "[]", "[ ]", "[" PROGRAM, "[" PROGRAM "] x", "[*"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "seed=1\n%s\nseed=2\n[*]\ninit=3", bad[i]);
		assert_int_equal(parse_file(text), 1);
		assert_int_equal(options.seed, 1);
		assert_int_equal(options.init, 3);
		assert_said("memalloc: file, line 2: bad section: [");
		assert_ptr_equal(strchr(os_fake_written(), '\n') + 1,
				 strchr(os_fake_written(), '\0'));
		os_fake_forget();
	}
}

static void test_a_section_ends_with_its_file(void **state)
{
	const struct ma_config_source sources[] = {
		file_of("[other]\nseed=1\n"),
		file_of("seed=2\n"),
		string_of("init=3"),
	};

	(void)state;
	assert_int_equal(ma_config_parse(&options, sources, 3, PROGRAM), 0);
	assert_int_equal(options.seed, 2);
	assert_int_equal(options.init, 3);
}

/* ---- any bytes ------------------------------------------------------------------------------- */

static void assert_in_bounds(void)
{
	assert_true(options.profile <= MA_OPTION_PROFILE_STRICT);
	assert_true(options.on_violation <= MA_OPTION_ON_VIOLATION_REPORT);
	assert_true(options.exitcode <= 255);
	assert_true(options.fill <= 32768);
	assert_non_null(memchr(options.log_path, '\0', sizeof(options.log_path)));
}

/* Exactly as long as the bytes are, so that tools see a read beyond them. */
static void parse_random(struct ma_random *random, const char *letters, size_t nletters)
{
	size_t size = ma_random_below(random, 4000);
	char *text = malloc(size + 1);
	char *exact = realloc(text, size > 0 ? size : 1);
	const struct ma_config_source source = {"file", exact, size,
						ma_random_below(random, 4) > 0};
	static struct ma_options again;
	size_t nbad;

	assert_non_null(exact);
	for (size_t i = 0; i < size; i++)
		exact[i] = nletters > 0 ? letters[ma_random_below(random, nletters)]
					: (char)ma_random_next(random);
	nbad = ma_config_parse(&options, &source, 1, PROGRAM);
	assert_in_bounds();
	assert_int_equal(ma_config_parse(&again, &source, 1, PROGRAM), nbad);
	assert_memory_equal(&options, &again, sizeof(options));
	free(exact);
	os_fake_forget();
}

static void test_random_bytes(void **state)
{
	static const char letters[] = "\n\n:::===[]*# \tfilseedpost019\r";
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 21);
	for (int round = 0; round < 500; round++) {
		parse_random(&random, NULL, 0);
		parse_random(&random, letters, sizeof(letters) - 1);
	}
}

/* ---- the sources of a process ---------------------------------------------------------------- */

static void set_file(const char *text)
{
	os_fake_set_file(text, strlen(text));
}

static void test_sources_of_the_process(void **state)
{
	(void)state;
	assert_int_equal(ma_config_read(&options), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
	memalloc_options = "seed=1:init=1:limit=1:profile=strict:one";
	assert_int_equal(ma_config_read(&options), 1);
	assert_int_equal(options.seed, 1);
	set_file("seed=2\n[mine]\ninit=2\n[other]\nlimit=2\n[*]\ntwo");
	os_fake_set_program("mine");
	os_fake_setenv("seed=3:three");
	os_fake_forget();
	assert_int_equal(ma_config_read(&options), 3);
	assert_int_equal(options.limit, 1);
	assert_int_equal(options.init, 2);
	assert_int_equal(options.seed, 3);
	assert_int_equal(options.sample, 1000);
	assert_said("memalloc: memalloc_options: unknown option: one;");
	assert_said("memalloc: /etc/memalloc.conf, line 7: unknown option: two;");
	assert_said("memalloc: MEMALLOC_OPTIONS: unknown option: three;");
	os_fake_forget();
}

static void test_a_missing_file_is_asked_for_once(void **state)
{
	(void)state;
	os_fake_setenv("profile=fast");
	assert_int_equal(ma_config_read(&options), 0);
	assert_true(is_profile(MA_OPTION_PROFILE_FAST));
	assert_int_equal(os_fake_file_reads(), 1);
}

/* F3: whole lines, up to the limit; what lies behind it is said not to be used. */
static void read_long_file(size_t size, size_t nbad, uint64_t seed)
{
	static char text[2 * MA_CONFIG_FILE_MAX];
	static const char last[] = "\nseed=22";

	memset(text, '#', sizeof(text));
	memcpy(text, "seed=1\n", 7);
	memcpy(text + size - strlen(last), last, strlen(last));
	os_fake_set_file(text, size);
	assert_int_equal(ma_config_read(&options), nbad);
	assert_int_equal(options.seed, seed);
	if (nbad > 0)
		assert_said("memalloc: /etc/memalloc.conf: longer than 64 KiB");
	os_fake_forget();
}

static void test_files_at_the_limit(void **state)
{
	(void)state;
	read_long_file(MA_CONFIG_FILE_MAX - 1, 0, 22);
	read_long_file(MA_CONFIG_FILE_MAX, 0, 22);
	read_long_file(MA_CONFIG_FILE_MAX + 1, 1, 1);
	read_long_file(MA_CONFIG_FILE_MAX + 7, 1, 1);
	read_long_file(MA_CONFIG_FILE_MAX + 1000, 1, 1);
}

static void test_a_file_without_lines(void **state)
{
	static char text[MA_CONFIG_FILE_MAX + 1];

	(void)state;
	memset(text, '\0', sizeof(text));
	os_fake_set_file(text, sizeof(text));
	assert_int_equal(ma_config_read(&options), 1);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
	os_fake_set_file(text, sizeof(text) - 1);
	assert_int_equal(ma_config_read(&options), 1);
	assert_true(is_profile(MA_OPTION_PROFILE_DEFAULT));
	os_fake_set_file(text, 0);
	assert_int_equal(ma_config_read(&options), 0);
	os_fake_forget();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_source),
		TEST(test_a_profile_applies_before_all_options),
		TEST(test_the_last_profile_counts),
		TEST(test_later_sources_override),
		TEST(test_a_profile_of_the_last_source),
		TEST(test_every_source_is_warned_about_by_name),
		TEST(test_lines),
		TEST(test_bad_lines),
		TEST(test_strings_have_no_lines),
		TEST(test_long_lines),
		TEST(test_names_of_sections),
		TEST(test_what_is_in_sections),
		TEST(test_zero_bytes),
		TEST(test_bad_sections),
		TEST(test_a_section_ends_with_its_file),
		TEST(test_random_bytes),
		TEST(test_sources_of_the_process),
		TEST(test_a_missing_file_is_asked_for_once),
		TEST(test_files_at_the_limit),
		TEST(test_a_file_without_lines),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
