#include "rooms.h"

#define NSTEPS 10000
#define NLIVE 24

/* Random requests against the documented choice, found by walking all blocks. */
static struct rooms rooms;

static struct {
	struct ma_block *block;
	uint64_t token;
} live[NLIVE];

static struct {
	uintptr_t addr[4096];
	size_t size[4096];
	size_t n;
} idle;

static uint64_t seed;

static void note_free_blocks(void)
{
	idle.n = 0;
	for (const struct ma_block *b = rooms.pool.blocks; b != NULL; b = b->next) {
		if (!b->free)
			continue;
		assert_true(idle.n < 4096);
		idle.addr[idle.n] = ma_block_addr(b);
		idle.size[idle.n++] = b->size;
	}
}

static bool holds(size_t i, size_t size, size_t align)
{
	size_t front = ma_align_up(idle.addr[i], align) - idle.addr[i];

	return front < idle.size[i] && idle.size[i] - front >= size;
}

/* Which free block must serve the request: the first, or the size of the best. idle.n: none. */
static size_t choice(size_t size, size_t align)
{
	size_t best = idle.n;

	for (size_t i = 0; i < idle.n; i++) {
		if (!holds(i, size, align))
			continue;
		if (rooms.pool.config.fit == MA_FIT_FIRST)
			return i;
		if (best == idle.n || idle.size[i] < idle.size[best])
			best = i;
	}
	return best;
}

/* The free block an address was in. */
static size_t origin(uintptr_t addr)
{
	for (size_t i = 0; i < idle.n; i++)
		if (addr - idle.addr[i] < idle.size[i])
			return i;
	return idle.n;
}

static void check_choice(const struct ma_block *block, size_t align, uint64_t grown)
{
	size_t expected = choice(block->size, align);
	size_t from = origin(ma_block_addr(block));

	if (expected == idle.n) {
		assert_int_equal(ma_pool_counts(&rooms.pool).grown, grown + 1);
		return;
	}
	assert_int_equal(ma_pool_counts(&rooms.pool).grown, grown);
	assert_true(from < idle.n);
	assert_int_equal(ma_block_addr(block), ma_align_up(idle.addr[from], align));
	if (rooms.pool.config.fit == MA_FIT_FIRST)
		assert_int_equal(from, expected);
	assert_int_equal(idle.size[from], idle.size[expected]);
}

static void take(size_t i)
{
	uint64_t grown = ma_pool_counts(&rooms.pool).grown;
	size_t page = rooms.pool.page;
	size_t size = 1 + rooms_below(&seed, rooms_below(&seed, 8) == 0 ? 24 * page : 4 * page);
	size_t align = page;

	if (rooms_below(&seed, 4) == 0)
		align = (size_t)1 << rooms_below(&seed, 21);
	note_free_blocks();
	live[i].block = rooms_alloc(&rooms, size, align);
	assert_non_null(live[i].block);
	assert_int_equal(live[i].block->size, ma_align_up(size, page));
	assert_int_equal(ma_block_addr(live[i].block) % align, 0);
	check_choice(live[i].block, ma_max(align, page), grown);
	if (live[i].block->zero)
		assert_true(rooms_reads_zero(ma_block_ptr(live[i].block), live[i].block->size));
	live[i].token = rooms_random(&seed);
	rooms_fill(&rooms, live[i].block, live[i].token);
}

static void shrink(size_t i)
{
	struct ma_block *block = live[i].block;
	size_t before = block->size;
	size_t size = 1 + rooms_below(&seed, before);
	size_t given = ma_pool_shrink(&rooms.pool, block, size);

	assert_int_equal(given, before - ma_align_up(size, rooms.pool.page));
	assert_int_equal(block->size, before - given);
}

static void extend(size_t i)
{
	struct ma_block *block = live[i].block;
	size_t more = (1 + rooms_below(&seed, 8)) * rooms.pool.page;
	size_t before = block->size;
	const struct ma_block *right = block == block->region->last ? NULL : block->next;
	bool can = right != NULL && right->free && right->size >= more;

	assert_int_equal(ma_pool_extend(&rooms.pool, block, before + more), can);
	assert_int_equal(block->size, can ? before + more : before);
	assert_true(rooms_intact(&rooms, block, live[i].token, before));
	rooms_fill(&rooms, block, live[i].token);
}

static void release(size_t i)
{
	(void)ma_pool_free(&rooms.pool, live[i].block);
	live[i].block = NULL;
}

static void step(void)
{
	size_t i = rooms_below(&seed, NLIVE);

	if (live[i].block == NULL) {
		take(i);
		return;
	}
	assert_true(rooms_intact(&rooms, live[i].block, live[i].token, live[i].block->size));
	switch (rooms_below(&seed, 4)) {
	case 0:
		shrink(i);
		break;
	case 1:
		extend(i);
		break;
	default:
		release(i);
	}
}

static void run(enum ma_fit_policy fit, size_t page, int nsteps)
{
	const struct ma_pool_config config = {.fit = fit, .first = 256 * KIB, .age_ms = 1000};

	os_fake_reset();
	os_fake_set_page_size(page);
	os_fake_set_offset(3);
	rooms_open(&rooms, &config);
	for (int i = 0; i < nsteps; i++) {
		step();
		assert_valid(ma_pool_check(&rooms.pool));
	}
	for (size_t i = 0; i < NLIVE; i++)
		if (live[i].block != NULL)
			release(i);
	assert_int_equal(ma_pool_counts(&rooms.pool).nfree, ma_pool_counts(&rooms.pool).nregions);
	assert_int_equal(ma_pool_counts(&rooms.pool).free_bytes,
			 ma_pool_counts(&rooms.pool).mapped);
	rooms_close(&rooms);
}

static void test_first_fit(void **state)
{
	(void)state;
	seed = 1;
	run(MA_FIT_FIRST, 4096, NSTEPS);
}

static void test_best_fit(void **state)
{
	(void)state;
	seed = 2;
	run(MA_FIT_BEST, 4096, NSTEPS);
}

static void test_larger_pages(void **state)
{
	(void)state;
	seed = 3;
	for (size_t page = 16 * KIB; page <= 64 * KIB; page *= 4) {
		run(MA_FIT_FIRST, page, NSTEPS / 10);
		run(MA_FIT_BEST, page, NSTEPS / 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_fit),
		cmocka_unit_test(test_best_fit),
		cmocka_unit_test(test_larger_pages),
	};

	return cmocka_run_group_tests_name("pool_random", tests, NULL, NULL);
}
