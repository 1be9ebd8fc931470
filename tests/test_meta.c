#include "rooms.h"

#define NPIECES 200

static struct ma_meta meta;

static int setup(void **state)
{
	(void)state;
	os_fake_reset();
	ma_meta_init(&meta);
	assert_int_equal(os_fake_mapped(), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	os_fake_lift();
	assert_valid(ma_meta_check(&meta));
	ma_meta_fini(&meta);
	assert_int_equal(os_fake_mapped(), 0);
	assert_int_equal(meta.in_use, 0);
	assert_valid(ma_meta_check(&meta));
	return 0;
}

/* A piece, zero and on a cache line (E1, E2). It is filled. */
static void *take(size_t size)
{
	void *piece = ma_meta_alloc(&meta, size);

	assert_non_null(piece);
	assert_int_equal((uintptr_t)piece % MA_CACHE_LINE, 0);
	assert_true(rooms_reads_zero(piece, size));
	memset(piece, 0xa5, size);
	assert_valid(ma_meta_check(&meta));
	return piece;
}

static void give(void *piece, size_t size)
{
	ma_meta_free(&meta, piece, size);
	assert_valid(ma_meta_check(&meta));
}

static void test_sizes(void **state)
{
	(void)state;
	for (size_t size = 1; size <= MA_META_MAX; size = size * 2 + 1) {
		size_t before = meta.in_use;
		void *piece = take(size);

		assert_true(meta.in_use - before >= size);
		assert_int_equal((meta.in_use - before) % MA_CACHE_LINE, 0);
		give(piece, size);
		assert_int_equal(meta.in_use, before);
		assert_ptr_equal(take(size), piece);
	}
	(void)take(MA_META_FINE);
	(void)take(MA_META_FINE + 1);
	(void)take(MA_META_MAX);
	assert_int_equal(os_fake_mapped(), meta.mapped);
}

static void test_pieces_come_back_zero(void **state)
{
	void *a = take(200);
	void *b = take(200);

	(void)state;
	give(a, 200);
	give(b, 200);
	assert_ptr_equal(take(256), b);
	assert_ptr_equal(take(193), a);
}

static void test_lists_are_by_size(void **state)
{
	void *a = take(64);

	(void)state;
	give(a, 64);
	assert_ptr_not_equal(take(65), a);
	assert_ptr_not_equal(take(20000), a);
	assert_ptr_equal(take(1), a);
	a = take(20000);
	give(a, 20000);
	assert_ptr_equal(take(32768), a);
}

static void test_null_is_ignored(void **state)
{
	(void)state;
	ma_meta_free(&meta, NULL, 100);
	ma_meta_free(&meta, NULL, 0);
	assert_int_equal(os_fake_mapped(), 0);
}

static void test_chunks_double(void **state)
{
	size_t nchunks;

	(void)state;
	for (size_t i = 0; i < 4096; i++)
		assert_non_null(ma_meta_alloc(&meta, 1024));
	nchunks = os_fake_nmappings();
	assert_in_range(nchunks, 1, 12);
	assert_int_equal(os_fake_mapped(), meta.mapped);
	assert_true(meta.in_use <= meta.mapped);
}

static void test_refused(void **state)
{
	void *piece;

	(void)state;
	os_fake_fail_from(1);
	assert_null(ma_meta_alloc(&meta, 1));
	assert_int_equal(meta.in_use, 0);
	assert_valid(ma_meta_check(&meta));
	os_fake_lift();
	piece = take(100);
	os_fake_fail_from(1);
	assert_null(ma_meta_alloc(&meta, MA_META_MAX));
	assert_int_equal(meta.in_use, 128);
	give(piece, 100);
	assert_non_null(take(100));
	while (ma_meta_alloc(&meta, 64) != NULL)
		;
	assert_valid(ma_meta_check(&meta));
	assert_null(ma_meta_alloc(&meta, 64));
	give(piece, 100);
	assert_ptr_equal(take(100), piece);
}

static void test_a_smaller_chunk_when_the_os_refuses(void **state)
{
	(void)state;
	/* Each has a guard on both sides. */
	os_fake_set_limit(2 * 3 * 4096);
	(void)take(4000);
	assert_int_equal(meta.mapped, 3 * 4096);
	(void)take(4000);
	assert_null(ma_meta_alloc(&meta, 4000));
}

static void test_chunks_stay_while_the_store_lives(void **state)
{
	void *piece[NPIECES];
	size_t mapped;

	(void)state;
	for (size_t i = 0; i < NPIECES; i++)
		piece[i] = take(10000);
	mapped = os_fake_mapped();
	for (size_t i = 0; i < NPIECES; i++)
		give(piece[i], 10000);
	assert_int_equal(meta.in_use, 0);
	assert_int_equal(os_fake_mapped(), mapped);
}

/* Pieces that live at the same time do not share a byte. */
static void test_random_pieces(void **state)
{
	static struct {
		unsigned char *ptr;
		size_t size;
	} live[NPIECES];
	uint64_t seed = 4;

	(void)state;
	memset(live, 0, sizeof(live));
	for (int step = 0; step < 10000; step++) {
		size_t i = rooms_below(&seed, NPIECES);

		if (live[i].ptr != NULL) {
			for (size_t k = 0; k < live[i].size; k++)
				assert_int_equal(live[i].ptr[k], i);
			give(live[i].ptr, live[i].size);
			live[i].ptr = NULL;
			continue;
		}
		live[i].size = 1 + rooms_below(&seed, rooms_below(&seed, 9) == 0 ? 40000 : 900);
		live[i].ptr = take(live[i].size);
		memset(live[i].ptr, (int)i, live[i].size);
	}
}

static void test_the_check_finds_what_is_wrong(void **state)
{
	unsigned char *piece = take(256);

	(void)state;
	assert_corrupt("E4", meta.in_use, meta.mapped, ma_meta_check(&meta));
	assert_corrupt("E4", meta.chunks->size, 4096, ma_meta_check(&meta));
	assert_corrupt("E1", meta.fine[4], (struct ma_meta_piece *)(void *)(piece + 8),
		       ma_meta_check(&meta));
	give(piece, 256);
	assert_corrupt("E3", meta.fine[4], (struct ma_meta_piece *)(void *)meta.chunks,
		       ma_meta_check(&meta));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sizes),
		TEST(test_pieces_come_back_zero),
		TEST(test_lists_are_by_size),
		TEST(test_null_is_ignored),
		TEST(test_chunks_double),
		TEST(test_refused),
		TEST(test_a_smaller_chunk_when_the_os_refuses),
		TEST(test_chunks_stay_while_the_store_lives),
		TEST(test_random_pieces),
		TEST(test_the_check_finds_what_is_wrong),
	};

	return cmocka_run_group_tests_name("meta", tests, NULL, NULL);
}
