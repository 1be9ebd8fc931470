#include "rooms.h"

#define PAGE ((size_t)4096)
#define NPAGES 64

/*
 * The index alone: two regions of invented addresses, blocks that are put in and taken out by hand.
 */
static struct ma_meta meta;
static struct ma_pagemap map;
static struct ma_region_set set;
static struct ma_fit fit;
static struct ma_region *region[2];
static struct ma_block block[8];

static const uintptr_t where[2] = {(uintptr_t)3 << 20, (uintptr_t)9 << 20};

static void open_index(enum ma_fit_policy policy)
{
	os_fake_reset();
	memset(block, 0, sizeof(block));
	ma_meta_init(&meta);
	assert_true(ma_pagemap_init(&map));
	ma_region_set_init(&set, &meta, policy == MA_FIT_FIRST);
	ma_fit_init(&fit, policy, &set, &map);
	assert_null(ma_fit_find(&fit, PAGE, PAGE));
	assert_true(ma_fit_prepare(&fit));
	for (size_t i = 0; i < 2; i++) {
		region[i] = ma_region_add(&set, where[i], NPAGES * PAGE, false);
		assert_non_null(region[i]);
		assert_true(ma_pagemap_reserve(&map, where[i], NPAGES * PAGE));
	}
	assert_null(ma_fit_find(&fit, PAGE, PAGE));
}

static void close_index(void)
{
	ma_pagemap_fini(&map);
	ma_meta_fini(&meta);
	assert_int_equal(os_fake_mapped(), 0);
}

/* Block @i is @npages free pages, @page pages into region @r. */
static struct ma_block *add(size_t i, size_t r, size_t page, size_t npages)
{
	struct ma_block *b = &block[i];

	b->granule = region[r]->granule + page;
	b->size = npages * PAGE;
	b->region = region[r];
	b->kind = MA_BLOCK_FREE;
	b->free = true;
	ma_pagemap_set(&map, ma_block_addr(b), PAGE, b);
	ma_fit_add(&fit, b);
	return b;
}

static void take_out(size_t i)
{
	ma_fit_remove(&fit, &block[i]);
	block[i].free = false;
}

/* Which block serves the request; -1 for none. */
static int found(size_t npages, size_t align)
{
	const struct ma_block *b = ma_fit_find(&fit, npages * PAGE, align * PAGE);

	return b != NULL ? (int)(b - block) : -1;
}

static const char *check(size_t n)
{
	for (size_t i = 0; i < n; i++)
		block[i].next = i + 1 < n ? &block[i + 1] : NULL;
	return ma_fit_check(&fit, n > 0 ? block : NULL);
}

static void test_first_is_the_lowest(void **state)
{
	(void)state;
	open_index(MA_FIT_FIRST);
	(void)add(0, 0, 2, 2);
	(void)add(1, 0, 10, 7);
	(void)add(2, 1, 0, 4);
	(void)add(3, 1, 20, 30);
	assert_valid(check(4));
	assert_int_equal(found(1, 1), 0);
	assert_int_equal(found(2, 1), 0);
	assert_int_equal(found(3, 1), 1);
	assert_int_equal(found(7, 1), 1);
	assert_int_equal(found(8, 1), 3);
	assert_int_equal(found(30, 1), 3);
	assert_int_equal(found(31, 1), -1);
	take_out(0);
	assert_int_equal(found(1, 1), 1);
	take_out(1);
	assert_int_equal(found(1, 1), 2);
	assert_valid(check(4));
	close_index();
}

static void test_best_is_the_smallest(void **state)
{
	(void)state;
	open_index(MA_FIT_BEST);
	(void)add(0, 0, 2, 20);
	(void)add(1, 0, 30, 7);
	(void)add(2, 1, 0, 2);
	(void)add(3, 1, 20, 7);
	assert_valid(check(4));
	assert_int_equal(found(1, 1), 2);
	assert_int_equal(found(2, 1), 2);
	assert_int_equal(found(3, 1), 3); /* the one that came last */
	assert_int_equal(found(7, 1), 3);
	assert_int_equal(found(8, 1), 0);
	assert_int_equal(found(21, 1), -1);
	take_out(3);
	assert_int_equal(found(3, 1), 1);
	take_out(1);
	assert_int_equal(found(3, 1), 0);
	take_out(0);
	take_out(2);
	assert_int_equal(found(1, 1), -1);
	assert_valid(check(4));
	close_index();
}

