/*
 * Every call to the OS fails, one after the other: a fixed scenario over the whole heap is repeated
 * with the n-th call refused, for n from 1 until the scenario makes no n-th call; once with that
 * call alone refused, once with all from that on.
 *
 * After each step an object was made or NULL came back, every validator passes and what lives is
 * intact. In the end all is freed, and what the OS still has is what it refused to take back.
 */
#include <stdio.h>

#include "decay.h"
#include "heap_fixture.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define NOBJECTS 64
#define CALLS_MAX 2000

struct object {
	unsigned char *ptr; /* NULL: none */
	size_t size;
};

static struct object objects[NOBJECTS];
static size_t nobjects;
static size_t nrefused_requests;

/* ---- the model ------------------------------------------------------------------------------- */

static unsigned char pattern(size_t nth, size_t i)
{
	return (unsigned char)(1 + nth * 31 + i % 97);
}

/* All of a small object; of a large one some, with both ends. */
static size_t step_of(size_t size)
{
	return size <= 4096 ? 1 : 1 + size / 61;
}

static void fill(size_t nth)
{
	struct object *object = &objects[nth];

	for (size_t i = 0; i < object->size; i += step_of(object->size))
		object->ptr[i] = pattern(nth, i);
	if (object->size > 0)
		object->ptr[object->size - 1] = pattern(nth, object->size - 1);
}

static void prove(size_t nth, const unsigned char *ptr, size_t size, size_t step)
{
	for (size_t i = 0; i < size; i += step)
		if (ptr[i] != pattern(nth, i))
			fail_msg("byte %zu of object %zu changed", i, nth);
}

static void prove_all(void)
{
	for (size_t k = 0; k < nobjects; k++) {
		const struct object *object = &objects[k];

		if (object->ptr == NULL)
			continue;
		prove(k, object->ptr, object->size, step_of(object->size));
		if (object->size > 0)
			assert_int_equal(object->ptr[object->size - 1],
					 pattern(k, object->size - 1));
		assert_int_equal(ma_heap_usable_size(&rooms.inst, object->ptr), object->size);
	}
}

static const char *check(void)
{
	const char *broken = ma_instance_check(&rooms.inst, NULL);

	if (broken == NULL && rooms.a != NULL)
		broken = ma_heap_check(rooms.a);
	if (broken == NULL && rooms.b != NULL)
		broken = ma_heap_check(rooms.b);
	return broken;
}

