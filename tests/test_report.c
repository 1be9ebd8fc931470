#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "fixture.h"
#include "json.h"
#include "report.h"

static const char *const kinds[] = {
	[MA_DOUBLE_FREE] = "double free",
	[MA_INVALID_FREE] = "invalid free",
	[MA_HEAP_OVERFLOW] = "heap overflow",
	[MA_HEAP_UNDERFLOW] = "heap underflow",
	[MA_WRITE_AFTER_FREE] = "write after free",
	[MA_BAD_REALLOC] = "bad realloc",
	[MA_BAD_USABLE_SIZE] = "bad usable size",
	[MA_SIZE_MISMATCH] = "size mismatch",
	[MA_ALIGNMENT_MISMATCH] = "alignment mismatch",
	[MA_DEALLOC_MISMATCH] = "alloc-dealloc mismatch",
	[MA_BAD_ACCESS] = "bad access",
	[MA_WRONG_POOL] = "wrong pool",
	[MA_BAD_POOL] = "bad pool",
	[MA_BAD_METADATA] = "bad metadata",
};

#define NKINDS (sizeof(kinds) / sizeof(*kinds))

/* What the fake OS says of thread and process. */
#define THREAD_LINE "memalloc:   thread 1 of process 2\n"

#define SAMPLE "sample=100 makes the access itself fault\n"

/* Nothing is readable in it, so that no headers are looked for. */
static const char maps[] =
	"00000000-00001000 --xp 00000000 00:00 0\n"
	"00400000-00402000 --xp 00000000 fd:01 1000                       /usr/bin/foo\n"
	"20200000-20300000 -w-p 00000000 00:00 0\n"
	"7f2100000000-7f2100010000 --xp 00030000 fd:01 1001               /usr/lib/libfoo.so.1\n"
	"7f2100020000-7f2100030000 -w-p 00000000 00:00 0\n"
	"7ffc00000000-7ffc00021000 -w-p 00000000 00:00 0                  [stack]\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n";

static struct ma_report_config config;

/* Reports that return, to be looked at one by one. */
static int go_on(void **state)
{
	(void)fixture_reset(state);
	config = (struct ma_report_config){.action = MA_ON_REPORT};
	ma_report_configure(&config);
	return 0;
}

static struct ma_violation plain(enum ma_violation_kind kind)
{
	const struct ma_violation v = {
		.kind = kind,
		.ptr = (const void *)0x1234,
		.why = "is wrong",
		.requested = SIZE_MAX,
	};

	return v;
}

/* What is written for a violation, when the report returns. */
static const char *report(const struct ma_violation *v)
{
	static char text[8192];

	os_fake_forget();
	ma_report(v);
	(void)snprintf(text, sizeof(text), "%s", os_fake_written());
	os_fake_forget();
	assert_int_equal(os_fake_nopen(), 0);
	return text;
}

/* Bytes as they stand in memory, first one first. */
static uint64_t bytes(const char *eight)
{
	uint64_t n;

	memcpy(&n, eight, sizeof(n));
	return n;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* V3, and nothing else when nothing else is known */
static void test_the_first_line_of_each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < NKINDS; i++) {
		const struct ma_violation v = plain((enum ma_violation_kind)i);
		char expected[256];

		(void)snprintf(expected, sizeof(expected),
			       "memalloc: %s: 0x1234 is wrong\n" THREAD_LINE, kinds[i]);
		assert_memory_equal(report(&v), expected, strlen(expected));
		assert_string_equal(ma_report_kind(v.kind), kinds[i]);
	}
}

static void test_the_object(void **state)
{
	struct ma_violation v = plain(MA_INVALID_FREE);

	(void)state;
	v.allocated = 1; /* so that there is nothing to advise */
	v.object = (const void *)0x1200;
	assert_non_null(strstr(report(&v), "\nmemalloc:   object 0x1200\n" THREAD_LINE));
	v.slot = 64;
	assert_non_null(strstr(report(&v), "\nmemalloc:   object 0x1200, in 64 bytes\n"));
	v.requested = 20;
	assert_non_null(strstr(report(&v), "\nmemalloc:   object 0x1200, 20 bytes requested, "
					   "in 64 bytes\n"));
	v.requested = 0;
	v.slot = 0;
	v.state = "live";
	assert_non_null(strstr(report(&v), "\nmemalloc:   object 0x1200, 0 bytes requested, "
					   "live\n"));
}

static void test_the_damage(void **state)
{
	struct ma_violation v = plain(MA_BAD_REALLOC);

	(void)state;
	v.damage = (const void *)0x1240;
	v.expected = 0xfedcba9876543210;
	v.found = 0x10;
	assert_string_equal(report(&v), "memalloc: bad realloc: 0x1234 is wrong\n"
					"memalloc:   at 0x1240: expected 0xfedcba9876543210, found "
					"0x10\n" THREAD_LINE);
}

