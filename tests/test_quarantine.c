#include "heap_fixture.h"
#include "quarantine.h"

static struct ma_quarantine q;
static struct ma_slab *slab;

static struct ma_random random_;

/* Not given back: the slots that wait are in it. */
static void make_slab(void)
{
	slab = ma_slab_create(&rooms.a->source, 0, 0);
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
	struct ma_retired retired = {slab, ma_slab_take(slab), slab->slot};

	(void)ma_slab_arm(slab, retired.idx, 0);
	ma_slab_retire(slab, retired.idx, ma_slab_load(slab, retired.idx));
	return retired;
}

static void init(size_t cap, bool shuffled)
{
	const struct ma_quarantine_config config = {cap, 1000, shuffled};

	ma_quarantine_init(&q, &config, &rooms.inst.meta, &random_);
}

static void fill(size_t cap)
{
	init(cap, false);
	for (size_t i = 0; i < q.cap; i++)
		assert_null(ma_quarantine_put(&q, retire()).slab);
	assert_sound(ma_quarantine_check(&q));
}

static void test_first_in_first_out(void **state)
{
	(void)state;
	for (size_t cap = 1; cap <= 64; cap++) {
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
	init(0, false);
	assert_int_equal(q.cap, 0);
	assert_null(ma_quarantine_take(&q).slab);
	assert_sound(ma_quarantine_check(&q));
	init(1000, false);
	assert_int_equal(q.cap, 1000);
	assert_sound(ma_quarantine_check(&q));
	/* Without memory as many as need none. */
	while (ma_meta_alloc(&rooms.inst.meta, 8192) != NULL && rooms.inst.meta.left > 8192)
		;
	os_fake_fail_from(1);
	init(16384, false);
	os_fake_lift();
	assert_int_equal(q.cap, MA_QUARANTINE_INLINE);
	assert_sound(ma_quarantine_check(&q));
}

static void test_bytes(void **state)
{
	(void)state;
	init(200, false);
	for (size_t i = 0; i < 1000 / 16; i++)
		(void)ma_quarantine_put(&q, retire());
	assert_false(ma_quarantine_is_over(&q));
	(void)ma_quarantine_put(&q, retire());
	assert_true(ma_quarantine_is_over(&q));
	assert_non_null(ma_quarantine_take(&q).slab);
	assert_false(ma_quarantine_is_over(&q));
	assert_sound(ma_quarantine_check(&q));
}

/* Who leaves has not always waited longest; and everybody leaves once. */
static void test_shuffled(void **state)
{
	size_t nearlier = 0, nout = 0;
	uint32_t last = 0;

	(void)state;
	init(30, true);
	for (size_t i = 0; i < 200; i++) {
		struct ma_retired out = ma_quarantine_put(&q, retire());
		uint32_t order = (out.idx + slab->nslots - slab->start) % slab->nslots;

		if (out.slab == NULL)
			continue;
		nearlier += order < last;
		last = order;
		nout++;
		assert_sound(ma_quarantine_check(&q));
	}
	assert_in_range(nearlier, 20, 150);
	while (ma_quarantine_take(&q).slab != NULL)
		nout++;
	assert_int_equal(nout, 200);
	assert_int_equal(q.bytes, 0);
}

#define corrupt(field, value)                                \
	do {                                                 \
		__typeof__(field) kept_ = (field);           \
		(field) = (value);                           \
		assert_broken("Q", ma_quarantine_check(&q)); \
		(field) = kept_;                             \
		assert_sound(ma_quarantine_check(&q));       \
	} while (0)

static void test_rule(void **state)
{
	(void)state;
	fill(8);
	corrupt(q.cap, MA_QUARANTINE_INLINE + 1);
	corrupt(q.bytes, q.bytes + 1);
	corrupt(q.next, 8);
	corrupt(q.cap, 7);
	corrupt(q.entry[5], q.entry[2]);
	corrupt(slab->states[q.entry[3].idx], MA_SLOT_FREE);
	corrupt(slab->states[q.entry[3].idx], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_in_first_out, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_take_empties_it, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_capacity, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_shuffled, setup, rooms_teardown),
		cmocka_unit_test_setup_teardown(test_rule, setup, rooms_teardown),
	};

	return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
