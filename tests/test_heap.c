#include <stdio.h>

#include "bins.h"
#include "decay.h"
#include "heap_fixture.h"
#include "remote.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

static void *alloc(struct ma_heap *heap, size_t size)
{
	void *ptr = ma_heap_alloc(heap, size);

	assert_non_null(ptr);
	assert_int_equal((uintptr_t)ptr % MA_ALIGN, 0);
	assert_int_equal(ma_heap_usable_size(&rooms.inst, ptr), size);
	return memset(ptr, 0x5a, size);
}

static void release(struct ma_heap *heap, void *ptr)
{
	ma_heap_free(&rooms.inst, heap, ptr);
}

static void restart(size_t quarantine, size_t limit)
{
	struct ma_instance_config config = rooms_config();

	config.quarantine.cap = quarantine;
	config.pool.limit = limit;
	rooms_end();
	(void)fixture_reset(NULL);
	rooms_start(&config);
}

/* ---- objects --------------------------------------------------------------------------------- */

static const size_t sizes[] = {0,    1,    8,     16,    100,   248,     249,
			       4000, 9000, 32760, 32761, 50000, 1 * MIB, 40 * MIB};

#define NSIZES (sizeof(sizes) / sizeof(*sizes))

static void test_small_and_large(void **state)
{
	void *ptr[NSIZES];

	(void)state;
	for (size_t i = 0; i < NSIZES; i++) {
		ptr[i] = alloc(rooms.a, sizes[i]);
		assert_int_equal(block_of(ptr[i])->kind,
				 sizes[i] <= 32760 ? MA_BLOCK_SLAB : MA_BLOCK_LARGE);
	}
	assert_sound(rooms_check());
	for (size_t i = 0; i < NSIZES; i++) {
		assert_true(is_filled(ptr[i], sizes[i], 0x5a));
		release(rooms.a, ptr[i]);
	}
	assert_sound(rooms_check());
}

static void check_request(size_t size, size_t align)
{
	const struct ma_request req = {size, align, true};
	void *first = alloc(rooms.a, size + align);
	void *ptr;

	release(rooms.a, first);
	ptr = ma_heap_alloc_request(rooms.a, &req);
	assert_non_null(ptr);
	assert_int_equal((uintptr_t)ptr % (align > MA_ALIGN ? align : MA_ALIGN), 0);
	assert_int_equal(ma_heap_usable_size(&rooms.inst, ptr), size);
	assert_true(is_filled(ptr, size, 0));
	release(rooms.a, ptr);
}

static void test_alignment_and_zero(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSIZES; i++)
		for (size_t align = 1; align <= 64 * MIB; align *= 4)
			check_request(sizes[i], align);
	check_request(100, 0);
	assert_sound(rooms_check());
}

static void check_realloc(struct ma_heap *heap, size_t from, size_t to)
{
	unsigned char *ptr = alloc(rooms.a, from);

	ptr = ma_heap_realloc(heap, ptr, to);
	assert_non_null(ptr);
	assert_int_equal(ma_heap_usable_size(&rooms.inst, ptr), to);
	assert_true(is_filled(ptr, from < to ? from : to, 0x5a));
	release(heap, ptr);
}

static void test_resizing(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSIZES; i++)
		for (size_t k = 0; k < NSIZES; k++)
			check_realloc(rooms.a, sizes[i], sizes[k]);
	for (size_t i = 0; i < NSIZES; i++)
		for (size_t k = 0; k < NSIZES; k++)
			check_realloc(rooms.b, sizes[i], sizes[k]);
	assert_sound(rooms_check());
}

/* In place that would pass by the owner, who may be checking the heap. */
static void test_a_foreign_slot_is_not_resized_in_place(void **state)
{
	void *ptr = alloc(rooms.a, 100);
	void *moved;

	(void)state;
	assert_ptr_equal(ma_heap_realloc(rooms.a, ptr, 101), ptr);
	moved = ma_heap_realloc(rooms.b, ptr, 102);
	assert_non_null(moved);
	assert_ptr_not_equal(moved, ptr);
	assert_int_equal(atomic_load(&block_of(moved)->owner), (uintptr_t)rooms.b);
	assert_true(is_filled(moved, 100, 0x5a));
	release(rooms.b, moved);
}

