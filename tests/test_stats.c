#include <stdio.h>

#include "decay.h"
#include "heap_fixture.h"
#include "stats.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define PAGE ((size_t)4096)

static void *alloc(struct ma_heap *heap, size_t size)
{
	char *ptr = ma_heap_alloc(heap, size);

	assert_non_null(ptr);
	return memset(ptr, 0xc3, size);
}

static void drop(struct ma_heap *heap, void *ptr)
{
	ma_heap_free(&rooms.inst, heap, ptr);
}

static void restart(const struct ma_instance_config *config)
{
	rooms_end();
	rooms_start(config);
}

/* What is counted, and T1. */
static struct ma_stats count(void)
{
	struct ma_stats s;

	assert_true(ma_stats_count(&rooms.inst, &s, 0));
	assert_int_equal(s.live + s.slack + s.used + s.fresh + s.quarantine + s.tails + s.guards +
				 s.waiting + s.aside + s.free,
			 s.mapped);
	assert_int_equal(s.mapped, s.pool.mapped);
	assert_in_range(s.stale, 0, s.free);
	assert_in_range(s.metadata_resident, 0, s.metadata);
	return s;
}

/* Of what is mapped for objects, the pages that are said to be resident beside free memory. */
static size_t touched(const struct ma_stats *s)
{
	return s->resident - s->stale - s->metadata_resident;
}

/* Pages from @from to @to. */
static size_t pages_of(const void *from, const void *to)
{
	return ma_align_up((uintptr_t)to, PAGE) - ma_align_down((uintptr_t)from, PAGE);
}

/* ---- every number ---------------------------------------------------------------------------- */

static void test_nothing(void **state)
{
	struct ma_stats s = count();

	(void)state;
	assert_int_equal(s.mapped + s.objects + s.nslabs + s.free_slots + s.aside, 0);
	assert_int_equal(s.nheaps, 2);
	assert_int_equal(s.metadata_used, rooms.inst.meta.in_use);
	assert_int_equal(s.metadata, rooms.inst.meta.mapped + ma_pagemap_size(&rooms.map));
	assert_int_equal(s.resident, s.metadata_resident);
}

/* 100 bytes and a canary take a slot of 112, of which 146 make a slab, with 32 bytes behind. */
static void test_a_slot(void **state)
{
	char *ptr = alloc(rooms.a, 100);
	struct ma_stats s = count();

	(void)state;
	assert_int_equal(s.mapped, MIB);
	assert_int_equal(s.live, 100);
	assert_int_equal(s.slack, 12);
	assert_int_equal(s.fresh, 145 * 112);
	assert_int_equal(s.tails, 32);
	assert_int_equal(s.free, MIB - 16 * KIB);
	assert_int_equal(s.used + s.quarantine + s.guards + s.waiting + s.aside + s.stale, 0);
	assert_int_equal(s.slabs, 16 * KIB);
	assert_int_equal(s.large + s.direct, 0);
	assert_int_equal(s.objects, 1);
	assert_int_equal(s.nslabs, 1);
	assert_int_equal(s.free_slots, 145);
	assert_int_equal(s.pool.nblocks, 2);
	assert_int_equal(s.pool.nregions, 1);
	assert_int_equal(touched(&s), pages_of(ptr, ptr + 112));
	drop(rooms.a, ptr);
	s = count();
	assert_int_equal(s.live + s.slack + s.objects, 0);
	assert_int_equal(s.used, 112);
	assert_int_equal(s.fresh, 145 * 112);
	assert_int_equal(s.free_slots, 146);
	assert_int_equal(touched(&s), pages_of(ptr, ptr + 112));
}

static void test_retired_slots(void **state)
{
	struct ma_instance_config config = rooms_config();
	void *mine, *others;

	(void)state;
	config.quarantine.cap = 4;
	restart(&config);
	mine = alloc(rooms.a, 100);
	others = alloc(rooms.a, 100);
	drop(rooms.a, mine);
	assert_int_equal(count().quarantine, 112);
	drop(rooms.b, others);
	assert_int_equal(count().quarantine, 224);
	assert_int_equal(count().retired_slots, 2);
	assert_int_equal(count().objects + count().used, 0);
}

