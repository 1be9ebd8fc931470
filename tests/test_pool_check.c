#include "pool_internal.h"
#include "rooms.h"

/* A validator that cannot fail is worth nothing: each rule is broken once, and must be named. */
static struct rooms rooms;
static struct ma_block *block[4]; /* 3, 2, 3 and 1 pages; block[1] and the rest are free */
static struct ma_block *direct;

static int setup(enum ma_fit_policy fit)
{
	os_fake_reset();
	rooms_open_policy(&rooms, fit);
	block[0] = rooms_pages(&rooms, 3);
	block[1] = rooms_pages(&rooms, 2);
	block[2] = rooms_pages(&rooms, 3);
	block[3] = rooms_pages(&rooms, 1);
	(void)ma_pool_free(&rooms.pool, block[1]);
	direct = ma_direct_alloc(&rooms.pool, 8192, MA_BLOCK_LARGE);
	assert_non_null(direct);
	assert_valid(rooms_valid(&rooms));
	return 0;
}

static int setup_first(void **state)
{
	(void)state;
	return setup(MA_FIT_FIRST);
}

static int setup_best(void **state)
{
	(void)state;
	return setup(MA_FIT_BEST);
}

static int teardown(void **state)
{
	(void)state;
	rooms_close(&rooms);
	return 0;
}

#define CHECK rooms_valid(&rooms)
#define PAGE ((size_t)4096)

static void test_p1(void **state)
{
	struct ma_region *region = block[0]->region;

	(void)state;
	assert_corrupt("P1 the first block starts", region->granule, region->granule - 1, CHECK);
	assert_corrupt("P1 blocks lie end to end", block[0]->size, 2 * PAGE, CHECK);
	assert_corrupt("P1 the last block ends", direct->size, PAGE, CHECK);
	assert_corrupt("P1 blocks lie end to end", block[0]->next, block[2], CHECK);
}

static void test_p2(void **state)
{
	(void)state;
	assert_corrupt("P2", block[0]->size, 0, CHECK);
	assert_corrupt("P2", block[0]->size, block[0]->size + MA_ALIGN, CHECK);
}

static void test_p3(void **state)
{
	struct ma_block *rest = ma_pool_new_descriptor_locked(&rooms.pool);

	(void)state;
	assert_non_null(rest);
	ma_pool_take_aside_locked(&rooms.pool, block[1]);
	ma_pool_split_locked(&rooms.pool, block[1], PAGE, rest);
	ma_pool_enter_free_locked(&rooms.pool, block[1]);
	ma_pool_enter_free_locked(&rooms.pool, rest);
	assert_breaks("P3", CHECK);
	ma_pool_take_aside_locked(&rooms.pool, rest);
	ma_pool_put_back_locked(&rooms.pool, rest, false);
}

static void test_p4(void **state)
{
	struct ma_block *last = block[0]->region->last;

	(void)state;
	assert_corrupt("P4 the list goes through", block[2]->region, direct->region, CHECK);
	assert_corrupt("P4 the list reaches every region", last->next, NULL, CHECK);
	assert_corrupt("P4 the list reaches every region", rooms.pool.blocks, NULL, CHECK);
	assert_corrupt("P4 blocks belong", direct->region->pool, NULL, CHECK);
	assert_corrupt("P4 the list goes through", direct->next, block[0], CHECK);
}

static void test_p5(void **state)
{
	(void)state;
	ma_block_become(block[1], MA_BLOCK_LARGE);
	assert_breaks("P5", CHECK);
	ma_block_become(block[1], MA_BLOCK_FREE);
	assert_valid(CHECK);
	assert_corrupt("P5", block[1]->free, false, CHECK);
	assert_corrupt("P5", block[2]->free, true, CHECK);
}

/* The entry of page @page of the block becomes @to. */
static void break_p6(struct ma_block *of, size_t page, struct ma_block *to)
{
	uintptr_t addr = ma_block_addr(of) + page * PAGE;
	struct ma_block *old = ma_pagemap_get(&rooms.map, addr);

	ma_pagemap_set(&rooms.map, addr, PAGE, to);
	assert_breaks("P6", CHECK);
	ma_pagemap_set(&rooms.map, addr, PAGE, old);
	assert_valid(CHECK);
}

static void test_p6(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		break_p6(block[0], i, NULL);
		break_p6(block[0], i, block[2]);
	}
	break_p6(block[1], 0, NULL);
	break_p6(block[1], 1, NULL);
	break_p6(block[3]->next, 1, block[3]->next);
	break_p6(direct, 1, NULL);
}

