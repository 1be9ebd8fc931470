#include "rooms.h"

#define PAGE ((size_t)4096)

static struct rooms rooms;

/* The tables exist before the first block, so that nothing is mapped between blocks. */
static int setup(void **state)
{
	void *piece;

	(void)state;
	os_fake_reset();
	rooms_open_policy(&rooms, MA_FIT_FIRST);
	piece = ma_meta_alloc(&rooms.meta, 64);
	assert_non_null(piece);
	assert_true(ma_pagemap_reserve(&rooms.map, (uintptr_t)piece, 256 * MIB));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	os_fake_lift();
	rooms_close(&rooms);
	return 0;
}

static struct ma_block *take(size_t npages, uint64_t token)
{
	struct ma_block *block = ma_direct_alloc(&rooms.pool, npages * PAGE, MA_BLOCK_LARGE);

	assert_non_null(block);
	assert_int_equal(block->size, npages * PAGE);
	assert_true(block->zero);
	assert_true(rooms_reads_zero(ma_block_ptr(block), block->size));
	rooms_fill(&rooms, block, token);
	assert_valid(rooms_valid(&rooms));
	return block;
}

static struct ma_pool_counts counts(void)
{
	assert_valid(rooms_valid(&rooms));
	return ma_pool_counts(&rooms.pool);
}

/* All pages of the block, and no other ones around it, lead to it. */
static void assert_known(struct ma_block *block)
{
	uintptr_t end = ma_block_end(block);

	for (uintptr_t a = ma_block_addr(block); a < end; a += MA_GRANULE)
		assert_ptr_equal(ma_pagemap_get(&rooms.map, a), block);
	assert_ptr_not_equal(ma_pagemap_get(&rooms.map, end), block);
	assert_ptr_not_equal(ma_pagemap_get(&rooms.map, ma_block_addr(block) - 1), block);
}

static void test_a_mapping_of_its_own(void **state)
{
	struct ma_block *block;
	uintptr_t addr;
	size_t mapped;

	(void)state;
	(void)rooms_pages(&rooms, 1);
	mapped = os_fake_mapped();
	block = ma_direct_alloc(&rooms.pool, 100 * PAGE - 5, MA_BLOCK_LARGE);
	assert_non_null(block);
	addr = ma_block_addr(block);
	assert_true(block->region->direct);
	assert_int_equal(block->kind, MA_BLOCK_LARGE);
	assert_true(rooms_reads_zero(block->rider, sizeof(block->rider)));
	assert_int_equal(os_fake_mapped(), mapped + 100 * PAGE);
	assert_int_equal(counts().nregions, 2);
	assert_int_equal(counts().mapped, 164 * PAGE);
	assert_known(block);
	ma_direct_free(&rooms.pool, block);
	assert_int_equal(os_fake_mapped(), mapped);
	assert_int_equal(counts().nregions, 1);
	assert_null(ma_pagemap_get(&rooms.map, addr));
	assert_null(ma_pagemap_get(&rooms.map, addr + 99 * PAGE));
}

static void test_more_than_a_region(void **state)
{
	struct ma_block *block;

	(void)state;
	block = ma_direct_alloc(&rooms.pool, MA_REGION_MAX + 1, MA_BLOCK_LARGE);
	assert_non_null(block);
	assert_int_equal(block->size, MA_REGION_MAX + PAGE);
	assert_valid(rooms_valid(&rooms));
	assert_true(ma_direct_resize(&rooms.pool, block, 2 * MA_REGION_MAX, false));
	assert_known(block);
	ma_direct_free(&rooms.pool, block);
}

static void test_refused(void **state)
{
	(void)state;
	assert_null(ma_direct_alloc(&rooms.pool, 0, MA_BLOCK_LARGE));
	assert_null(ma_direct_alloc(&rooms.pool, MA_REQUEST_MAX + 1, MA_BLOCK_LARGE));
	assert_null(ma_direct_alloc(&rooms.pool, SIZE_MAX, MA_BLOCK_LARGE));
	assert_null(ma_direct_alloc(&rooms.pool, (size_t)2 << 30, MA_BLOCK_LARGE));
	os_fake_fail_from(1);
	assert_null(ma_direct_alloc(&rooms.pool, PAGE, MA_BLOCK_LARGE));
	assert_int_equal(counts().mapped, 0);
	assert_int_equal(counts().nblocks, 0);
}

