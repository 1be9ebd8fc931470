#include "rooms.h"

static struct rooms rooms;

static void open_first(void)
{
	rooms_open_policy(&rooms, MA_FIT_FIRST);
}

/* Each page of an allocated block leads to it (P6). */
static void assert_mapped_to(struct ma_block *block)
{
	for (uintptr_t a = ma_block_addr(block); a < ma_block_end(block); a += MA_GRANULE)
		assert_ptr_equal(ma_pagemap_get(&rooms.map, a + 17), block);
}

/* The meta store has no descriptor left, and gets no more memory. */
static void use_up_descriptors(void)
{
	os_fake_fail_from(1);
	assert_null(rooms.pool.spare);
	while (ma_meta_alloc(&rooms.meta, sizeof(struct ma_block)) != NULL)
		;
}

static void test_starts_with_nothing(void **state)
{
	size_t before;

	(void)state;
	open_first();
	before = os_fake_calls();
	assert_int_equal(ma_pool_counts(&rooms.pool).mapped, 0);
	assert_int_equal(ma_pool_counts(&rooms.pool).nblocks, 0);
	assert_int_equal(os_fake_calls(), before);
	rooms_close(&rooms);
}

static void test_a_block_is_whole_pages_zero_and_known(void **state)
{
	struct ma_pool_counts counts;
	struct ma_block *block;

	(void)state;
	open_first();
	block = rooms_alloc(&rooms, 4097, 1);
	assert_non_null(block);
	assert_int_equal(block->size, 8192);
	assert_int_equal(block->kind, MA_BLOCK_LARGE);
	assert_true(block->zero);
	assert_true(rooms_reads_zero(ma_block_ptr(block), block->size));
	assert_true(rooms_reads_zero(block->rider, sizeof(block->rider)));
	assert_ptr_equal(ma_pool_of(block), &rooms.pool);
	assert_mapped_to(block);
	assert_null(ma_pagemap_get(&rooms.map, ma_block_end(block) + MA_GRANULE));
	counts = ma_pool_counts(&rooms.pool);
	assert_int_equal(counts.mapped, 256 * KIB);
	assert_int_equal(counts.nregions, 1);
	assert_int_equal(counts.nblocks, 2);
	assert_int_equal(counts.nfree, 1);
	assert_int_equal(counts.free_bytes, 256 * KIB - 8192);
	assert_int_equal(counts.dirty, 0);
	rooms_close(&rooms);
}

static void test_a_block_is_not_zero_again(void **state)
{
	struct ma_block *block;
	void *ptr;

	(void)state;
	open_first();
	block = rooms_pages(&rooms, 2);
	ptr = ma_block_ptr(block);
	memset(ptr, 'x', block->size);
	memset(block->rider, 'x', sizeof(block->rider));
	(void)ma_pool_free(&rooms.pool, block);
	assert_valid(rooms_valid(&rooms));
	block = rooms_pages(&rooms, 2);
	assert_ptr_equal(ma_block_ptr(block), ptr);
	assert_false(block->zero);
	assert_true(rooms_reads_zero(block->rider, sizeof(block->rider)));
	rooms_close(&rooms);
}

static void test_what_is_beyond_a_region(void **state)
{
	(void)state;
	open_first();
	assert_null(rooms_alloc(&rooms, 0, 1));
	assert_null(rooms_alloc(&rooms, MA_REGION_MAX + 1, 1));
	assert_null(rooms_alloc(&rooms, SIZE_MAX, 1));
	assert_null(rooms_alloc(&rooms, 1, 2 * MA_REGION_MAX));
	assert_null(rooms_alloc(&rooms, 1, (size_t)1 << 63));
	assert_null(rooms_alloc(&rooms, MA_REGION_MAX, 8192));
	assert_int_equal(ma_pool_counts(&rooms.pool).grown, 0);
	assert_non_null(rooms_alloc(&rooms, MA_REGION_MAX, 1));
	assert_non_null(rooms_alloc(&rooms, 1, MA_REGION_MAX));
	rooms_close(&rooms);
}

static void assert_aligned(size_t size, size_t align)
{
	struct ma_block *block = rooms_alloc(&rooms, size, align);

	assert_non_null(block);
	assert_int_equal(ma_block_addr(block) % align, 0);
	assert_int_equal(block->size, ma_align_up(size, rooms.pool.page));
	assert_valid(rooms_valid(&rooms));
}

