/* Explicit pools of memalloc.h, against the shared library. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memalloc.h"
#include "scenario.h"
#include "watched.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define ODD 4711

static memalloc_pool *make(size_t limit, enum memalloc_fit fit)
{
	const struct memalloc_pool_options options = {.name = "test", .limit = limit, .fit = fit};
	memalloc_pool *pool = memalloc_pool_create(&options);

	assert_non_null(pool);
	return pool;
}

static void assert_sound(memalloc_pool *pool)
{
	const char *broken = memalloc_pool_check(pool);

	if (broken != NULL)
		fail_msg("%s", broken);
	assert_null(memalloc_check());
}

static void *alloc(memalloc_pool *pool, size_t size)
{
	unsigned char *ptr = memalloc_pool_malloc(pool, size);

	assert_non_null(ptr);
	memset(ptr, 0x77, size);
	return ptr;
}

/* ---- making and ending ----------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	memalloc_pool *pool = memalloc_pool_create(NULL);

	(void)state;
	assert_non_null(pool);
	assert_sound(pool);
	memalloc_pool_free(pool, alloc(pool, 100));
	memalloc_pool_free(pool, alloc(pool, 100 * KIB));
	memalloc_pool_free(pool, alloc(pool, 100 * MIB));
	memalloc_pool_free(pool, NULL);
	assert_sound(pool);
	memalloc_pool_destroy(pool);
}

static void test_names_of_any_length(void **state)
{
	struct memalloc_pool_options options = {0};
	char name[200];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t at = 0; at < sizeof(name); at += 1 + at / 8) {
		memalloc_pool *pool;

		options.name = name + at;
		pool = memalloc_pool_create(&options);
		assert_non_null(pool);
		memalloc_pool_free(pool, alloc(pool, 10));
		memalloc_pool_destroy(pool);
	}
}

static void assert_invalid(const struct memalloc_pool_options *options)
{
	errno = 0;
	assert_null(memalloc_pool_create(options));
	assert_int_equal(errno, EINVAL);
}

static void test_options_out_of_range(void **state)
{
	(void)state;
	assert_invalid(&(struct memalloc_pool_options){.fit = (enum memalloc_fit)2});
	assert_invalid(&(struct memalloc_pool_options){.fit = (enum memalloc_fit) - 1});
	assert_invalid(&(struct memalloc_pool_options){.initial = SIZE_MAX});
	assert_invalid(&(struct memalloc_pool_options){.initial = ((size_t)1 << 40) + 1});
	for (size_t i = 0; i < 4; i++) {
		struct memalloc_pool_options options = {0};

		options.reserved[i] = 1;
		assert_invalid(&options);
	}
}

static void test_many_pools(void **state)
{
	memalloc_pool *pool[100];
	void *ptr[100];

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		pool[i] = make(0, i % 2 ? MEMALLOC_FIT_BEST : MEMALLOC_FIT_FIRST);
		ptr[i] = alloc(pool[i], 1 + i * 100);
	}
	for (size_t i = 0; i < 100; i += 3)
		memalloc_pool_destroy(pool[i]);
	for (size_t i = 0; i < 100; i++) {
		if (i % 3 == 0)
			continue;
		assert_sound(pool[i]);
		memalloc_pool_free(pool[i], ptr[i]);
		memalloc_pool_destroy(pool[i]);
	}
}

static void test_destroy_gives_memory_back(void **state)
{
	memalloc_pool *pool = make(0, MEMALLOC_FIT_FIRST);
	size_t before = mapped_bytes();

	(void)state;
	if (is_under_tsan())
		skip();
	for (size_t i = 0; i < 64; i++)
		(void)alloc(pool, MIB);
	(void)alloc(pool, 70 * MIB);
	assert_true(mapped_bytes() >= before + 134 * MIB);
	memalloc_pool_destroy(pool);
	assert_in_range(mapped_bytes(), 0, before + 4 * MIB);
}

/* ---- objects --------------------------------------------------------------------------------- */

static void test_errors(void **state)
{
	memalloc_pool *pool = make(0, MEMALLOC_FIT_FIRST);
	volatile size_t max = SIZE_MAX;

	(void)state;
	errno = 0;
	assert_null(memalloc_pool_malloc(pool, max));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(memalloc_pool_calloc(pool, max / 2, 3));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(memalloc_pool_aligned_alloc(pool, 24, 1));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(memalloc_pool_realloc(pool, NULL, max - 8));
	assert_int_equal(errno, ENOMEM);
	assert_sound(pool);
	memalloc_pool_destroy(pool);
}

