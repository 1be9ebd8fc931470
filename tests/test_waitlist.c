#include "faults.h"
#include "guard.h"
#include "heap_fixture.h"
#include "waitlist.h"

#define PAGE ((size_t)4096)
#define MAX (64 * PAGE)
#define LARGE (MA_WAIT_ZEROED / PAGE + 1)

static struct ma_waitlist list;
static struct ma_pool *pool;

static void start(size_t max, bool sealed)
{
	ma_waitlist_init(&list, pool, max, sealed);
}

static int setup(void **state)
{
	(void)rooms_setup(state);
	pool = &rooms.inst.pool;
	start(MAX, false);
	return 0;
}

static int teardown(void **state)
{
	assert_sound(ma_waitlist_check(&list));
	ma_waitlist_flush(&list);
	return rooms_teardown(state);
}

static struct ma_block *block(size_t npages)
{
	const struct ma_pool_request req = {npages * PAGE, 0, MA_BLOCK_LARGE};
	struct ma_block *made = ma_pool_alloc(pool, &req);

	assert_non_null(made);
	memset(ma_block_ptr(made), 'x', made->size);
	return made;
}

/* A block of @npages starts to wait. */
static struct ma_block *put(size_t npages, unsigned purpose)
{
	struct ma_block *made = block(npages);

	(void)ma_waitlist_put(&list, made, purpose);
	assert_sound(ma_waitlist_check(&list));
	assert_sound(ma_pool_check(pool));
	return made;
}

static struct ma_block *take(unsigned purpose, size_t npages, size_t spare)
{
	const struct ma_wanted wanted = {purpose, npages * PAGE, spare * PAGE};
	size_t which;
	struct ma_block *taken = ma_waitlist_take(&list, &wanted, 1, &which);

	if (taken != NULL)
		taken->kind = MA_BLOCK_LARGE;
	assert_sound(ma_waitlist_check(&list));
	return taken;
}

static void test_who_waits_is_retired(void **state)
{
	struct ma_block *made = put(3, 1);

	(void)state;
	assert_int_equal(made->kind, MA_BLOCK_RETIRED);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.bytes, 3 * PAGE);
	ma_waitlist_flush(&list);
	assert_int_equal(list.n, 0);
	assert_int_equal(pool->counts.free_bytes, pool->regions.mapped);
}

/* The oldest of the size and purpose, and never the last that came. */
static void test_the_oldest_that_fits(void **state)
{
	struct ma_block *first = put(3, 1);
	struct ma_block *other = put(3, 2);
	struct ma_block *second = put(3, 1);

	(void)state;
	assert_null(take(1, 4, 0));
	assert_null(take(7, 3, 0));
	assert_ptr_equal(take(1, 3, 0), first);
	assert_null(take(1, 3, 0));
	(void)put(5, 1);
	assert_ptr_equal(take(1, 3, 0), second);
	assert_ptr_equal(take(2, 3, 0), other);
	(void)ma_pool_free(pool, first);
	(void)ma_pool_free(pool, second);
	(void)ma_pool_free(pool, other);
}

static void test_bytes_to_spare(void **state)
{
	struct ma_block *large = put(10, 1);

	(void)state;
	(void)put(1, 1);
	assert_null(take(1, 8, 1));
	assert_null(take(1, 11, 5));
	assert_ptr_equal(take(1, 8, 2), large);
	(void)ma_pool_free(pool, large);
}

/* W2: the oldest make room; what is too large does not wait at all. */
static void check_bytes(uint32_t n)
{
	for (unsigned i = 0; i < 40; i++) {
		(void)put(5, i);
		assert_in_range(list.bytes, 1, MAX);
	}
	assert_int_equal(list.n, n);
	assert_int_equal(list.entry[0].purpose, 40 - n);
	(void)put(65, 99);
	assert_int_equal(list.n, n);
	assert_int_equal(list.entry[n - 1].purpose, 39);
}

static void test_no_more_bytes_than_may(void **state)
{
	(void)state;
	assert_true(ma_pool_reserve(pool, 16 * MAX));
	check_bytes(12);
}

/* A small heap keeps less, unless all that waits is to be out of reach. */
static void test_less_in_a_small_heap(void **state)
{
	(void)state;
	check_bytes(6);
	ma_waitlist_flush(&list);
	start(MAX, true);
	check_bytes(12);
}

/* W1 */
static void test_no_more_than_there_is_room_for(void **state)
{
	(void)state;
	start((size_t)1 << 30, true);
	for (unsigned i = 0; i < MA_WAITLIST + 10; i++)
		(void)put(1, i);
	assert_int_equal(list.n, MA_WAITLIST);
	assert_int_equal(list.entry[0].purpose, 10);
}

