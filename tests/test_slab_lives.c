/* Lives of a slot: which canary fits, what a resize leaves, who made it, whether it ever was. */
#include <sys/mman.h>

#include "faults.h"
#include "slab_fixture.h"

static uint64_t canary_of(const struct ma_slab *slab, const char *ptr)
{
	return ma_canary_found(ptr + ma_slot_size(slab, proven(slab, ptr)));
}

/* A canary in the place of another one. */
static void assert_forged(const struct ma_slab *slab, char *ptr, size_t size, uint64_t canary)
{
	uint64_t kept = ma_canary_found(ptr + size);
	struct ma_slot found;

	assert_int_not_equal(canary, kept);
	memcpy(ptr + size, &canary, sizeof(canary));
	assert_int_equal(ma_slab_prove(slab, ptr, &found), MA_PROOF_OVERRUN);
	assert_int_equal(ma_slab_verify(slab, slot_of(ptr), &found), MA_PROOF_OVERRUN);
	assert_broken("S5", ma_slab_check(slab));
	memcpy(ptr + size, &kept, sizeof(kept));
	(void)proven(slab, ptr);
}

/* ---- canaries -------------------------------------------------------------------------------- */

static void test_a_canary_of_another_slot_does_not_fit(void **state)
{
	struct ma_slab *slab = make(64);
	char *a = arm(slab, 20);
	char *b = arm(slab, 20);

	(void)state;
	assert_forged(slab, b, 20, canary_of(slab, a));
	assert_forged(slab, a, 20, canary_of(slab, b));
}

static void check_lives(size_t slot)
{
	struct ma_slab *slab = make(slot);
	uint64_t seen[63];

	for (size_t i = 0; i < 63; i++) {
		char *ptr = arm(slab, 5);
		uint64_t canary = canary_of(slab, ptr);

		for (size_t k = 0; k < i; k++)
			assert_forged(slab, ptr, 5, seen[k]);
		seen[i] = canary;
		put(slab, ptr);
	}
	destroy(slab);
}

/* Not in any of the lives that the generation tells apart. */
static void test_a_canary_of_an_earlier_life_does_not_fit(void **state)
{
	(void)state;
	check_lives(64);
	check_lives(1024);
}

static void test_every_slot_counts_its_own_lives(void **state)
{
	struct ma_slab *slab = make(64);
	char *a = arm(slab, 5);
	char *b = arm(slab, 5);
	unsigned life = proven(slab, b).state & MA_SLOT_LIVES;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		unsigned before = proven(slab, a).state & MA_SLOT_LIVES;

		put(slab, a);
		assert_ptr_equal(arm(slab, 5), a);
		assert_int_equal((before + ma_canary.stride) & MA_SLOT_LIVES,
				 proven(slab, a).state & MA_SLOT_LIVES);
	}
	assert_int_equal(proven(slab, b).state & MA_SLOT_LIVES, life);
}

/* Nor one of an earlier slab in the same place. */
static void test_a_canary_of_an_earlier_slab_does_not_fit(void **state)
{
	uint64_t before[20];
	char *base = NULL;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		struct ma_slab *slab = make(64);
		char *ptr;

		slab->start = 0;
		ptr = arm(slab, 5);
		assert_true(base == NULL || ptr == base);
		base = ptr;
		before[i] = canary_of(slab, ptr);
		for (size_t k = 0; k < i; k++)
			assert_forged(slab, ptr, 5, before[k]);
		put(slab, ptr);
		destroy(slab);
	}
}

/* Two slabs at one time do not share a secret. */
static void test_slabs_have_secrets_of_their_own(void **state)
{
	struct ma_slab *a = make(64);
	struct ma_slab *b = make(64);

	(void)state;
	assert_int_not_equal(a->where >> MA_SLAB_ADDR_BITS, b->where >> MA_SLAB_ADDR_BITS);
	assert_int_not_equal(a->where >> MA_SLAB_ADDR_BITS, 0);
	destroy(a);
	destroy(b);
}

/* A freed slot that is filled shows no canary, whose-ever. */
static void test_freed_slots_show_no_canary(void **state)
{
	struct ma_slab *slab = make(64);
	char *ptr = arm(slab, 21);

	(void)state;
	retire(slab, ptr);
	assert_true(is_filled(ptr, 64, 0));
	ma_slab_put(slab, slot_of(ptr));
	assert_true(is_filled(ptr, 64, 0));
}