static void test_the_surroundings(void **state)
{
	struct ma_violation v = plain(MA_DOUBLE_FREE);

	(void)state;
	(void)strcpy(v.around, "llqq.l[!]l...l##");
	assert_string_equal(report(&v), "memalloc: double free: 0x1234 is wrong\n"
					"memalloc:   around: llqq.l[!]l...l##  (l live, . free, q "
					"retired, ! damaged, # guard)\n" THREAD_LINE);
}

/* Where the object is known, or the pointer is ours, the list of mappings would add nothing. */
static void test_where_the_pointer_lies(void **state)
{
	static const bool told[NKINDS] = {
		[MA_INVALID_FREE] = true,     [MA_BAD_REALLOC] = true, [MA_BAD_USABLE_SIZE] = true,
		[MA_DEALLOC_MISMATCH] = true, [MA_BAD_ACCESS] = true,  [MA_WRONG_POOL] = true,
		[MA_BAD_POOL] = true,
	};

	(void)state;
	os_fake_set_maps(maps, 50);
	for (size_t i = 0; i < NKINDS; i++) {
		struct ma_violation v = plain((enum ma_violation_kind)i);

		v.ptr = (const void *)0x401010;
		assert_true(told[i] ==
			    (strstr(report(&v),
				    "\nmemalloc:   0x401010 lies in "
				    "/usr/bin/foo+0x1010 (executable)\n" THREAD_LINE) != NULL));
		v.object = (const void *)0x401000;
		assert_null(strstr(report(&v), "lies in"));
	}
}

/* ---- guesses --------------------------------------------------------------------------------- */

#define CANARY "\x81\x82\x83\x84\x85\x86\x87\x88"
#define ZERO "\0\0\0\0\0\0\0\0"

static const char terminator[] = "one zero byte past the end: no place for a string's terminator?";
static const char one_bit[] =
	"a single bit differs: a flag or a counter, or a bit that flipped in bad memory?";
static const char behind[] = "the bytes next to the object are intact: written from behind, by an "
			     "underflow of the next object?";
static const char minus[] = "the bytes are the number -1: a counter decremented after the free?";
static const char none[] = "";

static const struct guess {
	enum ma_violation_kind kind;
	const char *expected, *found;
	const char *guess;
} guesses[] = {
	{MA_HEAP_OVERFLOW, CANARY, "\0\x82\x83\x84\x85\x86\x87\x88", terminator},
	{MA_HEAP_OVERFLOW, "\x01\x82\x83\x84\x85\x86\x87\x88", "\0\x82\x83\x84\x85\x86\x87\x88",
	 terminator},
	{MA_HEAP_UNDERFLOW, CANARY, "\0\x82\x83\x84\x85\x86\x87\x88", none},
	{MA_HEAP_OVERFLOW, CANARY, "\0\0\x83\x84\x85\x86\x87\x88", none},
	{MA_HEAP_OVERFLOW, CANARY, "\x01\x82\x83\x84\x85\x86\x87\x88", one_bit},
	{MA_HEAP_OVERFLOW, CANARY, "\x81\x82\x83\x84\x85\x86\x87\x80", one_bit},
	{MA_WRITE_AFTER_FREE, ZERO, "\x40\0\0\0\0\0\0\0", one_bit},
	{MA_WRITE_AFTER_FREE, ZERO, "\x41\0\0\0\0\0\0\0", none},
	{MA_HEAP_OVERFLOW, CANARY, "\x81\x82\x83\x84\0\0\0\0", behind},
	{MA_HEAP_OVERFLOW, CANARY, "\x81\x82\x83\x84\x85\x86\x87\x10", behind},
	{MA_HEAP_OVERFLOW, CANARY, "\x81xyzabcd", behind},
	{MA_HEAP_OVERFLOW, "abc\x84\x85\x86\x87\x88", "abcxyzuv", behind},
	{MA_WRITE_AFTER_FREE, CANARY, "\x81\x82\x83\x84\0\0\0\0", none},
	{MA_HEAP_OVERFLOW, CANARY, "\xff\xff\xff\xff\xff\xff\xff\xff",
	 "all bytes are 0xff: a memset that is too long?"},
	{MA_HEAP_UNDERFLOW, CANARY, ZERO, "all bytes are 0x0: a memset that is too long?"},
	{MA_HEAP_OVERFLOW, CANARY, "AAAAAAAA",
	 "all bytes are 0x41 'A': a memset that is too long?"},
	{MA_WRITE_AFTER_FREE, ZERO, "\xff\xff\xff\xff\xff\xff\xff\xff",
	 "all bytes are 0xff: a memset of stale memory?"},
	{MA_HEAP_OVERFLOW, CANARY, "\xff\xff\xff\xff\xff\xff\xff\xfe", none},
	{MA_WRITE_AFTER_FREE, ZERO, "\xff\xff\xff\xff\0\0\0\0", minus},
	{MA_WRITE_AFTER_FREE, ZERO, "\xff\xff\xff\xfe\0\0\0\0", none},
	{MA_WRITE_AFTER_FREE, CANARY, "\xff\xff\xff\xff\0\0\0\0", none},
	{MA_HEAP_OVERFLOW, CANARY, "\xff\xff\xff\xff\0\0\0\0", none},
	{MA_HEAP_OVERFLOW, CANARY, "abc\0\x85\x86\x87\x88",
	 "the bytes are text, \"abc\": a string copied into too small or stale memory?"},
	{MA_WRITE_AFTER_FREE, ZERO, "a\"c ~fgh",
	 "the bytes are text, \"a\"c ~fgh\": a string copied into too small or stale memory?"},
	{MA_HEAP_OVERFLOW, CANARY, "ab\x83\x84\x85\x86\x87\x88", none},
	{MA_HEAP_OVERFLOW, CANARY, "ab\x7f\x84\x85\x86\x87\x88", none},
	{MA_HEAP_OVERFLOW, CANARY, CANARY, none},
	/* 0x7f2100000010, 0x7f2100020008, and what begins one byte behind the start of a word */
	{MA_HEAP_OVERFLOW, CANARY, "\x10\0\0\0\x21\x7f\0\0",
	 "the bytes are an address, 0x7f2100000010 in /usr/lib/libfoo.so.1+0x30010: a pointer "
	 "stored through a stale or wrong pointer?"},
	{MA_WRITE_AFTER_FREE, ZERO, "\x08\0\x02\0\x21\x7f\0\0",
	 "the bytes are an address, 0x7f2100020008: a pointer stored through a stale or wrong "
	 "pointer?"},
	{MA_HEAP_UNDERFLOW, CANARY, "\x18\0\0\0\xfc\x7f\0\0",
	 "the bytes are an address, 0x7ffc00000018 in [stack]: a pointer stored through a stale or "
	 "wrong pointer?"},
	{MA_HEAP_UNDERFLOW, CANARY, "    \0\0\0\0",
	 "the bytes are an address, 0x20202020: a pointer stored through a stale or wrong "
	 "pointer?"},
	{MA_HEAP_UNDERFLOW, CANARY, "\x31\0\0\0\0\0\0\0", none},
	{MA_HEAP_UNDERFLOW, CANARY, "\0\0\x60\xff\xff\xff\xff\xff", none},
	{MA_HEAP_OVERFLOW, CANARY, "\x10\0\0\0\x22\x7f\0\0", none},
	{MA_HEAP_OVERFLOW, CANARY, "\x10\0\0\0\x21\x7f\0\x01", none},
};

