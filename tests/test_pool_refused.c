#include "rooms.h"

#define NBLOCKS 16

/*
 * One scenario, run again and again with another one of its OS calls refused, until none was: each
 * time it ends well, with every block that was handed out intact.
 */
static struct rooms rooms;

static struct {
	struct ma_block *block;
	bool direct;
} live[NBLOCKS];

static void look_at_all(void)
{
	assert_valid(rooms_valid(&rooms));
	for (size_t i = 0; i < NBLOCKS; i++) {
		const struct ma_block *block = live[i].block;

		if (block == NULL)
			continue;
		assert_true(rooms_intact(&rooms, block, i, block->size));
		assert_ptr_equal(ma_pagemap_get(&rooms.map, ma_block_addr(block)), block);
	}
}

static void took(size_t i, struct ma_block *block, bool direct)
{
	live[i].block = block;
	live[i].direct = direct;
	if (block != NULL)
		rooms_fill(&rooms, block, i);
	look_at_all();
}

static void take(size_t i, size_t npages, size_t align)
{
	struct ma_pool_counts before = ma_pool_counts(&rooms.pool);
	struct ma_block *block = rooms_alloc(&rooms, npages * rooms.pool.page, align);

	if (block == NULL)
		assert_int_equal(ma_pool_counts(&rooms.pool).nblocks - before.nblocks,
				 ma_pool_counts(&rooms.pool).grown - before.grown);
	took(i, block, false);
}

static void take_direct(size_t i, size_t size)
{
	size_t mapped = ma_pool_counts(&rooms.pool).mapped;
	struct ma_block *block = ma_direct_alloc(&rooms.pool, size, MA_BLOCK_LARGE);

	assert_int_equal(ma_pool_counts(&rooms.pool).mapped - mapped,
			 block != NULL ? block->size : 0);
	took(i, block, true);
}

static void resize(size_t i, size_t size, bool may_move)
{
	struct ma_block *block = live[i].block;
	size_t before = block != NULL ? block->size : 0;

	if (block == NULL)
		return;
	if (!ma_direct_resize(&rooms.pool, block, size, may_move))
		assert_int_equal(block->size, before);
	else
		assert_int_equal(block->size, ma_align_up(size, rooms.pool.page));
	assert_true(rooms_intact(&rooms, block, i, ma_min(before, block->size)));
	took(i, block, true);
}

static void release(size_t i)
{
	struct ma_block *block = live[i].block;

	live[i].block = NULL;
	if (block != NULL && live[i].direct)
		ma_direct_free(&rooms.pool, block);
	else if (block != NULL)
		(void)ma_pool_free(&rooms.pool, block);
	look_at_all();
}

static void shrink_and_extend(size_t i)
{
	struct ma_block *block = live[i].block;
	size_t page = rooms.pool.page;

	if (block == NULL)
		return;
	(void)ma_pool_shrink(&rooms.pool, block, page);
	look_at_all();
	if (ma_pool_extend(&rooms.pool, block, block->size + page))
		took(i, block, false);
	look_at_all();
}

static void scenario(void)
{
	for (size_t i = 0; i < 10; i++)
		take(i, 3 + 5 * i, i % 3 == 0 ? 64 * KIB : 1);
	take_direct(10, 300 * KIB);
	take_direct(11, 4096);
	resize(11, 64 * KIB, false);
	resize(10, 400 * KIB, true);
	resize(10, 100 * KIB, true);
	(void)ma_pool_reserve(&rooms.pool, 2 * MIB);
	shrink_and_extend(4);
	shrink_and_extend(8);
	for (size_t i = 0; i < 10; i += 2)
		release(i);
	os_fake_set_now(500);
	take(12, 2, 1);
	release(1);
	os_fake_set_now(1400);
	(void)ma_decay_step(&rooms.pool);
	look_at_all();
	take(13, 7, MIB);
	release(11);
	(void)ma_decay_all(&rooms.pool, 64 * KIB);
	look_at_all();
	take(14, 40, 1);
	for (size_t i = 0; i < NBLOCKS; i++)
		release(i);
	os_fake_set_now(9000);
	(void)ma_decay_step(&rooms.pool);
	look_at_all();
	(void)ma_decay_all(&rooms.pool, 0);
	look_at_all();
}

/* Returns whether a call was refused. */
static bool run(enum ma_fit_policy fit, unsigned kinds, size_t n, bool once)
{
	const struct ma_pool_config config = {.fit = fit, .first = 128 * KIB, .age_ms = 1000};
	bool stranded;
	bool refused;

	os_fake_reset();
	os_fake_fail_mask(kinds);
	ma_meta_init(&rooms.meta);
	if (once)
		os_fake_fail_at(n);
	else
		os_fake_fail_from(n);
	if (!ma_pagemap_init(&rooms.map)) {
		os_fake_lift();
		assert_int_equal(os_fake_mapped(), 0);
		return true;
	}
	ma_pool_init(&rooms.pool, &config, &rooms.meta, &rooms.map);
	scenario();
	assert_int_equal(ma_pool_counts(&rooms.pool).nblocks, ma_pool_counts(&rooms.pool).nregions);
	stranded = ma_pool_counts(&rooms.pool).stranded > 0;
	refused = os_fake_calls() >= n;
	os_fake_lift();
	ma_pool_fini(&rooms.pool);
	ma_pagemap_fini(&rooms.map);
	ma_meta_fini(&rooms.meta);
	if (!stranded)
		assert_int_equal(os_fake_mapped(), 0);
	return refused;
}

static size_t run_all(enum ma_fit_policy fit, unsigned kinds, bool once)
{
	size_t n = 1;

	while (run(fit, kinds, n, once))
		n++;
	return n;
}

static void test_each_call_is_refused_once(void **state)
{
	(void)state;
	for (int fit = MA_FIT_FIRST; fit <= MA_FIT_BEST; fit++) {
		assert_in_range(run_all((enum ma_fit_policy)fit, OS_FAKE_ALL, true), 20, 1000);
		assert_in_range(run_all((enum ma_fit_policy)fit, OS_FAKE_MAP, true), 8, 1000);
	}
}

static void test_all_calls_are_refused_from_one_on(void **state)
{
	const unsigned kinds[] = {OS_FAKE_ALL,
				  OS_FAKE_MAP,
				  OS_FAKE_UNMAP,
				  OS_FAKE_PURGE,
				  OS_FAKE_RESIZE,
				  OS_FAKE_MOVE,
				  OS_FAKE_UNMAP | OS_FAKE_PURGE};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		(void)run_all(MA_FIT_FIRST, kinds[i], false);
		(void)run_all(MA_FIT_BEST, kinds[i], false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_is_refused_once),
		cmocka_unit_test(test_all_calls_are_refused_from_one_on),
	};

	return cmocka_run_group_tests_name("pool_refused", tests, NULL, NULL);
}
