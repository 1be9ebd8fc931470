/* Slots seen from outside, and what is told of damaged ones. */
#include <stdio.h>
#include <stdlib.h>

#include "slab_fixture.h"

/* Slots of a slab that is handed out from its first slot on. */
static struct ma_slab *make_from_first(size_t slot)
{
	struct ma_slab *slab = make(slot);

	slab->start = 0;
	return slab;
}

/* "<kind>: <pointer> <why>" */
static const char *words(const char *kind, const void *ptr, const char *why)
{
	static char text[200];

	(void)snprintf(text, sizeof(text), "memalloc: %s: %p %s", kind, ptr, why);
	return text;
}

static const char *object_words(const void *ptr, size_t requested, size_t slot)
{
	static char text[200];

	(void)snprintf(text, sizeof(text), "object %p, %zu bytes requested, in %zu bytes", ptr,
		       requested, slot);
	return text;
}

#define OVERFLOWN "behind the end of an object was overwritten"
#define FAR "far behind the end of an object was overwritten"
#define IN_FRONT "in front of an object was overwritten"
#define STALE "was written after its object was freed"

/* ---- looking from outside -------------------------------------------------------------------- */

static enum ma_proof verify(const struct ma_slab *slab, uint32_t idx)
{
	struct ma_slot found;

	return ma_slab_verify(slab, idx, &found);
}

/* Each byte of a slot is changed in turn; bytes from @from on are found. */
static void check_every_byte(const struct ma_slab *slab, uint32_t idx, size_t from,
			     enum ma_proof proof)
{
	unsigned char *ptr = (unsigned char *)ma_slab_slot_ptr(slab, idx);

	for (size_t at = 0; at < slab->slot; at++) {
		ptr[at] ^= 0x10;
		assert_int_equal(verify(slab, idx), at >= from ? proof : MA_PROOF_OK);
		ptr[at] ^= 0x10;
	}
	assert_int_equal(verify(slab, idx), MA_PROOF_OK);
}

static void check_verify(size_t slot, size_t size, bool shuffled)
{
	struct ma_slab *slab;
	char *ptr;
	uint32_t idx;

	slab_policy.shuffled = shuffled;
	slab = make(slot);
	ptr = arm(slab, size);
	idx = slot_of(ptr);
	check_every_byte(slab, idx, size, MA_PROOF_OVERRUN);
	retire(slab, ptr);
	check_every_byte(slab, idx, 0, MA_PROOF_WRITTEN);
	ma_slab_put(slab, idx);
	check_every_byte(slab, idx, 0, MA_PROOF_WRITTEN);
	if (slab->zero || shuffled)
		check_every_byte(slab, (idx + 1) % slab->nslots, 0, MA_PROOF_WRITTEN);
	destroy(slab);
}

static void test_every_byte_of_damage_is_found(void **state)
{
	(void)state;
	slab_policy.fill_max = 1024;
	for (unsigned shuffled = 0; shuffled < 2; shuffled++) {
		check_verify(16, 0, shuffled);
		check_verify(16, 8, shuffled);
		check_verify(64, 33, shuffled);
		check_verify(256, 248, shuffled);
		check_verify(1024, 5, shuffled);
	}
}

static void test_the_damaged_slot_is_told(void **state)
{
	struct ma_slab *slab = make(64);
	char *ptr = arm(slab, 21);
	struct ma_slot found;

	(void)state;
	ptr[21] ^= 1;
	assert_int_equal(ma_slab_verify(slab, slot_of(ptr), &found), MA_PROOF_OVERRUN);
	assert_int_equal(found.idx, slot_of(ptr));
	assert_int_equal(ma_slot_size(slab, found), 21);
	assert_int_equal(found.state, ma_slab_load(slab, slot_of(ptr)));
	ptr[21] ^= 1;
}