static const struct guess a_text = {MA_WRITE_AFTER_FREE, ZERO, "a\"c ~fgh", NULL};
static const struct guess an_address = {MA_HEAP_OVERFLOW, CANARY, "\x10\0\0\0\x21\x7f\0\0", NULL};

static struct ma_violation damaged(const struct guess *g)
{
	struct ma_violation v = plain(g->kind);

	v.damage = (const void *)0x1240;
	v.expected = bytes(g->expected);
	v.found = bytes(g->found);
	return v;
}

static void assert_guess(const struct ma_violation *v, const char *guess)
{
	static char expected[1024];

	(void)snprintf(expected, sizeof(expected),
		       "memalloc: %s: 0x1234 is wrong\n"
		       "memalloc:   at %p: expected 0x%lx, found 0x%lx\n%s%s%s" THREAD_LINE,
		       kinds[v->kind], v->damage, v->expected, v->found,
		       guess[0] != '\0' ? "memalloc:   " : "", guess, guess[0] != '\0' ? "\n" : "");
	assert_memory_equal(report(v), expected, strlen(expected));
}

static void test_guesses(void **state)
{
	(void)state;
	os_fake_set_maps(maps, 1000);
	for (size_t i = 0; i < sizeof(guesses) / sizeof(*guesses); i++) {
		struct ma_violation v = damaged(&guesses[i]);

		assert_guess(&v, guesses[i].guess);
	}
}

/* The first byte that is not zero is the second of the word. */
static void test_an_address_that_begins_with_a_zero_byte(void **state)
{
	struct ma_violation v = plain(MA_WRITE_AFTER_FREE);

	(void)state;
	os_fake_set_maps(maps, 1000);
	v.damage = (const void *)0x1241;
	v.found = bytes("\x03\x02\0\x21\x7f\0\0\x05");
	v.found &= UINT64_MAX >> 8;
	assert_guess(&v, "the bytes are an address, 0x7f2100020300: a pointer stored through a "
			 "stale or wrong pointer?");
	v.kind = MA_HEAP_UNDERFLOW;
	assert_guess(&v, "");
}

/* U1 */
static void test_no_guess_without_damage(void **state)
{
	struct ma_violation v = plain(MA_WRITE_AFTER_FREE);

	(void)state;
	v.found = bytes("abcdefgh");
	assert_null(strstr(report(&v), "the bytes"));
}

/* ---- stacks, and the last line --------------------------------------------------------------- */

static size_t here(uintptr_t *pc, size_t max)
{
	assert_true(max >= 2);
	pc[0] = 0x7f2100004074;
	pc[1] = 0x9000;
	return 2;
}

