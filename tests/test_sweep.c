#include <stdio.h>
#include <stdlib.h>

#include "heap_fixture.h"
#include "sweep.h"

static void *alloc(struct ma_heap *heap, size_t size)
{
	char *ptr = ma_heap_alloc(heap, size);

	assert_non_null(ptr);
	return memset(ptr, 0xc3, size);
}

static void restart(const struct ma_instance_config *config)
{
	rooms_end();
	rooms_start(config);
}

static void assert_nothing(void)
{
	assert_null(ma_sweep(&rooms.inst, 0).block);
}

/* The damage is that of the slot at @ptr. */
static void assert_slot(const void *ptr, enum ma_proof proof)
{
	struct ma_damage damage = ma_sweep(&rooms.inst, 0);

	assert_ptr_equal(damage.block, block_of(ptr));
	assert_int_equal(damage.proof, proof);
	assert_int_equal(damage.slot.idx, slot_of(ptr));
}

static void assert_large(const void *ptr)
{
	struct ma_damage damage = ma_sweep(&rooms.inst, 0);

	assert_ptr_equal(damage.block, block_of(ptr));
	assert_int_equal(damage.block->kind, MA_BLOCK_LARGE);
	assert_int_equal(damage.proof, MA_PROOF_OVERRUN);
}

/* ---- nothing to find ------------------------------------------------------------------------- */

#define NOBJECTS 400

static size_t size_of(size_t i)
{
	static const size_t sizes[] = {0, 1, 15, 24, 100, 248, 249, 1000, 5000, 30000, 50000};

	return i % 37 == 0 ? 100000 + i : sizes[i % (sizeof(sizes) / sizeof(*sizes))];
}

/* Objects of all sizes come and go, in both heaps, freed by either; it is sound all the while. */
static void check_sound(const struct ma_instance_config *config)
{
	void *ptr[NOBJECTS];

	restart(config);
	assert_nothing();
	for (size_t i = 0; i < NOBJECTS; i++)
		ptr[i] = alloc(i % 2 ? rooms.a : rooms.b, size_of(i));
	assert_nothing();
	for (size_t i = 0; i < NOBJECTS; i += 3)
		ma_heap_free(&rooms.inst, i % 5 ? rooms.a : rooms.b, ptr[i]);
	assert_nothing();
	ma_sweep_report(&rooms.inst, rooms.a);
	for (size_t i = 0; i < NOBJECTS; i += 3)
		ptr[i] = alloc(i % 2 ? rooms.a : rooms.b, size_of(i + 1));
	for (size_t i = 0; i < NOBJECTS; i += 4) {
		ptr[i] = ma_heap_realloc(rooms.a, ptr[i], size_of(i + 2) + 1);
		assert_non_null(ptr[i]);
	}
	assert_nothing();
	for (size_t i = 0; i < NOBJECTS; i++)
		ma_heap_free(&rooms.inst, rooms.a, ptr[i]);
	assert_nothing();
	ma_sweep_report(&rooms.inst, rooms.b);
	ma_heap_compact(&rooms.inst, rooms.a);
	ma_heap_compact(&rooms.inst, rooms.b);
	assert_nothing();
	assert_string_equal(os_fake_written(), "");
}