static void test_direct_blocks_are_never_searched(void **state)
{
	struct ma_block *a, *b;

	(void)state;
	a = take(20, 1);
	b = rooms_pages(&rooms, 64);
	ma_direct_free(&rooms.pool, take(5, 2));
	ma_direct_free(&rooms.pool, a);
	(void)rooms_pages(&rooms, 64);
	assert_int_equal(counts().grown, 4);
	(void)ma_pool_free(&rooms.pool, b);
}

static void test_resize_in_place(void **state)
{
	struct ma_block *block = take(10, 1);
	uintptr_t addr = ma_block_addr(block);

	(void)state;
	assert_true(ma_direct_resize(&rooms.pool, block, 10 * PAGE - 1, false));
	assert_int_equal(block->size, 10 * PAGE);
	assert_true(ma_direct_resize(&rooms.pool, block, 300 * PAGE - 7, false));
	assert_int_equal(block->size, 300 * PAGE);
	assert_int_equal(ma_block_addr(block), addr);
	assert_int_equal(counts().mapped, 300 * PAGE);
	assert_known(block);
	assert_true(rooms_intact(&rooms, block, 1, 10 * PAGE));
	assert_true(rooms_reads_zero((char *)ma_block_ptr(block) + 10 * PAGE, 290 * PAGE));
	assert_true(ma_direct_resize(&rooms.pool, block, 1, true));
	assert_int_equal(block->size, PAGE);
	assert_int_equal(ma_block_addr(block), addr);
	assert_int_equal(counts().mapped, PAGE);
	assert_known(block);
	assert_true(rooms_intact(&rooms, block, 1, PAGE));
	ma_direct_free(&rooms.pool, block);
}

static void test_resize_by_moving(void **state)
{
	struct ma_block *a = take(10, 1);
	struct ma_block *b = take(10, 2);
	struct ma_block *c = take(10, 3);
	uintptr_t old = ma_block_addr(b);

	(void)state;
	assert_int_equal(ma_block_end(b), ma_block_addr(c));
	memset(b->rider, 'r', sizeof(b->rider));
	assert_false(ma_direct_resize(&rooms.pool, b, 11 * PAGE, false));
	assert_int_equal(b->size, 10 * PAGE);
	assert_known(b);
	assert_true(ma_direct_resize(&rooms.pool, b, 30 * PAGE, true));
	assert_int_equal(b->size, 30 * PAGE);
	assert_int_not_equal(ma_block_addr(b), old);
	assert_known(b);
	assert_null(ma_pagemap_get(&rooms.map, old));
	assert_null(ma_pagemap_get(&rooms.map, old + 9 * PAGE));
	assert_int_equal(counts().mapped, 50 * PAGE);
	assert_ptr_equal(rooms.pool.blocks, a);
	assert_ptr_equal(c->next, b);
	assert_int_equal(b->kind, MA_BLOCK_LARGE);
	assert_int_equal(b->rider[5], 'r');
	assert_true(rooms_intact(&rooms, a, 1, a->size));
	assert_true(rooms_intact(&rooms, b, 2, 10 * PAGE));
	assert_true(rooms_intact(&rooms, c, 3, c->size));
	assert_true(rooms_reads_zero((char *)ma_block_ptr(b) + 10 * PAGE, 20 * PAGE));
	assert_true(ma_direct_resize(&rooms.pool, a, 15 * PAGE, true)); /* into the gap */
	assert_valid(rooms_valid(&rooms));
	ma_direct_free(&rooms.pool, b);
	ma_direct_free(&rooms.pool, a);
	ma_direct_free(&rooms.pool, c);
	assert_int_equal(counts().nblocks, 0);
}

