/* Objects that a pool owes to another malloc: against a plain list. */
#include "fixture.h"
#include "os.h"
#include "os_fake.h"
#include "random.h"
#include "wards.h"

#define N 4000

static struct ma_wards wards;
static bool is_there[N];

/* Many lead to the same place: addresses that differ in high bits only, or follow each other. */
static void *address(size_t i)
{
	return (void *)(uintptr_t)(i % 2 ? 0x10000 + i * 16 : i << 40);
}

static size_t size_of(size_t i)
{
	return i % 100;
}

static bool add(size_t i)
{
	if (!ma_wards_reserve(&wards, size_of(i)))
		return false;
	ma_wards_put(&wards, address(i), size_of(i));
	return true;
}

static void compare(void)
{
	size_t n = 0, bytes = 0;

	for (size_t i = 1; i < N; i++) {
		const struct ma_ward *ward = ma_wards_find(&wards, address(i));

		assert_int_equal(ward != NULL, is_there[i]);
		if (ward == NULL)
			continue;
		assert_int_equal(ward->size, size_of(i));
		n++;
		bytes += size_of(i);
	}
	assert_int_equal(wards.n, n);
	assert_int_equal(wards.bytes, bytes);
	assert_true(2 * n <= wards.nplaces);
}

static void test_against_a_plain_list(void **state)
{
	struct ma_random random;

	(void)state;
	os_fake_reset();
	ma_random_init(&random, 7);
	for (size_t step = 0; step < 60000; step++) {
		size_t i = 1 + ma_random_next(&random) % (step < 20000 ? 50 : N - 1);

		if (is_there[i])
			assert_true(ma_wards_remove(&wards, address(i)));
		else
			assert_true(add(i));
		is_there[i] = !is_there[i];
		if (is_there[i] && step % 7 == 0) {
			ma_wards_leave(&wards, address(i));
			assert_null(ma_wards_find(&wards, address(i)));
			ma_wards_put(&wards, address(i), size_of(i));
		}
		if (step % 1000 == 0)
			compare();
	}
	for (size_t i = 1; i < N; i++)
		assert_int_equal(ma_wards_remove(&wards, address(i)), is_there[i]);
	assert_int_equal(wards.n, 0);
	assert_int_equal(wards.bytes, 0);
	ma_wards_free_all(&wards);
	assert_int_equal(os_fake_mapped(), 0);
}

static void test_without_memory(void **state)
{
	size_t i = 1;

	(void)state;
	os_fake_reset();
	os_fake_fail_from(2);
	while (add(i))
		i++;
	assert_true(i > 100);
	assert_int_equal(wards.n, i - 1);
	for (size_t k = 1; k < i; k++)
		assert_true(ma_wards_remove(&wards, address(k)));
	assert_false(ma_wards_remove(&wards, address(1)));
	os_fake_lift();
	ma_wards_free_all(&wards);
	assert_int_equal(os_fake_mapped(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_plain_list),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests_name("wards", tests, NULL, NULL);
}