static void test_semantics(void **state)
{
	memalloc_pool *pool = make(0, MEMALLOC_FIT_BEST);
	unsigned char *ptr = memalloc_pool_realloc(pool, NULL, 10);
	volatile size_t zero = 0;

	(void)state;
	errno = ODD;
	assert_non_null(ptr);
	ptr[9] = 9;
	for (size_t size = 11; size < 3 * MIB; size += size / 2) {
		ptr = memalloc_pool_realloc(pool, ptr, size);
		assert_non_null(ptr);
		assert_int_equal(ptr[9], 9);
		ptr[size - 1] = 0;
	}
	assert_null(memalloc_pool_realloc(pool, ptr, zero));
	ptr = memalloc_pool_calloc(pool, 1000, 5);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(ptr[i], 0);
	memalloc_pool_free(pool, ptr);
	ptr = memalloc_pool_aligned_alloc(pool, 64 * KIB, 1);
	assert_int_equal((uintptr_t)ptr % (64 * KIB), 0);
	memalloc_pool_free(pool, ptr);
	assert_int_equal(errno, ODD);
	assert_sound(pool);
	memalloc_pool_destroy(pool);
}

/* Bytes that could be had, with everything given back in the end. */
static size_t exhaust(memalloc_pool *pool, size_t size)
{
	void **last = NULL;
	size_t sum = 0;

	for (;;) {
		void **ptr = memalloc_pool_malloc(pool, size);

		if (ptr == NULL)
			break;
		*ptr = last;
		last = ptr;
		sum += size;
	}
	assert_int_equal(errno, ENOMEM);
	assert_sound(pool);
	while (last != NULL) {
		void **ptr = last;

		last = *ptr;
		memalloc_pool_free(pool, ptr);
	}
	return sum;
}

static void test_limit(void **state)
{
	static const size_t sizes[] = {16, 100, 1000, 5000, 40 * KIB, 300 * KIB};
	memalloc_pool *pool = make(2 * MIB, MEMALLOC_FIT_FIRST);
	size_t least[] = {1, MIB, MIB, MIB, MIB, MIB};

	(void)state;
	for (size_t round = 0; round < 3; round++)
		for (size_t i = 0; i < 6; i++)
			assert_in_range(exhaust(pool, sizes[i]), least[i], 2 * MIB);
	assert_null(memalloc_pool_malloc(pool, 2 * MIB));
	assert_null(memalloc_pool_malloc(pool, 100 * MIB));
	memalloc_pool_free(pool, alloc(pool, MIB));
	memalloc_pool_destroy(pool);
}

static void test_limit_of_less_than_a_page(void **state)
{
	memalloc_pool *pool = make(100, MEMALLOC_FIT_FIRST);

	(void)state;
	assert_null(memalloc_pool_malloc(pool, 1));
	assert_sound(pool);
	memalloc_pool_destroy(pool);
}

/*
 * Two holes, of what is too large to wait before it is used again; the lower one larger than
 * needed: first fit takes that, best fit the other.
 */
static void check_fit(enum memalloc_fit fit)
{
	const struct memalloc_pool_options options = {.initial = 24 * MIB, .fit = fit};
	memalloc_pool *pool = memalloc_pool_create(&options);
	void *low = alloc(pool, 6 * MIB);
	void *wall = alloc(pool, 40 * KIB);
	void *high = alloc(pool, 4 * MIB);
	void *end = alloc(pool, 40 * KIB);
	void *got;

	assert_true(low < wall && wall < high && high < end);
	memalloc_pool_free(pool, low);
	memalloc_pool_free(pool, high);
	got = alloc(pool, 3 * MIB);
	assert_ptr_equal(got, fit == MEMALLOC_FIT_FIRST ? low : high);
	assert_sound(pool);
	memalloc_pool_destroy(pool);
}

static void test_fit(void **state)
{
	(void)state;
	check_fit(MEMALLOC_FIT_FIRST);
	check_fit(MEMALLOC_FIT_BEST);
}

static void test_reset_frees_everything(void **state)
{
	memalloc_pool *pool = make(4 * MIB, MEMALLOC_FIT_BEST);

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 30; i++)
			(void)alloc(pool, 100 * KIB);
		for (size_t i = 0; i < 100; i++)
			(void)alloc(pool, 1 + i * 10);
		assert_sound(pool);
		memalloc_pool_reset(pool);
		assert_sound(pool);
	}
	/* The limit is still the one it was made with. */
	assert_null(memalloc_pool_malloc(pool, 5 * MIB));
	assert_in_range(exhaust(pool, 1000), 3 * MIB, 4 * MIB);
	memalloc_pool_destroy(pool);
}

static void test_check_finds_an_overflow(void **state)
{
	memalloc_pool *pool = make(0, MEMALLOC_FIT_FIRST);
	volatile unsigned char *small = memalloc_pool_malloc(pool, 20);
	volatile unsigned char *large = memalloc_pool_malloc(pool, 100 * KIB);
	volatile size_t past = 0;

	(void)state;
	if (is_watched()) {
		memalloc_pool_destroy(pool);
		skip();
	}
	small[20 + past] ^= 0x80;
	assert_string_equal(memalloc_pool_check(pool), "S5 canaries are intact");
	small[20 + past] ^= 0x80;
	assert_null(memalloc_pool_check(pool));
	large[100 * KIB + past] ^= 1;
	assert_string_equal(memalloc_pool_check(pool), "A3 canaries are intact");
	memalloc_pool_destroy(pool);
}