static size_t stack(uint32_t id, uintptr_t *pc, size_t max)
{
	assert_true(max >= 2);
	pc[0] = 0x401000 + id;
	return id == 77 ? 0 : 1;
}

static size_t endless(uintptr_t *pc, size_t max)
{
	for (size_t i = 0; i < max; i++)
		pc[i] = 0x401000;
	return SIZE_MAX;
}

#define HERE                                                             \
	"memalloc:   detected here\n"                                    \
	"memalloc:     #0 0x7f2100004074 /usr/lib/libfoo.so.1+0x34074\n" \
	"memalloc:     #1 0x9000\n"

static void test_stacks(void **state)
{
	struct ma_violation v = plain(MA_DOUBLE_FREE);

	(void)state;
	os_fake_set_maps(maps, 1000);
	config.here = here;
	config.stack = stack;
	ma_report_configure(&config);
	v.allocated = 5;
	v.freed = 6;
	assert_string_equal(report(&v), "memalloc: double free: 0x1234 is wrong\n" THREAD_LINE HERE
					"memalloc:   allocated by\n"
					"memalloc:     #0 0x401005 /usr/bin/foo+0x1005\n"
					"memalloc:   freed by\n"
					"memalloc:     #0 0x401006 /usr/bin/foo+0x1006\n");
	v.allocated = 0;
	v.freed = 77;
	assert_string_equal(report(&v),
			    "memalloc: double free: 0x1234 is wrong\n" THREAD_LINE HERE);
	config.here = NULL;
	config.stack = NULL;
	ma_report_configure(&config);
	v.freed = 6;
	assert_string_equal(report(&v), "memalloc: double free: 0x1234 is wrong\n" THREAD_LINE);
}

static void test_a_stack_without_an_end(void **state)
{
	struct ma_violation v = plain(MA_DOUBLE_FREE);
	const char *text;

	(void)state;
	config.here = endless;
	ma_report_configure(&config);
	text = report(&v);
	assert_non_null(strstr(text, "#31 0x401000\n"));
	assert_null(strstr(text, "#32 "));
}

static size_t facts_first(uintptr_t *pc, size_t max)
{
	(void)max;
	assert_int_equal(os_fake_nwrites(), 1);
	assert_non_null(strstr(os_fake_written(), config.json ? "\"pid\":2}\n" : THREAD_LINE));
	pc[0] = 1;
	return 1;
}

/* V1 */
static void test_the_facts_are_written_at_once_and_first(void **state)
{
	const struct ma_violation v = damaged(&a_text);

	(void)state;
	config.here = facts_first;
	ma_report_configure(&config);
	assert_non_null(strstr(report(&v), "memalloc:     #0 0x1\n"));
	config.json = true;
	ma_report_configure(&config);
	assert_non_null(strstr(report(&v), "{\"pc\":\"0x1\"}"));
}

static void assert_last(const struct ma_violation *v, const char *expected)
{
	const char *text = report(v);

	assert_string_equal(strstr(text, THREAD_LINE) + strlen(THREAD_LINE), expected);
}

static void test_what_would_show_more(void **state)
{
	struct ma_violation v = plain(MA_DOUBLE_FREE);
	static const char stacks[] = "MEMALLOC_OPTIONS=stacks=full shows who allocated and freed";
	char expected[512];

	(void)state;
	assert_last(&v, "");
	v.object = v.ptr;
	(void)snprintf(expected, sizeof(expected), "%s%s\n",
		       "memalloc:   options that would show more: ", stacks);
	assert_last(&v, expected);
	config.seed = UINT64_MAX;
	config.profile = "strict";
	ma_report_configure(&config);
	(void)snprintf(expected, sizeof(expected), "%s%s\n",
		       "memalloc:   seed 18446744073709551615, profile strict; "
		       "options that would show more: ",
		       stacks);
	assert_last(&v, expected);
	v.freed = 1;
	assert_last(&v, "memalloc:   seed 18446744073709551615, profile strict\n");
}