/* What is free in a slab that is not filled may hold anything but at both ends. */
static void test_freed_slots_that_are_not_filled(void **state)
{
	struct ma_slab *slab = make(1024);
	char *ptr = arm(slab, 100);

	(void)state;
	memset(ptr, 'x', 100);
	put(slab, ptr);
	memset(ptr + 16, 'y', 1024 - 32);
	assert_int_equal(verify(slab, slot_of(ptr)), MA_PROOF_OK);
	ptr[1023] = 'y';
	assert_int_equal(verify(slab, slot_of(ptr)), MA_PROOF_WRITTEN);
	ptr[1023] = 0;
	ptr[0] = 'y';
	assert_int_equal(verify(slab, slot_of(ptr)), MA_PROOF_WRITTEN);
	ptr[0] = 0;
}

/* On used memory, fresh slots are whatever they were; those that were freed are looked at. */
static void test_fresh_slots_on_used_memory(void **state)
{
	struct ma_slab *slab = make_from_first(64);
	char *ptr;

	(void)state;
	slab->zero = false;
	memset(ma_slab_slot_ptr(slab, 1), 'x', 64);
	assert_int_equal(verify(slab, 1), MA_PROOF_OK);
	ptr = arm(slab, 20);
	put(slab, ptr);
	assert_int_equal(verify(slab, 0), MA_PROOF_OK);
	ptr[5] = 'x';
	assert_int_equal(verify(slab, 0), MA_PROOF_WRITTEN);
	ptr[5] = 0;
	assert_int_equal(slot_of(arm(slab, 20)), 0);
	assert_int_equal(slot_of(arm(slab, 20)), 1);
	assert_int_equal(verify(slab, 1), MA_PROOF_OK);
}

/* While its owner zeroes it, and when another thread has freed it. */
static void test_slots_in_between_are_left_alone(void **state)
{
	struct ma_slab *slab = make(64);
	char *ptr = arm(slab, 20);
	uint32_t idx = slot_of(ptr);
	unsigned kept = ma_slab_load(slab, idx);

	(void)state;
	ptr[25] ^= 1;
	assert_int_equal(verify(slab, idx), MA_PROOF_OVERRUN);
	ma_slab_set_phase(slab, idx, MA_SLOT_LEAVING);
	assert_int_equal(verify(slab, idx), MA_PROOF_OK);
	ma_slab_retire(slab, idx, kept);
	ma_slab_set_phase(slab, idx, MA_SLOT_REMOTE);
	assert_int_equal(verify(slab, idx), MA_PROOF_OK);
}

/*
 * S8: an owner that has just put the canary, and is not yet at the state, may be kept waiting there
 * for long. It is no damage, whatever the size; anything beside it is.
 */
static void check_being_armed(size_t slot, bool used)
{
	struct ma_slab *slab = make(slot);

	for (size_t size = 0; size <= slot - MA_CANARY; size++) {
		uint32_t idx = ma_slab_take(slab);
		unsigned char *ptr = (unsigned char *)ma_slab_slot_ptr(slab, idx);
		unsigned next = ma_slot_next_life(ma_slab_load(slab, idx));

		ma_slab_seal(slab, (char *)ptr, size, ma_slab_secret(slab, idx, next));
		assert_int_equal(verify(slab, idx), MA_PROOF_OK);
		for (size_t at = 0; at < slot; at++) {
			ptr[at] ^= 1;
			assert_int_equal(verify(slab, idx), MA_PROOF_WRITTEN);
			ptr[at] ^= 1;
		}
		memset(ptr, 0, slot);
		assert_ptr_equal(ma_slab_arm(slab, idx, size), ptr);
		if (used)
			put(slab, ptr);
	}
	assert_sound(ma_slab_check(slab));
}

/* One that waits may be about to be armed, but not with anything. */
static void test_retired_slots_that_are_being_armed(void **state)
{
	struct ma_slab *slab = make(64);
	char *ptr = arm(slab, 20);
	unsigned next;

	(void)state;
	retire(slab, ptr);
	next = ma_slot_next_life(ma_slab_load(slab, slot_of(ptr)));
	ma_canary_put(ptr + 20, ma_slab_secret(slab, slot_of(ptr), next));
	assert_int_equal(verify(slab, slot_of(ptr)), MA_PROOF_OK);
	ptr[20] ^= 2;
	assert_int_equal(verify(slab, slot_of(ptr)), MA_PROOF_WRITTEN);
	ma_canary_clear(ptr + 20);
}