/* Whoever saw a canary could work out the others. */
static void test_a_grown_object_does_not_show_its_old_canary(void **state)
{
	static const size_t some[] = {0, 16, 1000, 40 * KIB, 40 * MIB};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++) {
		size_t size = some[i];
		unsigned char *ptr = ma_heap_realloc(rooms.a, alloc(rooms.a, size), size + 8);

		assert_non_null(ptr);
		assert_true(is_filled(ptr, size, 0x5a));
		assert_true(is_filled(ptr + size, 8, 0));
		release(rooms.a, ptr);
	}
}

static void test_realloc_refused_keeps_the_object(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSIZES; i++) {
		void *ptr = alloc(rooms.a, sizes[i]);

		os_fake_fail_from(1);
		assert_null(ma_heap_realloc(rooms.a, ptr, 200 * MIB));
		assert_null(ma_heap_realloc(rooms.a, ptr, PTRDIFF_MAX));
		assert_null(ma_heap_realloc(rooms.a, ptr, SIZE_MAX));
		os_fake_lift();
		assert_int_equal(ma_heap_usable_size(&rooms.inst, ptr), sizes[i]);
		assert_true(is_filled(ptr, sizes[i], 0x5a));
		assert_sound(rooms_check());
		release(rooms.a, ptr);
	}
}

/* With a seed given, every address follows from it. */
static void test_choices_follow_from_the_seed(void **state)
{
	uintptr_t first[200];

	(void)state;
	for (size_t i = 0; i < 200; i++)
		first[i] = (uintptr_t)alloc(rooms.a, i * 5) - (uintptr_t)rooms.inst.pool.blocks;
	restart(0, 0);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal((uintptr_t)alloc(rooms.a, i * 5) -
					 (uintptr_t)rooms.inst.pool.blocks,
				 first[i]);
}

/* ---- slabs ----------------------------------------------------------------------------------- */

static size_t nslabs(const struct ma_heap *heap)
{
	size_t n = 0;

	for (unsigned i = 0; i < MA_NCLASSES; i++)
		n += heap->bin[i].nslabs;
	return n;
}

static void test_an_empty_slab_goes_back(void **state)
{
	void *ptr[2000];

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		ptr[i] = alloc(rooms.a, 56);
	assert_true(nslabs(rooms.a) >= 3);
	assert_sound(rooms_check());
	for (size_t i = 0; i < 2000; i++) {
		release(rooms.a, ptr[i]);
		if (i % 50 == 0)
			assert_sound(rooms_check());
	}
	assert_int_equal(nslabs(rooms.a), 1);
	assert_sound(rooms_check());
}

/* The other way round: the slab in use becomes empty before those behind it have free slots. */
static void test_an_empty_slab_goes_back_in_any_order(void **state)
{
	void *ptr[2000];

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		ptr[i] = alloc(rooms.a, 56);
	for (size_t i = 2000; i-- > 0;) {
		release(rooms.a, ptr[i]);
		if (i % 50 == 0)
			assert_sound(rooms_check());
	}
	assert_int_equal(nslabs(rooms.a), 1);
	for (size_t i = 0; i < 2000; i++)
		ptr[i] = alloc(rooms.a, 56);
	for (size_t i = 0; i < 2000; i++) {
		release(rooms.a, ptr[i * 7 % 2000]);
		if (i % 50 == 0)
			assert_sound(rooms_check());
	}
	assert_int_equal(nslabs(rooms.a), 1);
}

static size_t nempty(const struct ma_heap *heap)
{
	size_t n = 0;

	for (unsigned i = 0; i < MA_NCLASSES; i++)
		for (const struct ma_slab *s = heap->bin[i].avail; s != NULL; s = s->next)
			n += s->used == 0;
	return n;
}

/* A lone one would make and end a slab each time, where freed slots do not wait. */
static void test_large_slots_keep_a_slab_where_nothing_waits(void **state)
{
	void *ptr[40];

	(void)state;
	for (uint32_t cap = 0; cap <= 4; cap += 4) {
		restart(cap, 0);
		for (size_t i = 0; i < 40; i++)
			ptr[i] = alloc(rooms.a, 20000);
		for (size_t i = 0; i < 40; i++)
			release(rooms.a, ptr[i]);
		assert_int_equal(nempty(rooms.a), cap == 0);
		assert_sound(rooms_check());
	}
}