static void test_alignment(void **state)
{
	(void)state;
	for (int fit = MA_FIT_FIRST; fit <= MA_FIT_BEST; fit++) {
		os_fake_reset();
		os_fake_set_offset(1);
		rooms_open_policy(&rooms, (enum ma_fit_policy)fit);
		for (size_t align = 1; align <= MIB; align *= 2) {
			assert_aligned(4096, align);
			assert_aligned(3 * 4096, align);
		}
		rooms_close(&rooms);
	}
}

static void test_alignment_leaves_the_front_free(void **state)
{
	struct ma_block *block;
	struct ma_block *front;

	(void)state;
	os_fake_set_offset(1);
	open_first();
	(void)rooms_pages(&rooms, 1);
	block = rooms_alloc(&rooms, 4096, 16 * 4096);
	assert_non_null(block);
	front = rooms.pool.blocks->next;
	assert_true(front->free);
	assert_ptr_equal(front->next, block);
	assert_true(block->next->free);
	assert_int_equal(ma_pool_counts(&rooms.pool).nfree, 2);
	assert_valid(rooms_valid(&rooms));
	(void)ma_pool_free(&rooms.pool, block);
	assert_int_equal(ma_pool_counts(&rooms.pool).nblocks, 2);
	rooms_close(&rooms);
}

static void free_and_expect(struct ma_block *block, size_t nblocks, size_t nfree)
{
	(void)ma_pool_free(&rooms.pool, block);
	assert_valid(rooms_valid(&rooms));
	assert_int_equal(ma_pool_counts(&rooms.pool).nblocks, nblocks);
	assert_int_equal(ma_pool_counts(&rooms.pool).nfree, nfree);
}

/* Blocks 0 .. 4, then the rest of the region, which is free. */
static void test_merging(void **state)
{
	struct ma_block *block[5];

	(void)state;
	open_first();
	for (size_t i = 0; i < 5; i++)
		block[i] = rooms_pages(&rooms, i + 1);
	assert_int_equal(ma_pool_counts(&rooms.pool).nblocks, 6);
	free_and_expect(block[1], 6, 2); /* with none */
	free_and_expect(block[2], 5, 2); /* with the left one */
	free_and_expect(block[4], 4, 2); /* with the right one */
	free_and_expect(block[3], 2, 1); /* with both */
	free_and_expect(block[0], 1, 1);
	assert_int_equal(rooms.pool.blocks->size, 256 * KIB);
	assert_int_equal(ma_pool_counts(&rooms.pool).free_bytes, 256 * KIB);
	assert_int_equal(ma_pool_counts(&rooms.pool).dirty, 256 * KIB);
	rooms_close(&rooms);
}

static void test_regions_do_not_merge(void **state)
{
	struct ma_block *a, *b;

	(void)state;
	open_first();
	(void)rooms_pages(&rooms, 64);
	a = rooms_alloc(&rooms, 512 * KIB, 1);
	b = rooms_alloc(&rooms, MIB, 1);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(ma_block_end(a), ma_block_addr(b));
	(void)ma_pool_free(&rooms.pool, a);
	free_and_expect(b, 3, 2);
	rooms_close(&rooms);
}

static void test_first_fit_takes_the_lowest(void **state)
{
	struct ma_block *hole;
	struct ma_block *tight;
	uintptr_t addr;

	(void)state;
	open_first();
	hole = rooms_pages(&rooms, 5);
	addr = ma_block_addr(hole);
	(void)rooms_pages(&rooms, 1);
	tight = rooms_pages(&rooms, 3);
	(void)rooms_pages(&rooms, 1);
	(void)ma_pool_free(&rooms.pool, hole);
	(void)ma_pool_free(&rooms.pool, tight);
	assert_int_equal(ma_block_addr(rooms_pages(&rooms, 3)), addr);
	assert_int_equal(ma_block_addr(rooms_pages(&rooms, 2)), addr + (size_t)3 * 4096);
	rooms_close(&rooms);
}

static void test_best_fit_takes_the_smallest(void **state)
{
	struct ma_block *hole;
	struct ma_block *tight;
	uintptr_t addr;

	(void)state;
	rooms_open_policy(&rooms, MA_FIT_BEST);
	hole = rooms_pages(&rooms, 5);
	addr = ma_block_addr(hole);
	(void)rooms_pages(&rooms, 1);
	tight = rooms_pages(&rooms, 3);
	(void)rooms_pages(&rooms, 1);
	(void)ma_pool_free(&rooms.pool, hole);
	(void)ma_pool_free(&rooms.pool, tight);
	assert_int_equal(ma_block_addr(rooms_pages(&rooms, 2)), addr + (size_t)6 * 4096);
	assert_int_equal(ma_block_addr(rooms_pages(&rooms, 3)), addr);
	rooms_close(&rooms);
}

