#include "heap_fixture.h"
#include "quarantine.h"

static struct ma_quarantine q;
static struct ma_slab *slab;

static struct ma_random random_;

/* Not given back: the slots that wait are in it. */
static void make_slab(void)
{
	slab = ma_slab_create(&rooms.inst.pool, 0, 0, &random_);
	assert_non_null(slab);
}

static int setup(void **state)
{
	(void)rooms_setup(state);
	ma_random_init(&random_, 7);
	make_slab();
	return 0;
}

/* A slot that was handed out and freed. */
static struct ma_retired retire(void)
{
	struct ma_retired retired = {slab, ma_slab_take(slab)};

	(void)ma_slab_arm(slab, retired.idx, 0);
	atomic_store(&slab->states[retired.idx], MA_SLOT_RETIRED);
	return retired;
}

static void fill(size_t cap)
{
	ma_quarantine_init(&q, cap);
	for (size_t i = 0; i < q.cap; i++)
		assert_null(ma_quarantine_put(&q, retire()).slab);
	assert_sound(ma_quarantine_check(&q));
}

static void test_first_in_first_out(void **state)
{
	(void)state;
	for (size_t cap = 1; cap <= MA_QUARANTINE_MAX; cap++) {
		make_slab();
		fill(cap);
		for (size_t i = 0; i < 3 * cap; i++) {
			struct ma_retired out = ma_quarantine_put(&q, retire());

			assert_ptr_equal(out.slab, slab);
			assert_int_equal(out.idx, (slab->start + i) % slab->nslots);
			assert_sound(ma_quarantine_check(&q));
		}
	}
}

static void test_take_empties_it(void **state)
{
	bool seen[4096] = {false};

	(void)state;
	fill(20);
	for (size_t i = 0; i < 20; i++) {
		struct ma_retired out = ma_quarantine_take(&q);

		assert_ptr_equal(out.slab, slab);
		assert_false(seen[out.idx]);
		seen[out.idx] = true;
		assert_sound(ma_quarantine_check(&q));
	}
	assert_null(ma_quarantine_take(&q).slab);
	assert_null(ma_quarantine_take(&q).slab);
	/* And it can be used again. */
	for (size_t i = 0; i < 20; i++)
		assert_null(ma_quarantine_put(&q, retire()).slab);
	assert_non_null(ma_quarantine_put(&q, retire()).slab);
}

static void test_capacity(void **state)
{
	(void)state;
	ma_quarantine_init(&q, 0);
	assert_int_equal(q.cap, 0);
	assert_null(ma_quarantine_take(&q).slab);
	assert_sound(ma_quarantine_check(&q));
	ma_quarantine_init(&q, MA_QUARANTINE_MAX + 1);
	assert_int_equal(q.cap, MA_QUARANTINE_MAX);
	ma_quarantine_init(&q, SIZE_MAX);
	assert_int_equal(q.cap, MA_QUARANTINE_MAX);
	assert_sound(ma_quarantine_check(&q));
}

#define corrupt(field, value)                                 \
	do {                                                  \
		__typeof__(field) kept_ = (field);            \
		(field) = (value);                            \
		assert_broken("Q1", ma_quarantine_check(&q)); \
		(field) = kept_;                              \
		assert_sound(ma_quarantine_check(&q));        \
	} while (0)

static void test_rule(void **state)
{
	(void)state;
	fill(8);
	corrupt(q.cap, MA_QUARANTINE_MAX + 1);
	corrupt(q.next, 8);
	corrupt(q.cap, 7);
	corrupt(q.entry[5], q.entry[2]);
	corrupt(q.entry[9], q.entry[2]);
	corrupt(slab->states[q.entry[3].idx], MA_SLOT_FREE);
	corrupt(slab->states[q.entry[3].idx], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_in_first_out, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_take_empties_it, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_capacity, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_rule, setup, rooms_teardown),
	};

	return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
