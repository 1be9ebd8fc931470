#include "rooms.h"

#define LEAF_SPAN (MA_GRANULE << MA_PAGEMAP_LEAF_BITS)
#define END ((uintptr_t)1 << MA_PAGEMAP_ADDR_BITS)

/* Addresses are never followed here, so any will do. */
static struct ma_pagemap map;
static struct ma_block a, b;

static int setup(void **state)
{
	(void)state;
	os_fake_reset();
	assert_true(ma_pagemap_init(&map));
	assert_valid(ma_pagemap_check(&map));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_valid(ma_pagemap_check(&map));
	assert_int_equal(os_fake_mapped(), ma_pagemap_size(&map));
	ma_pagemap_fini(&map);
	assert_int_equal(os_fake_mapped(), 0);
	return 0;
}

static size_t nleaves(void)
{
	size_t n = 0;

	assert_valid(ma_pagemap_check(&map));
	for (const struct ma_pagemap_leaf *l = atomic_load(&map.leaves); l != NULL; l = l->next)
		n++;
	return n;
}

static void test_any_address_may_be_asked_for(void **state)
{
	const uintptr_t addr[] = {0,       1,   MA_GRANULE, LEAF_SPAN - 1, LEAF_SPAN,
				  END - 1, END, END + 1,    UINTPTR_MAX,   (uintptr_t)&a};

	(void)state;
	for (size_t i = 0; i < sizeof(addr) / sizeof(*addr); i++)
		assert_null(ma_pagemap_get(&map, addr[i]));
	assert_int_equal(nleaves(), 0);
}

static void test_entries(void **state)
{
	const uintptr_t at = (uintptr_t)0x7f12345 << MA_GRANULE_SHIFT;

	(void)state;
	assert_true(ma_pagemap_reserve(&map, at, 3 * MA_GRANULE));
	assert_null(ma_pagemap_get(&map, at));
	ma_pagemap_set(&map, at, 3 * MA_GRANULE, &a);
	assert_null(ma_pagemap_get(&map, at - 1));
	for (size_t i = 0; i < 3 * MA_GRANULE; i += 64)
		assert_ptr_equal(ma_pagemap_get(&map, at + i), &a);
	assert_null(ma_pagemap_get(&map, at + 3 * MA_GRANULE));
	ma_pagemap_set(&map, at + MA_GRANULE, MA_GRANULE, &b);
	assert_ptr_equal(ma_pagemap_get(&map, at), &a);
	assert_ptr_equal(ma_pagemap_get(&map, at + MA_GRANULE), &b);
	assert_ptr_equal(ma_pagemap_get(&map, at + 2 * MA_GRANULE - 1), &b);
	assert_ptr_equal(ma_pagemap_get(&map, at + 2 * MA_GRANULE), &a);
	assert_null(ma_pagemap_get(&map, at + ((uintptr_t)1 << 40)));
	ma_pagemap_set(&map, at, 3 * MA_GRANULE, NULL);
	assert_null(ma_pagemap_get(&map, at + MA_GRANULE));
	ma_pagemap_set(&map, at, 0, &a);
	assert_null(ma_pagemap_get(&map, at));
}

static void test_ranges_over_several_leaves(void **state)
{
	const uintptr_t at = 5 * LEAF_SPAN - 2 * MA_GRANULE;
	const size_t size = 2 * LEAF_SPAN + 4 * MA_GRANULE;

	(void)state;
	assert_true(ma_pagemap_reserve(&map, at, size));
	assert_int_equal(nleaves(), 4);
	ma_pagemap_set(&map, at, size, &a);
	for (size_t i = 0; i < size; i += MA_GRANULE)
		assert_ptr_equal(ma_pagemap_get(&map, at + i), &a);
	assert_null(ma_pagemap_get(&map, at - 1));
	assert_null(ma_pagemap_get(&map, at + size));
}