/* ---- growth ---------------------------------------------------------------------------------- */

static struct ma_block *region_of(size_t size)
{
	struct ma_block *block = rooms_alloc(&rooms, size, 1);

	assert_non_null(block);
	assert_int_equal(block->region->size, size);
	return block;
}

/* What was mapped long ago is the lowest, so that first fit uses it again. */
static void test_regions_go_upwards_into_the_lowest_hole(void **state)
{
	struct ma_block *block[5];

	(void)state;
	open_first();
	block[0] = region_of(64 * MIB);
	assert_int_equal(os_fake_wish(), 0);
	os_fake_set_place(ma_block_addr(block[0]));
	for (int i = 1; i < 5; i++) {
		block[i] = region_of(64 * MIB);
		assert_int_equal(os_fake_wish(), ma_block_end(block[i - 1]));
	}
	(void)ma_pool_free(&rooms.pool, block[1]);
	(void)ma_pool_free(&rooms.pool, block[3]);
	(void)ma_decay_all(&rooms.pool, 0);
	assert_int_equal(rooms.pool.regions.nregions, 3);
	block[3] = region_of(64 * MIB);
	assert_int_equal(os_fake_wish(), ma_block_end(block[0]));
	block[1] = region_of(64 * MIB);
	assert_int_equal(os_fake_wish(), ma_block_end(block[2]));
	rooms_close(&rooms);
}

static void test_regions_double_up_to_their_maximum(void **state)
{
	size_t size = 256 * KIB;
	size_t mapped = 0;

	(void)state;
	open_first();
	for (uint64_t n = 1; n <= 11; n++) {
		mapped += size;
		assert_non_null(rooms_alloc(&rooms, size, 1));
		assert_int_equal(ma_pool_counts(&rooms.pool).grown, n);
		assert_int_equal(ma_pool_counts(&rooms.pool).mapped, mapped);
		assert_int_equal(ma_pool_counts(&rooms.pool).free_bytes, 0);
		size = ma_min(size * 2, MA_REGION_MAX);
	}
	rooms_close(&rooms);
}

static void test_a_default_first_region(void **state)
{
	const struct ma_pool_config config = {.fit = MA_FIT_BEST};

	(void)state;
	rooms_open(&rooms, &config);
	(void)rooms_pages(&rooms, 1);
	assert_in_range(ma_pool_counts(&rooms.pool).mapped, 4096, 16 * MIB);
	rooms_close(&rooms);
}

static void test_smaller_regions_when_the_os_refuses(void **state)
{
	(void)state;
	open_first();
	(void)rooms_pages(&rooms, 64);
	assert_int_equal(ma_pool_counts(&rooms.pool).free_bytes, 0);
	os_fake_set_limit(os_fake_mapped() + 40 * 4096);
	assert_non_null(rooms_alloc(&rooms, 4096, 1)); /* 128 pages are refused, and 64; not 32 */
	assert_valid(rooms_valid(&rooms));
	assert_int_equal(ma_pool_counts(&rooms.pool).mapped, 256 * KIB + 32 * 4096);
	assert_non_null(rooms_alloc(&rooms, 31 * 4096, 1));
	assert_null(rooms_alloc(&rooms, 9 * 4096, 1));
	assert_non_null(rooms_alloc(&rooms, 8 * 4096, 1));
	assert_null(rooms_alloc(&rooms, 4096, 1));
	assert_int_equal(ma_pool_counts(&rooms.pool).grown, 3);
	rooms_close(&rooms);
}

static void test_limit(void **state)
{
	const struct ma_pool_config config = {
		.first = 256 * KIB,
		.limit = 256 * KIB + 20 * 4096 + 100,
	};
	struct ma_block *block;

	(void)state;
	rooms_open(&rooms, &config);
	(void)rooms_pages(&rooms, 64);
	assert_null(rooms_alloc(&rooms, 21 * 4096, 1));
	assert_int_equal(ma_pool_counts(&rooms.pool).mapped, 256 * KIB);
	block = rooms_pages(&rooms, 20);
	assert_null(rooms_alloc(&rooms, 1, 1));
	assert_int_equal(os_fake_refused(), 0);
	assert_valid(rooms_valid(&rooms));
	(void)ma_pool_free(&rooms.pool, block);
	(void)rooms_pages(&rooms, 20);
	assert_int_equal(ma_pool_counts(&rooms.pool).mapped, 256 * KIB + 20 * 4096);
	assert_null(ma_direct_alloc(&rooms.pool, 4096, MA_BLOCK_LARGE));
	rooms_close(&rooms);
}