/* A block of its own: guards, 25 pages for 100,000 bytes and the canary. It waits when freed. */
static void test_a_large_object(void **state)
{
	struct ma_instance_config config = rooms_config();
	struct ma_stats s;
	void *ptr;

	(void)state;
	config.guard_large = true;
	config.wait = MIB;
	restart(&config);
	ptr = alloc(rooms.a, 100000);
	s = count();
	assert_int_equal(s.large, 27 * PAGE);
	assert_int_equal(s.nlarge, 1);
	assert_int_equal(s.live, 100000);
	assert_int_equal(s.slack, 25 * PAGE - 100000);
	assert_int_equal(s.guards, 2 * PAGE);
	assert_int_equal(s.guarded, 2);
	assert_int_equal(touched(&s), 25 * PAGE);
	drop(rooms.a, ptr);
	s = count();
	assert_int_equal(s.large + s.live + s.slack + s.guards, 0);
	assert_int_equal(s.waiting, 27 * PAGE);
	assert_int_equal(touched(&s), 25 * PAGE);
	ma_heap_compact(&rooms.inst, rooms.a);
	s = count();
	assert_int_equal(s.waiting, 0);
	assert_int_equal(s.free, MIB);
	assert_int_equal(s.stale, 25 * PAGE);
	(void)ma_decay_all(&rooms.inst.pool, MIB);
	assert_int_equal(count().stale, 0);
	assert_int_equal(count().free, MIB);
}

/* What waits out of reach is not resident. */
static void test_a_sealed_block(void **state)
{
	struct ma_instance_config config = rooms_config();
	struct ma_stats s;

	(void)state;
	config.guard_large = true;
	config.wait = 4 * MIB;
	config.wait_sealed = true;
	restart(&config);
	drop(rooms.a, alloc(rooms.a, MIB));
	s = count();
	assert_int_equal(s.waiting, MIB + 3 * PAGE);
	assert_int_equal(touched(&s), 0);
	ma_heap_compact(&rooms.inst, rooms.a);
	assert_int_equal(count().stale, 0);
}

static void test_a_direct_mapping(void **state)
{
	void *ptr = alloc(rooms.a, 40 * MIB);
	struct ma_stats s = count();

	(void)state;
	assert_int_equal(s.direct, 40 * MIB + PAGE);
	assert_int_equal(s.ndirect, 1);
	assert_int_equal(s.large, s.direct);
	assert_int_equal(s.mapped, s.direct);
	assert_int_equal(s.live, 40 * MIB);
	assert_int_equal(s.slack, PAGE);
	assert_int_equal(touched(&s), s.direct);
	drop(rooms.a, ptr);
	assert_int_equal(count().direct + count().mapped, 0);
}

static void test_guards_behind_slabs(void **state)
{
	struct ma_instance_config config = rooms_config();
	struct ma_stats s;
	void *ptr;

	(void)state;
	config.slab.guarded = true;
	restart(&config);
	ptr = alloc(rooms.a, 100);
	s = count();
	assert_int_equal(s.guards, PAGE);
	assert_int_equal(s.slabs, 16 * KIB + PAGE);
	drop(rooms.a, ptr);
	ma_heap_compact(&rooms.inst, rooms.a);
	s = count();
	assert_int_equal(s.guards + s.slabs, 0);
	assert_int_equal(s.stale, 16 * KIB);
}

/* As another thread leaves them for a moment: neither is anything yet. */
static void test_blocks_at_work(void **state)
{
	struct ma_block *large = block_of(alloc(rooms.a, 100000));
	struct ma_block *slab = block_of(alloc(rooms.a, 100));
	uintptr_t owner = atomic_load(&slab->owner);
	struct ma_stats s;

	(void)state;
	atomic_store(&ma_large_of(large)->sealed, false);
	atomic_store(&slab->owner, 0);
	s = count();
	assert_int_equal(s.aside, 25 * PAGE + 16 * KIB);
	assert_int_equal(s.objects + s.live + s.slack + s.fresh + s.nslabs, 0);
	assert_int_equal(s.large, 25 * PAGE);
	atomic_store(&ma_large_of(large)->sealed, true);
	atomic_store(&slab->owner, owner);
	assert_int_equal(count().aside, 0);
}

/* Free memory that was never touched is not resident because some beside it was. */
static void test_merged_with_what_was_never_touched(void **state)
{
	void *first = alloc(rooms.a, 100000);
	void *second = alloc(rooms.a, 200000);

	(void)state;
	drop(rooms.a, second);
	assert_int_equal(count().pool.dirty, MIB - 25 * PAGE);
	assert_int_equal(count().stale, 49 * PAGE);
	drop(rooms.a, first);
	assert_int_equal(count().pool.dirty, MIB);
	assert_int_equal(count().stale, 74 * PAGE);
	first = alloc(rooms.a, 50000);
	assert_int_equal(count().stale, 61 * PAGE);
	drop(rooms.a, first);
	assert_int_equal(count().stale, 74 * PAGE);
}

