#include "quarantine.h"
#include "slab_fixture.h"

static struct ma_quarantine q;
static struct ma_slab *slab;
static struct ma_random q_random;

/* Not given back: the slots that wait are in it. */
static int setup(void **state)
{
	(void)slab_setup(state);
	ma_random_init(&q_random, 7);
	slab = make(16);
	return 0;
}

static void init(size_t cap, size_t bytes, bool shuffled)
{
	const struct ma_quarantine_config config = {cap, bytes, shuffled};

	ma_quarantine_init(&q, &config, &rooms.inst.meta, &q_random);
}

/* A slot that was handed out and freed. */
static struct ma_retired retired_in(struct ma_slab *from)
{
	struct ma_retired retired = {from, ma_slab_take(from), from->slot};

	retire(from, ma_slab_arm(from, retired.idx, 0));
	return retired;
}

/* It comes back out of the quarantine. */
static void free_it(struct ma_retired retired)
{
	ma_slab_put(retired.slab, retired.idx);
}

static void fill(size_t cap)
{
	init(cap, SIZE_MAX, false);
	for (size_t i = 0; i < q.cap; i++)
		assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_sound(ma_quarantine_check(&q));
}

/* ---- order ----------------------------------------------------------------------------------- */

static void check_fifo(size_t cap)
{
	slab = make(16);
	fill(cap);
	assert_int_equal(q.cap, cap);
	for (size_t i = 0; i < 2 * cap + 2 && ma_slab_has_free(slab); i++) {
		struct ma_retired out = ma_quarantine_put(&q, retired_in(slab));

		assert_ptr_equal(out.slab, slab);
		assert_int_equal(out.size, 16);
		assert_int_equal(out.idx, (slab->start + i) % slab->nslots);
		assert_sound(ma_quarantine_check(&q));
	}
}

static void test_first_in_first_out(void **state)
{
	(void)state;
	for (size_t cap = 1; cap <= MA_QUARANTINE_INLINE + 3; cap++)
		check_fifo(cap);
}

/* With memory of its own; the slab has no more slots than that. */
static void test_more_entries_take_memory(void **state)
{
	size_t in_use = rooms.inst.meta.in_use;

	(void)state;
	init(MA_QUARANTINE_INLINE, SIZE_MAX, false);
	assert_ptr_equal(q.entry, q.few);
	assert_int_equal(rooms.inst.meta.in_use, in_use);
	check_fifo(100);
	assert_ptr_not_equal(q.entry, q.few);
	assert_true(rooms.inst.meta.in_use >= in_use + 100 * sizeof(struct ma_retired));
}

static void test_without_memory_there_are_fewer(void **state)
{
	(void)state;
	os_fake_fail_from(1);
	/* Far more than what the store of descriptors has at hand. */
	init(100000, SIZE_MAX, false);
	os_fake_lift();
	assert_ptr_equal(q.entry, q.few);
	assert_int_equal(q.cap, MA_QUARANTINE_INLINE);
	for (size_t i = 0; i < MA_QUARANTINE_INLINE; i++)
		assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_int_equal(ma_quarantine_put(&q, retired_in(slab)).idx, slab->start);
	assert_sound(ma_quarantine_check(&q));
}

static void test_none(void **state)
{
	(void)state;
	init(0, SIZE_MAX, false);
	assert_int_equal(q.cap, 0);
	assert_null(ma_quarantine_take(&q).slab);
	assert_false(ma_quarantine_is_over(&q));
	assert_sound(ma_quarantine_check(&q));
}

/* Oldest first, whether it is full, half full, or has been emptied in part before. */
static void test_take_takes_the_oldest(void **state)
{
	uint32_t expected = slab->start;

	(void)state;
	init(20, SIZE_MAX, false);
	for (size_t round = 0; round < 12; round++) {
		for (size_t i = 0; i < 7; i++)
			assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
		for (size_t i = 0; i < 6; i++) {
			struct ma_retired out = ma_quarantine_take(&q);

			assert_ptr_equal(out.slab, slab);
			assert_int_equal(out.idx, expected);
			expected = (expected + 1) % slab->nslots;
			assert_sound(ma_quarantine_check(&q));
		}
	}
	for (size_t i = 0; i < 12; i++) {
		assert_int_equal(ma_quarantine_take(&q).idx, expected);
		expected = (expected + 1) % slab->nslots;
	}
	assert_null(ma_quarantine_take(&q).slab);
	assert_null(ma_quarantine_take(&q).slab);
	assert_int_equal(q.bytes, 0);
}

