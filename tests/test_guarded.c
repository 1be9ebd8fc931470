/* Large objects between guards, and tight ones. */
#include "faults.h"
#include "heap_fixture.h"
#include "large.h"

#define PAGE ((size_t)4096)
#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

static int setup(void **state)
{
	struct ma_instance_config config = rooms_config();

	(void)fixture_reset(state);
	config.guard_large = true;
	config.wait = MIB;
	rooms_start(&config);
	return 0;
}

static char *make(size_t size, size_t align, bool tight)
{
	const struct ma_large_request req = {size, align, false, tight, &rooms.a->random};
	char *ptr = ma_large_alloc(&rooms.inst.larges, &req);

	assert_non_null(ptr);
	assert_int_equal((uintptr_t)ptr % align, 0);
	assert_sound(ma_large_check(block_of(ptr)));
	memset(ptr, 'x', size);
	return ptr;
}

static void end(char *ptr)
{
	assert_true(ma_large_intact(block_of(ptr)));
	(void)ma_large_free(&rooms.inst.larges, block_of(ptr));
}

/* Both sides of the pages that hold @size bytes at @ptr. */
static void assert_guarded(const char *ptr, size_t size)
{
	const char *first = ptr - (uintptr_t)ptr % PAGE;
	const char *last = (const char *)ma_block_ptr(block_of(ptr)) + block_of(ptr)->size - PAGE;

	assert_true(faults(first - 1));
	assert_true(faults(last));
	assert_false(faults(last - 1));
	assert_true(ptr + size <= last);
}

static void test_every_size_has_guards(void **state)
{
	static const size_t sizes[] = {0, 1, 4087, 4088, 4089, 8184, 100000, 40 * MIB};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *ptr = make(sizes[i], 16, false);

		assert_guarded(ptr, sizes[i]);
		assert_true(is_filled(ptr, sizes[i], 'x'));
		end(ptr);
		assert_sound(rooms_check());
	}
}

static void test_every_alignment_has_guards(void **state)
{
	(void)state;
	for (size_t align = 16; align <= 64 * MIB; align *= 2) {
		char *ptr = make(5000, align, false);

		assert_guarded(ptr, 5000);
		end(ptr);
		assert_sound(rooms_check());
	}
}

/* The guards move with the ends. */
static void check_resize(size_t from, size_t to)
{
	char *ptr = make(from, 16, false);
	char *now = ma_large_resize(&rooms.inst.larges, block_of(ptr), to, 4000);
	size_t size = now != NULL ? to : from;

	if (now == NULL)
		now = ptr;
	assert_guarded(now, size);
	assert_true(is_filled(now, ma_min(from, size), 'x'));
	memset(now, 'y', size);
	assert_sound(ma_large_check(block_of(now)));
	end(now);
	assert_sound(rooms_check());
}

static void test_resizing(void **state)
{
	(void)state;
	check_resize(10000, 10001);
	check_resize(10000, 200000);
	check_resize(200000, 10000);
	check_resize(40 * MIB, 50 * MIB);
	check_resize(50 * MIB, 30 * MIB);
	check_resize(10000, 60 * MIB);
}

/* What waited serves again, and calloc's promise holds on it. */
static void test_what_waited_serves_again(void **state)
{
	const struct ma_large_request zeroed = {100000, 16, true, false, &rooms.a->random};
	char *first = make(110000, 16, false);
	char *second = make(110000, 16, false);
	char *again;

	(void)state;
	end(first);
	end(second);
	again = ma_large_alloc(&rooms.inst.larges, &zeroed);
	assert_ptr_equal(again, first);
	assert_true(is_filled(again, 100000, 0));
	assert_guarded(again, 100000);
	end(again);
}

/* Zeroed when freed, and looked at before they serve again. */
static void test_cleaned_objects(void **state)
{
	struct ma_large_request req = {100000, 16, false, false, &rooms.a->random};
	char *first, *second;

	(void)state;
	rooms.inst.larges.cleaned = true;
	rooms.inst.waitlist.sealed = true;
	first = make(110000, 16, false);
	second = make(110000, 16, false);
	end(first);
	end(second);
	assert_true(is_filled(first, 110000, 0));
	first[50000] = 'x';
	assert_reports("write after free", (void)!ma_large_alloc(&rooms.inst.larges, &req));
	first[50000] = 0;
}

static void test_tight_objects_end_at_a_guard(void **state)
{
	(void)state;
	for (size_t size = 0; size < 9000; size += 7) {
		for (size_t align = 16; align <= PAGE; align *= 16) {
			char *ptr = make(size, align, true);
			const char *guard = (const char *)ma_block_ptr(block_of(ptr)) +
					    block_of(ptr)->size - PAGE;

			assert_true((size_t)(guard - ptr) - size < align);
			assert_true(faults(guard));
			if (size > 0)
				assert_true(is_filled(ptr, size, 'x'));
			end(ptr);
			assert_true(faults(ptr));
		}
	}
	assert_sound(rooms_check());
}