/* ---- threads --------------------------------------------------------------------------------- */

static char failed[] = "failed";

static void *use(void *arg)
{
	memalloc_pool *pool = arg;
	unsigned char *ptr[32] = {NULL};

	for (size_t i = 0; i < 20000; i++) {
		size_t k = i * 7 % 32;

		memalloc_pool_free(pool, ptr[k]);
		ptr[k] = memalloc_pool_malloc(pool, 1 + i % 3000);
		if (ptr[k] == NULL || (i % 500 == 0 && memalloc_pool_check(pool) != NULL))
			return failed;
		ptr[k][0] = 1;
	}
	for (size_t k = 0; k < 32; k++)
		memalloc_pool_free(pool, ptr[k]);
	return NULL;
}

static void test_threads_share_a_pool(void **state)
{
	memalloc_pool *pool = make(0, MEMALLOC_FIT_FIRST);
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use, pool), 0);
	for (int i = 0; i < 4; i++) {
		void *answer = NULL;

		(void)pthread_join(thread[i], &answer);
		assert_null(answer);
	}
	assert_sound(pool);
	memalloc_pool_destroy(pool);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void use_after_destroy(void)
{
	memalloc_pool *pool = make(0, MEMALLOC_FIT_FIRST);

	memalloc_pool_destroy(pool);
	(void)memalloc_pool_malloc(pool, 1);
}

static void null_pool(void)
{
	(void)memalloc_pool_check(NULL);
}

static void free_into_another_pool(void)
{
	memalloc_pool *a = make(0, MEMALLOC_FIT_FIRST);
	memalloc_pool *b = make(0, MEMALLOC_FIT_FIRST);

	memalloc_pool_free(b, alloc(a, 100));
}

static void free_large_into_another_pool(void)
{
	memalloc_pool *a = make(0, MEMALLOC_FIT_FIRST);
	memalloc_pool *b = make(0, MEMALLOC_FIT_FIRST);

	memalloc_pool_free(b, alloc(a, MIB));
}

static void free_into_the_heap(void)
{
	void *volatile ptr = alloc(make(0, MEMALLOC_FIT_FIRST), 100);

	custom_free(ptr);
}

static void heap_object_into_a_pool(void)
{
	void *volatile ptr = custom_malloc(100);

	memalloc_pool_free(make(0, MEMALLOC_FIT_FIRST), ptr);
}

static void resize_of_a_heap_object(void)
{
	void *volatile ptr = custom_malloc(100);

	ptr = memalloc_pool_realloc(make(0, MEMALLOC_FIT_FIRST), ptr, 200);
}

static void free_after_reset(void)
{
	memalloc_pool *pool = make(0, MEMALLOC_FIT_FIRST);
	void *volatile ptr = alloc(pool, 100);

	memalloc_pool_reset(pool);
	memalloc_pool_free(pool, ptr);
}

static const struct scenario scenarios[] = {
	{"use after destroy", use_after_destroy},
	{"null pool", null_pool},
	{"free into another pool", free_into_another_pool},
	{"free large into another pool", free_large_into_another_pool},
	{"free into the heap", free_into_the_heap},
	{"heap object into a pool", heap_object_into_a_pool},
	{"resize of a heap object", resize_of_a_heap_object},
	{"free after reset", free_after_reset},
};

static void test_misuse_is_reported(void **state)
{
	(void)state;
	assert_true(scenario_dies("use after destroy", NULL, "memalloc: bad pool: 0x"));
	assert_true(scenario_dies("null pool", NULL, "memalloc: bad pool: 0x0 "));
	assert_true(scenario_dies("free into another pool", NULL, "memalloc: wrong pool: 0x"));
	assert_true(
		scenario_dies("free large into another pool", NULL, "memalloc: wrong pool: 0x"));
	assert_true(scenario_dies("free into the heap", NULL, "memalloc: wrong pool: 0x"));
	assert_true(scenario_dies("heap object into a pool", NULL, "memalloc: wrong pool: 0x"));
	assert_true(scenario_dies("resize of a heap object", NULL, "memalloc: wrong pool: 0x"));
	assert_true(scenario_dies("free after reset", NULL, "memalloc: invalid free: 0x"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_names_of_any_length),
		cmocka_unit_test(test_options_out_of_range),
		cmocka_unit_test(test_many_pools),
		cmocka_unit_test(test_destroy_gives_memory_back),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_semantics),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_of_less_than_a_page),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_reset_frees_everything),
		cmocka_unit_test(test_check_finds_an_overflow),
		cmocka_unit_test(test_threads_share_a_pool),
		cmocka_unit_test(test_misuse_is_reported),
	};

	if (scenario_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(*scenarios)))
		return 0;
	return cmocka_run_group_tests_name("api pools", tests, NULL, NULL);
}