static void test_slots_that_are_being_armed(void **state)
{
	(void)state;
	check_being_armed(16, false);
	check_being_armed(64, false);
	check_being_armed(64, true);
	check_being_armed(256, true);
}

/* ---- pictures -------------------------------------------------------------------------------- */

static struct ma_violation described(const struct ma_slab *slab, uint32_t idx)
{
	struct ma_violation v = {.kind = MA_DOUBLE_FREE};

	memset(v.around, '?', sizeof(v.around));
	ma_slab_describe(slab, idx, &v);
	return v;
}

static void assert_picture(const struct ma_slab *slab, uint32_t idx, const char *expected)
{
	assert_string_equal(described(slab, idx).around, expected);
}

/* Slot 3 freed, 5 retired, 7 freed by another thread, 9 overrun, 20 written after free. */
static struct ma_slab *motley(void)
{
	struct ma_slab *slab = make_from_first(64);
	char *ptr[30];

	for (size_t i = 0; i < 30; i++)
		ptr[i] = arm(slab, 20);
	put(slab, ptr[3]);
	retire(slab, ptr[5]);
	retire(slab, ptr[7]);
	ma_slab_set_phase(slab, 7, MA_SLOT_REMOTE);
	ptr[9][20] ^= 1;
	put(slab, ptr[20]);
	ptr[20][20] = 1;
	return slab;
}

static void mend(struct ma_slab *slab)
{
	ma_slab_slot_ptr(slab, 9)[20] ^= 1;
	ma_slab_slot_ptr(slab, 20)[20] = 0;
	assert_sound(ma_slab_check(slab));
}

static void test_the_picture(void **state)
{
	struct ma_slab *slab = motley();

	(void)state;
	assert_picture(slab, 0, "[l]ll.lqlql!lll");
	assert_picture(slab, 1, "l[l]l.lqlql!llll");
	assert_picture(slab, 3, "lll[.]lqlql!llllll");
	assert_picture(slab, 9, "lll.lqlql[!]llllllllll!l");
	assert_picture(slab, 12, "lll.lqlql!ll[l]lllllll!llll");
	assert_picture(slab, 20, "l!llllllllll[!]lllllllll...");
	assert_picture(slab, 29, "lll!llllllll[l]............");
	assert_picture(slab, slab->nslots - 1, "............[.]");
	assert_picture(slab, slab->nslots - 3, "............[.]..");
	mend(slab);
}

static void test_the_picture_ends_in_the_guard(void **state)
{
	struct ma_slab *slab;

	(void)state;
	slab_policy.guarded = true;
	slab = motley();
	assert_picture(slab, 1, "l[l]l.lqlql!llll");
	assert_picture(slab, slab->nslots - 14, "............[.]............");
	assert_picture(slab, slab->nslots - 13, "............[.]............#");
	assert_picture(slab, slab->nslots - 1, "............[.]#");
	mend(slab);
}

/* No more slots than the picture has room for. */
static void test_the_picture_of_few_slots(void **state)
{
	struct ma_slab *slab;
	char expected[64] = "";
	char *at = expected;

	(void)state;
	slab_policy.guarded = true;
	slab = make_from_first(20480);
	assert_true(slab->nslots < 12);
	(void)arm(slab, 1);
	at = stpcpy(at, "l[.]");
	for (uint32_t i = 2; i < slab->nslots; i++)
		*at++ = '.';
	*at = '#';
	assert_picture(slab, 1, expected);
}