/* Regions start at multiples of 256 pages. */
static void test_alignment(void **state)
{
	(void)state;
	for (int policy = MA_FIT_FIRST; policy <= MA_FIT_BEST; policy++) {
		open_index((enum ma_fit_policy)policy);
		(void)add(0, 0, 1, 8);   /* 1 .. 8 */
		(void)add(1, 0, 17, 15); /* 17 .. 31 */
		(void)add(2, 1, 33, 31); /* 33 .. 63 */
		assert_int_equal(found(1, 8), 0);
		assert_int_equal(found(2, 8), 1);
		assert_int_equal(found(8, 8), 1);
		assert_int_equal(found(9, 8), 2);
		assert_int_equal(found(1, 32), -1);
		assert_int_equal(found(24, 8), 2);
		assert_int_equal(found(25, 8), -1);
		(void)add(3, 1, 0, 8);
		assert_int_equal(found(8, 256), 3);
		assert_int_equal(found(9, 256), -1);
		close_index();
	}
}

static void test_more_than_any_block(void **state)
{
	(void)state;
	for (int policy = MA_FIT_FIRST; policy <= MA_FIT_BEST; policy++) {
		open_index((enum ma_fit_policy)policy);
		(void)add(0, 0, 0, NPAGES);
		assert_int_equal(found(NPAGES, 1), 0);
		assert_int_equal(found(NPAGES + 1, 1), -1);
		assert_int_equal(found(MA_FIT_PAGES, 1), -1);
		assert_int_equal(found(MA_FIT_PAGES + 1, 1), -1);
		assert_null(ma_fit_find(&fit, SIZE_MAX - PAGE + 1, PAGE));
		close_index();
	}
}

/* The edges of the bitmap's words and groups of words. */
static void test_best_over_all_sizes(void **state)
{
	const size_t size[] = {
		1, 63, 64, 65, 4095, 4096, 4097, 8191, 8192, 8193, MA_FIT_PAGES - 1, MA_FIT_PAGES};

	(void)state;
	open_index(MA_FIT_BEST);
	for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) {
		struct ma_block *b = add(0, 0, 0, size[i]);

		assert_int_equal(found(1, 1), 0);
		assert_int_equal(found(size[i], 1), 0);
		assert_int_equal(found(size[i] + 1, 1), -1);
		for (size_t k = 0; k < sizeof(size) / sizeof(*size); k++)
			assert_int_equal(found(size[k], 1), size[k] <= size[i] ? 0 : -1);
		assert_valid(check(1));
		ma_fit_remove(&fit, b);
		b->free = false;
		assert_valid(check(1));
	}
	close_index();
}

static void test_preparing_may_fail(void **state)
{
	(void)state;
	os_fake_reset();
	ma_meta_init(&meta);
	ma_region_set_init(&set, &meta, false);
	ma_fit_init(&fit, MA_FIT_BEST, &set, &map);
	os_fake_fail_from(1);
	assert_false(ma_fit_prepare(&fit));
	assert_null(fit.bins);
	assert_null(ma_fit_find(&fit, PAGE, PAGE));
	assert_valid(check(0));
	os_fake_lift();
	assert_true(ma_fit_prepare(&fit));
	os_fake_fail_from(1);
	assert_true(ma_fit_prepare(&fit));
	ma_meta_fini(&meta);
	ma_meta_init(&meta);
	ma_region_set_init(&set, &meta, true);
	ma_fit_init(&fit, MA_FIT_FIRST, &set, &map);
	assert_true(ma_fit_prepare(&fit));
	ma_meta_fini(&meta);
}

static void test_the_check_finds_what_is_wrong(void **state)
{
	(void)state;
	open_index(MA_FIT_BEST);
	(void)add(0, 0, 0, 4);
	(void)add(1, 0, 8, 4);
	assert_corrupt("F3", block[0].size, PAGE, check(2));
	assert_corrupt("F3", block[1].free, false, check(2));
	assert_corrupt("F3", fit.bins->bin[9], &block[0], check(2));
	assert_breaks("F1 only", check(1));
	close_index();
	open_index(MA_FIT_FIRST);
	(void)add(0, 0, 0, 4);
	(void)add(1, 0, 8, 4);
	assert_corrupt("F2", block[0].size, PAGE, check(2));
	assert_corrupt("F2", block[1].free, false, check(2));
	assert_corrupt("F1", region[0]->tree_bytes, 0, check(2));
	close_index();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_is_the_lowest),
		cmocka_unit_test(test_best_is_the_smallest),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_more_than_any_block),
		cmocka_unit_test(test_best_over_all_sizes),
		cmocka_unit_test(test_preparing_may_fail),
		cmocka_unit_test(test_the_check_finds_what_is_wrong),
	};

	return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
