#include <stdlib.h>

#include "depot.h"
#include "fixture.h"
#include "os.h"
#include "rooms.h"

#define NSTACKS 20000
#define LEN 32

static struct ma_depot depot;

static int setup(void **state)
{
	(void)fixture_reset(state);
	ma_depot_init(&depot);
	assert_valid(ma_depot_check(&depot));
	return 0;
}

static int teardown(void **state)
{
	os_fake_lift();
	assert_valid(ma_depot_check(&depot));
	ma_depot_fini(&depot);
	assert_valid(ma_depot_check(&depot));
	assert_int_equal(ma_depot_mapped(&depot), 0);
	return fixture_empty(state);
}

/* The stack with number @i of a sequence in which all differ; its length. */
static size_t make(size_t i, uintptr_t *pc)
{
	size_t n = 1 + i % LEN;
	uint64_t state = i + 1;

	for (size_t k = 0; k < n; k++)
		pc[k] = 0x7f0000000000 + rooms_below(&state, 1 << 20);
	pc[n - 1] = i;
	return n;
}

static uint32_t put(size_t i)
{
	uintptr_t pc[LEN];
	size_t n = make(i, pc);

	return ma_depot_put(&depot, pc, n);
}

static void assert_kept(uint32_t id, size_t i)
{
	uintptr_t expected[LEN];
	uintptr_t pc[LEN + 1];
	size_t n = make(i, expected);

	assert_int_equal(ma_depot_get(&depot, id, pc, LEN + 1), n);
	assert_memory_equal(pc, expected, n * sizeof(*pc));
}

static void test_nothing(void **state)
{
	uintptr_t pc[1] = {7};

	(void)state;
	assert_int_equal(ma_depot_put(&depot, pc, 0), 0);
	assert_int_equal(depot.lost, 0);
	assert_int_equal(os_fake_mapped(), 0);
	assert_int_equal(ma_depot_get(&depot, 0, pc, 1), 0);
	assert_int_equal(ma_depot_get(&depot, 1, pc, 1), 0);
	assert_int_equal(pc[0], 7);
}

static void test_equal_stacks_have_equal_numbers(void **state)
{
	const uintptr_t a[] = {1, 2, 3};
	const uintptr_t b[] = {1, 2, 3, 4};
	const uintptr_t c[] = {3, 2, 1};
	uint32_t id = ma_depot_put(&depot, a, 3);

	(void)state;
	assert_int_not_equal(id, 0);
	assert_int_equal(ma_depot_put(&depot, a, 3), id);
	assert_int_equal(ma_depot_put(&depot, b, 3), id);
	assert_int_not_equal(ma_depot_put(&depot, a, 2), id);
	assert_int_not_equal(ma_depot_put(&depot, b, 4), id);
	assert_int_not_equal(ma_depot_put(&depot, c, 3), id);
	assert_int_equal(depot.nrecords, 4);
	assert_int_equal(ma_depot_mapped(&depot), MA_DEPOT_CHUNK);
	assert_int_equal(os_fake_mapped(), MA_DEPOT_CHUNK);
}

static void test_many(void **state)
{
	static uint32_t id[NSTACKS];
	size_t mapped;

	(void)state;
	for (size_t i = 0; i < NSTACKS; i++) {
		id[i] = put(i);
		assert_true(i == 0 || id[i] > id[i - 1]);
	}
	assert_valid(ma_depot_check(&depot));
	mapped = os_fake_mapped();
	for (size_t i = 0; i < NSTACKS; i++) {
		assert_int_equal(put(i), id[i]);
		assert_kept(id[i], i);
	}
	assert_int_equal(depot.nrecords, NSTACKS);
	assert_int_equal(os_fake_mapped(), mapped);
	assert_int_equal(depot.lost, 0);
}

