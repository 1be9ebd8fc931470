#include "fixture.h"
#include "random.h"

/* G1, against numbers that others computed from this seed. */
static void test_known_numbers(void **state)
{
	static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u,
					    9817491932198370423u, 4593380528125082431u,
					    16408922859458223821u};
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 1234567);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		assert_int_equal(ma_random_next(&random), expected[i]);
}

static void test_seeds_differ(void **state)
{
	struct ma_random a, b;

	(void)state;
	ma_random_init(&a, 1);
	ma_random_init(&b, 2);
	assert_int_not_equal(ma_random_next(&a), ma_random_next(&b));
}

/* Seed 0: from the OS, each time anew. */
static void test_seed_from_the_os(void **state)
{
	struct ma_random a, b, c;

	(void)state;
	os_fake_set_seed(77);
	ma_random_init(&a, 0);
	ma_random_init(&b, 0);
	os_fake_set_seed(77);
	ma_random_init(&c, 0);
	assert_int_not_equal(a.state, b.state);
	assert_int_equal(a.state, c.state);
	assert_int_not_equal(a.state, 0);
}

static void test_below_is_below(void **state)
{
	static const size_t limits[] = {1, 2, 3, 7, 64, 1000, 65536, 1000003, UINT32_MAX};
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 42);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		for (size_t k = 0; k < 10000; k++)
			assert_true(ma_random_below(&random, limits[i]) < limits[i]);
}

/* Each of 64 numbers comes up within a fifth of its share of 64,000. */
static void test_below_is_even(void **state)
{
	size_t seen[64] = {0};
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 3);
	for (size_t k = 0; k < 64000; k++)
		seen[ma_random_below(&random, 64)]++;
	for (size_t i = 0; i < 64; i++)
		assert_in_range(seen[i], 800, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_numbers),    cmocka_unit_test(test_seeds_differ),
		cmocka_unit_test(test_seed_from_the_os), cmocka_unit_test(test_below_is_below),
		cmocka_unit_test(test_below_is_even),
	};

	return cmocka_run_group_tests_name("random", tests, fixture_reset, fixture_empty);
}
