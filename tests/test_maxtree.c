#include <stdlib.h>

#include "rooms.h"

#define NMAX 40000

/* A tree beside a plain array that is searched from end to end. */
static struct ma_maxtree tree;
static size_t plain[NMAX];
static void *mem;
static uint64_t seed = 1;

static void open_tree(size_t n)
{
	size_t bytes = ma_maxtree_bytes(n);

	assert_int_equal(bytes % MA_CACHE_LINE, 0);
	mem = aligned_alloc(MA_CACHE_LINE, bytes);
	assert_non_null(mem);
	memset(mem, 0, bytes);
	memset(plain, 0, sizeof(plain));
	ma_maxtree_init(&tree, mem, n);
	assert_int_equal(tree.n, n);
}

static void close_tree(void)
{
	free(mem);
}

static size_t plain_find(size_t from, size_t least)
{
	for (size_t i = from; i < tree.n; i++)
		if (plain[i] >= least)
			return i;
	return MA_MAXTREE_NONE;
}

static size_t plain_max(void)
{
	size_t max = 0;

	for (size_t i = 0; i < tree.n; i++)
		max = ma_max(max, plain[i]);
	return max;
}

static void set(size_t i, size_t value)
{
	plain[i] = value;
	ma_maxtree_set(&tree, i, value);
	assert_int_equal(ma_maxtree_get(&tree, i), value);
}

static void find(size_t from, size_t least)
{
	assert_int_equal(ma_maxtree_find(&tree, from, least), plain_find(from, least));
}

/* Large values are rare, so that searches go far. */
static size_t value(void)
{
	size_t bits = rooms_below(&seed, 16);

	return rooms_below(&seed, 3) == 0 ? 0 : rooms_below(&seed, (size_t)1 << bits);
}

static void check_size(size_t n, size_t nsteps)
{
	open_tree(n);
	assert_int_equal(ma_maxtree_max(&tree), 0);
	assert_int_equal(ma_maxtree_find(&tree, 0, 1), MA_MAXTREE_NONE);
	assert_valid(ma_maxtree_check(&tree));
	for (size_t i = 0; i < nsteps; i++) {
		set(rooms_below(&seed, n), value());
		find(rooms_below(&seed, n), 1 + value());
	}
	set(n - 1, MA_MAXTREE_MAX);
	find(0, MA_MAXTREE_MAX);
	find(n - 1, 1);
	find(n, 1);
	assert_int_equal(ma_maxtree_max(&tree), plain_max());
	assert_valid(ma_maxtree_check(&tree));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ma_maxtree_get(&tree, i), plain[i]);
	close_tree();
}

static void test_small_sizes(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 200; n++)
		check_size(n, 200);
}

/* Lines and levels end at powers of 32. */
static void test_edges_of_levels(void **state)
{
	const size_t edge[] = {992, 1024, 1056, 2048, 31 * 1024, 32 * 1024, 33 * 1024, NMAX - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(edge) / sizeof(*edge); i++)
		for (size_t n = edge[i] - 1; n <= edge[i] + 1; n++)
			check_size(n, 400);
}

static void test_sizes_up_to_40000(void **state)
{
	(void)state;
	for (size_t n = 201; n <= NMAX; n += 1 + n / 12)
		check_size(n, 1000);
}

/* All entries set, then lowered one by one: every maximum is taken back. */
static void test_falling_values(void **state)
{
	const size_t n = 1500;

	(void)state;
	open_tree(n);
	for (size_t i = 0; i < n; i++)
		set(i, n - i);
	assert_valid(ma_maxtree_check(&tree));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ma_maxtree_max(&tree), n - i);
		assert_int_equal(ma_maxtree_find(&tree, 0, 1), i);
		set(i, 0);
	}
	assert_int_equal(ma_maxtree_max(&tree), 0);
	assert_valid(ma_maxtree_check(&tree));
	close_tree();
}

static void test_equal_values(void **state)
{
	(void)state;
	open_tree(100);
	for (size_t i = 0; i < 100; i += 3)
		set(i, 7);
	for (size_t i = 0; i < 100; i++)
		for (size_t least = 6; least <= 8; least++)
			find(i, least);
	set(0, 7);
	set(0, 0);
	assert_int_equal(ma_maxtree_max(&tree), 7);
	assert_valid(ma_maxtree_check(&tree));
	close_tree();
}

static void test_more_than_any_value(void **state)
{
	(void)state;
	open_tree(40);
	set(20, MA_MAXTREE_MAX);
	assert_int_equal(ma_maxtree_find(&tree, 0, MA_MAXTREE_MAX), 20);
	assert_int_equal(ma_maxtree_find(&tree, 0, (size_t)MA_MAXTREE_MAX + 1), MA_MAXTREE_NONE);
	assert_int_equal(ma_maxtree_find(&tree, 0, 65536 + 1), MA_MAXTREE_NONE);
	assert_int_equal(ma_maxtree_find(&tree, 0, SIZE_MAX), MA_MAXTREE_NONE);
	assert_int_equal(ma_maxtree_find(&tree, SIZE_MAX, 1), MA_MAXTREE_NONE);
	close_tree();
}

static void test_the_check_finds_what_is_wrong(void **state)
{
	(void)state;
	open_tree(1030);
	set(1029, 5);
	assert_int_equal(tree.nlevels, 3);
	assert_corrupt("T2", tree.level[0][3], -1, ma_maxtree_check(&tree));
	assert_corrupt("T1 upper", tree.level[0][3], 1, ma_maxtree_check(&tree));
	assert_corrupt("T1 upper", tree.level[1][32], 4, ma_maxtree_check(&tree));
	assert_corrupt("T1 upper", tree.level[2][1], 6, ma_maxtree_check(&tree));
	assert_corrupt("T1 entries", tree.level[0][1030], 1, ma_maxtree_check(&tree));
	assert_corrupt("T1 entries", tree.level[2][2], 1, ma_maxtree_check(&tree));
	close_tree();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_sizes),
		cmocka_unit_test(test_edges_of_levels),
		cmocka_unit_test(test_sizes_up_to_40000),
		cmocka_unit_test(test_falling_values),
		cmocka_unit_test(test_equal_values),
		cmocka_unit_test(test_more_than_any_value),
		cmocka_unit_test(test_the_check_finds_what_is_wrong),
	};

	return cmocka_run_group_tests_name("maxtree", tests, NULL, NULL);
}