static void test_quarantined_slots_wait(void **state)
{
	void *ptr[100];

	(void)state;
	restart(32, 0);
	for (size_t i = 0; i < 100; i++)
		ptr[i] = alloc(rooms.a, 56);
	for (size_t i = 0; i < 33; i++) {
		release(rooms.a, ptr[i]);
		assert_int_equal(ma_slab_state(slab_of(ptr[i]), slot_of(ptr[i])), 'r');
		assert_sound(rooms_check());
	}
	assert_int_equal(ma_slab_state(slab_of(ptr[0]), slot_of(ptr[0])), 'f');
	assert_ptr_equal(alloc(rooms.a, 56), ptr[0]);
}

static void test_compact_returns_everything(void **state)
{
	void *ptr[500];

	(void)state;
	restart(64, 0);
	for (size_t i = 0; i < 500; i++)
		ptr[i] = alloc(i % 2 ? rooms.a : rooms.b, i * 100);
	for (size_t i = 0; i < 500; i++)
		release(i % 3 ? rooms.a : rooms.b, ptr[i]);
	ma_heap_compact(&rooms.inst, rooms.b);
	ma_heap_compact(&rooms.inst, rooms.a);
	ma_heap_compact(&rooms.inst, rooms.b);
	assert_int_equal(nslabs(rooms.a) + nslabs(rooms.b), 0);
	assert_sound(rooms_check());
	assert_int_equal(rooms.inst.pool.counts.free_bytes, rooms.inst.pool.regions.mapped);
	(void)ma_decay_all(&rooms.inst.pool, 0);
	assert_int_equal(rooms.inst.pool.regions.mapped, 0);
	assert_sound(rooms_check());
}

#define MANY ((size_t)40000)

/* ---- exhaustion ------------------------------------------------------------------------------ */

static size_t exhaust(size_t size, void **ptr, size_t most)
{
	size_t n = 0;

	while (n < most) {
		ptr[n] = ma_heap_alloc(rooms.a, size);
		if (ptr[n] == NULL)
			return n;
		memset(ptr[n++], 0x5a, size);
	}
	fail_msg("the limit does not hold");
	return n;
}

/* What waits in the quarantine and in empty slabs serves a request that finds nothing else. */
static void test_last_resort(void **state)
{
	static void *ptr[MANY];
	size_t n;

	(void)state;
	restart(64, 1 * MIB);
	for (size_t i = 0; i < 5; i++) {
		n = exhaust(1000, ptr, MANY);
		assert_in_range(n, 900, 1049);
		assert_sound(rooms_check());
		while (n > 0)
			release(rooms.a, ptr[--n]);
		release(rooms.a, alloc(rooms.a, 900 * KIB));
		n = exhaust(10, ptr, MANY);
		assert_true(n > 10000);
		while (n > 0)
			release(rooms.a, ptr[--n]);
		assert_sound(rooms_check());
	}
}

/* What other threads freed, and what ended threads left, does so too. */
static void test_last_resort_collects(void **state)
{
	static void *ptr[MANY];
	size_t n;

	(void)state;
	restart(64, 1 * MIB);
	n = exhaust(1000, ptr, MANY);
	while (n > 0)
		release(rooms.b, ptr[--n]);
	release(rooms.b, alloc(rooms.a, 900 * KIB));
	n = exhaust(1000, ptr, MANY);
	ma_heap_release(rooms.a);
	while (n > 0)
		release(rooms.b, ptr[--n]);
	rooms.a = ma_heap_acquire(&rooms.inst);
	release(rooms.a, alloc(rooms.b, 900 * KIB));
	assert_sound(rooms_check());
}

static void test_requests_that_cannot_be_served(void **state)
{
	void *kept = alloc(rooms.a, 100);
	size_t mapped = os_fake_mapped();

	(void)state;
	assert_null(ma_heap_alloc(rooms.a, SIZE_MAX));
	assert_null(ma_heap_alloc(rooms.a, SIZE_MAX - MA_CANARY));
	assert_null(ma_heap_alloc(rooms.a, PTRDIFF_MAX));
	assert_null(ma_heap_alloc(rooms.a, 4096 * MIB));
	assert_true(is_filled(kept, 100, 0x5a));
	assert_in_range(os_fake_mapped(), 0, mapped);
	assert_sound(rooms_check());
}

