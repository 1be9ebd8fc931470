#include <stdio.h>

#include "heap_fixture.h"
#include "large.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define LIMIT ((size_t)4000) /* objects up to this should not stay large */
#define HUGE_SIZE (40 * MIB) /* has a mapping of its own */

static struct ma_pool *pool;

static void *large(size_t size, size_t align, bool zero)
{
	const struct ma_large_request req = {size, align, zero, false, &rooms.a->random};

	return ma_large_alloc(&rooms.inst.larges, &req);
}

static int setup(void **state)
{
	pool = &rooms.inst.pool;
	return rooms_setup(state);
}

/* Filled, so that what lies there later is not zero. */
static void *alloc(size_t size)
{
	void *ptr = large(size, MA_ALIGN, false);

	assert_non_null(ptr);
	assert_int_equal(ma_large_of(block_of(ptr))->requested, size);
	assert_true(ma_large_intact(block_of(ptr)));
	assert_sound(ma_large_check(block_of(ptr)));
	return memset(ptr, 0x5a, size);
}

static void release(void *ptr)
{
	assert_true(ma_large_intact(block_of(ptr)));
	(void)ma_large_free(&rooms.inst.larges, block_of(ptr));
	assert_sound(ma_pool_check(pool));
}

static void *resize(void *ptr, size_t size)
{
	void *resized = ma_large_resize(&rooms.inst.larges, block_of(ptr), size, LIMIT);
	void *now = resized != NULL ? resized : ptr;

	assert_sound(ma_large_check(block_of(now)));
	assert_sound(ma_pool_check(pool));
	return resized;
}

static bool is_direct(const void *ptr)
{
	return block_of(ptr)->region->direct;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void test_sizes_around_pages(void **state)
{
	(void)state;
	for (size_t pages = 1; pages <= 5; pages++) {
		for (size_t size = pages * 4096 - 20; size < pages * 4096 + 20; size++) {
			void *ptr = alloc(size);

			assert_int_equal(block_of(ptr)->size, ma_align_up(size + MA_CANARY, 4096));
			release(ptr);
		}
	}
}

static void test_very_large_objects_have_their_own_mapping(void **state)
{
	void *pooled = alloc(30 * MIB);
	void *direct = alloc(HUGE_SIZE);
	size_t before = os_fake_mapped();

	(void)state;
	assert_false(is_direct(pooled));
	assert_true(is_direct(direct));
	assert_int_equal(block_of(direct)->size, HUGE_SIZE + 4096);
	release(direct);
	assert_int_equal(os_fake_mapped(), before - HUGE_SIZE - 4096);
	release(pooled);
}

static void test_beyond_limits(void **state)
{
	static const size_t sizes[] = {PTRDIFF_MAX, PTRDIFF_MAX - 8, PTRDIFF_MAX - 4096, SIZE_MAX,
				       SIZE_MAX - 8};
	size_t before = os_fake_mapped();

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t align = 1; align != 0; align *= 2)
			assert_null(large(sizes[i], align, true));
	assert_null(large(1, (size_t)1 << 63, false));
	assert_null(large(1, (size_t)1 << 62, false));
	assert_int_equal(os_fake_mapped(), before);
	assert_sound(ma_pool_check(pool));
}

static void check_alignment(size_t align, size_t size)
{
	unsigned char *ptr = large(size, align, false);

	assert_non_null(ptr);
	assert_int_equal((uintptr_t)ptr % align, 0);
	assert_sound(ma_large_check(block_of(ptr)));
	assert_ptr_equal(ma_large_ptr(block_of(ptr)), ptr);
	/* A2 */
	if (!is_direct(ptr))
		assert_ptr_equal(ma_block_ptr(block_of(ptr)), ptr);
	memset(ptr, 1, size);
	release(ptr);
}

static void test_alignments(void **state)
{
	static const size_t sizes[] = {1, 5000, 100 * KIB};

	(void)state;
	for (size_t align = 1; align <= 128 * MIB; align *= 2)
		for (size_t i = 0; i < 3; i++)
			check_alignment(align, sizes[i]);
	check_alignment(64 * KIB, HUGE_SIZE);
	check_alignment(64 * MIB, HUGE_SIZE);
}