/* Growing @block to 30 pages, with kinds of calls refused, changes nothing. */
static void assert_stays(struct ma_block *block, unsigned kinds)
{
	size_t mapped = os_fake_mapped();
	uintptr_t addr = ma_block_addr(block);

	os_fake_fail_mask(kinds);
	os_fake_fail_from(1);
	assert_false(ma_direct_resize(&rooms.pool, block, 30 * PAGE, true));
	os_fake_lift();
	assert_int_equal(block->size, 10 * PAGE);
	assert_int_equal(ma_block_addr(block), addr);
	assert_known(block);
	assert_true(rooms_intact(&rooms, block, 1, block->size));
	assert_int_equal(os_fake_mapped(), mapped + counts().stranded);
}

static void test_refused_resizes_change_nothing(void **state)
{
	struct ma_block *block = take(10, 1);
	struct ma_block *next = take(1, 2);

	(void)state;
	assert_stays(block, OS_FAKE_MAP);
	assert_stays(block, OS_FAKE_MOVE);
	assert_stays(block, OS_FAKE_ALL);
	assert_int_equal(counts().stranded, 0);
	assert_false(ma_direct_resize(&rooms.pool, block, SIZE_MAX, true));
	assert_false(ma_direct_resize(&rooms.pool, block, MA_REQUEST_MAX, true));
	assert_false(ma_direct_resize(&rooms.pool, block, (size_t)2 << 30, true));
	assert_known(block);
	os_fake_fail_mask(OS_FAKE_RESIZE);
	os_fake_fail_from(1);
	assert_false(ma_direct_resize(&rooms.pool, block, PAGE, true));
	assert_int_equal(block->size, 10 * PAGE);
	os_fake_lift();
	assert_stays(block, OS_FAKE_MOVE | OS_FAKE_UNMAP);
	assert_int_equal(counts().stranded, 30 * PAGE);
	ma_direct_free(&rooms.pool, next);
	ma_direct_free(&rooms.pool, block);
}

static void test_refused_unmapping_empties_and_counts(void **state)
{
	struct ma_block *block = take(10, 1);
	char *ptr = ma_block_ptr(block);

	(void)state;
	os_fake_fail_mask(OS_FAKE_UNMAP);
	os_fake_fail_from(1);
	ma_direct_free(&rooms.pool, block);
	assert_int_equal(counts().stranded, 10 * PAGE);
	assert_int_equal(counts().mapped, 0);
	assert_int_equal(counts().nblocks, 0);
	assert_true(rooms_reads_zero(ptr, 10 * PAGE));
	assert_null(ma_pagemap_get(&rooms.map, (uintptr_t)ptr));
}

static void test_the_limit(void **state)
{
	struct ma_block *block;

	(void)state;
	rooms.pool.config.limit = 20 * PAGE + 1;
	assert_null(ma_direct_alloc(&rooms.pool, 21 * PAGE, MA_BLOCK_LARGE));
	assert_null(ma_direct_alloc(&rooms.pool, MA_REQUEST_MAX, MA_BLOCK_LARGE));
	block = take(10, 1);
	assert_false(ma_direct_resize(&rooms.pool, block, 21 * PAGE, true));
	assert_false(ma_direct_resize(&rooms.pool, block, MA_REQUEST_MAX, true));
	assert_true(ma_direct_resize(&rooms.pool, block, 20 * PAGE, true));
	assert_null(ma_direct_alloc(&rooms.pool, 1, MA_BLOCK_LARGE));
	assert_int_equal(os_fake_refused(), 0);
	assert_true(ma_direct_resize(&rooms.pool, block, PAGE, true));
	ma_direct_free(&rooms.pool, take(19, 2));
	ma_direct_free(&rooms.pool, block);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_mapping_of_its_own),
		TEST(test_more_than_a_region),
		TEST(test_refused),
		TEST(test_direct_blocks_are_never_searched),
		TEST(test_resize_in_place),
		TEST(test_resize_by_moving),
		TEST(test_refused_resizes_change_nothing),
		TEST(test_refused_unmapping_empties_and_counts),
		TEST(test_the_limit),
	};

	return cmocka_run_group_tests_name("direct", tests, NULL, NULL);
}