/* Nothing is given up for what could never be served. */
static void test_impossible_requests_disturb_nothing(void **state)
{
	void *kept, *ptr;

	(void)state;
	restart(8, 0);
	kept = alloc(rooms.a, 100);
	ptr = alloc(rooms.a, 100);
	release(rooms.a, ptr);
	assert_null(ma_heap_alloc(rooms.a, (size_t)PTRDIFF_MAX + 1));
	assert_int_equal(ma_slab_state(slab_of(ptr), slot_of(ptr)), 'r');
	assert_null(ma_heap_alloc(rooms.a, 4096 * MIB));
	assert_int_equal(ma_slab_state(slab_of(ptr), slot_of(ptr)), 'f');
	release(rooms.a, kept);
}

/* ---- threads end ----------------------------------------------------------------------------- */

static void test_slabs_of_an_ended_thread_are_adopted(void **state)
{
	void *x = alloc(rooms.a, 56);
	void *y = alloc(rooms.a, 1000);
	struct ma_slab *slab = slab_of(x);
	struct ma_heap *a = rooms.a;

	(void)state;
	ma_heap_release(rooms.a);
	rooms.a = NULL;
	assert_int_equal(nslabs(&rooms.inst.shared), 2);
	assert_int_equal(atomic_load(&rooms.inst.nshared), 2);
	assert_int_equal(nslabs(a), 0);
	assert_sound(rooms_check());
	/* Only the class that is needed. */
	assert_ptr_equal(slab_of(alloc(rooms.b, 56)), slab);
	assert_int_equal(atomic_load(ma_slab_owner(slab)), (uintptr_t)rooms.b);
	assert_int_equal(nslabs(&rooms.inst.shared), 1);
	release(rooms.b, x);
	assert_int_equal(ma_slab_state(slab, slot_of(x)), 'f');
	release(rooms.b, y);
	assert_sound(rooms_check());
	/* The heap itself serves the next thread. */
	rooms.a = ma_heap_acquire(&rooms.inst);
	assert_ptr_equal(rooms.a, a);
	assert_int_equal(rooms.inst.nheaps, 2);
}

/* In the shared heap nobody waits for it. */
static void test_an_empty_slab_of_an_ended_thread_goes_back(void **state)
{
	void *x = alloc(rooms.a, 56);
	void *y = alloc(rooms.a, 1000);

	(void)state;
	ma_heap_release(rooms.a);
	rooms.a = NULL;
	release(rooms.b, x);
	assert_int_equal(nslabs(&rooms.inst.shared), 2);
	assert_ptr_equal(slab_of(alloc(rooms.b, 1000)), slab_of(y));
	assert_int_equal(nslabs(&rooms.inst.shared), 0);
	assert_int_equal(atomic_load(&rooms.inst.nshared), 0);
	assert_sound(rooms_check());
}

static void test_a_full_slab_is_adopted_once_it_has_free_slots(void **state)
{
	size_t n = slab_of(alloc(rooms.a, 56))->nslots;
	void *last = NULL;
	struct ma_slab *slab;

	(void)state;
	for (size_t i = 0; i < n - 1; i++)
		last = alloc(rooms.a, 56);
	slab = slab_of(last);
	ma_heap_release(rooms.a);
	rooms.a = NULL;
	assert_ptr_not_equal(slab_of(alloc(rooms.b, 56)), slab);
	release(rooms.b, last);
	ma_remote_deliver(rooms.b);
	assert_sound(rooms_check());
	/* Another heap, without slabs, needs the class. */
	rooms.a = ma_heap_acquire(&rooms.inst);
	assert_ptr_equal(alloc(rooms.a, 56), last);
	assert_ptr_equal(slab_of(last), slab);
}