static void test_what_is_described(void **state)
{
	struct ma_slab *slab;
	struct ma_violation v;

	(void)state;
	slab_policy.traced = true;
	slab = motley();
	atomic_store(&slab->trace[1].allocated, 17);
	atomic_store(&slab->trace[1].freed, 18);
	v = described(slab, 1);
	assert_ptr_equal(v.object, ma_slab_slot_ptr(slab, 1));
	assert_int_equal(v.requested, 20);
	assert_int_equal(v.slot, 64);
	assert_string_equal(v.state, "live");
	assert_int_equal(v.allocated, 17);
	assert_int_equal(v.freed, 18);
	assert_int_equal(v.kind, MA_DOUBLE_FREE);
	v = described(slab, 3);
	assert_int_equal(v.requested, SIZE_MAX);
	assert_string_equal(v.state, "free");
	assert_int_equal(v.allocated, 0);
	assert_string_equal(described(slab, 5).state, "retired");
	assert_string_equal(described(slab, 7).state, "retired");
	assert_int_equal(described(slab, 7).requested, SIZE_MAX);
	mend(slab);
}

/* ---- overflows ------------------------------------------------------------------------------- */

static struct ma_slab *slab;
static struct ma_slot damaged;

/* Two objects; the proof of the one in front has failed. */
static void assert_overrun(const char *expected, const void *ptr)
{
	assert_int_equal(ma_slab_prove(slab, ptr, &damaged), MA_PROOF_OVERRUN);
	assert_reports(expected, ma_slab_overrun(slab, damaged));
	assert_int_equal(ma_slab_verify(slab, slot_of(ptr), &damaged), MA_PROOF_OVERRUN);
	assert_reports(expected, ma_slab_overrun(slab, damaged));
}

static void end_slab(void)
{
	for (uint32_t i = 0; i < slab->fresh; i++)
		if (ma_slot_is_live(ma_slab_load(slab, i)))
			put(slab, ma_slab_slot_ptr(slab, i));
	destroy(slab);
}

static void test_the_overrun_report(void **state)
{
	unsigned char *ptr;

	(void)state;
	slab = make_from_first(32);
	ptr = arm(slab, 20);
	ptr[20] = 0;
	assert_overrun(words("heap overflow", ptr + 20, OVERFLOWN), ptr);
	assert_overrun(object_words(ptr, 20, 32), ptr);
	assert_overrun("one zero byte past the end", ptr);
	memcpy(ptr + 20, "a string", 8);
	assert_overrun(words("heap overflow", ptr + 20, OVERFLOWN), ptr);
	assert_overrun("the bytes are text", ptr);
	end_slab();
}

/* One byte behind the end, whatever the size. */
static void check_overflow(size_t slot, size_t size)
{
	unsigned char *ptr;

	slab = make_from_first(slot);
	ptr = arm(slab, size);
	ptr[size] ^= 0x55;
	assert_overrun(words("heap overflow", ptr + size, OVERFLOWN), ptr);
	end_slab();
}

static void test_overflows_of_every_slack(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 56; size++)
		check_overflow(64, size);
	check_overflow(1024, 1016);
	check_overflow(1024, 100);
}

/* Over the canary without touching it: where the first byte is that was written. */
static void test_overflows_that_jump(void **state)
{
	unsigned char *ptr;

	(void)state;
	slab = make_from_first(64);
	ptr = arm(slab, 10);
	ptr[60] = 'x';
	assert_overrun(words("heap overflow", ptr + 60, FAR), ptr);
	ptr[59] = 'x';
	assert_overrun(words("heap overflow", ptr + 59, FAR), ptr);
	ptr[59] = 0;
	ptr[60] = 0;
	/* Too far from the end of the slot for the proof. */
	ptr[30] = 'x';
	assert_int_equal(ma_slab_prove(slab, ptr, &damaged), MA_PROOF_OK);
	assert_int_equal(ma_slab_verify(slab, 0, &damaged), MA_PROOF_OVERRUN);
	assert_reports(words("heap overflow", ptr + 30, FAR), ma_slab_overrun(slab, damaged));
	assert_reports("expected 0x0, found 0x78", ma_slab_overrun(slab, damaged));
	end_slab();
}

static void test_jumps_in_slots_that_are_not_filled(void **state)
{
	unsigned char *ptr;

	(void)state;
	slab = make_from_first(1024);
	ptr = arm(slab, 10);
	ptr[500] = 'x';
	assert_int_equal(verify(slab, 0), MA_PROOF_OK);
	ptr[1020] = 'x';
	assert_overrun(words("heap overflow", ptr + 1020, FAR), ptr);
	end_slab();
}