/* ---- against the OS -------------------------------------------------------------------------- */

#define NOBJECTS 3000

/* Also slots of one page and more, and objects of their own. */
static size_t size_of(size_t i)
{
	static const size_t sizes[] = {8, 8, 24, 100, 100, 248, 1000, 5000, 30000};

	return i % 97 == 0 ? 100000 + i : sizes[i % (sizeof(sizes) / sizeof(*sizes))];
}

/* The OS is asked first: it is not to see what looking does. */
static void assert_close(const char *when, unsigned percent)
{
	size_t asked = ma_stats_ask(&rooms.inst, 0);
	struct ma_stats s = count();
	size_t off = s.resident > asked ? s.resident - asked : asked - s.resident;

	if (off * 100 > asked * percent)
		fail_msg("%s: estimate %zu, by the OS %zu", when, s.resident, asked);
}

static void check_against_os(const struct ma_instance_config *config, unsigned percent)
{
	static void *ptr[NOBJECTS];

	restart(config);
	for (size_t i = 0; i < NOBJECTS; i++)
		ptr[i] = alloc(i % 2 ? rooms.a : rooms.b, size_of(i));
	assert_close("all live", percent);
	for (size_t i = 0; i < NOBJECTS; i += 2)
		drop(i % 5 ? rooms.a : rooms.b, ptr[i]);
	assert_close("half freed", percent);
	for (size_t i = 0; i < NOBJECTS; i += 4)
		ptr[i] = alloc(i % 2 ? rooms.a : rooms.b, size_of(i));
	assert_close("some again", percent);
	ma_heap_compact(&rooms.inst, rooms.a);
	ma_heap_compact(&rooms.inst, rooms.b);
	(void)ma_decay_all(&rooms.inst.pool, 0);
	assert_close("trimmed", percent);
	for (size_t i = 0; i < NOBJECTS; i++)
		if (i % 2 != 0 || i % 4 == 0)
			drop(rooms.a, ptr[i]);
	assert_close("all freed", percent);
}

static void test_resident_is_what_the_os_says(void **state)
{
	(void)state;
	for (unsigned mixture = 0; mixture < 32; mixture++) {
		struct ma_instance_config config = rooms_config();

		config.slab.shuffled = mixture & 1;
		config.slab.guarded = mixture & 2;
		config.guard_large = mixture & 2;
		config.wait = mixture & 4 ? (size_t)256 * 1024 : 0;
		config.wait_sealed = mixture & 8;
		config.quarantine.cap = mixture & 16 ? 40 : 0;
		config.pool.fit = mixture & 16 ? MA_FIT_BEST : MA_FIT_FIRST;
		check_against_os(&config, 3);
	}
}

static void test_os_that_cannot_tell(void **state)
{
	(void)state;
	(void)alloc(rooms.a, 100);
	os_fake_refuse_resident(true);
	assert_int_equal(ma_stats_ask(&rooms.inst, 0), SIZE_MAX);
}

/* At exit nobody may be there to give a lock back: one is waited for, but not for good. */
static void test_locks_that_are_held(void **state)
{
	struct ma_lock *const lock[] = {&rooms.inst.registry, &rooms.inst.waitlist.lock,
					&rooms.inst.pool.lock, &rooms.inst.meta.lock};
	struct ma_stats s;

	(void)state;
	(void)alloc(rooms.a, 100);
	for (size_t i = 0; i < sizeof(lock) / sizeof(*lock); i++) {
		ma_lock(lock[i]);
		assert_false(ma_stats_count(&rooms.inst, &s, 1));
		assert_int_equal(s.mapped, 0);
		assert_int_equal(ma_stats_ask(&rooms.inst, 1), SIZE_MAX);
		ma_unlock(lock[i]);
		assert_true(ma_stats_count(&rooms.inst, &s, 1));
		assert_int_equal(s.mapped, MIB);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rooms_setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),
		TEST(test_a_slot),
		TEST(test_retired_slots),
		TEST(test_a_large_object),
		TEST(test_a_sealed_block),
		TEST(test_a_direct_mapping),
		TEST(test_guards_behind_slabs),
		TEST(test_blocks_at_work),
		TEST(test_merged_with_what_was_never_touched),
		TEST(test_resident_is_what_the_os_says),
		TEST(test_os_that_cannot_tell),
		TEST(test_locks_that_are_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
