/* What slabs are made with: traces, random order, guards, used memory, blocks that waited. */
#include "faults.h"
#include "slab_fixture.h"

/* A large block of @size bytes, all of them written to, is back in the pool. */
static void soil(size_t size)
{
	const struct ma_pool_request req = {.size = size, .kind = MA_BLOCK_LARGE};
	struct ma_block *block = ma_pool_alloc(&rooms.inst.pool, &req);

	assert_non_null(block);
	memset(ma_block_ptr(block), 0xaa, block->size);
	block->zero = false;
	(void)ma_pool_free(&rooms.inst.pool, block);
}

/* ---- traces ---------------------------------------------------------------------------------- */

static void check_traced(size_t slot)
{
	struct ma_slab *slab = make(slot);

	assert_true(slab->flags & MA_SLAB_TRACED);
	assert_non_null(slab->trace);
	for (uint32_t i = 0; i < slab->nslots; i++) {
		assert_int_equal(atomic_load(&slab->trace[i].allocated), 0);
		assert_int_equal(atomic_load(&slab->trace[i].freed), 0);
		atomic_store(&slab->trace[i].allocated, UINT32_MAX);
		atomic_store(&slab->trace[i].freed, UINT32_MAX);
	}
	assert_sound(ma_slab_check(slab));
	while (ma_slab_has_free(slab))
		memset(arm(slab, 1), 'x', 1);
	for (uint32_t i = 0; i < slab->nslots; i++) {
		ma_slab_retire(slab, i, ma_slab_load(slab, i));
		ma_slab_put(slab, i);
	}
	for (uint32_t i = 0; i < slab->nslots; i++) {
		assert_int_equal(atomic_load(&slab->trace[i].allocated), UINT32_MAX);
		assert_int_equal(atomic_load(&slab->trace[i].freed), UINT32_MAX);
	}
	destroy(slab);
}

/* A number beside each slot, in nothing else's place, whether slack is noted beside or not. */
static void test_traced_slabs_have_numbers(void **state)
{
	size_t in_use = rooms.inst.meta.in_use;

	(void)state;
	slab_policy.traced = true;
	check_traced(16);
	in_use = rooms.inst.meta.in_use;
	check_traced(16);
	check_traced(48);
	check_traced(1024);
	check_traced(20480);
	check_traced(16);
	slab_policy.traced = false;
	assert_true(rooms.inst.meta.in_use >= in_use);
}

static void test_other_slabs_have_none(void **state)
{
	struct ma_slab *slab = make(64);

	(void)state;
	assert_null(slab->trace);
	assert_int_equal(slab->flags, MA_SLAB_FILLED);
	destroy(slab);
}

/* Made and ended with every mixture: what is beside a slab is given back whole. */
static void test_what_is_beside_is_given_back(void **state)
{
	size_t in_use = 0;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned mixture = 0; mixture < 16; mixture++) {
			slab_policy.traced = mixture & 1;
			slab_policy.shuffled = mixture & 2;
			slab_policy.guarded = mixture & 4;
			slab_policy.fill_max = mixture & 8 ? 0 : MA_FILL_MAX;
			destroy(make(32));
			destroy(make(2048));
		}
		if (round > 0)
			assert_int_equal(rooms.inst.meta.in_use, in_use);
		in_use = rooms.inst.meta.in_use;
	}
	assert_int_equal(rooms.inst.pool.counts.free_bytes, rooms.inst.pool.regions.mapped);
}

/* ---- which slots are filled ------------------------------------------------------------------ */

static void test_up_to_a_size_slots_are_filled(void **state)
{
	(void)state;
	slab_policy.fill_max = 0;
	assert_false(make(16)->flags & MA_SLAB_FILLED);
	slab_policy.fill_max = 128;
	assert_true(make(128)->flags & MA_SLAB_FILLED);
	assert_false(make(144)->flags & MA_SLAB_FILLED);
	slab_policy.fill_max = 32768;
	assert_true(make(32768)->flags & MA_SLAB_FILLED);
}

/* Also beyond what small slots are: freed slots of any size are zeroed, and writes found. */
static void test_large_slots_can_be_filled(void **state)
{
	struct ma_slab *slab;
	char *ptr;

	(void)state;
	slab_policy.fill_max = 32768;
	slab = make(20480);
	ptr = arm(slab, 20000);
	memset(ptr, 'x', 20000);
	assert_sound(ma_slab_check(slab));
	put(slab, ptr);
	assert_true(is_filled(ptr, 20480, 0));
	ptr[10007] = 'x';
	assert_broken("S6", ma_slab_check(slab));
	assert_reports("write after free", (void)arm(slab, 1));
	ptr[10007] = 0;
	ma_slab_put(slab, slot_of(ptr));
	destroy(slab);
}

/* ---- random order ---------------------------------------------------------------------------- */