static void test_nothing_on_a_sound_heap(void **state)
{
	(void)state;
	for (unsigned mixture = 0; mixture < 64; mixture++) {
		struct ma_instance_config config = rooms_config();

		config.slab.fill_max = mixture & 1 ? 32768 : mixture & 2 ? 0 : MA_FILL_MAX;
		config.slab.shuffled = mixture & 4;
		config.slab.guarded = mixture & 8;
		config.guard_large = mixture & 8;
		config.wait = mixture & 16 ? (size_t)256 * 1024 : 0;
		config.wait_sealed = mixture & 8;
		config.quarantine.cap = mixture & 32 ? 40 : 0;
		config.stock.entries = mixture & 48 ? 0 : MA_STOCK;
		config.stock.bytes = 8192;
		config.stock.quiet = mixture & 1 ? 8 : 0;
		config.sample = mixture & 32 ? 20 : 0;
		check_sound(&config);
	}
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void check_overflow(struct ma_heap *heap, size_t size)
{
	char *ptr = alloc(heap, size);

	ptr[size] ^= 1;
	assert_slot(ptr, MA_PROOF_OVERRUN);
	ptr[size] ^= 1;
	assert_nothing();
}

static void test_overflows_in_every_heap(void **state)
{
	static const size_t sizes[] = {0, 8, 20, 248, 300, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		check_overflow(rooms.a, sizes[i]);
		check_overflow(rooms.b, sizes[i]);
	}
}

/* With a bound in time, too, what nobody ever had is seen where it shares a page with what was. */
static void test_writes_into_fresh_slots(void **state)
{
	char *ptr = alloc(rooms.a, 40);
	uintptr_t page = (uintptr_t)ptr & ~(uintptr_t)4095;
	char *base = ma_slab_base(slab_of(ptr));
	char *end = base + slab_of(ptr)->nslots * slab_of(ptr)->slot;

	(void)state;
	for (char *at = base; at < end; at += 16) {
		bool live = at >= ptr && at < ptr + slab_of(ptr)->slot;
		char *slot = at - (size_t)(at - base) % slab_of(ptr)->slot;
		bool same = ((uintptr_t)slot & ~(uintptr_t)4095) == page;

		if (live)
			continue;
		*at ^= 1;
		assert_non_null(ma_sweep(&rooms.inst, 0).block);
		if (same)
			assert_non_null(ma_sweep(&rooms.inst, 1000).block);
		*at ^= 1;
	}
	assert_nothing();
}

/* Slabs that a thread left behind, and those of a heap without thread. */
static void test_overflows_in_what_threads_left(void **state)
{
	char *ptr = alloc(rooms.b, 100);

	(void)state;
	ma_heap_release(rooms.b);
	rooms.b = NULL;
	assert_nothing();
	ptr[100] ^= 1;
	assert_slot(ptr, MA_PROOF_OVERRUN);
	ptr[100] ^= 1;
	assert_nothing();
}

static void test_tail_writes(void **state)
{
	char *ptr = alloc(rooms.b, 10);

	(void)state;
	for (size_t at = 10 + MA_CANARY; at < 32; at++) {
		ptr[at] = 1;
		assert_slot(ptr, MA_PROOF_OVERRUN);
		ptr[at] = 0;
	}
	assert_nothing();
}

static void check_write_after_free(size_t quarantine, bool shuffled)
{
	struct ma_instance_config config = rooms_config();
	char *ptr[3];

	config.quarantine.cap = quarantine;
	config.slab.shuffled = shuffled;
	restart(&config);
	for (size_t i = 0; i < 3; i++)
		ptr[i] = alloc(rooms.b, 40);
	ma_heap_free(&rooms.inst, rooms.b, ptr[1]);
	assert_nothing();
	ptr[1][17] = 'x';
	assert_slot(ptr[1], MA_PROOF_WRITTEN);
	ptr[1][17] = 0;
	assert_nothing();
}

/* Whether the slot waits or is free. */
static void test_writes_after_free(void **state)
{
	(void)state;
	check_write_after_free(0, false);
	check_write_after_free(8, false);
	check_write_after_free(0, true);
	check_write_after_free(8, true);
}

/* Wherever it is on its way. */
static void test_remote_frees(void **state)
{
	char *ptr = alloc(rooms.a, 40);

	(void)state;
	(void)alloc(rooms.a, 40);
	ma_heap_free(&rooms.inst, rooms.b, ptr);
	assert_nothing();
	ptr[4] = 1;
	assert_slot(ptr, MA_PROOF_WRITTEN);
	ptr[4] = 0;
	ma_heap_compact(&rooms.inst, rooms.b);
	ma_heap_compact(&rooms.inst, rooms.a);
	assert_nothing();
	ptr[4] = 1;
	assert_slot(ptr, MA_PROOF_WRITTEN);
	ptr[4] = 0;
}

/* A slab that is being made has no owner yet, and nothing in it can be trusted. */
static void test_slabs_without_owner_are_left_alone(void **state)
{
	char *ptr = alloc(rooms.a, 40);
	_Atomic(uintptr_t) *owner = ma_slab_owner(slab_of(ptr));
	uintptr_t kept = atomic_load(owner);

	(void)state;
	ptr[40] ^= 1;
	atomic_store(owner, 0);
	assert_nothing();
	atomic_store(owner, kept);
	assert_slot(ptr, MA_PROOF_OVERRUN);
	ptr[40] ^= 1;
}

static void test_the_first_in_address_order(void **state)
{
	char *ptr[100];

	(void)state;
	for (size_t i = 0; i < 100; i++)
		ptr[i] = alloc(i % 2 ? rooms.a : rooms.b, 40 + i / 50 * 1000);
	for (size_t i = 0; i < 100; i++) {
		char *first = ptr[i];

		for (size_t k = i; k < 100; k++) {
			size_t size = 40 + k / 50 * 1000;

			first = ptr[k] < first ? ptr[k] : first;
			ptr[k][size] ^= 1;
		}
		assert_slot(first, MA_PROOF_OVERRUN);
		for (size_t k = i; k < 100; k++)
			ptr[k][40 + k / 50 * 1000] ^= 1;
	}
	assert_nothing();
}

/* ---- large objects --------------------------------------------------------------------------- */

static void check_large(size_t size)
{
	char *before = alloc(rooms.a, size);
	char *ptr = alloc(rooms.b, size);
	char *behind = alloc(rooms.a, size);

	for (size_t at = size; at < size + MA_CANARY; at++) {
		ptr[at] ^= 1;
		assert_large(ptr);
		ptr[at] ^= 1;
	}
	assert_nothing();
	ma_heap_free(&rooms.inst, rooms.a, ptr);
	assert_nothing();
	ma_heap_free(&rooms.inst, rooms.a, before);
	ma_heap_free(&rooms.inst, rooms.b, behind);
}

/* In a region, and in a mapping of its own. */
static void test_large_objects(void **state)
{
	struct ma_instance_config config = rooms_config();

	(void)state;
	for (unsigned guarded = 0; guarded < 2; guarded++) {
		config.guard_large = guarded;
		restart(&config);
		check_large(50000);
		check_large(1000000);
		check_large((size_t)40 << 20);
	}
}

/* With guards of their own: what fits between the object and the guard, and in front of it. */
static void test_sampled_objects(void **state)
{
	struct ma_instance_config config = rooms_config();
	char *ptr;

	(void)state;
	config.sample = 1;
	restart(&config);
	ptr = alloc(rooms.a, 21);
	assert_nothing();
	for (size_t at = 21; at < 32; at++) {
		ptr[at] ^= 1;
		assert_large(ptr);
		ptr[at] ^= 1;
	}
	for (int at = 1; at <= (int)MA_CANARY; at++) {
		ptr[-at] ^= 1;
		assert_large(ptr);
		ptr[-at] ^= 1;
	}
	assert_nothing();
}

/* One that is being made or resized is not what it will be. */
static void test_large_objects_in_between(void **state)
{
	char *ptr = alloc(rooms.a, 100000);
	struct ma_large *volatile large = ma_large_of(block_of(ptr));

	(void)state;
	ptr[100000] ^= 1;
	atomic_store(&large->sealed, false);
	assert_nothing();
	atomic_store(&large->sealed, true);
	assert_large(ptr);
	ptr[100000] ^= 1;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Blocks that a sweep looks at first; the damage is in the last of them. */
static char *last_of(size_t n)
{
	char *ptr = NULL;

	for (size_t i = 0; i < n; i++) {
		char *next = alloc(rooms.a, 100000);

		assert_true(ptr < next);
		ptr = next;
	}
	ptr[100000] ^= 1;
	return ptr;
}

/* Each look at the clock takes 10 ms: one at the start, one after each block. */
static void test_the_time_is_bounded(void **state)
{
	char *ptr = last_of(20);
	uint64_t before = 0;

	(void)state;
	for (struct ma_block *b = rooms.inst.pool.blocks; b != block_of(ptr); b = b->next)
		before++;
	assert_true(before >= 19);
	os_fake_set_tick(10);
	assert_null(ma_sweep(&rooms.inst, 1).block);
	assert_null(ma_sweep(&rooms.inst, before * 5).block);
	assert_null(ma_sweep(&rooms.inst, before * 10).block);
	assert_ptr_equal(ma_sweep(&rooms.inst, before * 10 + 1).block, block_of(ptr));
	assert_ptr_equal(ma_sweep(&rooms.inst, 1000).block, block_of(ptr));
	assert_ptr_equal(ma_sweep(&rooms.inst, 0).block, block_of(ptr));
	os_fake_set_tick(0);
	assert_ptr_equal(ma_sweep(&rooms.inst, 1).block, block_of(ptr));
	ptr[100000] ^= 1;
}

/* At least one block, however short the time. */
static void test_it_looks_before_it_stops(void **state)
{
	char *ptr = last_of(1);

	(void)state;
	os_fake_set_tick(1000);
	assert_ptr_equal(ma_sweep(&rooms.inst, 1).block, block_of(ptr));
	os_fake_set_tick(0);
	ptr[100000] ^= 1;
}

/* ---- reports --------------------------------------------------------------------------------- */

/* "<kind>: <pointer>" */
static const char *words(const char *kind, const void *ptr)
{
	static char text[100];

	(void)snprintf(text, sizeof(text), "memalloc: %s: %p ", kind, ptr);
	return text;
}

static void test_overflows_are_reported(void **state)
{
	char *ptr = alloc(rooms.b, 20);

	(void)state;
	ptr[20] ^= 1;
	assert_reports(words("heap overflow", ptr + 20), ma_sweep_report(&rooms.inst, rooms.a));
	assert_reports(words("heap overflow", ptr + 20), ma_sweep_report(&rooms.inst, NULL));
	ptr[20] ^= 1;
	ptr[30] = 1;
	assert_reports("heap overflow", ma_sweep_report(&rooms.inst, rooms.a));
	ptr[31] = 1;
	assert_reports("heap underflow", ma_sweep_report(&rooms.inst, rooms.a));
	ptr[30] = 0;
	ptr[31] = 0;
	ma_sweep_report(&rooms.inst, rooms.a);
}

static void test_writes_after_free_are_reported(void **state)
{
	char *ptr = alloc(rooms.b, 20);

	(void)state;
	(void)alloc(rooms.b, 20);
	ma_heap_free(&rooms.inst, rooms.b, ptr);
	ptr[3] = 1;
	assert_reports(words("write after free", ptr + 3), ma_sweep_report(&rooms.inst, rooms.a));
	ptr[3] = 0;
	ma_sweep_report(&rooms.inst, rooms.a);
}

static void test_large_objects_are_reported(void **state)
{
	char *ptr = alloc(rooms.b, 100000);

	(void)state;
	ptr[100000] ^= 1;
	assert_reports(words("heap overflow", ptr + 100000), ma_sweep_report(&rooms.inst, NULL));
	ptr[100000] ^= 1;
	ma_sweep_report(&rooms.inst, NULL);
}

/* Within its time; and only what the program did, the rooms are not asked. */
static void test_the_sweep_at_exit(void **state)
{
	char *ptr = last_of(20);

	(void)state;
	assert_reports(words("heap overflow", ptr + 100000), ma_sweep_at_exit(&rooms.inst, 5));
	os_fake_set_tick(10);
	ma_sweep_at_exit(&rooms.inst, 5);
	assert_string_equal(os_fake_written(), "");
	os_fake_set_tick(0);
	ptr[100000] ^= 1;
	rooms.a->bin[3].nslabs++;
	ma_sweep_at_exit(&rooms.inst, 5);
	assert_string_equal(os_fake_written(), "");
	rooms.a->bin[3].nslabs--;
}

/* When the program's memory is sound, the rooms are asked. */
static void test_broken_rules_are_reported(void **state)
{
	(void)state;
	(void)alloc(rooms.a, 20);
	rooms.a->bin[ma_class_of(28)].nslabs++;
	assert_reports("bad metadata", ma_sweep_report(&rooms.inst, rooms.a));
	assert_reports("H3 nslabs counts", ma_sweep_report(&rooms.inst, rooms.a));
	ma_sweep_report(&rooms.inst, NULL);
	rooms.a->bin[ma_class_of(28)].nslabs--;
	ma_sweep_report(&rooms.inst, rooms.a);
	assert_string_equal(os_fake_written(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rooms_setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_on_a_sound_heap),
		TEST(test_overflows_in_every_heap),
		TEST(test_writes_into_fresh_slots),
		TEST(test_overflows_in_what_threads_left),
		TEST(test_tail_writes),
		TEST(test_writes_after_free),
		TEST(test_remote_frees),
		TEST(test_slabs_without_owner_are_left_alone),
		TEST(test_the_first_in_address_order),
		TEST(test_large_objects),
		TEST(test_sampled_objects),
		TEST(test_large_objects_in_between),
		TEST(test_the_time_is_bounded),
		TEST(test_it_looks_before_it_stops),
		TEST(test_overflows_are_reported),
		TEST(test_writes_after_free_are_reported),
		TEST(test_large_objects_are_reported),
		TEST(test_the_sweep_at_exit),
		TEST(test_broken_rules_are_reported),
	};

	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