/* ---- resizing -------------------------------------------------------------------------------- */

static void check_resize(struct ma_slab *slab, size_t old, size_t size)
{
	size_t slot = slab->slot;
	unsigned char *ptr = arm(slab, old);
	struct ma_slot before;
	struct ma_slot after;
	uint64_t canary;
	size_t zero = slab->flags & MA_SLAB_FILLED ? slot : ma_max(old, size) + MA_CANARY;

	ma_slab_set_origin(slab, ptr, 2);
	memset(ptr, 0xee, old);
	before = proven(slab, ptr);
	canary = ma_canary_found(ptr + old);
	ma_slab_resize(slab, before, size);
	after = proven(slab, ptr);
	assert_int_equal(ma_slot_size(slab, after), size);
	assert_int_equal(after.state & ~0xffu, before.state & ~0xffu);
	assert_true(is_filled(ptr, ma_min(old, size), 0xee));
	/* Neither the old canary nor what was beyond the new end. */
	for (size_t at = ma_min(old, size); size != old && at + MA_CANARY <= zero; at++)
		assert_true(at == size || ma_canary_found(ptr + at) != canary);
	if (size > old)
		assert_true(is_filled(ptr + old, ma_min(MA_CANARY, size - old), 0));
	if (zero > size + MA_CANARY)
		assert_true(is_filled(ptr + size + MA_CANARY, zero - size - MA_CANARY, 0));
	assert_sound(ma_slab_check(slab));
	memset(ptr, 0xdd, size);
	put(slab, ptr);
}

static void check_resizes(size_t slot, size_t step)
{
	struct ma_slab *slab = make(slot);

	for (size_t old = 0; old <= slot - MA_CANARY; old += step)
		for (size_t size = 0; size <= slot - MA_CANARY; size += step)
			check_resize(slab, old, size);
	destroy(slab);
}

/* Within a byte of slack and beyond, filled or not. */
static void test_a_resize_leaves_nothing_of_before(void **state)
{
	(void)state;
	check_resizes(16, 1);
	check_resizes(64, 1);
	check_resizes(256, 5);
	check_resizes(288, 5);
	check_resizes(1024, 31);
	slab_policy.fill_max = 0;
	check_resizes(16, 1);
	check_resizes(64, 1);
	slab_policy.fill_max = 32768;
	check_resizes(1024, 31);
}

/* To the same size: the canary stays, too. */
static void test_a_resize_to_the_same_size(void **state)
{
	struct ma_slab *slab = make(64);
	unsigned char *ptr = memset(arm(slab, 30), 'x', 30);
	uint64_t canary = ma_canary_found(ptr + 30);

	(void)state;
	ma_slab_resize(slab, proven(slab, ptr), 30);
	assert_int_equal(ma_canary_found(ptr + 30), canary);
	assert_true(is_filled(ptr, 30, 'x'));
	assert_sound(ma_slab_check(slab));
}

/* ---- what others see meanwhile (S8) ---------------------------------------------------------- */

struct step {
	struct ma_slab *slab;
	uint32_t idx;
	struct ma_slot slot;
};

static void do_arm(void *argument)
{
	const struct step *step = argument;

	(void)ma_slab_arm(step->slab, step->idx, 20);
}

static void do_retire(void *argument)
{
	const struct step *step = argument;

	ma_slab_retire(step->slab, step->idx, ma_slab_load(step->slab, step->idx));
}

static void do_resize(void *argument)
{
	const struct step *step = argument;

	ma_slab_resize(step->slab, step->slot, 30);
}

/* The phase of the slot at the moment when the first byte of it would be written. */
static unsigned phase_while(void (*run)(void *), struct step *step)
{
	char *base = ma_slab_base(step->slab);
	size_t size = ma_slab_block(step->slab)->size;

	assert_int_equal(mprotect(base, size, PROT_READ), 0);
	assert_true(fault_try(run, step));
	assert_int_equal(mprotect(base, size, PROT_READ | PROT_WRITE), 0);
	return ma_slot_phase(ma_slab_load(step->slab, step->idx));
}