static void test_release_takes_everything_along(void **state)
{
	void *x, *y;

	(void)state;
	restart(64, 0);
	x = alloc(rooms.a, 56);
	y = alloc(rooms.a, 1000);
	release(rooms.a, alloc(rooms.a, 56));
	release(rooms.a, alloc(rooms.a, 2000));
	release(rooms.b, y);
	ma_remote_deliver(rooms.b);
	ma_heap_release(rooms.a);
	rooms.a = NULL;
	/* One slab has a live object; those that became empty on the way are gone. */
	assert_int_equal(nslabs(&rooms.inst.shared), 1);
	assert_sound(rooms_check());
	release(rooms.b, x);
	ma_heap_compact(&rooms.inst, rooms.b);
	assert_int_equal(nslabs(&rooms.inst.shared), 0);
	assert_int_equal(atomic_load(&rooms.inst.nshared), 0);
	assert_int_equal(rooms.inst.pool.counts.free_bytes, rooms.inst.pool.regions.mapped);
}

static void test_no_memory_for_a_heap(void **state)
{
	(void)state;
	/* Until the descriptors' memory is used up. */
	os_fake_fail_from(1);
	for (int i = 0; i < 1000 && ma_heap_acquire(&rooms.inst) != NULL; i++)
		;
	assert_null(ma_heap_acquire(&rooms.inst));
	os_fake_lift();
	assert_non_null(ma_heap_acquire(&rooms.inst));
	assert_sound(rooms_check());
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static char static_memory[64];

static void assert_free_reports(const char *words, void *ptr)
{
	assert_reports(words, release(rooms.a, ptr));
	assert_sound(rooms_check());
}

/* Every entry that takes a pointer proves it; each has its own kind of report. */
static void assert_all_report(const char *of_free, const char *why, void *ptr)
{
	assert_free_reports(of_free, ptr);
	assert_free_reports(why, ptr);
	assert_reports(of_free, release(rooms.b, ptr));
	assert_reports(of_free, release(NULL, ptr));
	assert_reports("memalloc: bad realloc: ", (void)!ma_heap_realloc(rooms.a, ptr, 10));
	assert_reports(why, (void)!ma_heap_realloc(rooms.b, ptr, 100 * KIB));
	assert_reports("memalloc: bad usable size: ", (void)ma_heap_usable_size(&rooms.inst, ptr));
	assert_reports(why, (void)ma_heap_usable_size(&rooms.inst, ptr));
	assert_sound(rooms_check());
}

static void test_pointers_that_are_not_ours(void **state)
{
	static const char why[] = "is not memory of this allocator";
	static const char kind[] = "memalloc: invalid free: ";
	char local[64];

	(void)state;
	(void)alloc(rooms.a, 100);
	assert_all_report(kind, why, local);
	assert_all_report(kind, why, static_memory);
	assert_all_report(kind, why, (void *)16);
	assert_all_report(kind, why, (void *)UINTPTR_MAX);
	assert_all_report(kind, why, (void *)((uintptr_t)1 << 48));
	assert_all_report(kind, why, rooms.a);
}

static void test_pointers_into_objects(void **state)
{
	static const char why[] = "does not start an object";
	static const char kind[] = "memalloc: invalid free: ";
	char *small = alloc(rooms.a, 100);
	char *large = alloc(rooms.a, 100 * KIB);
	char *direct = alloc(rooms.a, 40 * MIB);

	(void)state;
	assert_all_report(kind, why, small + 1);
	assert_all_report(kind, why, small + 16);
	assert_all_report(kind, why, small + 99);
	assert_all_report(kind, why, large + 1);
	assert_all_report(kind, why, large + 4096);
	assert_all_report(kind, why, large + 100 * KIB - 1);
	assert_all_report(kind, why, direct + 16);
	assert_all_report(kind, why, direct + 40 * MIB - 1);
	release(rooms.a, small);
	release(rooms.a, large);
	release(rooms.a, direct);
}

static void test_the_report_names_the_slot(void **state)
{
	char *ptr = alloc(rooms.a, 100);
	char words[128];

	(void)state;
	(void)snprintf(words, sizeof(words), "object %p, 100 bytes requested, in 112 bytes",
		       (void *)ptr);
	assert_free_reports(words, ptr + 33);
	ptr = alloc(rooms.a, 100 * KIB);
	(void)snprintf(words, sizeof(words), "object %p, 102400 bytes requested, in 106496 bytes",
		       (void *)ptr);
	assert_free_reports(words, ptr + 33);
}

static void test_freed_small_objects(void **state)
{
	static const char why[] = "is not live: it was freed before";
	static const char kind[] = "memalloc: double free: ";
	void *kept = alloc(rooms.a, 100);
	void *ptr = alloc(rooms.a, 100);

	(void)state;
	release(rooms.a, ptr);
	assert_all_report(kind, why, ptr);
	restart(8, 0);
	kept = alloc(rooms.a, 100);
	ptr = alloc(rooms.a, 100);
	release(rooms.a, ptr);
	assert_all_report(kind, why, ptr);
	release(rooms.a, kept);
	assert_all_report(kind, why, kept);
}

static void test_objects_that_another_thread_freed(void **state)
{
	static const char why[] = "is not live: it was freed before";
	static const char kind[] = "memalloc: double free: ";
	void *kept = alloc(rooms.a, 100);
	void *ptr = alloc(rooms.a, 100);

	(void)state;
	release(rooms.b, ptr);
	assert_all_report(kind, why, ptr);
	ma_remote_deliver(rooms.b);
	assert_true(ma_remote_collect(rooms.a));
	assert_all_report(kind, why, ptr);
	release(rooms.a, kept);
}

/* Its block is free, or part of a larger free one. */
static void test_freed_large_objects(void **state)
{
	void *first = alloc(rooms.a, 100 * KIB);
	void *ptr = alloc(rooms.a, 100 * KIB);
	void *wall = alloc(rooms.a, 100 * KIB);

	(void)state;
	release(rooms.a, ptr);
	assert_all_report("memalloc: double free: ", "lies in memory that is free", ptr);
	release(rooms.a, first);
	assert_all_report("memalloc: double free: ", "lies in memory that is free", first);
	assert_reports("memalloc: invalid free: ", release(rooms.a, ptr));
	release(rooms.a, wall);
}

static void check_overflow(size_t size)
{
	unsigned char *ptr = alloc(rooms.a, size);

	ptr[size] ^= 0x10;
	assert_reports("memalloc: heap overflow: ", release(rooms.a, ptr));
	assert_reports("memalloc: heap overflow: ", release(rooms.b, ptr));
	assert_reports("memalloc: heap overflow: ", (void)!ma_heap_realloc(rooms.a, ptr, size + 1));
	assert_reports("memalloc: heap overflow: ", (void)!ma_heap_realloc(rooms.b, ptr, 1));
	assert_reports("memalloc: heap overflow: ", (void)ma_heap_usable_size(&rooms.inst, ptr));
	assert_non_null(rooms_check());
	ptr[size] ^= 0x10;
	/* Only the last byte, where the next object begins: that came from there. */
	ptr[size + 7] ^= 1;
	assert_reports(size == 248 || size == 32760 ? "memalloc: heap underflow: "
						    : "memalloc: heap overflow: ",
		       release(rooms.a, ptr));
	ptr[size + 7] ^= 1;
	release(rooms.a, ptr);
}

static void test_overflows(void **state)
{
	static const size_t some[] = {0, 1, 20, 100, 247, 248, 1000, 32760, 32761, 100 * KIB};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++)
		check_overflow(some[i]);
	assert_sound(rooms_check());
}