static void validate(void)
{
	assert_sound(check());
	assert_sound(ma_pagemap_check(&rooms.map));
	prove_all();
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void take(struct ma_heap *heap, size_t size, size_t align, bool zero)
{
	const struct ma_request req = {size, align, zero};
	struct object *object = &objects[nobjects];

	assert_true(nobjects < NOBJECTS);
	object->size = size;
	object->ptr = heap != NULL ? ma_heap_alloc_request(heap, &req) : NULL;
	if (object->ptr != NULL) {
		assert_int_equal((uintptr_t)object->ptr % (align > 0 ? align : MA_ALIGN), 0);
		if (zero)
			for (size_t i = 0; i < size; i += step_of(size))
				assert_int_equal(object->ptr[i], 0);
		fill(nobjects);
	}
	nrefused_requests += object->ptr == NULL;
	nobjects++;
	validate();
}

static void resize(struct ma_heap *heap, size_t nth, size_t size)
{
	struct object *object = &objects[nth];
	size_t old = object->size;
	unsigned char *ptr;

	if (object->ptr == NULL || heap == NULL)
		return;
	ptr = ma_heap_realloc(heap, object->ptr, size);
	nrefused_requests += ptr == NULL;
	if (ptr == NULL) {
		validate();
		return;
	}
	prove(nth, ptr, old < size ? old : size, step_of(old));
	object->ptr = ptr;
	object->size = size;
	fill(nth);
	validate();
}

static void drop(struct ma_heap *heap, size_t nth)
{
	if (objects[nth].ptr == NULL)
		return;
	ma_heap_free(&rooms.inst, heap, objects[nth].ptr);
	objects[nth].ptr = NULL;
	validate();
}

/* Returns the index of the first. */
static size_t take_all_sizes(struct ma_heap *heap)
{
	static const size_t sizes[] = {0,     1,     100,       248,       1000,    5000,
				       32760, 32761, 100 * KIB, 300 * KIB, 2 * MIB, 33 * MIB};
	size_t first = nobjects;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		take(heap, sizes[i], 0, i % 2 == 1);
	return first;
}

static void drop_range(struct ma_heap *heap, size_t first, size_t step)
{
	for (size_t i = first; i < nobjects; i += step)
		drop(heap, i);
}

static void resize_some(size_t first)
{
	resize(rooms.a, first + 2, 104);
	resize(rooms.a, first + 2, 3000);
	resize(rooms.b, first + 3, 20);
	resize(rooms.a, first + 8, 600 * KIB);
	resize(rooms.a, first + 8, 50 * KIB);
	resize(rooms.a, first + 9, 10);
	resize(rooms.a, first + 10, 33 * MIB);
	resize(rooms.a, first + 11, 36 * MIB);
	resize(rooms.b, first + 11, 34 * MIB);
	resize(rooms.b, first + 11, 1 * MIB);
}

static void take_aligned(void)
{
	take(rooms.a, 10, 64, false);
	take(rooms.a, 10, 4096, true);
	take(rooms.b, 10, 64 * KIB, true);
	take(rooms.a, 10, 8 * MIB, false);
	take(rooms.a, 10, 64 * MIB, true);
}

static void tidy(void)
{
	ma_heap_compact(&rooms.inst, rooms.a);
	validate();
	(void)ma_decay_all(&rooms.inst.pool, 64 * KIB);
	validate();
	(void)ma_decay_all(&rooms.inst.pool, 0);
	validate();
}

/* Pages come of age, and the next free of a page notices. */
static void age(struct ma_heap *heap)
{
	static uint64_t now;

	os_fake_set_now(now += 2000);
	take(heap, 200 * KIB, 0, false);
	drop(heap, nobjects - 1);
}

static void release_and_adopt(void)
{
	if (rooms.b == NULL)
		return;
	ma_heap_release(rooms.b);
	rooms.b = NULL;
	validate();
	take(rooms.a, 100, 0, true);
	take(rooms.a, 5000, 0, true);
	rooms.b = ma_heap_acquire(&rooms.inst);
	validate();
}

/* ---- the scenario ---------------------------------------------------------------------------- */

static void scenario(void)
{
	size_t first = take_all_sizes(rooms.a);
	size_t second;

	resize_some(first);
	second = take_all_sizes(rooms.b);
	take_aligned();
	drop_range(rooms.b, first, 3);
	release_and_adopt();
	age(rooms.a);
	tidy();
	drop_range(rooms.a, second, 2);
	(void)ma_pool_reserve(&rooms.inst.pool, 3 * MIB);
	validate();
	age(rooms.b);
	drop_range(rooms.b, 0, 1);
	tidy();
}

static void finish(void)
{
	if (rooms.a != NULL)
		ma_heap_release(rooms.a);
	if (rooms.b != NULL)
		ma_heap_release(rooms.b);
	rooms.a = NULL;
	rooms.b = NULL;
	validate();
	assert_int_equal(rooms.inst.pool.counts.free_bytes, rooms.inst.pool.regions.mapped);
	assert_int_equal(atomic_load(&rooms.inst.nshared), 0);
}

static void start(enum ma_fit_policy fit)
{
	struct ma_instance_config config = rooms_config();

	(void)fixture_reset(NULL);
	config.pool.fit = fit;
	config.quarantine.cap = 4;
	nobjects = 0;
	assert_true(ma_pagemap_init(&rooms.map));
	ma_instance_init(&rooms.inst, &config, &rooms.map);
}

/* Return: calls of these kinds that were made. */
static size_t run(enum ma_fit_policy fit, unsigned kinds, void (*refuse)(size_t), size_t n)
{
	size_t calls;

	start(fit);
	os_fake_fail_mask(kinds);
	refuse(n);
	rooms.a = ma_heap_acquire(&rooms.inst);
	rooms.b = ma_heap_acquire(&rooms.inst);
	scenario();
	finish();
	calls = os_fake_calls();
	os_fake_lift();
	rooms_end();
	assert_string_equal(os_fake_written(), "");
	return calls;
}

static void never(size_t n)
{
	(void)n;
}

static void test_nothing_fails(void **state)
{
	(void)state;
	for (int fit = MA_FIT_FIRST; fit <= MA_FIT_BEST; fit++) {
		nrefused_requests = 0;
		assert_in_range(run((enum ma_fit_policy)fit, OS_FAKE_ALL, never, 0), 30, CALLS_MAX);
		assert_int_equal(nrefused_requests, 0);
	}
}

/* Not with the page protection of the fake, which takes most of the time; once it was on. */
static void every_call(enum ma_fit_policy fit, unsigned kinds, void (*refuse)(size_t))
{
	size_t n = 1;

	os_fake_fast(true);
	nrefused_requests = 0;
	while (run(fit, kinds, refuse, n) >= n) {
		n++;
		assert_true(n < CALLS_MAX);
	}
	print_message("%zu calls, %zu requests refused\n", n - 1, nrefused_requests);
	assert_true(n > 10);
	/* One refusal is got over; but without memory there are none. */
	if (refuse == os_fake_fail_from && (kinds & OS_FAKE_MAP) != 0)
		assert_true(nrefused_requests > 0);
	else
		assert_int_equal(nrefused_requests, 0);
}

static void test_each_call_fails_once(void **state)
{
	(void)state;
	every_call(MA_FIT_FIRST, OS_FAKE_ALL, os_fake_fail_at);
	every_call(MA_FIT_BEST, OS_FAKE_ALL, os_fake_fail_at);
}

static void test_all_calls_fail_from_some_point_on(void **state)
{
	(void)state;
	every_call(MA_FIT_FIRST, OS_FAKE_ALL, os_fake_fail_from);
}

/* No memory any more, but what is given back is taken. Then nothing at all may be left. */
static void test_no_memory_from_some_point_on(void **state)
{
	(void)state;
	every_call(MA_FIT_FIRST, OS_FAKE_MAP, os_fake_fail_from);
	every_call(MA_FIT_BEST, OS_FAKE_MAP | OS_FAKE_RESIZE | OS_FAKE_MOVE, os_fake_fail_from);
}

static void test_nothing_is_taken_back(void **state)
{
	(void)state;
	every_call(MA_FIT_FIRST, OS_FAKE_UNMAP, os_fake_fail_from);
	every_call(MA_FIT_BEST, OS_FAKE_UNMAP | OS_FAKE_PURGE, os_fake_fail_from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_fails),
		cmocka_unit_test(test_each_call_fails_once),
		cmocka_unit_test(test_all_calls_fail_from_some_point_on),
		cmocka_unit_test(test_no_memory_from_some_point_on),
		cmocka_unit_test(test_nothing_is_taken_back),
	};

	return cmocka_run_group_tests_name("heap failures", tests, NULL, NULL);
}
