#include <stdio.h>

#include "slab_fixture.h"

/* ---- making ---------------------------------------------------------------------------------- */

static void check_creation(unsigned c, size_t growth)
{
	struct ma_slab *slab = ma_slab_create(&slab_source, c, growth);
	const struct ma_block *block;

	assert_non_null(slab);
	block = ma_slab_block(slab);
	assert_ptr_equal(block, block_of(ma_slab_base(slab)));
	assert_int_equal(block->kind, MA_BLOCK_SLAB);
	assert_int_equal(slab->slot, ma_class_slot(c));
	assert_int_equal(slab->nslots, block->size / slab->slot);
	assert_int_equal(slab->used + slab->nvacant + slab->fresh, 0);
	assert_true(slab->start < slab->nslots && ma_slab_has_free(slab));
	assert_int_equal(atomic_load(ma_slab_owner(slab)), 0);
	assert_sound(ma_slab_check(slab));
	assert_sound(ma_pool_check(&rooms.inst.pool));
	(void)ma_slab_destroy(slab, &rooms.inst.waitlist);
}

static void create_every_class(void)
{
	unsigned last = ma_class_of(ma_class_limit(rooms.inst.pool.page));

	for (unsigned c = 0; c <= last; c++)
		for (size_t growth = 0; growth < 3; growth++)
			check_creation(c, growth);
}

/* What a slab took, meta memory included, is back after its end. */
static void test_create_and_destroy_every_class(void **state)
{
	size_t in_use;

	(void)state;
	create_every_class();
	in_use = rooms.inst.meta.in_use;
	create_every_class();
	assert_int_equal(rooms.inst.meta.in_use, in_use);
	assert_int_equal(rooms.inst.pool.counts.free_bytes, rooms.inst.pool.regions.mapped);
}

static void test_large_pages(void **state)
{
	static const size_t pages[] = {16384, 65536};
	const struct ma_instance_config config = rooms_config();

	for (size_t i = 0; i < 2; i++) {
		rooms_end();
		(void)fixture_reset(state);
		os_fake_set_page_size(pages[i]);
		rooms_start(&config);
		test_create_and_destroy_every_class(state);
	}
}

static void test_no_memory(void **state)
{
	size_t in_use = rooms.inst.meta.in_use;

	(void)state;
	os_fake_fail_from(1);
	assert_null(ma_slab_create(&slab_source, 0, 0));
	os_fake_lift();
	assert_int_equal(rooms.inst.meta.in_use, in_use);
	destroy(make(16));
}

/* ---- taking and putting ---------------------------------------------------------------------- */

static void test_fresh_slots_come_in_address_order(void **state)
{
	struct ma_slab *slab = make(64);

	(void)state;
	for (uint32_t i = 0; i < slab->nslots; i++) {
		assert_true(ma_slab_has_free(slab));
		assert_int_equal(ma_slab_take(slab), (slab->start + i) % slab->nslots);
	}
	assert_false(ma_slab_has_free(slab));
	assert_int_equal(slab->used, slab->nslots);
	for (uint32_t i = 0; i < slab->nslots; i++)
		ma_slab_put(slab, i);
	destroy(slab);
}

/* Several at once: up to the end of the slab, then from its beginning on. */
static void test_fresh_slots_come_in_runs(void **state)
{
	struct ma_slab *slab = make(64);
	uint32_t next = slab->start;
	uint32_t nruns = 0;

	(void)state;
	for (uint32_t n = 100; ma_slab_has_free(slab); n = 100, nruns++) {
		uint32_t first = ma_slab_take_fresh(slab, &n);

		assert_int_equal(first, next);
		assert_true(n <= 100 && first + n <= slab->nslots);
		next = (first + n) % slab->nslots;
		for (uint32_t i = first; i < first + n; i++)
			assert_true(ma_slab_is_zero(slab, i));
		assert_int_equal(slab->used, slab->fresh);
	}
	assert_int_equal(next, slab->start);
	assert_in_range(nruns, slab->nslots / 100, slab->nslots / 100 + 2);
	for (uint32_t i = 0; i < slab->nslots; i++)
		ma_slab_put(slab, i);
	destroy(slab);
}

static void test_the_start_is_random(void **state)
{
	struct ma_slab *slabs[20];
	size_t nsame = 0;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		slabs[i] = make(64);
		nsame += slabs[i]->start == slabs[0]->start;
	}
	assert_in_range(nsame, 1, 4);
	for (size_t i = 0; i < 20; i++)
		destroy(slabs[i]);
}