static void test_reserve_before_the_first_region(void **state)
{
	(void)state;
	open_first();
	assert_true(ma_pool_reserve(&rooms.pool, 3 * MIB));
	assert_int_equal(ma_pool_counts(&rooms.pool).mapped, 0);
	(void)rooms_pages(&rooms, 1);
	assert_int_equal(ma_pool_counts(&rooms.pool).mapped, 3 * MIB);
	rooms_close(&rooms);
	open_first();
	assert_true(ma_pool_reserve(&rooms.pool, 2 * MA_REGION_MAX + 1));
	(void)rooms_pages(&rooms, 1);
	assert_int_equal(ma_pool_counts(&rooms.pool).nregions, 3);
	assert_int_equal(ma_pool_counts(&rooms.pool).free_bytes, 2 * MA_REGION_MAX);
	rooms_close(&rooms);
	open_first();
	assert_true(ma_pool_reserve(&rooms.pool, 0));
	(void)rooms_pages(&rooms, 1);
	rooms_close(&rooms);
}

static void test_reserve_later(void **state)
{
	(void)state;
	open_first();
	(void)rooms_pages(&rooms, 1);
	assert_true(ma_pool_reserve(&rooms.pool, 63 * 4096));
	assert_int_equal(ma_pool_counts(&rooms.pool).grown, 1);
	assert_true(ma_pool_reserve(&rooms.pool, 70 * MIB));
	assert_in_range(ma_pool_counts(&rooms.pool).free_bytes, 70 * MIB, 71 * MIB);
	assert_valid(rooms_valid(&rooms));
	assert_false(ma_pool_reserve(&rooms.pool, MA_RESERVE_MAX + 1));
	assert_false(ma_pool_reserve(&rooms.pool, SIZE_MAX));
	os_fake_fail_from(1);
	assert_true(ma_pool_reserve(&rooms.pool, 70 * MIB));
	assert_false(ma_pool_reserve(&rooms.pool, 72 * MIB));
	rooms_close(&rooms);
}

static void test_reserve_stays_within_the_limit(void **state)
{
	const struct ma_pool_config config = {.first = 256 * KIB, .limit = MIB};

	(void)state;
	rooms_open(&rooms, &config);
	(void)rooms_pages(&rooms, 1);
	assert_true(ma_pool_reserve(&rooms.pool, MIB - 4096));
	assert_false(ma_pool_reserve(&rooms.pool, MIB));
	assert_int_equal(ma_pool_counts(&rooms.pool).mapped, MIB);
	rooms_close(&rooms);
}

/* ---- shrinking and extending ----------------------------------------------------------------- */

static void test_shrink(void **state)
{
	struct ma_block *block;
	struct ma_block *next;

	(void)state;
	open_first();
	block = rooms_pages(&rooms, 8);
	next = rooms_pages(&rooms, 1);
	rooms_fill(&rooms, block, 1);
	assert_int_equal(ma_pool_shrink(&rooms.pool, block, 8 * 4096), 0);
	assert_int_equal(ma_pool_shrink(&rooms.pool, block, 7 * 4096 + 1), 0);
	assert_int_equal(ma_pool_shrink(&rooms.pool, block, 5 * 4096 - 1), 3 * 4096);
	assert_int_equal(block->size, 5 * 4096);
	assert_valid(rooms_valid(&rooms));
	assert_true(block->next->free);
	assert_false(block->next->zero);
	assert_ptr_equal(block->next->next, next);
	assert_int_equal(ma_pool_shrink(&rooms.pool, block, 1), 4 * 4096);
	assert_valid(rooms_valid(&rooms));
	assert_int_equal(block->next->size, 7 * 4096);
	assert_true(rooms_intact(&rooms, block, 1, block->size));
	assert_int_equal(ma_pool_counts(&rooms.pool).dirty, 7 * 4096);
	rooms_close(&rooms);
}

static void test_shrink_without_a_descriptor(void **state)
{
	struct ma_block *block;

	(void)state;
	open_first();
	block = rooms_pages(&rooms, 8);
	use_up_descriptors();
	assert_int_equal(ma_pool_shrink(&rooms.pool, block, 1), 0);
	assert_int_equal(block->size, 8 * 4096);
	assert_mapped_to(block);
	assert_null(rooms_alloc(&rooms, 4096, 1));
	assert_null(rooms_alloc(&rooms, 4096, 8192));
	assert_valid(rooms_valid(&rooms));
	assert_int_equal(ma_pool_counts(&rooms.pool).nblocks, 2);
	assert_non_null(rooms_alloc(&rooms, 56 * 4096, 1));
	os_fake_lift();
	rooms_close(&rooms);
}

