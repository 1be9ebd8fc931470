#include "rooms.h"

#define PAGE ((size_t)4096)
#define AGE 1000

static struct rooms rooms;

/* A pool whose first region has 64 pages, the next one 128. */
static void open_retaining(enum ma_fit_policy fit, size_t retain)
{
	const struct ma_pool_config config = {
		.fit = fit, .first = 64 * PAGE, .retain = retain, .age_ms = AGE};

	os_fake_set_now(10000);
	rooms_open(&rooms, &config);
}

static void release(struct ma_block *block)
{
	memset(ma_block_ptr(block), 'x', block->size);
	(void)ma_pool_free(&rooms.pool, block);
}

static struct ma_pool_counts counts(void)
{
	assert_valid(rooms_valid(&rooms));
	return ma_pool_counts(&rooms.pool);
}

/* Let time pass, and steps be taken until nothing more is given back. Return: the sum. */
static size_t decay_at(uint64_t now)
{
	size_t sum = 0;

	os_fake_set_now(now);
	for (size_t given = 1; given > 0;) {
		given = ma_decay_step(&rooms.pool);
		assert_valid(rooms_valid(&rooms));
		sum += given;
	}
	return sum;
}

static void test_nothing_before_its_age(void **state)
{
	struct ma_block *block;
	size_t calls;

	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	block = rooms_pages(&rooms, 4);
	(void)rooms_pages(&rooms, 1);
	assert_int_equal(decay_at(20000), 0);
	release(block);
	calls = os_fake_calls();
	assert_int_equal(decay_at(20000), 0);
	assert_int_equal(decay_at(20000 + AGE - 1), 0);
	assert_int_equal(os_fake_calls(), calls);
	assert_int_equal(counts().dirty, 4 * PAGE);
	assert_int_equal(decay_at(20000 + AGE), 4 * PAGE);
	rooms_close(&rooms);
}

static void test_inner_blocks_are_purged_once(void **state)
{
	struct ma_block *block;
	void *ptr;

	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	block = rooms_pages(&rooms, 4);
	ptr = ma_block_ptr(block);
	(void)rooms_pages(&rooms, 1);
	release(block);
	assert_int_equal(decay_at(11000), 4 * PAGE);
	assert_int_equal(counts().purged, 1);
	assert_int_equal(counts().dirty, 0);
	assert_int_equal(counts().shrunk, 0);
	assert_int_equal(counts().mapped, 64 * PAGE);
	assert_true(rooms_reads_zero(ptr, 4 * PAGE));
	assert_int_equal(decay_at(20000), 0);
	block = rooms_pages(&rooms, 4);
	assert_ptr_equal(ma_block_ptr(block), ptr);
	assert_true(block->zero);
	rooms_close(&rooms);
}

static void test_ends_are_unmapped_down_to_what_is_retained(void **state)
{
	const size_t retain[] = {0, 1, PAGE, 3 * PAGE, 8 * PAGE};

	(void)state;
	for (size_t i = 0; i < sizeof(retain) / sizeof(*retain); i++) {
		size_t stay = ma_align_up(ma_max(retain[i], 1), PAGE);
		struct ma_block *block;

		open_retaining(MA_FIT_FIRST, retain[i]);
		(void)rooms_pages(&rooms, 2);
		block = rooms_pages(&rooms, 62);
		release(block);
		assert_int_equal(decay_at(12000), 62 * PAGE);
		assert_int_equal(counts().mapped, 2 * PAGE + stay);
		assert_int_equal(counts().free_bytes, stay);
		assert_int_equal(counts().shrunk, 1);
		assert_int_equal(counts().dirty, 0);
		assert_true(rooms_pages(&rooms, stay / PAGE)->zero);
		(void)rooms_pages(&rooms, 1);
		assert_int_equal(counts().grown, 2);
		rooms_close(&rooms);
	}
}

static void test_free_regions_are_unmapped_but_one(void **state)
{
	struct ma_block *a, *b;

	(void)state;
	open_retaining(MA_FIT_BEST, 4 * PAGE);
	a = rooms_pages(&rooms, 64);
	b = rooms_pages(&rooms, 128);
	release(a);
	release(b);
	assert_int_equal(counts().nregions, 2);
	assert_int_equal(decay_at(12000), 192 * PAGE);
	assert_int_equal(counts().nregions, 1);
	assert_int_equal(counts().mapped, 4 * PAGE);
	assert_int_equal(counts().nblocks, 1);
	a = rooms_pages(&rooms, 4);
	rooms_fill(&rooms, a, 1);
	b = rooms_pages(&rooms, 128);
	release(b);
	assert_int_equal(counts().mapped, (4 + 256) * PAGE);
	assert_int_equal(decay_at(15000), 256 * PAGE);
	assert_int_equal(counts().nregions, 1);
	assert_true(rooms_intact(&rooms, a, 1, a->size));
	rooms_close(&rooms);
}