static void release_sized(void *ptr, size_t size, size_t align)
{
	const struct ma_request claim = {.size = size, .align = align};

	ma_heap_free_sized(&rooms.inst, rooms.a, ptr, &claim);
}

static void check_sized(size_t size)
{
	void *ptr = alloc(rooms.a, size);

	assert_reports("memalloc: size mismatch: ", release_sized(ptr, size + 1, 1));
	assert_reports("memalloc: size mismatch: ", release_sized(ptr, size - 1, 16));
	assert_reports("memalloc: alignment mismatch: ", release_sized(ptr, size, (size_t)1 << 46));
	assert_reports("memalloc: alignment mismatch: ", release_sized(ptr, SIZE_MAX, 24));
	assert_reports("memalloc: alignment mismatch: ", release_sized(ptr, size, 0));
	assert_reports("memalloc: invalid free: ", release_sized((char *)ptr + 16, size, 1));
	assert_sound(rooms_check());
	release_sized(ptr, size, 16);
	assert_reports("memalloc: double free: ", release_sized(ptr, size, 16));
	release_sized(alloc(rooms.a, size), SIZE_MAX, 1);
	assert_string_equal(os_fake_written(), "");
}

static void test_claims_that_do_not_hold(void **state)
{
	(void)state;
	/* A wall, so that the large block stays one of its own when it is free. */
	(void)alloc(rooms.a, 100 * KIB);
	check_sized(20);
	check_sized(1000);
	check_sized(100 * KIB);
	assert_sound(rooms_check());
}