static void test_no_memory(void **state)
{
	size_t in_use = rooms.inst.meta.in_use;

	(void)state;
	for (size_t size = 10000; size <= HUGE_SIZE; size *= 4) {
		os_fake_fail_from(1);
		assert_null(large(size, 16, true));
		assert_null(large(size, 128 * MIB, true));
		os_fake_lift();
		assert_sound(ma_pool_check(pool));
	}
	assert_int_equal(rooms.inst.meta.in_use, in_use);
}

/* ---- zero ------------------------------------------------------------------------------------ */

static void check_zero(size_t size, size_t align)
{
	unsigned char *ptr;

	release(alloc(size + align));
	ptr = large(size, align, true);
	assert_non_null(ptr);
	assert_true(is_filled(ptr, size, 0));
	release(ptr);
}

static void test_zero_where_others_have_written(void **state)
{
	(void)state;
	check_zero(4000, 16);
	check_zero(5000, 16);
	check_zero(100 * KIB, 16);
	check_zero(100 * KIB, 64 * KIB);
	check_zero(HUGE_SIZE, 16);
	check_zero(HUGE_SIZE, 64 * KIB);
}

/* Memory nobody wrote to is known to be zero: without that, all of it would be touched. */
static void test_zero_is_free_on_fresh_memory(void **state)
{
	void *first = alloc(5000);
	void *ptr = large(100 * KIB, 16, true);

	(void)state;
	assert_true(block_of(ptr)->zero);
	assert_true(is_filled(ptr, 100 * KIB, 0));
	release(ptr);
	release(first);
}

/* ---- resizing in place ----------------------------------------------------------------------- */

static void test_grow_into_the_free_neighbour(void **state)
{
	unsigned char *ptr = alloc(5000);

	(void)state;
	for (size_t size = 5001; size < 500 * KIB; size += size / 3) {
		assert_ptr_equal(resize(ptr, size), ptr);
		assert_int_equal(ma_large_of(block_of(ptr))->requested, size);
		assert_true(is_filled(ptr, 5000, 0x5a));
		ptr[size - 1] = 1;
	}
	release(ptr);
}

static void test_shrink_gives_the_tail_back(void **state)
{
	unsigned char *ptr = alloc(400 * KIB);
	size_t before = pool->counts.free_bytes;

	(void)state;
	assert_ptr_equal(resize(ptr, 100 * KIB), ptr);
	assert_int_equal(pool->counts.free_bytes, before + 300 * KIB);
	assert_true(is_filled(ptr, 100 * KIB, 0x5a));
	assert_int_equal(ma_large_of(block_of(ptr))->requested, 100 * KIB);
	/* Within its pages, too. */
	assert_ptr_equal(resize(ptr, 100 * KIB - 1), ptr);
	assert_true(ma_large_intact(block_of(ptr)));
	release(ptr);
}

static void test_no_room_behind(void **state)
{
	void *ptr = alloc(5000);
	void *wall = alloc(5000);

	(void)state;
	assert_null(resize(ptr, 100 * KIB));
	assert_int_equal(ma_large_of(block_of(ptr))->requested, 5000);
	assert_true(is_filled(ptr, 5000, 0x5a));
	/* To the end of its pages it can. */
	assert_ptr_equal(resize(ptr, 2 * 4096 - MA_CANARY), ptr);
	assert_null(resize(ptr, 2 * 4096 - MA_CANARY + 1));
	release(wall);
	release(ptr);
}

static void test_what_must_be_copied(void **state)
{
	void *ptr = alloc(100 * KIB);

	(void)state;
	assert_null(resize(ptr, LIMIT));
	assert_null(resize(ptr, 0));
	assert_null(resize(ptr, HUGE_SIZE));
	assert_null(resize(ptr, PTRDIFF_MAX));
	assert_null(resize(ptr, SIZE_MAX));
	assert_null(resize(ptr, SIZE_MAX - MA_CANARY));
	assert_int_equal(ma_large_of(block_of(ptr))->requested, 100 * KIB);
	release(ptr);
}

/* Leave a hole among the OS's mappings, so that what is mapped next can grow where it is. */
static void make_room(void)
{
	release(alloc(3 * HUGE_SIZE));
}

/* ---- resizing by the OS ---------------------------------------------------------------------- */