/* Live comes last, and leaves first. */
static void test_states_are_true_when_they_can_be_read(void **state)
{
	struct step step = {.slab = make(64)};
	char *ptr;

	(void)state;
	step.idx = ma_slab_take(step.slab);
	assert_int_equal(phase_while(do_arm, &step), MA_SLOT_FREE);
	ptr = ma_slab_arm(step.slab, step.idx, 20);
	step.slot = proven(step.slab, ptr);
	assert_int_equal(phase_while(do_resize, &step), MA_SLOT_LEAVING);
	ma_slab_store(step.slab, step.idx, step.slot.state);
	ma_slab_resize(step.slab, step.slot, 30);
	assert_int_equal(phase_while(do_retire, &step), MA_SLOT_LEAVING);
	do_retire(&step);
	assert_int_equal(ma_slot_phase(ma_slab_load(step.slab, step.idx)), MA_SLOT_RETIRED);
	ma_slab_put(step.slab, step.idx);
	destroy(step.slab);
}

/* ---- origins --------------------------------------------------------------------------------- */

static void test_origins(void **state)
{
	struct ma_slab *slab = make(64);
	char *ptr = arm(slab, 20);
	char *other = arm(slab, 20);
	uint64_t canary = canary_of(slab, ptr);

	(void)state;
	assert_int_equal(ma_slot_origin(proven(slab, ptr).state), 0);
	for (unsigned origin = 0; origin < 3; origin++) {
		ma_slab_set_origin(slab, ptr, origin);
		assert_int_equal(ma_slot_origin(proven(slab, ptr).state), origin);
		assert_int_equal(ma_slot_origin(proven(slab, other).state), 0);
		assert_int_equal(ma_slot_size(slab, proven(slab, ptr)), 20);
		assert_int_equal(canary_of(slab, ptr), canary);
	}
	ma_slab_resize(slab, proven(slab, ptr), 33);
	assert_int_equal(ma_slot_origin(proven(slab, ptr).state), 2);
	put(slab, ptr);
	assert_int_equal(ma_slot_origin(ma_slab_load(slab, slot_of(ptr))), 2);
	/* The next object has its own. */
	assert_ptr_equal(arm(slab, 20), ptr);
	assert_int_equal(ma_slot_origin(proven(slab, ptr).state), 0);
	assert_sound(ma_slab_check(slab));
}

/* ---- never allocated ------------------------------------------------------------------------- */

static void check_was_used(bool shuffled)
{
	struct ma_slab *slab;
	char *ptr, *again;
	uint32_t idx;

	slab_policy.shuffled = shuffled;
	slab = make(64);
	for (uint32_t i = 0; i < slab->nslots; i++)
		assert_false(ma_slot_was_used(ma_slab_load(slab, i)));
	ptr = arm(slab, 5);
	idx = slot_of(ptr);
	for (unsigned origin = 0; origin < 3; origin++) {
		ma_slab_set_origin(slab, ptr, origin);
		assert_true(ma_slot_was_used(ma_slab_load(slab, idx)));
		retire(slab, ptr);
		assert_true(ma_slot_was_used(ma_slab_load(slab, idx)));
		ma_slab_put(slab, idx);
		assert_true(ma_slot_was_used(ma_slab_load(slab, idx)));
		for (uint32_t i = 0; i < slab->nslots; i++)
			assert_int_equal(ma_slot_was_used(ma_slab_load(slab, i)), i == idx);
		do
			again = arm(slab, 5);
		while (shuffled && again != ptr);
		assert_ptr_equal(again, ptr);
		if (shuffled)
			return;
	}
	put(slab, ptr);
	destroy(slab);
}

static void test_never_allocated_is_told_from_freed(void **state)
{
	(void)state;
	check_was_used(false);
	check_was_used(true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slab_setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_canary_of_another_slot_does_not_fit),
		TEST(test_a_canary_of_an_earlier_life_does_not_fit),
		TEST(test_every_slot_counts_its_own_lives),
		TEST(test_a_canary_of_an_earlier_slab_does_not_fit),
		TEST(test_slabs_have_secrets_of_their_own),
		TEST(test_freed_slots_show_no_canary),
		TEST(test_a_resize_leaves_nothing_of_before),
		TEST(test_a_resize_to_the_same_size),
		TEST(test_states_are_true_when_they_can_be_read),
		TEST(test_origins),
		TEST(test_never_allocated_is_told_from_freed),
	};

	return cmocka_run_group_tests_name("slab lives", tests, NULL, NULL);
}