static void test_writes_after_free(void **state)
{
	char *ptr = alloc(rooms.a, 100);

	(void)state;
	release(rooms.a, ptr);
	ptr[50] = 'x';
	assert_broken("S6", rooms_check());
	assert_reports("memalloc: write after free: ", (void)!ma_heap_alloc(rooms.a, 100));
	ptr[50] = 0;
	/* The jump left the slot taken. */
	ma_slab_put(slab_of(ptr), slot_of(ptr));
}

/* Another instance with the same map: an explicit pool. */
static void test_the_wrong_pool(void **state)
{
	const struct ma_instance_config config = rooms_config();
	static struct ma_instance other;
	static struct ma_heap heap;
	void *small = alloc(rooms.a, 100);
	void *large = alloc(rooms.a, 100 * KIB);

	(void)state;
	ma_instance_init(&other, &config, &rooms.map);
	ma_heap_init(&heap, &other, 1);
	assert_reports("memalloc: wrong pool: ", ma_heap_free(&other, &heap, small));
	assert_reports("belongs to another pool", ma_heap_free(&other, &heap, large));
	assert_reports("memalloc: wrong pool: ", ma_heap_free(&other, NULL, small));
	assert_reports("memalloc: wrong pool: ", (void)!ma_heap_realloc(&heap, small, 10));
	assert_reports("memalloc: wrong pool: ", (void)!ma_heap_realloc(&heap, large, 10));
	assert_reports("memalloc: wrong pool: ", (void)ma_heap_usable_size(&other, large));
	assert_sound(ma_instance_check(&other, &heap));
	release(rooms.a, small);
	release(rooms.a, large);
	ma_instance_fini(&other);
}

/* ---- rules ----------------------------------------------------------------------------------- */

#define corrupt(rule, field, value)                 \
	do {                                        \
		__typeof__(field) kept_ = (field);  \
		(field) = (value);                  \
		assert_broken(rule, rooms_check()); \
		(field) = kept_;                    \
		assert_sound(rooms_check());        \
	} while (0)

/* A bin with two slabs in avail and two in full. */
static struct ma_bin *mixed(void)
{
	static void *ptr[10000];
	struct ma_bin *bin;
	size_t n = 0;

	ptr[n] = alloc(rooms.a, 56);
	bin = &rooms.a->bin[slab_of(ptr[n++])->class_idx];
	while (bin->nslabs < 4)
		ptr[n++] = alloc(rooms.a, 56);
	for (size_t i = 0; i < 20; i++)
		release(rooms.a, ptr[i]);
	assert_true(bin->avail != NULL && bin->avail->next != NULL);
	assert_true(bin->full != NULL && bin->full->next != NULL);
	assert_sound(rooms_check());
	return bin;
}

static void test_h1(void **state)
{
	struct ma_bin *bin = mixed();

	(void)state;
	corrupt("H1", bin->avail->is_avail, false);
	corrupt("H1", bin->full->is_avail, true);
	corrupt("H1", bin->avail->next->prev, NULL);
	corrupt("H1", bin->full->next->prev, bin->avail);
	corrupt("H1", bin->avail->class_idx, 0);
}

/* The lists are exchanged, with what the slabs say of themselves. */
static void test_h2(void **state)
{
	struct ma_bin *bin = mixed();
	struct ma_slab *slab = bin->avail->next;
	struct ma_slab *full = bin->full;

	(void)state;
	bin->avail->next = full;
	full->prev = bin->avail;
	bin->full = full->next;
	bin->full->prev = NULL;
	full->next = NULL;
	full->is_avail = true;
	assert_broken("H2", rooms_check());
	full->next = bin->full;
	bin->full->prev = full;
	bin->full = full;
	full->prev = NULL;
	full->is_avail = false;
	bin->avail->next = slab;
	assert_sound(rooms_check());
	bin->avail->next = NULL;
	slab->prev = NULL;
	slab->next = full;
	full->prev = slab;
	bin->full = slab;
	slab->is_avail = false;
	assert_broken("H2", rooms_check());
	bin->full = full;
	full->prev = NULL;
	bin->avail->next = slab;
	slab->prev = bin->avail;
	slab->next = NULL;
	slab->is_avail = true;
}