static void test_direct_grows_and_shrinks_in_place(void **state)
{
	unsigned char *ptr;

	(void)state;
	make_room();
	ptr = alloc(HUGE_SIZE);
	assert_ptr_equal(resize(ptr, 2 * HUGE_SIZE), ptr);
	assert_true(is_filled(ptr, HUGE_SIZE, 0x5a));
	ptr[2 * HUGE_SIZE - 1] = 1;
	assert_ptr_equal(block_of(ptr + 2 * HUGE_SIZE - 1), block_of(ptr));
	assert_ptr_equal(resize(ptr, 20 * MIB), ptr);
	assert_true(is_filled(ptr, 20 * MIB, 0x5a));
	assert_null(ma_pagemap_get(&rooms.map, (uintptr_t)ptr + HUGE_SIZE));
	assert_int_equal(block_of(ptr)->size, 20 * MIB + 4096);
	release(ptr);
}

static void test_direct_is_moved_by_the_os(void **state)
{
	unsigned char *ptr = alloc(HUGE_SIZE);
	void *wall = alloc(HUGE_SIZE);
	unsigned char *moved = resize(ptr, 2 * HUGE_SIZE);

	(void)state;
	assert_non_null(moved);
	assert_ptr_not_equal(moved, ptr);
	assert_true(is_filled(moved, HUGE_SIZE, 0x5a));
	assert_true(is_filled(moved + HUGE_SIZE + 4096, 4096, 0));
	assert_null(ma_pagemap_get(&rooms.map, (uintptr_t)ptr));
	assert_ptr_equal(block_of(moved + 2 * HUGE_SIZE - 1), block_of(moved));
	moved[2 * HUGE_SIZE - 1] = 1;
	release(wall);
	release(moved);
}

static void test_direct_that_becomes_small_is_copied(void **state)
{
	void *ptr = alloc(HUGE_SIZE);

	(void)state;
	assert_null(resize(ptr, 10 * MIB));
	assert_int_equal(ma_large_of(block_of(ptr))->requested, HUGE_SIZE);
	release(ptr);
}

/* Moving would lose the alignment; in place it stays. */
static void test_aligned_direct_is_not_moved(void **state)
{
	unsigned char *ptr;
	void *wall;

	(void)state;
	make_room();
	ptr = large(HUGE_SIZE, 2 * MIB, false);
	assert_non_null(ptr);
	memset(ptr, 0x5a, HUGE_SIZE);
	assert_int_not_equal(ma_large_of(block_of(ptr))->offset, 0);
	assert_ptr_equal(resize(ptr, HUGE_SIZE + MIB), ptr);
	wall = alloc(HUGE_SIZE);
	assert_null(resize(ptr, 3 * HUGE_SIZE));
	release(wall);
	assert_true(is_filled(ptr, HUGE_SIZE, 0x5a));
	release(ptr);
}

/* Each of the calls that a move takes is refused in turn: NULL, and all as before. */
static void test_the_os_refuses_to_resize(void **state)
{
	unsigned char *ptr = alloc(HUGE_SIZE);
	void *wall = alloc(HUGE_SIZE);
	size_t mapped = os_fake_mapped();
	unsigned char *moved = NULL;

	(void)state;
	for (size_t n = 1; moved == NULL; n++) {
		size_t stranded = pool->counts.stranded;

		os_fake_fail_from(n);
		moved = resize(ptr, 2 * HUGE_SIZE);
		os_fake_lift();
		stranded = pool->counts.stranded - stranded;
		mapped += stranded;
		if (moved != NULL)
			break;
		assert_int_equal(os_fake_mapped(), mapped);
		assert_int_equal(ma_large_of(block_of(ptr))->requested, HUGE_SIZE);
		assert_true(is_filled(ptr, HUGE_SIZE, 0x5a));
	}
	assert_true(is_filled(moved, HUGE_SIZE, 0x5a));
	release(moved);
	release(wall);
}

static void test_the_limit_holds_for_resizing(void **state)
{
	struct ma_instance_config config = rooms_config();
	void *ptr;

	rooms_end();
	(void)fixture_reset(state);
	config.pool.limit = 60 * MIB;
	rooms_start(&config);
	ptr = alloc(HUGE_SIZE);
	assert_null(resize(ptr, 60 * MIB));
	ptr = resize(ptr, 59 * MIB);
	assert_non_null(ptr);
	assert_null(large(10 * MIB, 16, false));
	release(ptr);
	release(alloc(10 * MIB));
}