static void test_take_empties_it(void **state)
{
	(void)state;
	fill(20);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(ma_quarantine_take(&q).idx, (slab->start + i) % slab->nslots);
	assert_null(ma_quarantine_take(&q).slab);
	/* And it can be used again. */
	for (size_t i = 0; i < 20; i++)
		assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_non_null(ma_quarantine_put(&q, retired_in(slab)).slab);
}

/* ---- at random ------------------------------------------------------------------------------- */

/* All that leaves while @n slots go through, then the rest; the slots are freed at once. */
static size_t run_shuffled(size_t cap, size_t n, uint32_t *order)
{
	struct ma_retired out;
	size_t nout = 0;

	slab = make(16);
	init(cap, SIZE_MAX, true);
	for (size_t i = 0; i < n; i++) {
		out = ma_quarantine_put(&q, retired_in(slab));
		assert_sound(ma_quarantine_check(&q));
		if (out.slab != NULL)
			order[nout++] = (out.idx + slab->nslots - slab->start) % slab->nslots;
	}
	for (out = ma_quarantine_take(&q); out.slab != NULL; out = ma_quarantine_take(&q))
		order[nout++] = (out.idx + slab->nslots - slab->start) % slab->nslots;
	assert_int_equal(q.bytes, 0);
	return nout;
}

#define NSHUFFLED 200

static void test_each_comes_out_once(void **state)
{
	static const size_t caps[] = {1, 2, 8, MA_QUARANTINE_INLINE, 100};
	uint32_t order[NSHUFFLED];

	(void)state;
	for (size_t c = 0; c < 5; c++) {
		bool seen[NSHUFFLED] = {false};

		assert_int_equal(run_shuffled(caps[c], NSHUFFLED, order), NSHUFFLED);
		for (size_t i = 0; i < NSHUFFLED; i++) {
			assert_true(order[i] < NSHUFFLED && !seen[order[i]]);
			seen[order[i]] = true;
		}
	}
}

/* Far from the order in which they came: few leave directly behind the one before them. */
static void test_the_order_is_not_that_of_arrival(void **state)
{
	uint32_t order[NSHUFFLED];
	size_t nfollow = 0;
	size_t nback = 0;

	(void)state;
	(void)run_shuffled(32, NSHUFFLED, order);
	for (size_t i = 1; i < NSHUFFLED; i++) {
		nfollow += order[i] == order[i - 1] + 1;
		nback += order[i] < order[i - 1];
	}
	assert_in_range(nfollow, 0, NSHUFFLED / 10);
	assert_in_range(nback, NSHUFFLED / 4, 3 * NSHUFFLED / 4);
}

/* As many wait as there is place for, and none stays for good. */
static void test_all_places_are_used(void **state)
{
	uint32_t waited[16] = {0};

	(void)state;
	init(16, SIZE_MAX, true);
	for (uint32_t i = 0; i < 1000; i++) {
		struct ma_retired out = ma_quarantine_put(&q, retired_in(slab));

		if (out.slab != NULL)
			free_it(out);
		for (uint32_t k = 0; k < 16; k++)
			waited[k] = q.entry[k].slab == NULL ? i : waited[k];
	}
	assert_int_equal(q.bytes, 16 * 16);
	for (uint32_t k = 0; k < 16; k++)
		assert_true(waited[k] < 200);
}