static void test_nothing_waits_where_nothing_may(void **state)
{
	(void)state;
	start(0, false);
	(void)put(1, 1);
	assert_int_equal(list.n, 0);
	assert_null(take(1, 1, 100));
	assert_int_equal(pool->counts.free_bytes, pool->regions.mapped);
}

/* Larger objects only: slabs and smaller ones are clean already. */
static void test_sealed(void **state)
{
	struct ma_block *large, *slab;

	(void)state;
	start(10 * LARGE * PAGE, true);
	large = put(LARGE, MA_WAIT_LARGE);
	slab = put(4, 3);
	(void)put(1, 4);
	assert_true(faults(ma_block_ptr(large)));
	assert_true(faults((char *)ma_block_ptr(large) + LARGE * PAGE - 1));
	assert_false(faults(ma_block_ptr(slab)));
	assert_ptr_equal(take(MA_WAIT_LARGE, LARGE, 0), large);
	assert_true(large->zero);
	assert_true(is_filled(ma_block_ptr(large), LARGE * PAGE, 0));
	(void)ma_pool_free(pool, large);
}

/* Nobody takes what is tight, whatever its size, and nobody can touch it. */
static void test_tight_ones_are_sealed_always(void **state)
{
	struct ma_block *tight = put(4, MA_WAIT_TIGHT);

	(void)state;
	(void)put(1, 1);
	assert_true(faults(ma_block_ptr(tight)));
	assert_null(take(MA_WAIT_LARGE, LARGE, 0));
}

/* Contents that stayed are not taken for zero. */
static void test_a_seal_is_refused(void **state)
{
	struct ma_block *large = block(LARGE);

	(void)state;
	start(10 * LARGE * PAGE, true);
	ma_guard_ends(large, PAGE, PAGE);
	os_fake_fail_mask(OS_FAKE_GUARD);
	os_fake_fail_at(1);
	large->zero = false;
	(void)ma_waitlist_put(&list, large, MA_WAIT_LARGE);
	os_fake_lift();
	(void)put(1, 1);
	assert_ptr_equal(take(MA_WAIT_LARGE, LARGE, 0), large);
	assert_false(large->zero);
	assert_int_equal(((char *)ma_block_ptr(large))[PAGE], 'x');
	(void)ma_pool_free(pool, large);
}

/* What cannot be made accessible again is nobody's, for good; nothing else is lost. */
static void test_a_seal_is_not_lifted(void **state)
{
	struct ma_block *large;

	(void)state;
	start(10 * LARGE * PAGE, true);
	large = put(LARGE, MA_WAIT_LARGE);
	os_fake_fail_mask(OS_FAKE_GUARD);
	os_fake_fail_from(1);
	(void)put(1, 1);
	assert_null(take(MA_WAIT_LARGE, LARGE, 0));
	ma_waitlist_flush(&list);
	os_fake_lift();
	assert_int_equal(large->kind, MA_BLOCK_RETIRED);
	assert_int_equal(pool->counts.free_bytes, pool->regions.mapped - LARGE * PAGE);
}

#define corrupt(rule, field, value)                            \
	do {                                                   \
		__typeof__(field) kept_ = (field);             \
		(field) = (value);                             \
		assert_broken(rule, ma_waitlist_check(&list)); \
		(field) = kept_;                               \
		assert_sound(ma_waitlist_check(&list));        \
	} while (0)

static void test_rules(void **state)
{
	struct ma_block *made = put(3, 1);

	(void)state;
	(void)put(4, 1);
	corrupt("W1", made->kind, MA_BLOCK_LARGE);
	corrupt("W1", list.n, MA_WAITLIST + 1);
	corrupt("W1", list.entry[1], list.entry[0]);
	corrupt("W2", list.bytes, list.bytes + PAGE);
	corrupt("W2", list.max, 6 * PAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_waits_is_retired),
		TEST(test_the_oldest_that_fits),
		TEST(test_bytes_to_spare),
		TEST(test_no_more_bytes_than_may),
		TEST(test_less_in_a_small_heap),
		TEST(test_no_more_than_there_is_room_for),
		TEST(test_nothing_waits_where_nothing_may),
		TEST(test_sealed),
		TEST(test_tight_ones_are_sealed_always),
		TEST(test_a_seal_is_refused),
		TEST(test_a_seal_is_not_lifted),
		TEST(test_rules),
	};

	return cmocka_run_group_tests_name("waitlist", tests, NULL, NULL);
}
