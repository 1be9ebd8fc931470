#include "canary.h"
#include "fixture.h"
#include "random.h"

#define SECRET 0x1122334455667788u

static const uint64_t secrets[] = {0, 1, 0x123456789abcdef0, UINT64_MAX, UINT64_MAX - 1};

#define NSECRETS (sizeof(secrets) / sizeof(*secrets))

/* C1, C2: a terminator past the end is seen, and a string without one ends. */
static void test_first_and_last_byte(void **state)
{
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 5);
	for (size_t s = 0; s < 1000; s++) {
		ma_canary_init(s < NSECRETS ? secrets[s] : ma_random_next(&random));
		for (uintptr_t at = 0x7f0000000000; at < 0x7f0000000400; at++) {
			uint64_t canary = ma_canary_at((const void *)at, SECRET);

			assert_int_not_equal(*(const unsigned char *)&canary, 0);
			assert_int_equal(canary >> 56, 0);
		}
	}
}

static void test_it_depends_on_address_and_secret(void **state)
{
	const void *a = (const void *)0x1000;
	const void *b = (const void *)0x1008;
	uint64_t before;

	(void)state;
	ma_canary_init(1234);
	before = ma_canary_at(a, SECRET);
	assert_int_not_equal(before, ma_canary_at(b, SECRET));
	assert_int_not_equal(before, ma_canary_at(a, SECRET + 1));
	assert_int_not_equal(before, ma_canary_at(a, SECRET ^ (uint64_t)1 << 58));
	ma_canary_init(4321 << 8);
	assert_int_not_equal(before, ma_canary_at(a, SECRET));
}

/* At any alignment, and every flipped bit is seen. */
static void test_every_change_is_seen(void **state)
{
	unsigned char room[32];

	(void)state;
	ma_canary_init(0x5555aaaa12345678);
	for (size_t at = 8; at < 16; at++) {
		memset(room, 0x33, sizeof(room));
		ma_canary_put(room + at, SECRET);
		assert_int_equal(room[at - 1], 0x33);
		assert_int_equal(room[at + MA_CANARY], 0x33);
		assert_int_equal(ma_canary_found(room + at), ma_canary_at(room + at, SECRET));
		for (size_t bit = 0; bit < MA_CANARY * 8; bit++) {
			assert_true(ma_canary_intact(room + at, SECRET));
			room[at + bit / 8] ^= (unsigned char)(1u << bit % 8);
			assert_false(ma_canary_intact(room + at, SECRET));
			room[at + bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
}

static void test_it_does_not_fit_elsewhere(void **state)
{
	unsigned char room[64];

	(void)state;
	ma_canary_init(99);
	ma_canary_put(room, SECRET);
	memcpy(room + 16, room, MA_CANARY);
	assert_true(ma_canary_intact(room, SECRET));
	assert_false(ma_canary_intact(room + 16, SECRET));
}

/* A child of fork goes on by another stride, and never by an even one: that would skip lives. */
static void test_strides(void **state)
{
	unsigned before;
	size_t nsame = 0;

	(void)state;
	ma_canary_init(SECRET);
	before = ma_canary.stride;
	for (uint64_t i = 1; i <= 64; i++) {
		ma_canary_forked(i * 0x9e3779b97f4a7c15u);
		assert_int_equal(ma_canary.stride % 2, 1);
		nsame += ma_canary.stride % 64 == before % 64;
	}
	assert_in_range(nsame, 0, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_and_last_byte),
		cmocka_unit_test(test_it_depends_on_address_and_secret),
		cmocka_unit_test(test_every_change_is_seen),
		cmocka_unit_test(test_it_does_not_fit_elsewhere),
		cmocka_unit_test(test_strides),
	};

	return cmocka_run_group_tests_name("canary", tests, NULL, NULL);
}