static void test_recycled_slots_come_before_fresh_ones(void **state)
{
	struct ma_slab *slab = make(64);
	void *a = arm(slab, 10);
	void *b = arm(slab, 10);
	void *c = arm(slab, 10);

	(void)state;
	put(slab, c);
	put(slab, a);
	assert_ptr_equal(arm(slab, 10), a < c ? a : c);
	assert_ptr_equal(arm(slab, 10), a < c ? c : a);
	assert_ptr_not_equal(arm(slab, 10), b);
	assert_int_equal(slab->used, 4);
	assert_sound(ma_slab_check(slab));
}

static void check_sizes(size_t slot)
{
	struct ma_slab *slab = make(slot);

	for (size_t size = 0; size <= slot - MA_CANARY; size++) {
		unsigned char *ptr = arm(slab, size);
		struct ma_slot found;

		assert_int_equal((uintptr_t)ptr % MA_ALIGN, 0);

		assert_int_equal(ma_slab_prove(slab, ptr, &found), MA_PROOF_OK);
		assert_int_equal(ma_slot_size(slab, found), size);
		assert_int_equal(found.idx, slot_of(ptr));
		memset(ptr, 0xff, size);
		assert_sound(ma_slab_check(slab));
		put(slab, ptr);
	}
	destroy(slab);
}

/* Slack that does not fit into the state byte is kept beside. */
static void test_every_size_of_a_slot(void **state)
{
	(void)state;
	check_sizes(16);
	check_sizes(64);
	check_sizes(240);
	check_sizes(256);
	check_sizes(288);
	check_sizes(1024);
}

static void test_state_letters(void **state)
{
	struct ma_slab *slab = make(64);
	void *ptr = arm(slab, 10);
	uint32_t idx = slot_of(ptr);

	(void)state;
	assert_int_equal(ma_slab_state(slab, idx), 'l');
	retire(slab, ptr);
	assert_int_equal(ma_slab_state(slab, idx), 'r');
	ma_slab_put(slab, idx);
	assert_int_equal(ma_slab_state(slab, idx), 'f');
	assert_ptr_equal(arm(slab, 64 - MA_CANARY), ptr);
	assert_int_equal(ma_slab_state(slab, idx), 'l');
	ma_slab_set_phase(slab, idx, MA_SLOT_REMOTE);
	assert_int_equal(ma_slab_state(slab, idx), 'r');
	memset(ptr, 0, 64);
}

/* ---- proofs ---------------------------------------------------------------------------------- */

static void check_starts(size_t slot)
{
	struct ma_slab *slab = make(slot);
	size_t end = ma_slab_block(slab)->size;
	const char *base = ma_slab_base(slab);
	struct ma_slot found;

	while (ma_slab_has_free(slab))
		(void)arm(slab, 1);
	for (size_t offset = 0; offset < end; offset++) {
		bool start = offset % slot == 0 && offset / slot < slab->nslots;
		enum ma_proof expected = start ? MA_PROOF_OK : MA_PROOF_INTERIOR;

		assert_int_equal(ma_slab_prove(slab, base + offset, &found), expected);
	}
	for (uint32_t i = 0; i < slab->nslots; i++)
		put(slab, ma_slab_slot_ptr(slab, i));
	destroy(slab);
}

/* Each byte of the block, with what is left over behind the last slot. */
static void test_only_starts_are_proven(void **state)
{
	(void)state;
	check_starts(16);
	check_starts(48);
	check_starts(112);
	check_starts(640);
	check_starts(2560);
	check_starts(20480);
}

static void test_slots_that_are_not_live_are_not_proven(void **state)
{
	struct ma_slab *slab = make(32);
	char *ptr = arm(slab, 5);
	uint32_t fresh = (slot_of(ptr) + 1) % slab->nslots;
	struct ma_slot found;

	(void)state;
	assert_int_equal(ma_slab_prove(slab, ma_slab_slot_ptr(slab, fresh), &found), MA_PROOF_FREE);
	retire(slab, ptr);
	assert_int_equal(ma_slab_prove(slab, ptr, &found), MA_PROOF_FREE);
	ma_slab_put(slab, slot_of(ptr));
	assert_int_equal(ma_slab_prove(slab, ptr, &found), MA_PROOF_FREE);
	destroy(slab);
}