static void test_long_stacks_are_cut(void **state)
{
	uintptr_t pc[MA_DEPOT_LEN_MAX + 1];
	uintptr_t got[MA_DEPOT_LEN_MAX + 1];
	uint32_t id;

	(void)state;
	for (size_t i = 0; i <= MA_DEPOT_LEN_MAX; i++)
		pc[i] = i;
	id = ma_depot_put(&depot, pc, MA_DEPOT_LEN_MAX + 1);
	assert_int_equal(ma_depot_put(&depot, pc, MA_DEPOT_LEN_MAX), id);
	assert_int_equal(ma_depot_get(&depot, id, got, MA_DEPOT_LEN_MAX + 1), MA_DEPOT_LEN_MAX);
	assert_memory_equal(got, pc, MA_DEPOT_LEN_MAX * sizeof(*pc));
}

static void test_less_room_than_stack(void **state)
{
	uintptr_t pc[3] = {1, 2, 3};
	uint32_t id = ma_depot_put(&depot, pc, 3);
	uintptr_t got[3] = {7, 7, 7};

	(void)state;
	assert_int_equal(ma_depot_get(&depot, id, got, 0), 0);
	assert_int_equal(ma_depot_get(&depot, id, got, 2), 2);
	assert_int_equal(got[1], 2);
	assert_int_equal(got[2], 7);
}

/* A number may come from memory that was overwritten. */
static void test_what_is_no_number(void **state)
{
	uintptr_t got[MA_DEPOT_LEN_MAX];

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		(void)put(i);
	for (uint32_t id = 0; id < 100000; id++)
		assert_in_range(ma_depot_get(&depot, id, got, MA_DEPOT_LEN_MAX), 0,
				MA_DEPOT_LEN_MAX);
	for (uint32_t id = UINT32_MAX; id > UINT32_MAX - 100000; id--)
		assert_int_equal(ma_depot_get(&depot, id, got, MA_DEPOT_LEN_MAX), 0);
}

/* Whatever call is refused: stacks without a number are counted, those that have one keep it. */
static void test_refused(void **state)
{
	(void)state;
	for (size_t at = 1; at < 5; at++) {
		size_t nlost = 0;
		uint32_t first = 0;

		os_fake_reset();
		ma_depot_init(&depot);
		os_fake_fail_at(at);
		for (size_t i = 0; i < 2000; i++) {
			uint32_t id = put(i);

			nlost += id == 0;
			first = i == 0 ? id : first;
		}
		assert_int_equal(nlost, 1);
		assert_int_equal(depot.lost, 1);
		assert_int_equal(depot.nrecords, 1999);
		assert_valid(ma_depot_check(&depot));
		assert_true(put(0) == first || at == 1);
		ma_depot_fini(&depot);
		assert_int_equal(os_fake_mapped(), 0);
	}
}

static void test_no_memory(void **state)
{
	uint32_t id = put(0);
	size_t n = 1;

	(void)state;
	os_fake_fail_from(1);
	while (put(n) != 0)
		n++;
	assert_int_equal(depot.nrecords, n);
	assert_int_equal(depot.lost, 1);
	assert_int_equal(put(0), id);
	assert_kept(id, 0);
	os_fake_lift();
	assert_int_not_equal(put(n), 0);
}

static void test_refused_at_the_end(void **state)
{
	(void)state;
	assert_int_not_equal(put(0), 0);
	os_fake_fail_mask(OS_FAKE_UNMAP);
	os_fake_fail_from(1);
	ma_depot_fini(&depot);
	assert_int_equal(ma_depot_mapped(&depot), 0);
	assert_int_not_equal(os_fake_mapped(), 0);
	os_fake_reset();
}

static void test_full(void **state)
{
	uintptr_t pc[MA_DEPOT_LEN_MAX] = {0};
	uintptr_t got[1];
	uint32_t id;
	uint32_t last = 0;
	size_t n = 0;

	(void)state;
	while ((id = ma_depot_put(&depot, pc, MA_DEPOT_LEN_MAX)) != 0) {
		last = id;
		pc[0] = ++n;
	}
	assert_int_equal(depot.lost, 1);
	assert_int_equal(depot.nrecords, n);
	assert_int_equal(ma_depot_mapped(&depot), MA_DEPOT_CHUNK * MA_DEPOT_CHUNKS_MAX);
	assert_int_equal(os_fake_mapped(), MA_DEPOT_CHUNK * MA_DEPOT_CHUNKS_MAX);
	assert_int_equal(ma_depot_get(&depot, last, got, 1), 1);
	assert_int_equal(got[0], n - 1);
	pc[0] = 0;
	assert_int_equal(ma_depot_put(&depot, pc, MA_DEPOT_LEN_MAX), 1);
	assert_int_not_equal(ma_depot_put(&depot, pc, 1), 0);
	while (ma_depot_put(&depot, pc, 1 + ++pc[0] % 8) != 0)
		;
	assert_valid(ma_depot_check(&depot));
	assert_int_equal(depot.lost, 2);
}