static void test_h3(void **state)
{
	struct ma_bin *bin = mixed();

	(void)state;
	corrupt("H3", bin->nslabs, 3);
	corrupt("H3", bin->nslabs, 5);
	corrupt("H3", bin->nslabs, 0);
	corrupt("H3", bin->avail->next, NULL);
	corrupt("H3", rooms.a->bin[100].nslabs, 1);
}

/* An empty slab that is not the first. */
static void test_h3_empty(void **state)
{
	struct ma_bin *bin = mixed();
	struct ma_slab *slab = bin->avail->next;
	uint32_t used = slab->used;

	(void)state;
	slab->used = 0;
	assert_broken("H3", rooms_check());
	slab->used = used;
	assert_sound(rooms_check());
}

static void test_h4(void **state)
{
	struct ma_bin *bin = mixed();

	(void)state;
	corrupt("H4", *ma_slab_owner(bin->avail), (uintptr_t)rooms.b);
	corrupt("H4", *ma_slab_owner(bin->full), 0);
	corrupt("H4", *ma_slab_owner(bin->full), (uintptr_t)&rooms.inst.shared);
}

/* The instance's check looks into every room. */
static void test_every_room_is_asked(void **state)
{
	struct ma_bin *bin;
	unsigned char *large;

	(void)state;
	restart(8, 0);
	bin = mixed();
	large = alloc(rooms.a, 100 * KIB);
	release(rooms.a, alloc(rooms.a, 10));
	corrupt("E4", rooms.inst.meta.in_use, rooms.inst.meta.mapped + 1);
	corrupt("P7", rooms.inst.pool.counts.nblocks, 0);
	corrupt("R3", rooms.inst.pool.regions.mapped, 0);
	corrupt("A3", large[100 * KIB], large[100 * KIB] ^ 1);
	corrupt("S2", bin->full->used, 0);
	corrupt("Q1", rooms.a->quarantine.next, 8);
	corrupt("M", rooms.map.root, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rooms_setup, rooms_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_small_and_large),
		TEST(test_alignment_and_zero),
		TEST(test_resizing),
		TEST(test_a_foreign_slot_is_not_resized_in_place),
		TEST(test_a_grown_object_does_not_show_its_old_canary),
		TEST(test_realloc_refused_keeps_the_object),
		TEST(test_choices_follow_from_the_seed),
		TEST(test_an_empty_slab_goes_back),
		TEST(test_an_empty_slab_goes_back_in_any_order),
		TEST(test_large_slots_keep_a_slab_where_nothing_waits),
		TEST(test_quarantined_slots_wait),
		TEST(test_compact_returns_everything),
		TEST(test_last_resort),
		TEST(test_last_resort_collects),
		TEST(test_requests_that_cannot_be_served),
		TEST(test_impossible_requests_disturb_nothing),
		TEST(test_slabs_of_an_ended_thread_are_adopted),
		TEST(test_an_empty_slab_of_an_ended_thread_goes_back),
		TEST(test_a_full_slab_is_adopted_once_it_has_free_slots),
		TEST(test_release_takes_everything_along),
		TEST(test_no_memory_for_a_heap),
		TEST(test_pointers_that_are_not_ours),
		TEST(test_pointers_into_objects),
		TEST(test_the_report_names_the_slot),
		TEST(test_freed_small_objects),
		TEST(test_objects_that_another_thread_freed),
		TEST(test_freed_large_objects),
		TEST(test_overflows),
		TEST(test_claims_that_do_not_hold),
		TEST(test_writes_after_free),
		TEST(test_the_wrong_pool),
		TEST(test_h1),
		TEST(test_h2),
		TEST(test_h3),
		TEST(test_h3_empty),
		TEST(test_h4),
		TEST(test_every_room_is_asked),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
