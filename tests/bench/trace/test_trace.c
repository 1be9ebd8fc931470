/*
 * What the decoder makes of files: of one that is good, of every one that is cut off, and of many
 * that are good but for a few bytes. It must refuse them or give events that can be performed.
 *
 *      test_trace FILE      a good one
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace.h"

#define NMUTANTS 20000
#define MUTANT_EVENTS 500
#define FILE_MAX (1 << 20)

static uint8_t good[FILE_MAX];
static size_t good_size;
static uint8_t bad[FILE_MAX];
static uint64_t seed = 1;

static size_t below(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed >> 16) % n;
}

/* The rules, as a replayer relies on them. */
static void check_events(const struct trace *trace)
{
	static bool is_live[FILE_MAX];
	static uint32_t steps[FILE_MAX];

	assert_true(trace->nobjects <= FILE_MAX);
	memset(is_live, 0, sizeof(is_live[0]) * trace->nobjects);
	memset(steps, 0, sizeof(steps[0]) * trace->nobjects);
	for (size_t i = 0; i < trace->nevents; i++) {
		const struct trace_event *event = &trace->events[i];
		bool is_free = event->op == TRACE_FREE;

		assert_true(event->op > TRACE_THREAD && event->op < TRACE_NOPS);
		assert_true(event->object < trace->nobjects && event->thread < trace->nthreads);
		assert_true(event->size <= TRACE_SIZE_MAX && event->align_log2 <= TRACE_ALIGN_MAX);
		if (!trace_op_is_resize(event->op))
			assert_true(is_live[event->object] == is_free);
		assert_int_equal(event->step, steps[event->object]++);
		is_live[event->object] = !is_free;
	}
}

/* Whether it was accepted. */
static bool decode(const uint8_t *data, size_t size)
{
	struct trace trace;
	size_t where;
	const char *why = trace_decode(&trace, data, size, &where);

	assert_true(where <= size);
	if (why != NULL)
		return false;
	check_events(&trace);
	trace_release(&trace);
	return true;
}

/* A file of the first events of the good one. Its size. */
static size_t shortened(uint8_t *to, size_t nevents)
{
	struct trace_header header;
	size_t size = sizeof(header);

	memcpy(to, good, good_size);
	memcpy(&header, to, sizeof(header));
	header.nevents = nevents;
	header.nobjects = nevents + TRACE_BATCH;
	do {
		header.nbytes = ++size - sizeof(header);
		memcpy(to, &header, sizeof(header));
	} while (size < good_size && !decode(to, size));
	return size;
}

static void test_good(void **state)
{
	(void)state;
	assert_true(decode(good, good_size));
}

static void test_cut_off(void **state)
{
	(void)state;
	for (size_t size = 0; size < good_size; size += 1 + size / 100)
		assert_false(decode(good, size));
	assert_false(decode(good, good_size - 1));
}

static void test_more_behind_it(void **state)
{
	(void)state;
	memcpy(bad, good, good_size);
	memset(bad + good_size, 0xff, 100);
	assert_true(decode(bad, good_size + 100));
}

/* What counts claim must not be believed, nor cost memory. */
static void test_hostile_counts(void **state)
{
	static const uint64_t values[] = {
		0,          1,          1000,
		UINT32_MAX, INT64_MAX,  UINT64_MAX,
		1u << 26,   1ull << 32, UINT64_MAX / sizeof(struct trace_event)};
	struct trace_header header;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		memcpy(bad, good, good_size);
		memcpy(&header, good, sizeof(header));
		header.nevents = values[i];
		memcpy(bad, &header, sizeof(header));
		assert_false(decode(bad, good_size));
		memcpy(&header, good, sizeof(header));
		header.nbytes = values[i];
		memcpy(bad, &header, sizeof(header));
		assert_false(decode(bad, good_size));
		memcpy(&header, good, sizeof(header));
		header.nobjects = values[i];
		memcpy(bad, &header, sizeof(header));
		(void)decode(bad, good_size);
		header.nthreads = (uint32_t)values[i];
		memcpy(bad, &header, sizeof(header));
		(void)decode(bad, good_size);
	}
}

static void mutate(uint8_t *data, size_t size)
{
	size_t at = below(size);

	switch (below(4)) {
	case 0:
		data[at] = (uint8_t)below(256);
		break;
	case 1:
		data[at] ^= (uint8_t)(1u << below(8));
		break;
	case 2:
		memmove(data + at, data + at + 1, size - at - 1);
		break;
	default:
		data[at] = (uint8_t)(0xff - below(2));
	}
}

static void test_mutants(void **state)
{
	static uint8_t seedling[FILE_MAX];
	size_t size = shortened(seedling, MUTANT_EVENTS);
	size_t naccepted = 0;

	(void)state;
	assert_true(decode(seedling, size));
	for (size_t i = 0; i < NMUTANTS; i++) {
		memcpy(bad, seedling, size);
		for (size_t n = 1 + below(3); n > 0; n--)
			mutate(bad, size);
		naccepted += decode(bad, size);
	}
	/* Both are seen: a size may be any, most other things may not. */
	assert_in_range(naccepted, NMUTANTS / 100, NMUTANTS * 9 / 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),           cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_more_behind_it), cmocka_unit_test(test_hostile_counts),
		cmocka_unit_test(test_mutants),
	};
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;

	if (file == NULL) {
		(void)fprintf(stderr, "usage: test_trace FILE\n");
		return 2;
	}
	good_size = fread(good, 1, sizeof(good) - 100, file);
	(void)fclose(file);
	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