static struct ma_depot_record *record(uint32_t id)
{
	struct ma_depot_record *found = (struct ma_depot_record *)ma_depot_record(&depot, id);

	if (found == NULL)
		abort();
	return found;
}

/* assert_corrupt(), for atomic numbers. */
#define assert_wrong(rule, field, value)                     \
	do {                                                 \
		__typeof__((field) + 0u) kept_ = (field);    \
		(field) = (__typeof__(kept_))(value);        \
		assert_breaks(rule, ma_depot_check(&depot)); \
		(field) = kept_;                             \
		assert_valid(ma_depot_check(&depot));        \
	} while (0)

/* Where a stack of one return address belongs under the first record. */
static _Atomic uint32_t *record_child(uint32_t id, uintptr_t pc)
{
	return &record(id)->child[ma_depot_hash(&pc, 1) % MA_DEPOT_FAN];
}

static void test_the_check_finds_what_is_wrong(void **state)
{
	uint32_t leaf = 0;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		leaf = put(i);
	assert_wrong("D1", depot.nchunks, 2);
	assert_wrong("D1", depot.nchunks, MA_DEPOT_CHUNKS_MAX + 1);
	assert_wrong("D1", depot.used, MA_DEPOT_CHUNK + 8);
	assert_wrong("D1", depot.used, depot.used - 8);
	assert_wrong("D2", record(1)->n, MA_DEPOT_LEN_MAX + 1);
	assert_wrong("D2", record(1)->hash, record(1)->hash + 1);
	assert_wrong("D2", record(1)->pc[0], 99);
	assert_wrong("D3", depot.root, leaf);
	assert_wrong("D3", record(leaf)->child[0], 1);
	assert_wrong("D3", record(1)->child[0], leaf + 1000);
	assert_wrong("D4", record(leaf)->n, 0);
	assert_wrong("D4", depot.nrecords, 99);
	assert_wrong("D4", depot.root, 0);
}

/* The second record as another child than its hash says; the same stack once more. */
static void test_the_check_finds_what_cannot_be_found(void **state)
{
	const uintptr_t a[] = {1};
	const uintptr_t b[] = {2};
	_Atomic uint32_t *child = record_child(ma_depot_put(&depot, a, 1), b[0]);
	_Atomic uint32_t *other = child > record(1)->child ? child - 1 : child + 1;
	uint32_t id = ma_depot_put(&depot, b, 1);

	(void)state;
	assert_int_equal(*child, id);
	*child = 0;
	*other = id;
	assert_breaks("D5", ma_depot_check(&depot));
	*child = id;
	*other = 0;
	record(id)->pc[0] = 1;
	record(id)->hash = record(1)->hash;
	assert_breaks("D5", ma_depot_check(&depot));
	record(id)->pc[0] = 2;
	record(id)->hash = (uint32_t)(ma_depot_hash(b, 1) >> 32);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),
		TEST(test_equal_stacks_have_equal_numbers),
		TEST(test_many),
		TEST(test_long_stacks_are_cut),
		TEST(test_less_room_than_stack),
		TEST(test_what_is_no_number),
		TEST(test_refused),
		TEST(test_no_memory),
		TEST(test_refused_at_the_end),
		TEST(test_full),
		TEST(test_the_check_finds_what_is_wrong),
		TEST(test_the_check_finds_what_cannot_be_found),
	};

	return cmocka_run_group_tests_name("depot", tests, NULL, NULL);
}