static void test_p7(void **state)
{
	struct ma_pool *pool = &rooms.pool;

	(void)state;
	assert_corrupt("P7 totals", pool->counts.nblocks, pool->counts.nblocks + 1, CHECK);
	assert_corrupt("P7 totals", pool->counts.nfree, pool->counts.nfree - 1, CHECK);
	assert_corrupt("P7 totals", pool->counts.free_bytes, 0, CHECK);
	assert_corrupt("P7 what is mapped", pool->config.limit, 4096, CHECK);
}

static void test_p8(void **state)
{
	struct ma_pool *pool = &rooms.pool;
	struct ma_block *rest = block[3]->next;

	(void)state;
	assert_true(rest->zero);
	assert_ptr_equal(pool->oldest, block[1]);
	assert_corrupt("P8 free blocks are zero or", rest->zero, false, CHECK);
	assert_corrupt("P8 free blocks are zero or", block[1]->dirty, false, CHECK);
	assert_corrupt("P8", pool->oldest, NULL, CHECK);
	assert_corrupt("P8", pool->youngest, NULL, CHECK);
	assert_corrupt("P8", pool->counts.dirty, 0, CHECK);
	assert_corrupt("P8", block[1]->idle.dirty_prev, rest, CHECK);
	assert_corrupt("P8", block[1]->idle.dirty_next, rest, CHECK);
	assert_corrupt("P8", block[1]->idle.dirty_next, block[1], CHECK);
}

static void test_p9(void **state)
{
	(void)state;
	direct->kind = MA_BLOCK_FREE;
	direct->free = true;
	assert_breaks("P9", CHECK);
	direct->kind = MA_BLOCK_LARGE;
	direct->free = false;
	assert_corrupt("P9", direct->region->last, block[1], CHECK);
}

static void test_p10(void **state)
{
	struct ma_block *rest = block[3]->next;

	(void)state;
	assert_true(rest->free && rest->zero && block[1]->free && block[1]->dirty);
	assert_int_equal(block[1]->nstale, block[1]->size / PAGE);
	assert_corrupt("P10", block[1]->nstale, block[1]->size / PAGE + 1, CHECK);
	assert_corrupt("P10", rest->nstale, 1, CHECK);
}

static void test_f1(void **state)
{
	struct ma_fit_bins *bins = rooms.pool.fit.bins;
	struct ma_block *rest = block[3]->next;
	static struct ma_block stale;

	(void)state;
	stale.free = true;
	stale.size = block[1]->size;
	stale.idle.bin_prev = block[1];
	assert_corrupt("F1 free blocks", rooms.pool.fit.bins, NULL, CHECK);
	assert_corrupt("F1 only", block[1]->idle.bin_next, &stale, CHECK);
	ma_fit_remove(&rooms.pool.fit, rest);
	assert_breaks("F1 every free block", CHECK);
	ma_fit_add(&rooms.pool.fit, rest);
	assert_ptr_equal(bins->bin[rest->size / PAGE], rest);
}

static void test_f1_without_a_tree(void **state)
{
	struct ma_region *region = block[0]->region;

	(void)state;
	ma_maxtree_set(&rooms.pool.regions.tree, region->idx, 0);
	assert_breaks("R2", CHECK);
	region->tree_bytes = 0;
	assert_breaks("F1 free blocks", CHECK);
	region->tree_bytes = ma_maxtree_bytes(region->tree.n);
	ma_maxtree_set(&rooms.pool.regions.tree, region->idx, ma_maxtree_max(&region->tree));
}

static void break_f2(size_t page, size_t value)
{
	struct ma_region *region = block[0]->region;
	size_t old = ma_maxtree_get(&region->tree, page);

	ma_region_set_page(&rooms.pool.regions, region, page, value);
	assert_breaks("F2", CHECK);
	ma_region_set_page(&rooms.pool.regions, region, page, old);
	assert_valid(CHECK);
}

static void test_f2(void **state)
{
	(void)state;
	break_f2(0, 3);  /* an allocated block */
	break_f2(1, 1);  /* inside of one */
	break_f2(3, 0);  /* a free block */
	break_f2(3, 3);  /* of two pages */
	break_f2(4, 1);  /* inside of it */
	break_f2(9, 54); /* the last one, of 55 */
}

static void test_f3(void **state)
{
	struct ma_fit_bins *bins = rooms.pool.fit.bins;
	struct ma_block *rest = block[3]->next;
	struct ma_block *other = block[2];

	(void)state;
	assert_corrupt("F3 a bin's bit", bins->bits[0], bins->bits[0] | 2, CHECK);
	assert_corrupt("F3 a bin's bit", bins->bits[0], 0, CHECK);
	assert_corrupt("F3 a bin's bit", bins->bin[2], NULL, CHECK);
	assert_corrupt("F3 bins hold", bins->bin[2], rest, CHECK);
	assert_corrupt("F3 bins hold", bins->bin[2], other, CHECK);
	assert_corrupt("F3 bins hold", rest->idle.bin_prev, other, CHECK);
	assert_corrupt("F3 summary", bins->summary[0], 0, CHECK);
	assert_corrupt("F3 summary", bins->summary[1], 1, CHECK);
}

