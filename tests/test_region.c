#include "rooms.h"

#define PAGE ((size_t)4096)
#define NREGIONS 200

/* The set alone: addresses are invented, and no region has blocks. */
static struct ma_meta meta;
static struct ma_region_set set;

static void open_set(bool with_tree)
{
	os_fake_reset();
	ma_meta_init(&meta);
	ma_region_set_init(&set, &meta, with_tree);
	assert_valid(ma_region_check(&set));
}

static int setup(void **state)
{
	(void)state;
	open_set(true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	os_fake_lift();
	assert_valid(ma_region_check(&set));
	ma_meta_fini(&meta);
	assert_int_equal(os_fake_mapped(), 0);
	return 0;
}

/* A region at the @place-th mebibyte. */
static struct ma_region *add(size_t place, size_t npages, bool direct)
{
	struct ma_region *region = ma_region_add(&set, place * MIB, npages * PAGE, direct);

	assert_non_null(region);
	assert_int_equal(ma_region_addr(region), place * MIB);
	assert_int_equal(region->size, npages * PAGE);
	assert_int_equal(region->direct, direct);
	assert_null(region->first);
	assert_valid(ma_region_check(&set));
	return region;
}

static void drop(struct ma_region *region)
{
	ma_region_detach(&set, region);
	ma_region_free(&set, region);
	assert_valid(ma_region_check(&set));
}

static void test_order(void **state)
{
	struct ma_region *c = add(30, 5, false);
	struct ma_region *a = add(10, 7, false);
	struct ma_region *b = add(20, 2, true);

	(void)state;
	assert_int_equal(set.nregions, 3);
	assert_int_equal(set.nodirect, 2);
	assert_int_equal(set.mapped, 14 * PAGE);
	assert_ptr_equal(set.table[0], a);
	assert_ptr_equal(set.table[1], b);
	assert_ptr_equal(set.table[2], c);
	assert_null(ma_region_before(&set, a));
	assert_ptr_equal(ma_region_before(&set, b), a);
	assert_ptr_equal(ma_region_before(&set, c), b);
	drop(b);
	assert_ptr_equal(ma_region_before(&set, c), a);
	assert_int_equal(set.nodirect, 2);
	drop(a);
	drop(c);
	assert_int_equal(set.nregions, 0);
	assert_int_equal(set.mapped, 0);
}

static void test_pages(void **state)
{
	struct ma_region *a = add(1, 100, false);
	struct ma_region *b = add(2, 40, false);
	struct ma_region *direct = add(3, 4, true);

	(void)state;
	ma_region_set_page(&set, a, 3, 10);
	ma_region_set_page(&set, a, 50, 20);
	ma_region_set_page(&set, b, 0, 40);
	assert_valid(ma_region_check(&set));
	assert_int_equal(ma_maxtree_get(&set.tree, 0), 20);
	assert_int_equal(ma_maxtree_get(&set.tree, 1), 40);
	ma_region_set_page(&set, a, 50, 0);
	assert_valid(ma_region_check(&set));
	assert_int_equal(ma_maxtree_get(&set.tree, 0), 10);
	ma_region_set_page(&set, direct, 0, 4); /* without effect */
	assert_int_equal(ma_maxtree_get(&set.tree, 2), 0);
	drop(a);
	assert_int_equal(ma_maxtree_get(&set.tree, 0), 40);
	assert_int_equal(ma_maxtree_get(&set.tree, 1), 0);
	assert_int_equal(ma_maxtree_get(&set.tree, 2), 0);
}

static void test_detached_and_attached(void **state)
{
	struct ma_region *a = add(1, 10, false);
	struct ma_region *b = add(2, 20, false);

	(void)state;
	ma_region_set_page(&set, a, 2, 5);
	ma_region_detach(&set, a);
	assert_valid(ma_region_check(&set));
	assert_int_equal(set.nregions, 1);
	assert_int_equal(set.nodirect, 1);
	assert_int_equal(set.mapped, 20 * PAGE);
	assert_int_equal(b->idx, 0);
	assert_true(ma_region_attach(&set, a));
	assert_valid(ma_region_check(&set));
	assert_int_equal(b->idx, 1);
	assert_int_equal(ma_maxtree_get(&set.tree, 0), 5);
	assert_int_equal(set.mapped, 30 * PAGE);
}

static void test_resized_and_moved(void **state)
{
	struct ma_region *a = add(1, 10, true);
	struct ma_region *b = add(2, 20, false);

	(void)state;
	ma_region_set_page(&set, b, 0, 10);
	ma_region_resize(&set, b, 10 * PAGE);
	assert_valid(ma_region_check(&set));
	assert_int_equal(set.mapped, 20 * PAGE);
	ma_region_move(&set, a, 9 * MIB, 15 * PAGE);
	assert_valid(ma_region_check(&set));
	assert_int_equal(a->idx, 1);
	assert_int_equal(ma_region_addr(a), 9 * MIB);
	assert_int_equal(set.mapped, 25 * PAGE);
	assert_ptr_equal(ma_region_before(&set, a), b);
	assert_int_equal(ma_maxtree_get(&set.tree, 0), 10);
	assert_int_equal(ma_maxtree_get(&set.tree, 1), 0);
}

/* Adding one more with any call refused leaves all as it was. */
static void refuse_from(size_t n)
{
	size_t nregions = set.nregions;
	size_t in_use = meta.in_use;
	struct ma_region *region;

	os_fake_fail_from(n);
	region = ma_region_add(&set, 900 * MIB, 16000 * PAGE, false);
	os_fake_lift();
	assert_valid(ma_region_check(&set));
	assert_valid(ma_meta_check(&meta));
	if (region != NULL)
		drop(region);
	else
		assert_true(meta.in_use >= in_use);
	assert_int_equal(set.nregions, nregions);
}

static void test_refused(void **state)
{
	(void)state;
	os_fake_fail_from(1);
	assert_null(ma_region_add(&set, MIB, PAGE, false));
	assert_null(ma_region_add(&set, MIB, PAGE, true));
	os_fake_lift();
	assert_int_equal(set.nregions, 0);
	assert_int_equal(set.mapped, 0);
	assert_int_equal(meta.in_use, 0);
	for (size_t i = 0; i < 70; i++) {
		refuse_from(1);
		refuse_from(2);
		(void)add(i + 1, 1, i % 2 == 0);
	}
}

static void run(bool with_tree)
{
	struct ma_region *live[NREGIONS] = {0};
	uint64_t seed = 7;

	open_set(with_tree);
	for (int step = 0; step < 5000; step++) {
		size_t i = rooms_below(&seed, NREGIONS);

		if (live[i] == NULL) {
			live[i] = add(i, 1 + rooms_below(&seed, 200), rooms_below(&seed, 3) == 0);
		} else if (rooms_below(&seed, 3) == 0) {
			drop(live[i]);
			live[i] = NULL;
		} else {
			size_t page = rooms_below(&seed, live[i]->size / PAGE);

			ma_region_set_page(&set, live[i], page, rooms_below(&seed, 300));
			assert_valid(ma_region_check(&set));
		}
	}
	for (size_t i = 0; i < NREGIONS; i++)
		if (live[i] != NULL)
			drop(live[i]);
	assert_int_equal(set.mapped, 0);
}

static void test_random_steps(void **state)
{
	(void)state;
	run(true);
}

static void test_random_steps_without_tree(void **state)
{
	(void)state;
	run(false);
}

static void test_the_check_finds_what_is_wrong(void **state)
{
	struct ma_region *a = add(1, 40, false);
	struct ma_region *b = add(2, 20, false);

	(void)state;
	ma_region_set_page(&set, a, 0, 10);
	assert_corrupt("R1 idx", b->idx, 0, ma_region_check(&set));
	assert_corrupt("R1 regions", b->granule, a->granule + 39, ma_region_check(&set));
	assert_corrupt("R1 idx", set.table[0], b, ma_region_check(&set));
	assert_corrupt("R1 the table", set.cap, 1, ma_region_check(&set));
	assert_corrupt("R2", set.tree.level[0][0], 9, ma_region_check(&set));
	assert_corrupt("R2", set.tree.level[0][1], 1, ma_region_check(&set));
	assert_corrupt("R3 mapped", set.mapped, 0, ma_region_check(&set));
	assert_corrupt("R3 mapped", a->size, PAGE, ma_region_check(&set));
	assert_corrupt("R3 nodirect", b->direct, true, ma_region_check(&set));
	assert_corrupt("T1", a->tree.level[0][1], 11, ma_region_check(&set));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_pages),
		TEST(test_detached_and_attached),
		TEST(test_resized_and_moved),
		TEST(test_refused),
		TEST(test_random_steps),
		TEST(test_random_steps_without_tree),
		TEST(test_the_check_finds_what_is_wrong),
	};

	return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