static void test_without_retaining_the_last_region_goes_too(void **state)
{
	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	release(rooms_pages(&rooms, 64));
	assert_int_equal(decay_at(12000), 64 * PAGE);
	assert_int_equal(counts().mapped, 0);
	assert_int_equal(counts().nregions, 0);
	assert_non_null(rooms_pages(&rooms, 64));
	rooms_close(&rooms);
}

static void test_a_step_is_bounded(void **state)
{
	struct ma_block *block[24];
	size_t steps = 0;

	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	for (size_t i = 0; i < 24; i++) {
		block[i] = rooms_pages(&rooms, 1);
		(void)rooms_pages(&rooms, 1);
	}
	for (size_t i = 0; i < 24; i++)
		release(block[i]);
	os_fake_set_now(20000);
	while (ma_decay_step(&rooms.pool) > 0)
		steps++;
	assert_in_range(steps, 2, 24);
	assert_int_equal(counts().dirty, 0);
	assert_int_equal(counts().purged, 24);
	rooms_close(&rooms);
}

static void test_the_oldest_come_first(void **state)
{
	struct ma_block *block[3];

	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	for (size_t i = 0; i < 3; i++) {
		block[i] = rooms_pages(&rooms, 1 + i);
		(void)rooms_pages(&rooms, 1);
	}
	os_fake_set_now(20000);
	release(block[2]);
	os_fake_set_now(20400);
	release(block[0]);
	os_fake_set_now(20800);
	release(block[1]);
	assert_int_equal(decay_at(21000), 3 * PAGE);
	assert_int_equal(decay_at(21399), 0);
	assert_int_equal(decay_at(21400), PAGE);
	assert_int_equal(decay_at(30000), 2 * PAGE);
	rooms_close(&rooms);
}

static void test_all_at_once(void **state)
{
	struct ma_block *a, *b;

	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	a = rooms_pages(&rooms, 4);
	(void)rooms_pages(&rooms, 1);
	b = rooms_pages(&rooms, 59);
	(void)rooms_pages(&rooms, 1); /* in a second region; the rest was never touched */
	release(a);
	release(b);
	assert_true(ma_decay_all(&rooms.pool, 2 * PAGE) >= (4 + 57 + 125) * PAGE);
	assert_int_equal(counts().dirty, 0);
	assert_int_equal(counts().mapped, (5 + 2 + 1 + 2) * PAGE);
	assert_int_equal(ma_decay_all(&rooms.pool, 2 * PAGE), 0);
	(void)ma_decay_all(&rooms.pool, 0);
	assert_int_equal(counts().mapped, (5 + 1 + 1 + 1) * PAGE);
	rooms_close(&rooms);
}

static void test_all_of_an_empty_pool(void **state)
{
	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	assert_int_equal(ma_decay_all(&rooms.pool, 0), 0);
	assert_int_equal(ma_decay_step(&rooms.pool), 0);
	(void)ma_pool_free(&rooms.pool, rooms_pages(&rooms, 1));
	assert_int_equal(ma_decay_all(&rooms.pool, 0), 64 * PAGE);
	assert_int_equal(counts().nregions, 0);
	rooms_close(&rooms);
}