static void test_reserving_again_costs_nothing(void **state)
{
	size_t calls;

	(void)state;
	assert_true(ma_pagemap_reserve(&map, LEAF_SPAN, LEAF_SPAN));
	assert_int_equal(nleaves(), 1);
	calls = os_fake_calls();
	assert_true(ma_pagemap_reserve(&map, LEAF_SPAN, LEAF_SPAN));
	assert_true(ma_pagemap_reserve(&map, 2 * LEAF_SPAN - 1, 1));
	assert_int_equal(os_fake_calls(), calls);
	assert_true(ma_pagemap_reserve(&map, 2 * LEAF_SPAN - 1, 2));
	assert_int_equal(nleaves(), 2);
}

static void test_the_ends_of_what_is_covered(void **state)
{
	(void)state;
	assert_true(ma_pagemap_reserve(&map, 0, 1));
	assert_true(ma_pagemap_reserve(&map, END - MA_GRANULE, MA_GRANULE));
	ma_pagemap_set(&map, END - MA_GRANULE, MA_GRANULE, &a);
	ma_pagemap_set(&map, 0, MA_GRANULE, &b);
	assert_ptr_equal(ma_pagemap_get(&map, END - 1), &a);
	assert_ptr_equal(ma_pagemap_get(&map, 0), &b);
	assert_null(ma_pagemap_get(&map, END));
	assert_int_equal(nleaves(), 2);
}

static void test_ranges_that_are_refused(void **state)
{
	(void)state;
	assert_false(ma_pagemap_reserve(&map, 0, 0));
	assert_false(ma_pagemap_reserve(&map, END, MA_GRANULE));
	assert_false(ma_pagemap_reserve(&map, END - MA_GRANULE, 2 * MA_GRANULE));
	assert_false(ma_pagemap_reserve(&map, MA_GRANULE, SIZE_MAX));
	assert_false(ma_pagemap_reserve(&map, UINTPTR_MAX, 1));
	assert_int_equal(nleaves(), 0);
}

static void test_the_os_refuses(void **state)
{
	struct ma_pagemap other;

	(void)state;
	os_fake_fail_mask(OS_FAKE_MAP);
	os_fake_fail_at(1);
	assert_false(ma_pagemap_init(&other));
	os_fake_fail_at(3);
	assert_false(ma_pagemap_reserve(&map, LEAF_SPAN, 4 * LEAF_SPAN));
	assert_int_equal(nleaves(), 2);
	for (size_t i = 0; i < 5; i++)
		assert_null(ma_pagemap_get(&map, i * LEAF_SPAN));
	assert_true(ma_pagemap_reserve(&map, LEAF_SPAN, 4 * LEAF_SPAN));
	assert_int_equal(nleaves(), 4);
}

static void test_maps_do_not_share(void **state)
{
	struct ma_pagemap other;

	(void)state;
	assert_true(ma_pagemap_init(&other));
	assert_true(ma_pagemap_reserve(&map, 0, MA_GRANULE));
	ma_pagemap_set(&map, 0, MA_GRANULE, &a);
	assert_null(ma_pagemap_get(&other, 0));
	ma_pagemap_fini(&other);
	assert_ptr_equal(ma_pagemap_get(&map, 0), &a);
}

static void test_the_check_finds_what_is_wrong(void **state)
{
	struct ma_pagemap_leaf *leaf;

	(void)state;
	assert_true(ma_pagemap_reserve(&map, 0, 2 * LEAF_SPAN));
	leaf = atomic_load(&map.leaves);
	assert_corrupt("M4 the root", leaf->idx, leaf->idx ^ 1, ma_pagemap_check(&map));
	assert_corrupt("M4 the root", leaf->idx, SIZE_MAX, ma_pagemap_check(&map));
	assert_corrupt("M4 the list", leaf->next, leaf, ma_pagemap_check(&map));
	assert_corrupt("M2", map.root, NULL, ma_pagemap_check(&map));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_any_address_may_be_asked_for),
		TEST(test_entries),
		TEST(test_ranges_over_several_leaves),
		TEST(test_reserving_again_costs_nothing),
		TEST(test_the_ends_of_what_is_covered),
		TEST(test_ranges_that_are_refused),
		TEST(test_the_os_refuses),
		TEST(test_maps_do_not_share),
		TEST(test_the_check_finds_what_is_wrong),
	};

	return cmocka_run_group_tests_name("pagemap", tests, NULL, NULL);
}