/* What lies between a tight object and its guard, and in front of it, is looked at. */
static void test_around_tight_objects(void **state)
{
	char *ptr = make(100, 16, true);

	(void)state;
	for (size_t at = 100; at < 112; at++) {
		ptr[at] ^= 1;
		assert_false(ma_large_intact(block_of(ptr)));
		ptr[at] ^= 1;
		assert_true(ma_large_intact(block_of(ptr)));
	}
	ptr[-1] ^= 1;
	assert_reports("heap underflow", ma_large_overrun(block_of(ptr)));
	ptr[-1] ^= 1;
	ptr[100] ^= 1;
	assert_reports("heap overflow", ma_large_overrun(block_of(ptr)));
	ptr[100] ^= 1;
	end(ptr);
}

/* Objects do without. */
/* Any other size is for another place; its own one needs none. */
static void test_a_tight_object_stays_at_its_size(void **state)
{
	char *ptr = make(100, 16, true);

	(void)state;
	assert_ptr_equal(ma_heap_realloc(rooms.a, ptr, 100), ptr);
	assert_ptr_not_equal(ma_heap_realloc(rooms.a, ptr, 101), ptr);
}

static void test_the_os_refuses_guards(void **state)
{
	char *ptr;

	(void)state;
	os_fake_fail_mask(OS_FAKE_GUARD);
	os_fake_fail_from(1);
	ptr = make(10000, 16, false);
	assert_int_equal(atomic_load(&rooms.inst.pool.unguarded), 2);
	os_fake_lift();
	end(ptr);
	assert_sound(rooms_check());
}

/* ---- sampling -------------------------------------------------------------------------------- */

static size_t count_samples(uint64_t sample, size_t n)
{
	struct ma_instance_config config = rooms_config();
	size_t nsampled = 0;

	rooms_end();
	config.sample = sample;
	rooms_start(&config);
	for (size_t i = 0; i < n; i++) {
		void *ptr = ma_heap_alloc(rooms.a, 24);

		nsampled += ma_large_is_tight(block_of(ptr));
		ma_heap_free(&rooms.inst, rooms.a, ptr);
	}
	return nsampled;
}

static void test_samples(void **state)
{
	size_t n;

	(void)state;
	assert_int_equal(count_samples(0, 1000), 0);
	assert_int_equal(count_samples(1, 1000), 1000);
	n = count_samples(100, 20000);
	assert_in_range(n, 140, 270);
	assert_int_equal(count_samples(100, 20000), n);
}

/* The first thousand, what is very large or grows to that, and a few of the others. */
static void test_guards_are_spared(void **state)
{
	size_t n = 0;
	char *ptr;

	(void)state;
	rooms.inst.larges.sparing = true;
	for (size_t i = 0; i < 1000; i++) {
		ptr = make(40 * KIB, 16, false);
		assert_guarded(ptr, 40 * KIB);
	}
	assert_int_equal(atomic_load(&rooms.inst.pool.unguarded), 0);
	for (size_t i = 0; i < 1000; i++)
		n += block_of(make(40 * KIB, 16, false))->guarded;
	assert_in_range(n, 1, 60);
	assert_int_equal(atomic_load(&rooms.inst.pool.unguarded), 1000 - n);
	assert_guarded(make(MIB, 16, false), MIB);
	do
		ptr = make(40 * KIB, 16, false);
	while (block_of(ptr)->guarded);
	ptr = ma_heap_realloc(rooms.a, ptr, 2 * MIB);
	assert_non_null(ptr);
	assert_guarded(ptr, 2 * MIB);
	assert_true(is_filled(ptr, 40 * KIB, 'x'));
}

/* A block without guards serves only where none are wanted. */
static void test_bare_blocks_wait_apart(void **state)
{
	char *ptr, *again;

	(void)state;
	rooms.inst.larges.sparing = true;
	rooms.inst.larges.nmade = 1000;
	do
		ptr = make(40 * KIB, 16, false);
	while (block_of(ptr)->guarded);
	end(ptr);
	end(make(300 * KIB, 16, false));
	rooms.inst.larges.nmade = 0;
	again = make(40 * KIB, 16, false);
	assert_ptr_not_equal(again, ptr);
	assert_guarded(again, 40 * KIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_size_has_guards),
		TEST(test_every_alignment_has_guards),
		TEST(test_resizing),
		TEST(test_what_waited_serves_again),
		TEST(test_cleaned_objects),
		TEST(test_tight_objects_end_at_a_guard),
		TEST(test_around_tight_objects),
		TEST(test_a_tight_object_stays_at_its_size),
		TEST(test_the_os_refuses_guards),
		TEST(test_samples),
		TEST(test_guards_are_spared),
		TEST(test_bare_blocks_wait_apart),
	};

	return cmocka_run_group_tests_name("guarded", tests, NULL, NULL);
}