static void test_all_leaves_direct_blocks_alone(void **state)
{
	struct ma_block *block;

	(void)state;
	open_retaining(MA_FIT_FIRST, 0);
	block = ma_direct_alloc(&rooms.pool, 5 * PAGE, MA_BLOCK_LARGE);
	assert_non_null(block);
	rooms_fill(&rooms, block, 1);
	(void)ma_decay_all(&rooms.pool, 0);
	assert_true(rooms_intact(&rooms, block, 1, block->size));
	assert_int_equal(counts().mapped, 5 * PAGE);
	rooms_close(&rooms);
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* A live block on either side of a hole, a free end, and a free region. */
static struct ma_block *scene(void)
{
	struct ma_block *hole, *live, *end, *other;

	open_retaining(MA_FIT_FIRST, PAGE);
	hole = rooms_pages(&rooms, 4);
	live = rooms_pages(&rooms, 3);
	end = rooms_pages(&rooms, 57);
	other = rooms_pages(&rooms, 128);
	rooms_fill(&rooms, live, 1);
	release(hole);
	release(end);
	release(other);
	return live;
}

static void check_refusal(unsigned kinds, size_t mapped, size_t dirty)
{
	const struct ma_block *live = scene();
	size_t free_bytes = counts().free_bytes - (192 * PAGE - mapped);

	os_fake_fail_mask(kinds);
	os_fake_fail_from(1);
	os_fake_set_now(20000);
	(void)ma_decay_step(&rooms.pool);
	assert_int_equal(counts().mapped, mapped);
	assert_int_equal(counts().free_bytes, free_bytes);
	assert_int_equal(counts().dirty, dirty);
	assert_int_equal(counts().stranded, 0);
	assert_true(rooms_intact(&rooms, live, 1, live->size));
	os_fake_lift();
	assert_true(decay_at(40000) > 0 || dirty == 0);
	(void)ma_decay_all(&rooms.pool, PAGE);
	assert_int_equal(counts().dirty, 0);
	assert_int_equal(counts().mapped, 8 * PAGE);
	assert_int_equal(counts().nregions, 1);
	assert_true(rooms_intact(&rooms, live, 1, live->size));
	rooms_close(&rooms);
	assert_int_equal(os_fake_mapped(), 0);
}

static void test_refused_unmapping_purges(void **state)
{
	(void)state;
	check_refusal(OS_FAKE_UNMAP, 192 * PAGE, 0);
}

static void test_refused_purging_unmaps(void **state)
{
	(void)state;
	check_refusal(OS_FAKE_PURGE, 8 * PAGE, 5 * PAGE);
}

static void test_all_refused(void **state)
{
	(void)state;
	check_refusal(OS_FAKE_ALL, 192 * PAGE, 189 * PAGE);
}

static void test_refusals_end_decay_all(void **state)
{
	(void)state;
	(void)scene();
	os_fake_fail_from(1);
	assert_int_equal(ma_decay_all(&rooms.pool, PAGE), 0);
	assert_int_equal(counts().dirty, 189 * PAGE);
	os_fake_lift();
	rooms_close(&rooms);
}

/*
 * Untouched pages take none: to unmap them gives back addresses, to purge them gives back nothing.
 */
static void test_what_was_given_back_is_counted(void **state)
{
	size_t mapped;
	size_t given;

	(void)state;
	rooms_open_policy(&rooms, MA_FIT_FIRST);
	(void)rooms_pages(&rooms, 1);
	os_fake_fail_from(1);
	assert_int_equal(ma_decay_all(&rooms.pool, 0), 0);
	os_fake_lift();
	mapped = os_fake_mapped();
	given = ma_decay_all(&rooms.pool, 32 * KIB);
	assert_int_equal(given, mapped - os_fake_mapped());
	rooms_close(&rooms);
}

/* Another thread's clock may have been read later, and its block freed earlier. */
static void test_a_block_from_the_future_is_young(void **state)
{
	struct ma_block *early, *late;

	(void)state;
	rooms_open_policy(&rooms, MA_FIT_FIRST);
	early = rooms_pages(&rooms, 2);
	(void)rooms_pages(&rooms, 1);
	late = rooms_pages(&rooms, 1);
	(void)rooms_pages(&rooms, 1);
	os_fake_set_now(5001);
	(void)ma_pool_free(&rooms.pool, early);
	os_fake_set_now(5000);
	assert_false(ma_pool_free(&rooms.pool, late));
	assert_int_equal(ma_decay_step(&rooms.pool), 0);
	rooms_close(&rooms);
}

static struct ma_block *meanwhile;

static void map_meanwhile(void)
{
	meanwhile = ma_direct_alloc(&rooms.pool, 100 * KIB, MA_BLOCK_LARGE);
}

static void test_the_limit_holds_while_memory_leaves(void **state)
{
	const struct ma_pool_config config = {.first = 256 * KIB, .limit = 256 * KIB};

	(void)state;
	rooms_open(&rooms, &config);
	(void)rooms_pages(&rooms, 1);
	os_fake_on_unmap(map_meanwhile);
	os_fake_fail_mask(OS_FAKE_UNMAP);
	os_fake_fail_at(1);
	(void)ma_decay_all(&rooms.pool, 0);
	assert_null(meanwhile);
	assert_valid(rooms_valid(&rooms));
	os_fake_lift();
	rooms_close(&rooms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_before_its_age, rooms_fresh),
		cmocka_unit_test_setup(test_inner_blocks_are_purged_once, rooms_fresh),
		cmocka_unit_test_setup(test_ends_are_unmapped_down_to_what_is_retained,
				       rooms_fresh),
		cmocka_unit_test_setup(test_free_regions_are_unmapped_but_one, rooms_fresh),
		cmocka_unit_test_setup(test_without_retaining_the_last_region_goes_too,
				       rooms_fresh),
		cmocka_unit_test_setup(test_a_step_is_bounded, rooms_fresh),
		cmocka_unit_test_setup(test_the_oldest_come_first, rooms_fresh),
		cmocka_unit_test_setup(test_all_at_once, rooms_fresh),
		cmocka_unit_test_setup(test_all_of_an_empty_pool, rooms_fresh),
		cmocka_unit_test_setup(test_all_leaves_direct_blocks_alone, rooms_fresh),
		cmocka_unit_test_setup(test_refused_unmapping_purges, rooms_fresh),
		cmocka_unit_test_setup(test_refused_purging_unmaps, rooms_fresh),
		cmocka_unit_test_setup(test_all_refused, rooms_fresh),
		cmocka_unit_test_setup(test_refusals_end_decay_all, rooms_fresh),
		cmocka_unit_test_setup(test_what_was_given_back_is_counted, rooms_fresh),
		cmocka_unit_test_setup(test_a_block_from_the_future_is_young, rooms_fresh),
		cmocka_unit_test_setup(test_the_limit_holds_while_memory_leaves, rooms_fresh),
	};

	return cmocka_run_group_tests_name("decay", tests, NULL, NULL);
}