static void test_late_kinds_and_hints(void **state)
{
	struct ma_violation v = plain(MA_HEAP_OVERFLOW);

	(void)state;
	assert_last(&v, "memalloc:   options that would show more: MEMALLOC_OPTIONS=" SAMPLE);
	v.kind = MA_HEAP_UNDERFLOW;
	assert_last(&v, "memalloc:   options that would show more: MEMALLOC_OPTIONS=" SAMPLE);
	v.kind = MA_WRITE_AFTER_FREE;
	v.object = v.ptr;
	v.hint = "look behind you";
	assert_last(&v, "memalloc:   options that would show more: MEMALLOC_OPTIONS=stacks=full "
			"shows who allocated and freed; sample=100 makes the access itself fault; "
			"look behind you\n");
	v = plain(MA_BAD_POOL);
	v.hint = "look behind you";
	assert_last(&v, "memalloc:   options that would show more: look behind you\n");
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static int go_on_json(void **state)
{
	(void)go_on(state);
	config.json = true;
	ma_report_configure(&config);
	return 0;
}

/* Each line a sound object. */
static const char *json(const struct ma_violation *v)
{
	const char *text = report(v);

	assert_true(json_lines(text) > 0);
	return text;
}

static void test_the_least_as_json(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	assert_string_equal(json(&v), "{\"memalloc\":1,\"kind\":\"bad pool\",\"pointer\":"
				      "\"0x1234\",\"why\":\"is wrong\",\"thread\":1,\"pid\":2}\n");
	assert_int_equal(json_lines(report(&v)), 1);
}

static void test_all_of_it_as_json(void **state)
{
	struct ma_violation v = damaged(&a_text);

	(void)state;
	os_fake_set_maps(maps, 1000);
	config = (struct ma_report_config){MA_ON_REPORT, 0,     true, "",  42,
					   "fast",       stack, here, NULL};
	ma_report_configure(&config);
	v.object = (const void *)0x1200;
	v.requested = 20;
	v.slot = 32;
	v.state = "free";
	v.allocated = 5;
	v.freed = 6;
	v.hint = "look behind you";
	(void)strcpy(v.around, "l[!]#");
	assert_string_equal(
		json(&v),
		"{\"memalloc\":1,\"kind\":\"write after free\",\"pointer\":\"0x1234\",\"why\":"
		"\"is "
		"wrong\",\"object\":\"0x1200\",\"requested\":20,\"slot\":32,\"state\":\"free\","
		"\"damage\":{\"at\":\"0x1240\",\"expected\":\"0x0\",\"found\":"
		"\"0x6867667e20632261\"},\"guess\":\"the bytes are text, \\\"a\\\"c ~fgh\\\": a "
		"string copied into too small or stale memory?\",\"around\":\"l[!]#\",\"hint\":"
		"\"look behind you\",\"thread\":1,\"pid\":2,\"seed\":\"42\",\"profile\":\"fast\"}\n"
		"{\"memalloc\":1,\"stacks\":{\"detected\":[{\"pc\":\"0x7f2100004074\",\"module\":"
		"\"/usr/lib/libfoo.so.1\",\"offset\":\"0x34074\"},{\"pc\":\"0x9000\"}],"
		"\"allocated\":[{\"pc\":\"0x401005\",\"module\":\"/usr/bin/foo\",\"offset\":"
		"\"0x1005\"}],\"freed\":[{\"pc\":\"0x401006\",\"module\":\"/usr/bin/foo\","
		"\"offset\":\"0x1006\"}]}}\n");
	assert_int_equal(json_lines(report(&v)), 2);
}

static void test_only_some_stacks_as_json(void **state)
{
	struct ma_violation v = plain(MA_DOUBLE_FREE);

	(void)state;
	config.stack = stack;
	ma_report_configure(&config);
	v.freed = 6;
	assert_non_null(strstr(json(&v), "{\"memalloc\":1,\"stacks\":{\"freed\":[{\"pc\":"
					 "\"0x401006\"}]}}\n"));
	v.freed = 77;
	assert_int_equal(json_lines(report(&v)), 1);
	config.here = endless;
	ma_report_configure(&config);
	assert_int_equal(json_lines(report(&v)), 2);
}

static void test_where_the_pointer_lies_as_json(void **state)
{
	struct ma_violation v = plain(MA_INVALID_FREE);

	(void)state;
	os_fake_set_maps(maps, 1000);
	v.ptr = (const void *)0x7ffc00000010;
	assert_non_null(strstr(json(&v), "\"place\":\"lies on the stack of this process's main "
					 "thread\","));
}

/* J2 */
static void test_strings_of_all_kinds(void **state)
{
	static const char *const strings[][2] = {
		{"a", "a"},
		{"\"\\/", "\\\"\\\\/"},
		{"\n\t\x01\x1f\x7f", "\\u000a\\u0009\\u0001\\u001f\\u007f"},
		{"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80",
		 "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		 "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
		{"\xfc", "\\u00fc"},
		{"\xc3", "\\u00c3"},
		{"\xc3(", "\\u00c3("},
		{"\xe2\x82", "\\u00e2\\u0082"},
		{"\xe2\x82\"", "\\u00e2\\u0082\\\""},
		{"\xf0\x9f\x98", "\\u00f0\\u009f\\u0098"},
		{"\x80\xbf", "\\u0080\\u00bf"},
		{"\xc0\x80\xc1\xbf", "\\u00c0\\u0080\\u00c1\\u00bf"},
		{"\xe0\x9f\xbf", "\\u00e0\\u009f\\u00bf"},
		{"\xf0\x8f\xbf\xbf", "\\u00f0\\u008f\\u00bf\\u00bf"},
		{"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},
		{"\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"},
		{"\xf5\x80\x80\x80", "\\u00f5\\u0080\\u0080\\u0080"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		struct ma_violation v = plain(MA_BAD_POOL);
		char expected[128];

		v.why = strings[i][0];
		(void)snprintf(expected, sizeof(expected), "\"why\":\"%s\",", strings[i][1]);
		assert_non_null(strstr(json(&v), expected));
	}
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A mapping whose path is as long as can be, of this character. */
static void map_a_long_path(char c)
{
	static char text[1024];
	int n = snprintf(text, sizeof(text), "7f2100000000-7f2100010000 --xp 30000 fd:01 7 /");

	memset(text + n, c, 600);
	text[n + 600] = '\n';
	text[n + 601] = '\0';
	os_fake_set_maps(text, 1000);
}

/* V1: no memory is asked for; and everything at its longest fits. */
static void test_the_longest_report(void **state)
{
	struct ma_violation v = damaged(&an_address);
	size_t calls = os_fake_calls();
	const char *text;

	(void)state;
	map_a_long_path('x');
	config.here = facts_first;
	ma_report_configure(&config);
	v.ptr = v.damage = (const void *)UINTPTR_MAX;
	v.why = "was written to by somebody after the object that used to be there was freed";
	v.expected = UINT64_MAX;
	memset(v.around, 'l', sizeof(v.around) - 1);
	text = report(&v);
	assert_non_null(strstr(text, "xxx...+0x30010: a pointer"));
	assert_non_null(strstr(text, THREAD_LINE));
	assert_int_equal(os_fake_calls(), calls);
}

static void test_clauses_that_do_not_fit_are_left_out(void **state)
{
	struct ma_violation v = damaged(&an_address);
	char why[1024];

	(void)state;
	map_a_long_path('"');
	config.here = facts_first;
	ma_report_configure(&config);
	assert_non_null(strstr(json(&v), "\"guess\":"));
	memset(why, 'w', sizeof(why));
	why[sizeof(why) - 1] = '\0';
	v.why = why;
	assert_null(strstr(json(&v), "\"guess\":"));
}

/* ---- what follows ---------------------------------------------------------------------------- */

static const char first_line[] = "memalloc: bad pool: 0x1234 is wrong\n";

/* The report is written, then the process ends like that. */
static void assert_ends(const char *how)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	ma_report_configure(&config);
	assert_reports(first_line, ma_report(&v));
	assert_string_equal(os_fake_ended(), how);
	assert_int_equal(os_fake_nopen(), 0);
}

static void test_ends_of_the_process(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	assert_reports(first_line, ma_report(&v));
	assert_string_equal(os_fake_ended(), "abort");
	config = (struct ma_report_config){0};
	assert_ends("abort");
	config.action = MA_ON_TRAP;
	assert_ends("trap");
	config.action = MA_ON_EXIT;
	config.exitcode = 23;
	assert_ends("exit 23");
	config.json = true;
	config.action = MA_ON_ABORT;
	ma_report_configure(&config);
	assert_reports("{\"memalloc\":1,\"kind\":\"bad pool\"", ma_report(&v));
	assert_string_equal(os_fake_ended(), "abort");
}

static size_t with_errno(uintptr_t *pc, size_t max)
{
	errno = EIO;
	return here(pc, max);
}

/* V2, V5 */
static void test_a_report_that_returns(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.here = with_errno;
	ma_report_configure(&config);
	errno = EDOM;
	for (int i = 0; i < 3; i++)
		assert_non_null(strstr(report(&v), first_line));
	assert_int_equal(errno, EDOM);
	assert_string_equal(os_fake_ended(), "");
	assert_int_equal(os_fake_slept(), 0);
}

static struct {
	const struct ma_violation *v;
	char facts[1024];
	size_t ncalls;
} handled;

/* It comes when all was written, and before the end. */
static void handler(const struct ma_violation *v, const char *facts)
{
	handled.v = v;
	handled.ncalls++;
	(void)snprintf(handled.facts, sizeof(handled.facts), "%s", facts);
	assert_int_equal(strncmp(os_fake_written(), facts, strlen(facts)), 0);
	assert_non_null(strstr(os_fake_written(), config.json ? "\"stacks\":" : "profile fast\n"));
	assert_string_equal(os_fake_ended(), "");
	assert_int_equal(os_fake_nopen(), 0);
}

static void test_the_handler(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	handled.ncalls = 0;
	config = (struct ma_report_config){
		.here = here, .profile = "fast", .handler = handler, .action = MA_ON_REPORT};
	ma_report_configure(&config);
	(void)report(&v);
	assert_ptr_equal(handled.v, &v);
	assert_string_equal(handled.facts, "memalloc: bad pool: 0x1234 is wrong\n" THREAD_LINE);
	config.json = true;
	config.action = MA_ON_ABORT;
	ma_report_configure(&config);
	assert_reports("{", ma_report(&v));
	assert_int_equal(json_lines(handled.facts), 1);
	assert_int_equal(handled.ncalls, 2);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void test_the_log(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.log_path = "/var/log/foo";
	config.profile = "fast";
	ma_report_configure(&config);
	ma_report(&v);
	ma_report(&v);
	assert_string_equal(os_fake_log_name(), "/var/log/foo.2");
	assert_string_equal(os_fake_logged(), "memalloc: bad pool: 0x1234 is wrong\n" THREAD_LINE
					      "memalloc:   seed 0, profile fast\n"
					      "memalloc: bad pool: 0x1234 is wrong\n" THREAD_LINE
					      "memalloc:   seed 0, profile fast\n");
	assert_string_equal(os_fake_written(), "");
	assert_int_equal(os_fake_nopen(), 0);
}

static void test_no_log_path(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.log_path = "";
	ma_report_configure(&config);
	assert_memory_equal(report(&v), first_line, strlen(first_line));
	assert_string_equal(os_fake_log_name(), "");
}

static void test_a_log_that_cannot_be_opened(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);
	char path[400];

	(void)state;
	os_fake_refuse_log(true);
	config.log_path = "/var/log/foo";
	ma_report_configure(&config);
	assert_string_equal(report(&v),
			    "memalloc: log_path: cannot open /var/log/foo.2; the report follows "
			    "here\nmemalloc: bad pool: 0x1234 is wrong\n" THREAD_LINE);
	assert_string_equal(os_fake_logged(), "");
	os_fake_refuse_log(false);
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	config.log_path = path;
	ma_report_configure(&config);
	assert_non_null(strstr(report(&v), first_line));
	assert_string_equal(os_fake_log_name(), "/var/log/foo.2");
}

/* ---- one at a time --------------------------------------------------------------------------- */

static const char short_line[] =
	"memalloc: double free: 0x1234 is wrong; found while reporting, giving up\n";

static size_t trips(uintptr_t *pc, size_t max)
{
	const struct ma_violation v = plain(MA_DOUBLE_FREE);

	(void)pc;
	(void)max;
	ma_report(&v);
	fail_msg("the nested report returned");
	return 0;
}

static void handler_trips(const struct ma_violation *v, const char *facts)
{
	(void)v;
	(void)facts;
	(void)trips(NULL, 0);
}

/* V4: whatever the configuration says */
static void test_a_report_within_a_report(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.here = trips;
	ma_report_configure(&config);
	assert_reports("is wrong\n" THREAD_LINE
		       "memalloc: double free: 0x1234 is wrong; found while "
		       "reporting, giving up\n",
		       ma_report(&v));
	assert_string_equal(os_fake_ended(), "abort now");
	config.here = NULL;
	config.handler = handler_trips;
	ma_report_configure(&config);
	assert_reports(short_line, ma_report(&v));
	config.json = true;
	ma_report_configure(&config);
	assert_reports(
		"\"pid\":2}\n{\"memalloc\":1,\"kind\":\"double free\",\"pointer\":\"0x1234\","
		"\"why\":\"is wrong\",\"nested\":true}\n",
		ma_report(&v));
	assert_int_equal(os_fake_slept(), 0);
}

static void test_a_report_within_a_report_in_the_log(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.log_path = "log";
	config.handler = handler_trips;
	ma_report_configure(&config);
	os_fake_on_abort(fixture_abort);
	if (setjmp(fixture_jump) == 0)
		ma_report(&v);
	assert_non_null(strstr(os_fake_logged(), short_line));
	assert_int_equal(os_fake_nopen(), 0);
	os_fake_forget();
}

/* Another thread gets into a report meanwhile, and this one never goes on. */
static size_t meanwhile(uintptr_t *pc, size_t max)
{
	const struct ma_violation v = plain(MA_DOUBLE_FREE);

	(void)pc;
	(void)max;
	config.here = NULL;
	ma_report_configure(&config);
	os_fake_set_thread(7);
	assert_int_equal(os_fake_slept(), 0);
	ma_report(&v);
	assert_int_equal(os_fake_slept(), 1000);
	os_fake_set_thread(1);
	return 0;
}

/* V4 */
static void test_nobody_is_waited_for_more_than_a_second(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.here = meanwhile;
	ma_report_configure(&config);
	assert_non_null(strstr(report(&v), "memalloc: double free: 0x1234 is wrong\n"
					   "memalloc:   thread 7 of process 2\n"));
	assert_int_equal(os_fake_slept(), 1000);
	(void)report(&v);
	assert_int_equal(os_fake_slept(), 1000);
}

/* Who went on without waiting any longer has the report now, and its own nested ones. */
static size_t meanwhile_nested(uintptr_t *pc, size_t max)
{
	config.handler = handler_trips;
	return meanwhile(pc, max);
}

static void test_who_did_not_wait_is_the_reporter(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.here = meanwhile_nested;
	ma_report_configure(&config);
	assert_reports(short_line, ma_report(&v));
	assert_string_equal(os_fake_ended(), "abort now");
	assert_int_equal(os_fake_slept(), 1000);
}

/* In the child of a fork: the thread that was reporting is not there. */
static size_t fork_meanwhile(uintptr_t *pc, size_t max)
{
	const struct ma_violation v = plain(MA_DOUBLE_FREE);

	(void)pc;
	(void)max;
	config.here = NULL;
	ma_report_configure(&config);
	os_fake_set_thread(7);
	ma_report_forget();
	ma_report(&v);
	os_fake_set_thread(1);
	return 0;
}

static void test_a_report_that_was_begun_elsewhere_is_forgotten(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);

	(void)state;
	config.here = fork_meanwhile;
	ma_report_configure(&config);
	assert_non_null(strstr(report(&v), "memalloc: double free"));
	assert_int_equal(os_fake_slept(), 0);
}

static _Atomic int nwaits;
static _Atomic bool begun;

static void short_pause(void)
{
	const struct timespec ts = {0, 1000000};

	(void)nanosleep(&ts, NULL);
}

static void wait_really(void)
{
	atomic_fetch_add(&nwaits, 1);
	short_pause();
}

/* The first report goes on when the second one was seen to wait. */
static size_t until_one_waits(uintptr_t *pc, size_t max)
{
	(void)max;
	if (atomic_exchange(&begun, true))
		return 0;
	while (atomic_load(&nwaits) < 3)
		short_pause();
	pc[0] = 1;
	return 1;
}

static void *second(void *unused)
{
	const struct ma_violation v = plain(MA_DOUBLE_FREE);

	os_fake_set_thread(7);
	while (!atomic_load(&begun))
		short_pause();
	ma_report(&v);
	return unused;
}

static void test_two_threads_with_a_report_each(void **state)
{
	const struct ma_violation v = plain(MA_BAD_POOL);
	pthread_t thread;

	(void)state;
	atomic_store(&nwaits, 0);
	atomic_store(&begun, false);
	os_fake_on_sleep(wait_really);
	config.here = until_one_waits;
	ma_report_configure(&config);
	assert_int_equal(pthread_create(&thread, NULL, second, NULL), 0);
	ma_report(&v);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(os_fake_written(), "memalloc: bad pool: 0x1234 is wrong\n" THREAD_LINE
					       "memalloc:   detected here\n"
					       "memalloc:     #0 0x1\n"
					       "memalloc: double free: 0x1234 is wrong\n"
					       "memalloc:   thread 7 of process 2\n");
	os_fake_forget();
}

/* ---- other words ----------------------------------------------------------------------------- */

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
	assert_string_equal(os_fake_ended(), "abort");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_first_line_of_each_kind, go_on),
		cmocka_unit_test_setup(test_the_object, go_on),
		cmocka_unit_test_setup(test_the_damage, go_on),
		cmocka_unit_test_setup(test_the_surroundings, go_on),
		cmocka_unit_test_setup(test_where_the_pointer_lies, go_on),
		cmocka_unit_test_setup(test_guesses, go_on),
		cmocka_unit_test_setup(test_an_address_that_begins_with_a_zero_byte, go_on),
		cmocka_unit_test_setup(test_no_guess_without_damage, go_on),
		cmocka_unit_test_setup(test_stacks, go_on),
		cmocka_unit_test_setup(test_a_stack_without_an_end, go_on),
		cmocka_unit_test_setup(test_the_facts_are_written_at_once_and_first, go_on),
		cmocka_unit_test_setup(test_what_would_show_more, go_on),
		cmocka_unit_test_setup(test_late_kinds_and_hints, go_on),
		cmocka_unit_test_setup(test_the_least_as_json, go_on_json),
		cmocka_unit_test_setup(test_all_of_it_as_json, go_on_json),
		cmocka_unit_test_setup(test_only_some_stacks_as_json, go_on_json),
		cmocka_unit_test_setup(test_where_the_pointer_lies_as_json, go_on_json),
		cmocka_unit_test_setup(test_strings_of_all_kinds, go_on_json),
		cmocka_unit_test_setup(test_the_longest_report, go_on),
		cmocka_unit_test_setup(test_clauses_that_do_not_fit_are_left_out, go_on_json),
		cmocka_unit_test_setup(test_ends_of_the_process, fixture_reset),
		cmocka_unit_test_setup(test_a_report_that_returns, go_on),
		cmocka_unit_test_setup(test_the_handler, go_on),
		cmocka_unit_test_setup(test_the_log, go_on),
		cmocka_unit_test_setup(test_no_log_path, go_on),
		cmocka_unit_test_setup(test_a_log_that_cannot_be_opened, go_on),
		cmocka_unit_test_setup(test_a_report_within_a_report, go_on),
		cmocka_unit_test_setup(test_a_report_within_a_report_in_the_log, go_on),
		cmocka_unit_test_setup(test_nobody_is_waited_for_more_than_a_second, go_on),
		cmocka_unit_test_setup(test_who_did_not_wait_is_the_reporter, go_on),
		cmocka_unit_test_setup(test_a_report_that_was_begun_elsewhere_is_forgotten, go_on),
		cmocka_unit_test_setup(test_two_threads_with_a_report_each, go_on),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_a_bug_of_ours),
	};

	return cmocka_run_group_tests_name("report", tests, fixture_reset, fixture_empty);
}