/* ---- freeing --------------------------------------------------------------------------------- */

/* What the OS refuses to take back is emptied and counted, and does not come back as an object. */
static void test_direct_that_cannot_be_unmapped(void **state)
{
	void *ptr = alloc(HUGE_SIZE);
	size_t mapped = os_fake_mapped();

	(void)state;
	os_fake_fail_mask(OS_FAKE_UNMAP);
	os_fake_fail_from(1);
	release(ptr);
	os_fake_lift();
	assert_int_equal(pool->counts.stranded, HUGE_SIZE + 4096);
	assert_int_equal(os_fake_mapped(), mapped);
	assert_null(ma_pagemap_get(&rooms.map, (uintptr_t)ptr));
	assert_true(is_filled(ptr, 4096, 0));
	assert_sound(rooms_check());
}

/* ---- rules ----------------------------------------------------------------------------------- */

#define corrupt(rule, field, value)                         \
	do {                                                \
		__typeof__(field) kept_ = (field);          \
		(field) = (value);                          \
		assert_broken(rule, ma_large_check(block)); \
		assert_broken(rule, rooms_check());         \
		(field) = kept_;                            \
		assert_sound(ma_large_check(block));        \
	} while (0)

static void check_rules(unsigned char *ptr, size_t size)
{
	struct ma_block *block = block_of(ptr);
	struct ma_large *large = ma_large_of(block);

	corrupt("A1", large->requested, block->size);
	corrupt("A1", large->requested, block->size - large->offset - MA_CANARY + 1);
	corrupt("A1", large->requested, SIZE_MAX);
	corrupt("A1", large->offset, block->size + 1);
	corrupt("A1", large->offset, SIZE_MAX);
	corrupt("A3", large->requested, size - 1);
	for (size_t i = 0; i < MA_CANARY; i++)
		corrupt("A3", ptr[size + i], ptr[size + i] ^ 0x80);
}

static void test_rules(void **state)
{
	void *pooled = alloc(10000);
	void *direct = alloc(HUGE_SIZE);
	struct ma_block *block = block_of(pooled);

	(void)state;
	check_rules(pooled, 10000);
	check_rules(direct, HUGE_SIZE);
	corrupt("A2", ma_large_of(block)->offset, 16);
	/* One that is being made or resized is nobody's business. */
	ma_large_of(block)->sealed = false;
	ma_large_of(block)->requested = SIZE_MAX;
	assert_sound(rooms_check());
	ma_large_of(block)->requested = 10000;
	ma_large_of(block)->sealed = true;
	release(pooled);
	release(direct);
}

static void test_the_overrun_report(void **state)
{
	unsigned char *ptr = alloc(10000);
	char words[128];

	(void)state;
	memcpy(ptr + 10000, "overflow", 8);
	assert_false(ma_large_intact(block_of(ptr)));
	(void)snprintf(words, sizeof(words), "memalloc: heap overflow: %p ", (void *)(ptr + 10000));
	assert_reports(words, ma_large_overrun(block_of(ptr)));
	(void)snprintf(words, sizeof(words), "object %p, 10000 bytes requested, in 12288 bytes",
		       (void *)ptr);
	assert_reports(words, ma_large_overrun(block_of(ptr)));
	assert_reports("found 0x776f6c667265766f\n", ma_large_overrun(block_of(ptr)));
	assert_reports("the bytes are text", ma_large_overrun(block_of(ptr)));
	ma_canary_put(ptr + 10000, ma_large_of(block_of(ptr))->secret);
	release(ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes_around_pages, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_very_large_objects_have_their_own_mapping,
						setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_beyond_limits, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_alignments, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_zero_where_others_have_written, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_zero_is_free_on_fresh_memory, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_grow_into_the_free_neighbour, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_shrink_gives_the_tail_back, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_no_room_behind, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_what_must_be_copied, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_direct_grows_and_shrinks_in_place, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_direct_is_moved_by_the_os, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_direct_that_becomes_small_is_copied, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_aligned_direct_is_not_moved, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_the_os_refuses_to_resize, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_the_limit_holds_for_resizing, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_direct_that_cannot_be_unmapped, setup,
						rooms_teardown),
		cmocka_unit_test_setup_teardown(test_rules, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_the_overrun_report, setup, rooms_teardown),
	};

	return cmocka_run_group_tests_name("large", tests, NULL, NULL);
}