static void test_the_order_is_that_of_the_seed(void **state)
{
	uint32_t a[NSHUFFLED];
	uint32_t b[NSHUFFLED];

	(void)state;
	(void)run_shuffled(32, NSHUFFLED, a);
	ma_random_init(&q_random, 7);
	(void)run_shuffled(32, NSHUFFLED, b);
	assert_memory_equal(a, b, sizeof(a));
	ma_random_init(&q_random, 8);
	(void)run_shuffled(32, NSHUFFLED, b);
	assert_memory_not_equal(a, b, sizeof(a));
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void relieve(void)
{
	while (ma_quarantine_is_over(&q))
		free_it(ma_quarantine_take(&q));
	assert_sound(ma_quarantine_check(&q));
}

/* Over is what exceeds the bound, not what reaches it; the oldest leave, small or large. */
static void test_the_bound(void **state)
{
	struct ma_slab *large = make(1024);

	(void)state;
	init(64, 1024 + 2 * 16, false);
	assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_int_equal(q.bytes, 32);
	assert_false(ma_quarantine_is_over(&q));
	assert_null(ma_quarantine_put(&q, retired_in(large)).slab);
	assert_int_equal(q.bytes, 1024 + 32);
	assert_false(ma_quarantine_is_over(&q));
	assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_int_equal(q.bytes, 1024 + 48);
	assert_true(ma_quarantine_is_over(&q));
	assert_sound(ma_quarantine_check(&q));
	/* The oldest are small. */
	relieve();
	assert_int_equal(q.bytes, 1024 + 32);
	assert_null(ma_quarantine_put(&q, retired_in(large)).slab);
	relieve();
	assert_int_equal(q.bytes, 16 + 1024);
}

/* A slot larger than the bound does not wait at all, and nothing else stays because of it. */
static void test_more_than_the_bound(void **state)
{
	struct ma_slab *large = make(1024);

	(void)state;
	init(64, 1000, false);
	assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_null(ma_quarantine_put(&q, retired_in(large)).slab);
	relieve();
	assert_int_equal(q.bytes, 0);
	assert_int_equal(slab->used + large->used, 0);
	init(64, 0, false);
	assert_null(ma_quarantine_put(&q, retired_in(slab)).slab);
	assert_true(ma_quarantine_is_over(&q));
	relieve();
	assert_int_equal(slab->used, 0);
}

static void test_the_bound_at_random(void **state)
{
	struct ma_slab *large = make(1024);
	struct ma_random random;

	(void)state;
	ma_random_init(&random, 3);
	init(40, 5000, true);
	for (size_t i = 0; i < 1000; i++) {
		struct ma_slab *from = ma_random_below(&random, 4) == 0 ? large : slab;
		struct ma_retired out = ma_quarantine_put(&q, retired_in(from));

		if (out.slab != NULL)
			free_it(out);
		relieve();
		assert_true(q.bytes <= 5000 && q.bytes > 0);
		assert_int_equal(q.bytes, slab->used * 16 + large->used * 1024);
	}
}

/* ---- rules ----------------------------------------------------------------------------------- */

#define corrupt(rule, field, value)                           \
	do {                                                  \
		__typeof__(field) kept_ = (field);            \
		(field) = (value);                            \
		assert_broken(rule, ma_quarantine_check(&q)); \
		(field) = kept_;                              \
		assert_sound(ma_quarantine_check(&q));        \
	} while (0)

static void test_q1(void **state)
{
	(void)state;
	fill(8);
	corrupt("Q1", q.cap, MA_QUARANTINE_INLINE + 1);
	corrupt("Q1", q.next, 8);
	corrupt("Q1", q.entry[5], q.entry[2]);
	corrupt("Q1", q.entry[0], q.entry[7]);
	corrupt("Q1", slab->states[q.entry[3].idx], MA_SLOT_FREE);
	corrupt("Q1", slab->states[q.entry[3].idx], MA_SLOT_LEAVING);
	corrupt("Q1", slab->states[q.entry[3].idx], 1);
	fill(100);
	corrupt("Q1", q.next, 100);
	corrupt("Q1", q.entry[99], q.entry[0]);
}

static void test_q2(void **state)
{
	(void)state;
	fill(8);
	corrupt("Q2", q.bytes, q.bytes + 1);
	corrupt("Q2", q.bytes, 0);
	corrupt("Q2", q.entry[4].size, 32);
	corrupt("Q2", q.entry[4].slab, NULL);
	corrupt("Q2", q.cap, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_in_first_out),
		TEST(test_more_entries_take_memory),
		TEST(test_without_memory_there_are_fewer),
		TEST(test_none),
		TEST(test_take_takes_the_oldest),
		TEST(test_take_empties_it),
		TEST(test_each_comes_out_once),
		TEST(test_the_order_is_not_that_of_arrival),
		TEST(test_all_places_are_used),
		TEST(test_the_order_is_that_of_the_seed),
		TEST(test_the_bound),
		TEST(test_more_than_the_bound),
		TEST(test_the_bound_at_random),
		TEST(test_q1),
		TEST(test_q2),
	};

	return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