static void test_r1(void **state)
{
	struct ma_region_set *set = &rooms.pool.regions;

	(void)state;
	assert_corrupt("R1 idx", direct->region->idx, 0, CHECK);
	assert_corrupt("R1 regions", direct->region->granule, block[2]->granule, CHECK);
	assert_corrupt("R1 the table", set->cap, 1, CHECK);
}

static void test_r2(void **state)
{
	struct ma_region_set *set = &rooms.pool.regions;
	size_t max = ma_maxtree_get(&set->tree, 0);

	(void)state;
	ma_maxtree_set(&set->tree, 0, max - 1);
	assert_breaks("R2", CHECK);
	ma_maxtree_set(&set->tree, 0, max);
	ma_maxtree_set(&set->tree, 1, 2); /* the direct region */
	assert_breaks("R2", CHECK);
	ma_maxtree_set(&set->tree, 1, 0);
}

static void test_r3(void **state)
{
	struct ma_region_set *set = &rooms.pool.regions;

	(void)state;
	assert_corrupt("R3 mapped", set->mapped, set->mapped - PAGE, CHECK);
	assert_corrupt("R3 nodirect", set->nodirect, 2, CHECK);
	assert_corrupt("R3", direct->region->size, PAGE, CHECK);
}

static void test_t1_and_t2(void **state)
{
	struct ma_maxtree *tree = &block[0]->region->tree;

	(void)state;
	assert_int_equal(tree->nlevels, 2);
	assert_corrupt("T2", tree->level[0][0], -1, CHECK);
	assert_corrupt("T1 upper", tree->level[1][0], 54, CHECK);
	assert_corrupt("T1 upper", tree->level[0][9], 56, CHECK);
	assert_corrupt("T1 entries beyond", tree->level[1][2], 1, CHECK);
	assert_corrupt("T2", rooms.pool.regions.tree.level[0][15], -1, CHECK);
	assert_corrupt("T1", rooms.pool.regions.tree.level[0][16], 1, CHECK);
}

static void test_m4(void **state)
{
	struct ma_pagemap_leaf *leaf = atomic_load(&rooms.map.leaves);

	(void)state;
	assert_corrupt("M4 the root knows", leaf->idx, leaf->idx + 1, CHECK);
	assert_corrupt("M4 the root knows", leaf->idx, MA_PAGEMAP_NROOT, CHECK);
	assert_corrupt("M4 the list of leaves ends", leaf->next, leaf, CHECK);
	assert_corrupt("M2", rooms.map.root, NULL, ma_pagemap_check(&rooms.map));
}

static void test_e1_to_e4(void **state)
{
	static struct {
		alignas(MA_CACHE_LINE) struct ma_meta_piece piece;
	} foreign;
	struct ma_meta *meta = &rooms.meta;
	char *piece = ma_meta_alloc(meta, 128);

	(void)state;
	assert_non_null(piece);
	ma_meta_free(meta, piece, 128);
	assert_valid(CHECK);
	assert_corrupt("E1", meta->fine[2], (struct ma_meta_piece *)(void *)(piece + 16), CHECK);
	assert_corrupt("E3", meta->fine[2], &foreign.piece, CHECK);
	assert_corrupt("E3", meta->coarse[7], (struct ma_meta_piece *)(void *)piece, CHECK);
	assert_corrupt("E4 mapped", meta->mapped, meta->mapped + PAGE, CHECK);
	assert_corrupt("E4 in_use", meta->in_use, meta->mapped, CHECK);
	assert_corrupt("E4 pieces", meta->in_use, meta->in_use + MA_CACHE_LINE, CHECK);
	assert_corrupt("E4 pieces", ((struct ma_meta_piece *)(void *)piece)->next,
		       (struct ma_meta_piece *)(void *)piece, CHECK);
}

#define TEST(test, policy) cmocka_unit_test_setup_teardown(test, setup_##policy, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_p1, best),  TEST(test_p1, first),
		TEST(test_p2, first), TEST(test_p3, first),
		TEST(test_p3, best),  TEST(test_p4, first),
		TEST(test_p5, first), TEST(test_p6, first),
		TEST(test_p7, first), TEST(test_p8, first),
		TEST(test_p9, best),  TEST(test_p10, first),
		TEST(test_f1, best),  TEST(test_f1_without_a_tree, first),
		TEST(test_f2, first), TEST(test_f3, best),
		TEST(test_r1, first), TEST(test_r2, first),
		TEST(test_r3, first), TEST(test_t1_and_t2, first),
		TEST(test_m4, first), TEST(test_e1_to_e4, first),
	};

	return cmocka_run_group_tests_name("pool_check", tests, NULL, NULL);
}