static void test_extend(void **state)
{
	struct ma_block *a, *b, *c;

	(void)state;
	open_first();
	a = rooms_pages(&rooms, 2);
	b = rooms_pages(&rooms, 4);
	c = rooms_pages(&rooms, 58);
	rooms_fill(&rooms, a, 1);
	assert_true(ma_pool_extend(&rooms.pool, a, 1));
	assert_true(ma_pool_extend(&rooms.pool, a, 8192));
	assert_false(ma_pool_extend(&rooms.pool, a, 8193));
	assert_false(ma_pool_extend(&rooms.pool, c, 59 * 4096));
	(void)ma_pool_free(&rooms.pool, b);
	assert_false(ma_pool_extend(&rooms.pool, a, 7 * 4096));
	assert_false(ma_pool_extend(&rooms.pool, a, SIZE_MAX));
	assert_int_equal(a->size, 8192);
	assert_valid(rooms_valid(&rooms));
	assert_true(ma_pool_extend(&rooms.pool, a, 2 * 4096 + 1));
	assert_int_equal(a->size, 3 * 4096);
	assert_mapped_to(a);
	assert_valid(rooms_valid(&rooms));
	assert_true(ma_pool_extend(&rooms.pool, a, 6 * 4096));
	assert_ptr_equal(a->next, c);
	assert_mapped_to(a);
	assert_true(rooms_intact(&rooms, a, 1, 8192));
	rooms_close(&rooms);
}

static void test_free_tells_when_pages_come_of_age(void **state)
{
	struct ma_block *a, *b, *c;

	(void)state;
	open_first();
	os_fake_set_now(5000);
	a = rooms_pages(&rooms, 1);
	(void)rooms_pages(&rooms, 1);
	b = rooms_pages(&rooms, 1);
	(void)rooms_pages(&rooms, 1);
	c = rooms_pages(&rooms, 1);
	assert_false(ma_pool_free(&rooms.pool, a));
	os_fake_set_now(5999);
	assert_false(ma_pool_free(&rooms.pool, b));
	os_fake_set_now(6000);
	assert_true(ma_pool_free(&rooms.pool, c));
	rooms_close(&rooms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_starts_with_nothing, rooms_fresh),
		cmocka_unit_test_setup(test_a_block_is_whole_pages_zero_and_known, rooms_fresh),
		cmocka_unit_test_setup(test_a_block_is_not_zero_again, rooms_fresh),
		cmocka_unit_test_setup(test_what_is_beyond_a_region, rooms_fresh),
		cmocka_unit_test_setup(test_alignment, rooms_fresh),
		cmocka_unit_test_setup(test_alignment_leaves_the_front_free, rooms_fresh),
		cmocka_unit_test_setup(test_merging, rooms_fresh),
		cmocka_unit_test_setup(test_regions_do_not_merge, rooms_fresh),
		cmocka_unit_test_setup(test_first_fit_takes_the_lowest, rooms_fresh),
		cmocka_unit_test_setup(test_best_fit_takes_the_smallest, rooms_fresh),
		cmocka_unit_test_setup(test_regions_go_upwards_into_the_lowest_hole, rooms_fresh),
		cmocka_unit_test_setup(test_regions_double_up_to_their_maximum, rooms_fresh),
		cmocka_unit_test_setup(test_a_default_first_region, rooms_fresh),
		cmocka_unit_test_setup(test_smaller_regions_when_the_os_refuses, rooms_fresh),
		cmocka_unit_test_setup(test_limit, rooms_fresh),
		cmocka_unit_test_setup(test_reserve_before_the_first_region, rooms_fresh),
		cmocka_unit_test_setup(test_reserve_later, rooms_fresh),
		cmocka_unit_test_setup(test_reserve_stays_within_the_limit, rooms_fresh),
		cmocka_unit_test_setup(test_shrink, rooms_fresh),
		cmocka_unit_test_setup(test_shrink_without_a_descriptor, rooms_fresh),
		cmocka_unit_test_setup(test_extend, rooms_fresh),
		cmocka_unit_test_setup(test_free_tells_when_pages_come_of_age, rooms_fresh),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
