#include <stdlib.h>

#include "canary.h"
#include "fixture.h"
#include "random.h"

static const uint64_t values[] = {0, 1, 0x123456789abcdef0, UINT64_MAX, UINT64_MAX - 1};

#define NVALUES (sizeof(values) / sizeof(*values))

/* C1: for a terminator past the end to be seen. */
static void test_the_first_byte_is_never_zero(void **state)
{
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 5);
	for (size_t s = 0; s < 1000; s++) {
		uint64_t secret = s < NVALUES ? values[s] : ma_random_next(&random);

		ma_canary_init(s < NVALUES ? values[NVALUES - 1 - s] : ma_random_next(&random));
		for (uintptr_t at = 0x7f0000000000; at < 0x7f0000000400; at++) {
			uint64_t canary = ma_canary_at((const void *)at, secret);

			assert_int_not_equal(*(const unsigned char *)&canary, 0);
			/* C2: strings end here. */
			assert_int_equal(canary >> 56, 0);
		}
	}
}

/* Each of the three changes it, and not in a bit or two only. */
static void test_it_depends_on_address_secret_and_key(void **state)
{
	const void *a = (const void *)0x1000;
	const void *b = (const void *)0x1008;
	uint64_t canary;

	(void)state;
	ma_canary_init(0x9e3779b97f4a7c15);
	canary = ma_canary_at(a, 77);
	assert_int_equal(canary, ma_canary_at(a, 77));
	assert_in_range(__builtin_popcountll(canary ^ ma_canary_at(b, 77)), 8, 56);
	assert_in_range(__builtin_popcountll(canary ^ ma_canary_at(a, 78)), 8, 56);
	ma_canary_init(0x243f6a8885a308d3);
	assert_in_range(__builtin_popcountll(canary ^ ma_canary_at(a, 77)), 8, 56);
}

/* Every bit of the secret and of the key reaches all of the canary: lives are in its upper bits. */
static void test_every_bit_matters(void **state)
{
	const void *at = (const void *)0x7f0000001238;
	uint64_t key = 0x9e3779b97f4a7c15;
	uint64_t secret = 0x243f6a8885a308d3;
	uint64_t canary;

	(void)state;
	ma_canary_init(key);
	canary = ma_canary_at(at, secret);
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t other = ma_canary_at(at, secret ^ (uint64_t)1 << bit);

		assert_in_range(__builtin_popcountll(canary ^ other), 8, 56);
	}
	for (unsigned bit = 1; bit < 64; bit++) {
		ma_canary_init(key ^ (uint64_t)1 << bit);
		assert_in_range(__builtin_popcountll(canary ^ ma_canary_at(at, secret)), 8, 56);
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of all addresses of a page under several secrets, no two have one canary. */
static void test_no_two_are_alike(void **state)
{
	static uint64_t all[16 * 4096];
	struct ma_random random;
	size_t n = 0;

	(void)state;
	ma_random_init(&random, 11);
	ma_canary_init(ma_random_next(&random));
	for (size_t s = 0; s < 16; s++) {
		uint64_t secret = ma_random_next(&random);

		for (uintptr_t at = 0x7f0000000000; at < 0x7f0000001000; at++)
			all[n++] = ma_canary_at((const void *)at, secret);
	}
	qsort(all, n, sizeof(*all), by_value);
	for (size_t i = 1; i < n; i++)
		assert_int_not_equal(all[i - 1], all[i]);
}

/*
 * Two canaries of neighbouring addresses tell nothing of a third: their difference is not that of
 * the next pair.
 */
static void test_differences_do_not_repeat(void **state)
{
	uint64_t before = 0;

	(void)state;
	ma_canary_init(0x9e3779b97f4a7c15);
	for (uintptr_t at = 0x7f0000000000; at < 0x7f0000001000; at += 16) {
		uint64_t difference = ma_canary_at((const void *)(at + 16), 5) ^
				      ma_canary_at((const void *)at, 5);

		assert_int_not_equal(difference, 0);
		assert_int_not_equal(difference, before);
		before = difference;
	}
}

/* At any alignment, and every flipped bit is seen. */
static void test_every_change_is_seen(void **state)
{
	unsigned char room[32];

	(void)state;
	ma_canary_init(0x5555aaaa12345678);
	for (size_t at = 8; at < 16; at++) {
		memset(room, 0x33, sizeof(room));
		ma_canary_put(room + at, 9);
		assert_int_equal(room[at - 1], 0x33);
		assert_int_equal(room[at + MA_CANARY], 0x33);
		assert_int_equal(ma_canary_found(room + at), ma_canary_at(room + at, 9));
		for (size_t bit = 0; bit < MA_CANARY * 8; bit++) {
			assert_true(ma_canary_intact(room + at, 9));
			room[at + bit / 8] ^= (unsigned char)(1u << bit % 8);
			assert_false(ma_canary_intact(room + at, 9));
			room[at + bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
}

static void test_it_does_not_fit_elsewhere(void **state)
{
	unsigned char room[64];

	(void)state;
	ma_canary_init(0x9e3779b97f4a7c15);
	ma_canary_put(room, 1234);
	memcpy(room + 16, room, MA_CANARY);
	assert_true(ma_canary_intact(room, 1234));
	assert_false(ma_canary_intact(room + 16, 1234));
	assert_false(ma_canary_intact(room, 1235));
	assert_false(ma_canary_intact(room, 1234 ^ (uint64_t)1 << 63));
}

static void test_clear_leaves_nothing(void **state)
{
	unsigned char room[24];

	(void)state;
	memset(room, 0x33, sizeof(room));
	ma_canary_put(room + 5, 3);
	ma_canary_clear(room + 5);
	for (size_t i = 0; i < sizeof(room); i++)
		assert_int_equal(room[i], i >= 5 && i < 5 + MA_CANARY ? 0 : 0x33);
}

/* All lives come in turn, and a child of fork has other ones than its parent for a long time. */
static void test_strides(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 200; i++) {
		unsigned parent, child;

		ma_canary_init(i * 0x9e3779b97f4a7c15u);
		parent = ma_canary.stride / MA_CANARY_STRIDE;
		ma_canary_forked(i * 0xbf58476d1ce4e5b9u);
		child = ma_canary.stride / MA_CANARY_STRIDE;
		assert_int_equal(parent % 2, 1);
		assert_int_equal(child % 2, 1);
		for (unsigned k = 1; k < 32; k++)
			assert_int_not_equal(k * parent % 64, k * child % 64);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_byte_is_never_zero),
		cmocka_unit_test(test_it_depends_on_address_secret_and_key),
		cmocka_unit_test(test_every_bit_matters),
		cmocka_unit_test(test_no_two_are_alike),
		cmocka_unit_test(test_differences_do_not_repeat),
		cmocka_unit_test(test_every_change_is_seen),
		cmocka_unit_test(test_it_does_not_fit_elsewhere),
		cmocka_unit_test(test_strides),
		cmocka_unit_test(test_clear_leaves_nothing),
	};

	return cmocka_run_group_tests_name("canary", tests, NULL, NULL);
}