/* The order in which all slots of a slab are handed out, each once. */
static struct ma_slab *hand_out(size_t slot, uint32_t *order)
{
	struct ma_slab *slab = make(slot);
	bool seen[4096] = {false};
	uint32_t n = 0;

	assert_sound(ma_slab_check(slab));
	while (ma_slab_has_free(slab)) {
		uint32_t idx = ma_slab_take(slab);

		assert_true(idx < slab->nslots && n < 4096 && !seen[idx]);
		seen[idx] = true;
		memset(ma_slab_arm(slab, idx, 3), 'x', 3);
		order[n++] = idx;
	}
	assert_int_equal(n, slab->nslots);
	assert_sound(ma_slab_check(slab));
	return slab;
}

static void free_all(struct ma_slab *slab)
{
	for (uint32_t i = 0; i < slab->nslots; i++)
		put(slab, ma_slab_slot_ptr(slab, i));
	destroy(slab);
}

static void test_shuffled_slabs_are_not_in_address_order(void **state)
{
	static uint32_t order[4096];
	struct ma_slab *slab;
	size_t nfollow = 0;
	size_t nback = 0;

	(void)state;
	slab_policy.shuffled = true;
	slab = hand_out(64, order);
	for (uint32_t i = 1; i < slab->nslots; i++) {
		nfollow += order[i] == order[i - 1] + 1;
		nback += order[i] < order[i - 1];
	}
	assert_in_range(nfollow, 0, slab->nslots / 16);
	assert_in_range(nback, slab->nslots / 3, 2 * slab->nslots / 3);
	free_all(slab);
}

static void test_the_order_is_that_of_the_seed(void **state)
{
	static uint32_t a[4096];
	static uint32_t b[4096];
	struct ma_slab *slab;

	(void)state;
	slab_policy.shuffled = true;
	ma_random_init(&slab_random, 5);
	slab = hand_out(64, a);
	free_all(slab);
	ma_random_init(&slab_random, 5);
	slab = hand_out(64, b);
	assert_memory_equal(a, b, slab->nslots * sizeof(*a));
	free_all(slab);
	slab = hand_out(64, b);
	assert_memory_not_equal(a, b, slab->nslots * sizeof(*a));
	free_all(slab);
}

/* Of few slots, each comes first in some slab. */
static void test_any_slot_may_come_first(void **state)
{
	static uint32_t order[4096];
	size_t times[64] = {0};
	uint32_t nslots = 0;

	(void)state;
	slab_policy.shuffled = true;
	for (size_t i = 0; i < 800; i++) {
		struct ma_slab *slab = hand_out(4096, order);

		nslots = slab->nslots;
		assert_true(nslots < 64);
		times[order[0]]++;
		free_all(slab);
	}
	for (uint32_t i = 0; i < nslots; i++)
		assert_in_range(times[i], 400 / nslots, 1600 / nslots);
}

/* ---- memory that was used before ------------------------------------------------------------- */

static void check_used_memory(size_t slot, bool shuffled)
{
	struct ma_slab *slab;

	slab_policy.shuffled = shuffled;
	soil((size_t)1 << 20);
	slab = make(slot);
	assert_false(ma_slab_block(slab)->zero);
	while (ma_slab_has_free(slab)) {
		char *ptr = arm(slab, slot - MA_CANARY - 2);

		assert_true(is_filled(ptr, slot - MA_CANARY - 2, 0));
		assert_sound(ma_slab_check(slab));
		memset(ptr, 'x', slot - MA_CANARY - 2);
	}
	free_all(slab);
	assert_sound(rooms_check());
}

static void test_slots_are_zero_on_used_memory(void **state)
{
	(void)state;
	check_used_memory(16, false);
	check_used_memory(48, false);
	check_used_memory(256, false);
	check_used_memory(16, true);
	check_used_memory(48, true);
	check_used_memory(256, true);
}

/* ---- guards ---------------------------------------------------------------------------------- */

static void check_guarded(size_t slot, size_t page)
{
	struct ma_slab *slab = make(slot);
	struct ma_block *block = ma_slab_block(slab);
	const char *end = (const char *)ma_block_ptr(block) + block->size;

	assert_true(slab->flags & MA_SLAB_GUARDED);
	assert_true(block->guarded);
	assert_true(ma_slab_slot_ptr(slab, slab->nslots) <= end - page);
	assert_true(faults(end - page));
	assert_true(faults(end - 1));
	assert_false(faults(end - page - 1));
	while (ma_slab_has_free(slab))
		memset(arm(slab, slot - MA_CANARY), 'x', slot - MA_CANARY);
	assert_sound(rooms_check());
	free_all(slab);
	assert_sound(rooms_check());
	assert_false(faults(end - page));
	assert_false(faults(end - 1));
}