/* ---- underflows ------------------------------------------------------------------------------ */

/* The last @n bytes of a live slot are hit; its object has @size bytes. */
static void check_underflow(size_t slot, size_t size, size_t n)
{
	unsigned char *ptr;
	size_t first = ma_max(slot - n, size + MA_CANARY);

	slab = make_from_first(slot);
	ptr = arm(slab, size);
	(void)arm(slab, 8);
	memset(ptr + slot - n, 0x81, n);
	if (first < slot)
		assert_overrun(words("heap underflow", ptr + first, IN_FRONT), ptr);
	else
		assert_overrun(words("heap underflow", ptr + size, IN_FRONT), ptr);
	end_slab();
}

static void test_underflows_into_a_live_slot(void **state)
{
	(void)state;
	/* Into the tail. */
	check_underflow(64, 10, 1);
	check_underflow(64, 10, 8);
	check_underflow(64, 10, 46);
	check_underflow(64, 55, 1);
	check_underflow(1024, 100, 1);
	check_underflow(1024, 1010, 4);
	/* Into the canary, where there is no tail. */
	for (size_t n = 1; n <= 6; n++) {
		check_underflow(64, 56, n);
		check_underflow(16, 8, n);
		check_underflow(1024, 1016, n);
	}
}

/* From the front of the canary on it is an overflow, though it goes on to the end of the slot. */
static void test_overflows_to_the_end_of_the_slot(void **state)
{
	unsigned char *ptr;

	(void)state;
	slab = make_from_first(64);
	ptr = arm(slab, 56);
	memset(ptr + 56, 0x81, 8);
	assert_overrun(words("heap overflow", ptr + 56, OVERFLOWN), ptr);
	ptr = arm(slab, 50);
	memset(ptr + 50, 0x81, 14);
	assert_overrun(words("heap overflow", ptr + 50, OVERFLOWN), ptr);
	end_slab();
}

/* The last bytes of the canary, but the object behind does not begin there. */
static void test_canaries_hit_in_the_middle_of_a_slot(void **state)
{
	unsigned char *ptr;

	(void)state;
	slab = make_from_first(64);
	ptr = arm(slab, 50);
	ptr[57] ^= 0x55;
	assert_overrun(words("heap overflow", ptr + 50, OVERFLOWN), ptr);
	end_slab();
}

/* The last bytes of a free slot cannot have been written through a stale pointer. */
static void check_underflow_into_free(size_t slot, size_t n)
{
	unsigned char *ptr;

	slab = make_from_first(slot);
	ptr = arm(slab, slot - MA_CANARY);
	(void)arm(slab, 8);
	put(slab, ptr);
	memset(ptr + slot - n, 0x81, n);
	assert_int_equal(verify(slab, 0), MA_PROOF_WRITTEN);
	assert_reports(words("heap underflow", ptr + slot - n, IN_FRONT), ma_slab_damaged(slab, 0));
	assert_reports("heap underflow", (void)arm(slab, 1));
	/* The jump out of arm() left the slot taken. */
	memset(ptr, 0, slot);
	ma_slab_put(slab, 0);
	end_slab();
}

static void test_underflows_into_a_free_slot(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 8; n++) {
		check_underflow_into_free(16, n);
		check_underflow_into_free(64, n);
		check_underflow_into_free(256, n);
	}
}

/* ---- writes after free ----------------------------------------------------------------------- */

static void check_stale(size_t slot, size_t at, size_t n)
{
	unsigned char *ptr;
	size_t shown = ma_min(at, slot - 8);
	char text[100];

	slab = make_from_first(slot);
	ptr = arm(slab, slot - MA_CANARY);
	put(slab, ptr);
	memset(ptr + at, 0x81, n);
	assert_reports(words("write after free", ptr + at, STALE), ma_slab_damaged(slab, 0));
	(void)snprintf(text, sizeof(text), "at %p: expected 0x0, found 0x", (void *)(ptr + shown));
	assert_reports(text, ma_slab_damaged(slab, 0));
	(void)snprintf(text, sizeof(text), "object %p, in %zu bytes", (void *)ptr, slot);
	assert_reports(text, ma_slab_damaged(slab, 0));
	memset(ptr, 0, slot);
	end_slab();
}