static void check_overruns(size_t slot, size_t size)
{
	struct ma_slab *slab = make(slot);
	unsigned char *ptr = arm(slab, size);
	struct ma_slot found;

	for (size_t bit = 0; bit < MA_CANARY * 8; bit++) {
		ptr[size + bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_equal(ma_slab_prove(slab, ptr, &found), MA_PROOF_OVERRUN);
		assert_broken("S5", ma_slab_check(slab));
		ptr[size + bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_equal(ma_slab_prove(slab, ptr, &found), MA_PROOF_OK);
	}
	put(slab, ptr);
	destroy(slab);
}

static void test_overruns_are_seen(void **state)
{
	(void)state;
	check_overruns(16, 0);
	check_overruns(16, 8);
	check_overruns(32, 13);
	check_overruns(1024, 3);
	check_overruns(1024, 1016);
}

/*
 * Behind the canary: all of it by those who look closely, the last eight bytes by every proof, and
 * in slots that are not filled those alone.
 */
static void check_tail(size_t slot, size_t size)
{
	struct ma_slab *slab = make(slot);
	unsigned char *ptr = memset(arm(slab, size), 0xff, size);
	uint32_t idx = slot_of(ptr);
	struct ma_slot found;

	for (size_t at = size + MA_CANARY; at < slot; at++) {
		bool last = at >= slot - 8;
		bool seen = last || (slab->flags & MA_SLAB_FILLED) != 0;
		enum ma_proof seldom = seen ? MA_PROOF_OVERRUN : MA_PROOF_OK;

		for (unsigned value = 1; value < 256; value += value) {
			ptr[at] = (unsigned char)value;
			assert_int_equal(ma_slab_prove(slab, ptr, &found),
					 last ? MA_PROOF_OVERRUN : MA_PROOF_OK);
			assert_int_equal(ma_slab_verify(slab, idx, &found), seldom);
			if (seen)
				assert_broken("S5", ma_slab_check(slab));
			else
				assert_sound(ma_slab_check(slab));
		}
		ptr[at] = 0;
	}
	assert_sound(ma_slab_check(slab));
	put(slab, ptr);
	destroy(slab);
}

static void test_tails_are_seen(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 56; size++)
		check_tail(64, size);
	check_tail(16, 7);
	check_tail(16, 0);
	check_tail(256, 1);
	check_tail(288, 200);
	check_tail(1024, 3);
	check_tail(1024, 1015);
	slab_policy.fill_max = 1024;
	check_tail(1024, 3);
	slab_policy.fill_max = 0;
	for (size_t size = 0; size <= 24; size++)
		check_tail(32, size);
}

/* ---- writes after free ----------------------------------------------------------------------- */

static void check_write_after_free(size_t slot, size_t at)
{
	struct ma_slab *slab = make(slot);
	unsigned char *ptr = arm(slab, slot - MA_CANARY);
	char words[128];

	put(slab, ptr);
	assert_sound(ma_slab_check(slab));
	ptr[at] = 'x';
	assert_broken("S6", ma_slab_check(slab));
	(void)snprintf(words, sizeof(words), "memalloc: write after free: %p was written",
		       (void *)(ptr + at));
	assert_reports(words, (void)arm(slab, 1));
	ptr[at] = 0;
	/* The jump out of arm() left the slot taken. */
	ma_slab_put(slab, slot_of(ptr));
	destroy(slab);
}

/* The slot was free in an earlier slab: to hand it out does not wipe out what was written. */
static void check_write_to_fresh(size_t slot, size_t at)
{
	struct ma_slab *slab = make(slot);
	char *ptr = ma_slab_slot_ptr(slab, slab->start);

	slab->zero = true; /* as that of a block that had waited */
	ptr[at] = 1;
	assert_reports("was ", (void)arm(slab, 1));
	ptr[at] = 0;
	ma_slab_put(slab, slab->start);
	destroy(slab);
}

static void test_writes_to_fresh_slots_are_seen(void **state)
{
	(void)state;
	for (size_t at = 0; at < 64; at++)
		check_write_to_fresh(64, at);
}

static void test_writes_after_free_are_seen(void **state)
{
	(void)state;
	for (size_t slot = 16; slot <= MA_FILL_MAX; slot += slot < 128 ? 16 : 32) {
		if (ma_class_slot(ma_class_of(slot)) != slot)
			continue;
		check_write_after_free(slot, 0);
		check_write_after_free(slot, slot / 2);
		check_write_after_free(slot, slot - 2);
	}
}

/* What is between may hold anything. */
static void test_of_large_slots_both_ends_are_looked_at(void **state)
{
	struct ma_slab *slab = make(288);
	unsigned char *ptr = arm(slab, 100);

	(void)state;
	memset(ptr, 'x', 100);
	put(slab, ptr);
	memset(ptr + 16, 'y', 288 - 32);
	assert_sound(ma_slab_check(slab));
	for (size_t at = 0; at < 288; at += at == 15 ? 288 - 31 : 1) {
		ptr[at] = 'x';
		assert_broken("S6", ma_slab_check(slab));
		ptr[at] = 0;
	}
	assert_ptr_equal(arm(slab, 100), ptr);
	assert_string_equal(os_fake_written(), "");
	put(slab, ptr);
	ptr[287] = 'x';
	assert_reports("heap underflow", (void)arm(slab, 100));
}

/* On a block that others have written to. */
static void test_fresh_slots_are_zero_on_used_memory(void **state)
{
	struct ma_slab *slab = make(2048);
	void *before = ma_slab_base(slab);

	(void)state;
	while (ma_slab_has_free(slab))
		memset(arm(slab, 2040), 0xaa, 2040);
	for (uint32_t i = 0; i < slab->nslots; i++)
		put(slab, ma_slab_slot_ptr(slab, i));
	destroy(slab);
	slab = make(64);
	assert_ptr_equal(ma_slab_base(slab), before);
	while (ma_slab_has_free(slab))
		assert_true(is_filled(arm(slab, 50), 50, 0));
	assert_sound(ma_slab_check(slab));
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* A slab with live, retired, recycled and fresh slots. */
static struct ma_slab *mixed(size_t slot)
{
	struct ma_slab *slab = make(slot);
	void *ptr[10];

	for (size_t i = 0; i < 10; i++)
		ptr[i] = arm(slab, i);
	for (size_t i = 0; i < 3; i++)
		put(slab, ptr[i]);
	retire(slab, ptr[3]);
	ma_slab_retire(slab, slot_of(ptr[4]), ma_slab_load(slab, slot_of(ptr[4])));
	ma_slab_set_phase(slab, slot_of(ptr[4]), MA_SLOT_REMOTE);
	assert_sound(ma_slab_check(slab));
	return slab;
}

/* Change one thing, ask, and change it back. */
#define corrupt(rule, field, value)                       \
	do {                                              \
		__typeof__(field) kept_ = (field);        \
		(field) = (value);                        \
		assert_broken(rule, ma_slab_check(slab)); \
		(field) = kept_;                          \
		assert_sound(ma_slab_check(slab));        \
	} while (0)

static uint32_t first_in_state(const struct ma_slab *slab, char letter)
{
	for (uint32_t i = 0; i < slab->nslots; i++)
		if (ma_slab_state(slab, i) == letter)
			return i;
	fail_msg("no slot in state %c", letter);
	return 0;
}

static void test_s1(void **state)
{
	struct ma_slab *slab = mixed(48);
	struct ma_block *block = ma_slab_block(slab);

	(void)state;
	corrupt("S1", block->kind, MA_BLOCK_LARGE);
	corrupt("S1", slab->granule, slab->granule + 1);
	corrupt("S1", slab->nslots, slab->nslots + 1);
	corrupt("S1", slab->slot, 56);
	corrupt("S1", slab->slot, 64);
}

static void test_s2(void **state)
{
	struct ma_slab *slab = mixed(48);
	uint32_t fresh = (slab->start + slab->fresh) % slab->nslots;

	(void)state;
	corrupt("S2", slab->used, slab->used + 1);
	corrupt("S2", slab->used, slab->used - 1);
	corrupt("S2", slab->nvacant, slab->nvacant - 1);
	corrupt("S2", slab->nvacant, slab->fresh + 1);
	corrupt("S2", slab->fresh, slab->nslots + 1);
	corrupt("S2", slab->start, slab->nslots);
	corrupt("S2", slab->fresh, slab->fresh - 1);
	corrupt("S2", slab->states[fresh], 1);
}

/* The counts agree, but a slot that was never handed out is in use. */
static void test_s2_exchanged(void **state)
{
	struct ma_slab *slab = mixed(48);
	uint32_t fresh = (slab->start + slab->fresh) % slab->nslots;
	uint32_t live = first_in_state(slab, 'l');
	unsigned kept = ma_slab_load(slab, live);
	size_t size = 48 - MA_CANARY - ma_slab_slack(slab, live, kept);

	(void)state;
	memset(ma_slab_slot_ptr(slab, live), 0, 48);
	ma_slab_store(slab, fresh, kept);
	ma_canary_put(ma_slab_slot_ptr(slab, fresh) + size, ma_slab_secret(slab, fresh, kept));
	ma_slab_set_phase(slab, live, MA_SLOT_FREE);
	assert_broken("S2", ma_slab_check(slab));
}

static uint32_t first_vacant(const struct ma_slab *slab)
{
	uint32_t w = 0;

	while (slab->vacant[w] == 0)
		w++;
	return w * 64 + (uint32_t)__builtin_ctzll(slab->vacant[w]);
}

static uint64_t bit(uint32_t idx)
{
	return (uint64_t)1 << (idx % 64);
}

static void test_s3(void **state)
{
	struct ma_slab *slab = mixed(48);
	uint32_t fresh = (slab->start + slab->fresh) % slab->nslots;
	uint32_t live = first_in_state(slab, 'l');
	uint32_t retired = first_in_state(slab, 'r');
	uint64_t *first;

	(void)state;
	slab->hint = 0;
	while (slab->vacant[slab->hint] == 0)
		slab->hint++;
	first = &slab->vacant[slab->hint];

	corrupt("S3", slab->vacant[live / 64], slab->vacant[live / 64] | bit(live));
	corrupt("S3", slab->vacant[retired / 64], slab->vacant[retired / 64] | bit(retired));
	corrupt("S3", slab->vacant[fresh / 64], slab->vacant[fresh / 64] | bit(fresh));
	corrupt("S3", slab->vacant[slab->nslots / 64],
		slab->vacant[slab->nslots / 64] | bit(slab->nslots));
	corrupt("S3", *first, *first & (*first - 1));
	corrupt("S3", slab->hint, slab->hint + 1);
}

static void test_s4(void **state)
{
	struct ma_slab *slab = mixed(48);
	uint32_t live = first_in_state(slab, 'l');

	(void)state;
	corrupt("S4", slab->states[live], MA_SLOT_LOST + 1);
	corrupt("S4", slab->states[live], UINT8_MAX);
	corrupt("S4", slab->states[live], 48 - MA_CANARY + 2);
	slab = mixed(1024);
	live = first_in_state(slab, 'l');
	corrupt("S4", slab->wide[live], 1024 - MA_CANARY + 1);
	corrupt("S4", slab->wide[live], UINT32_MAX);
}

static void test_s5(void **state)
{
	struct ma_slab *slab = mixed(48);
	uint32_t live = first_in_state(slab, 'l');
	uint32_t slack = slab->states[live];

	(void)state;
	corrupt("S5", slab->states[live], (uint8_t)(slack - 1));
	corrupt("S5", ma_canary.key, 1);
	slab = mixed(1024);
	live = first_in_state(slab, 'l');
	corrupt("S5", slab->wide[live], slab->wide[live] - 1);
}

static void test_s6(void **state)
{
	struct ma_slab *slab = mixed(48);
	char *freed = ma_slab_slot_ptr(slab, first_vacant(slab));

	(void)state;
	corrupt("S6", freed[0], 1);
	corrupt("S6", freed[20], -1);
	corrupt("S6", freed[47], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slab_setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create_and_destroy_every_class),
		TEST(test_large_pages),
		TEST(test_no_memory),
		TEST(test_fresh_slots_come_in_address_order),
		TEST(test_fresh_slots_come_in_runs),
		TEST(test_the_start_is_random),
		TEST(test_recycled_slots_come_before_fresh_ones),
		TEST(test_every_size_of_a_slot),
		TEST(test_state_letters),
		TEST(test_only_starts_are_proven),
		TEST(test_slots_that_are_not_live_are_not_proven),
		TEST(test_overruns_are_seen),
		TEST(test_tails_are_seen),
		TEST(test_writes_after_free_are_seen),
		TEST(test_writes_to_fresh_slots_are_seen),
		TEST(test_of_large_slots_both_ends_are_looked_at),
		TEST(test_fresh_slots_are_zero_on_used_memory),
		TEST(test_s1),
		TEST(test_s2),
		TEST(test_s2_exchanged),
		TEST(test_s3),
		TEST(test_s4),
		TEST(test_s5),
		TEST(test_s6),
	};

	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