static void test_guarded_slabs_end_in_a_guard(void **state)
{
	(void)state;
	slab_policy.guarded = true;
	check_guarded(16, 4096);
	check_guarded(48, 4096);
	check_guarded(4096, 4096);
	check_guarded(20480, 4096);
}

static void test_guards_on_large_pages(void **state)
{
	const struct ma_instance_config config = rooms_config();

	rooms_end();
	(void)fixture_reset(state);
	os_fake_set_page_size(16384);
	rooms_start(&config);
	slab_policy.guarded = true;
	check_guarded(16, 16384);
	check_guarded(4096, 16384);
}

/* Then there is none, and all else is as usual. */
static void test_a_guard_may_be_refused(void **state)
{
	struct ma_slab *slab;
	struct ma_block *block;

	(void)state;
	slab_policy.guarded = true;
	os_fake_fail_mask(OS_FAKE_GUARD);
	os_fake_fail_from(1);
	slab = make(64);
	block = ma_slab_block(slab);
	assert_false(block->guarded);
	assert_false(faults((const char *)ma_block_ptr(block) + block->size - 1));
	while (ma_slab_has_free(slab))
		(void)arm(slab, 56);
	free_all(slab);
	os_fake_lift();
	assert_int_equal(rooms.inst.pool.counts.free_bytes, rooms.inst.pool.regions.mapped);
}

/* A block whose guard the OS does not lift is not used again; the sums stay right. */
static void test_a_guard_may_stay(void **state)
{
	struct ma_slab *slab;
	struct ma_block *block;

	(void)state;
	slab_policy.guarded = true;
	slab = make(64);
	block = ma_slab_block(slab);
	os_fake_fail_mask(OS_FAKE_GUARD);
	os_fake_fail_from(1);
	destroy(slab);
	os_fake_lift();
	assert_sound(rooms_check());
	slab = make(64);
	assert_ptr_not_equal(ma_slab_block(slab), block);
	destroy(slab);
}

/* ---- blocks that waited ---------------------------------------------------------------------- */

static void restart_waiting(bool sealed)
{
	struct ma_instance_config config = rooms_config();

	config.wait = (size_t)1 << 20;
	config.wait_sealed = sealed;
	rooms_end();
	rooms_start(&config);
}

static struct ma_block *make_and_destroy(size_t slot)
{
	struct ma_slab *slab = make(slot);
	struct ma_block *block = ma_slab_block(slab);
	char *ptr = arm(slab, 5);

	put(slab, memset(ptr, 'x', 5));
	destroy(slab);
	assert_int_equal(block->kind, MA_BLOCK_RETIRED);
	assert_sound(rooms_check());
	return block;
}

static void check_waiting(bool guarded)
{
	struct ma_block *first = make_and_destroy(48);
	struct ma_block *other = make_and_destroy(64);
	struct ma_slab *slab = make(48);
	struct ma_block *block = ma_slab_block(slab);

	assert_ptr_not_equal(first, other);
	assert_ptr_equal(block, first);
	assert_int_equal(block->kind, MA_BLOCK_SLAB);
	assert_int_equal(block->guarded, guarded);
	assert_int_equal(slab->used + slab->nvacant + slab->fresh, 0);
	if (guarded)
		assert_true(faults((const char *)ma_block_ptr(block) + block->size - 1));
	while (ma_slab_has_free(slab)) {
		char *ptr = arm(slab, 40);

		assert_true(is_filled(ptr, 40, 0));
		memset(ptr, 'x', 40);
	}
	assert_sound(rooms_check());
	/* The last that came is not taken. */
	free_all(slab);
	assert_ptr_not_equal(make_and_destroy(48), first);
}

/* Those of the class that they had. */
static void test_blocks_wait_for_slabs_of_their_class(void **state)
{
	(void)state;
	for (unsigned mixture = 0; mixture < 4; mixture++) {
		slab_policy.guarded = mixture & 1;
		restart_waiting(mixture & 2);
		check_waiting(mixture & 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slab_setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_traced_slabs_have_numbers),
		TEST(test_other_slabs_have_none),
		TEST(test_what_is_beside_is_given_back),
		TEST(test_up_to_a_size_slots_are_filled),
		TEST(test_large_slots_can_be_filled),
		TEST(test_shuffled_slabs_are_not_in_address_order),
		TEST(test_the_order_is_that_of_the_seed),
		TEST(test_any_slot_may_come_first),
		TEST(test_slots_are_zero_on_used_memory),
		TEST(test_guarded_slabs_end_in_a_guard),
		TEST(test_guards_on_large_pages),
		TEST(test_a_guard_may_be_refused),
		TEST(test_a_guard_may_stay),
		TEST(test_blocks_wait_for_slabs_of_their_class),
	};

	return cmocka_run_group_tests_name("slab policy", tests, NULL, NULL);
}