static void test_writes_through_stale_pointers(void **state)
{
	(void)state;
	for (size_t at = 0; at < 56; at++)
		check_stale(64, at, 1);
	check_stale(64, 0, 56);
	check_stale(16, 0, 8);
	check_stale(16, 7, 1);
	/* All of it, from its first byte on: no underflow. */
	check_stale(64, 0, 64);
}

/* ---- what came from the object in front ------------------------------------------------------ */

/* An overflow of slot 0, over its canary into slot 1, which is free. */
static void overflow_into_free(size_t size, size_t n)
{
	unsigned char *ptr;
	unsigned char *behind;

	slab = make_from_first(64);
	ptr = arm(slab, size);
	behind = arm(slab, 30);
	put(slab, behind);
	memset(ptr + size, 0x81, 64 - size + n);
}

static void check_blame(size_t size)
{
	unsigned char *ptr;

	overflow_into_free(size, 5);
	ptr = (unsigned char *)ma_slab_base(slab);
	assert_reports(words("heap overflow", ptr + size, OVERFLOWN), ma_slab_damaged(slab, 1));
	assert_reports(object_words(ptr, size, 64), ma_slab_damaged(slab, 1));
	assert_reports("heap overflow", (void)arm(slab, 1));
	ma_slab_put(slab, 1);
	memset(ptr + 64, 0, 64);
	end_slab();
}

static void test_the_object_in_front_is_blamed(void **state)
{
	(void)state;
	for (size_t size = 40; size <= 56; size += 4)
		check_blame(size);
}

/* Not when its canary is there, when it is free, or when the damage begins further back. */
static void test_the_object_in_front_is_not_blamed(void **state)
{
	unsigned char *ptr;

	(void)state;
	overflow_into_free(56, 5);
	ptr = (unsigned char *)ma_slab_base(slab);
	ptr[64] = 0;
	assert_reports(words("write after free", ptr + 65, STALE), ma_slab_damaged(slab, 1));
	ptr[64] = 'x';
	put(slab, ptr);
	assert_reports(words("write after free", ptr + 64, STALE), ma_slab_damaged(slab, 1));
	ptr[5] = 'x';
	assert_reports(words("write after free", ptr + 64, STALE), ma_slab_damaged(slab, 1));
	ptr[5] = 0;
	ptr[64] = 0;
	/* What is left is its own. */
	memset(ptr + 64, 0, 64);
	ptr[0] = 'x';
	assert_reports(words("write after free", ptr, STALE), ma_slab_damaged(slab, 0));
	ptr[0] = 0;
	end_slab();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slab_setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_byte_of_damage_is_found),
		TEST(test_the_damaged_slot_is_told),
		TEST(test_freed_slots_that_are_not_filled),
		TEST(test_fresh_slots_on_used_memory),
		TEST(test_slots_in_between_are_left_alone),
		TEST(test_slots_that_are_being_armed),
		TEST(test_retired_slots_that_are_being_armed),
		TEST(test_the_picture),
		TEST(test_the_picture_ends_in_the_guard),
		TEST(test_the_picture_of_few_slots),
		TEST(test_what_is_described),
		TEST(test_the_overrun_report),
		TEST(test_overflows_of_every_slack),
		TEST(test_overflows_that_jump),
		TEST(test_jumps_in_slots_that_are_not_filled),
		TEST(test_underflows_into_a_live_slot),
		TEST(test_overflows_to_the_end_of_the_slot),
		TEST(test_canaries_hit_in_the_middle_of_a_slot),
		TEST(test_underflows_into_a_free_slot),
		TEST(test_writes_through_stale_pointers),
		TEST(test_the_object_in_front_is_blamed),
		TEST(test_the_object_in_front_is_not_blamed),
	};

	return cmocka_run_group_tests_name("slab report", tests, NULL, NULL);
}
