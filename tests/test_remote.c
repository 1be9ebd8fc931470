#include "decay.h"
#include "heap_fixture.h"
#include "remote.h"

static void *alloc(struct ma_heap *heap, size_t size)
{
	char *ptr = ma_heap_alloc(heap, size);

	assert_non_null(ptr);
	return memset(ptr, 0x5a, size);
}

static void release(struct ma_heap *heap, void *ptr)
{
	ma_heap_free(&rooms.inst, heap, ptr);
}

static char state_of(const void *ptr)
{
	return ma_slab_state(slab_of(ptr), slot_of(ptr));
}

static size_t narrived(const struct ma_heap *heap)
{
	size_t n = 0;

	for (const struct ma_batch *b = atomic_load(&heap->inbox); b != NULL; b = b->next)
		n += b->n;
	return n;
}

static size_t nslabs(const struct ma_heap *heap)
{
	size_t n = 0;

	for (size_t i = 0; i < MA_NCLASSES; i++)
		n += heap->bin[i].nslabs;
	return n;
}

/* ---- on the way ------------------------------------------------------------------------------ */

/* Everybody sees at once that it is gone, and nobody reads what was in it. */
static void test_a_remote_free_is_seen_at_once(void **state)
{
	void *x = alloc(rooms.a, 56);
	void *y = alloc(rooms.a, 56);

	(void)state;
	release(rooms.b, x);
	assert_int_equal(state_of(x), 'r');
	assert_int_equal(state_of(y), 'l');
	assert_true(is_filled(x, 64, 0));
	assert_int_equal(narrived(rooms.a), 0);
	assert_sound(rooms_check());
	ma_remote_deliver(rooms.b);
	assert_int_equal(narrived(rooms.a), 1);
	assert_sound(rooms_check());
	assert_true(ma_remote_collect(rooms.a));
	assert_int_equal(state_of(x), 'f');
	assert_false(ma_remote_collect(rooms.a));
	assert_sound(rooms_check());
}

static void test_many_are_told_of_at_once(void **state)
{
	void *ptr[MA_BATCH];

	(void)state;
	for (size_t i = 0; i < MA_BATCH; i++)
		ptr[i] = alloc(rooms.a, 56);
	for (size_t i = 0; i < MA_BATCH; i++) {
		assert_int_equal(narrived(rooms.a), 0);
		release(rooms.b, ptr[i]);
		assert_sound(rooms_check());
	}
	assert_int_equal(narrived(rooms.a), MA_BATCH);
	assert_ptr_equal(atomic_load(&rooms.a->inbox)->next, NULL);
}

/* Of large slots, of a thread without a heap, and of one that needs slots itself. */
static void test_what_does_not_wait(void **state)
{
	void *large = alloc(rooms.a, 3000);
	void *x = alloc(rooms.a, 56);
	void *y = alloc(rooms.a, 56);

	(void)state;
	release(rooms.b, large);
	assert_int_equal(narrived(rooms.a), 1);
	release(NULL, x);
	assert_int_equal(narrived(rooms.a), 2);
	release(rooms.b, y);
	assert_int_equal(narrived(rooms.a), 2);
	(void)alloc(rooms.b, 56);
	assert_int_equal(narrived(rooms.a), 3);
	assert_sound(rooms_check());
}

/* The owner that runs dry collects before it takes another slab. */
static void test_collected_slots_are_used_again(void **state)
{
	size_t n = slab_of(alloc(rooms.a, 56))->nslots;
	void **ptr = alloc(rooms.a, n * sizeof(*ptr));
	size_t before;

	(void)state;
	for (size_t i = 0; i < n - 1; i++)
		ptr[i] = alloc(rooms.a, 56);
	before = nslabs(rooms.a);
	for (size_t i = 0; i < n - 1; i += 2)
		release(rooms.b, ptr[i]);
	ma_remote_deliver(rooms.b);
	for (size_t i = 0; i < n - 1; i += 2)
		ptr[i] = alloc(rooms.a, 56);
	assert_int_equal(nslabs(rooms.a), before);
	assert_sound(rooms_check());
	(void)alloc(rooms.a, 56);
	assert_int_equal(nslabs(rooms.a), before + 1);
}

static void test_the_owner_frees_meanwhile(void **state)
{
	void *x = alloc(rooms.a, 56);
	void *y = alloc(rooms.a, 56);

	(void)state;
	release(rooms.b, x);
	release(rooms.a, y);
	assert_int_equal(state_of(x), 'r');
	assert_int_equal(state_of(y), 'f');
	assert_sound(rooms_check());
	ma_remote_deliver(rooms.b);
	ma_heap_compact(&rooms.inst, rooms.a);
	assert_int_equal(nslabs(rooms.a), 0);
	assert_sound(rooms_check());
}

/* To more owners than there are batches at a time. */
static void test_many_owners(void **state)
{
	struct ma_heap *heap[2 * MA_OUTBOXES];
	void *ptr[2 * MA_OUTBOXES][3];

	(void)state;
	for (size_t i = 0; i < 2 * MA_OUTBOXES; i++) {
		heap[i] = ma_heap_acquire(&rooms.inst);
		assert_non_null(heap[i]);
		for (size_t k = 0; k < 3; k++)
			ptr[i][k] = alloc(heap[i], 56);
	}
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 2 * MA_OUTBOXES; i++)
			release(rooms.b, ptr[i][k]);
	ma_remote_deliver(rooms.b);
	for (size_t i = 0; i < 2 * MA_OUTBOXES; i++) {
		assert_int_equal(narrived(heap[i]), 3);
		assert_sound(ma_heap_check(heap[i]));
		ma_heap_release(heap[i]);
	}
	assert_int_equal(nslabs(&rooms.inst.shared), 0);
	assert_sound(rooms_check());
}

/* ---- owners change --------------------------------------------------------------------------- */

/* What arrives after the thread has ended goes to where its slabs are. */
static void test_the_owner_has_ended(void **state)
{
	void *x = alloc(rooms.a, 56);
	void *kept = alloc(rooms.a, 56);
	struct ma_heap *a = rooms.a;

	(void)state;
	release(rooms.b, x);
	ma_heap_release(rooms.a);
	rooms.a = NULL;
	assert_int_equal(nslabs(&rooms.inst.shared), 1);
	ma_remote_deliver(rooms.b);
	assert_int_equal(narrived(&rooms.inst.shared), 1);
	ma_heap_compact(&rooms.inst, rooms.b);
	assert_int_equal(state_of(x), 'f');
	/* Its heap serves the next thread. */
	rooms.a = ma_heap_acquire(&rooms.inst);
	assert_ptr_equal(rooms.a, a);
	release(rooms.a, kept);
	assert_sound(rooms_check());
}

/* Told to the heap that was the owner once, and serves another thread now. */
static void test_what_arrives_at_another_is_sent_on(void **state)
{
	void *x = alloc(rooms.a, 56);
	void *y = alloc(rooms.a, 1000);
	struct ma_heap *c = ma_heap_acquire(&rooms.inst);
	void *z = alloc(c, 56);

	(void)state;
	release(rooms.b, x);
	release(rooms.b, y);
	ma_heap_release(rooms.a);
	/* Both slabs are adopted by different heaps, before the batch is on its way. */
	rooms.a = ma_heap_acquire(&rooms.inst);
	(void)alloc(rooms.a, 1000);
	assert_int_equal(atomic_load(ma_slab_owner(slab_of(y))), (uintptr_t)rooms.a);
	for (size_t i = 0; i < slab_of(z)->nslots; i++)
		(void)alloc(c, 56);
	assert_int_equal(atomic_load(ma_slab_owner(slab_of(x))), (uintptr_t)c);
	ma_remote_deliver(rooms.b);
	assert_int_equal(narrived(c), 2);
	assert_true(ma_remote_collect(c));
	assert_int_equal(state_of(x), 'f');
	assert_int_equal(narrived(rooms.a), 1);
	assert_true(ma_remote_collect(rooms.a));
	assert_int_equal(state_of(y), 'f');
	assert_sound(rooms_check());
	assert_sound(ma_heap_check(c));
	ma_heap_release(c);
}

static void test_an_ending_thread_tells_what_it_freed(void **state)
{
	void *x = alloc(rooms.a, 56);

	(void)state;
	release(rooms.b, x);
	ma_heap_release(rooms.b);
	rooms.b = NULL;
	assert_int_equal(narrived(rooms.a), 1);
	assert_sound(rooms_check());
}

/* ---- without memory -------------------------------------------------------------------------- */

static void use_up_meta(void)
{
	while (ma_meta_alloc(&rooms.inst.meta, sizeof(struct ma_batch)) != NULL)
		;
}

static void check_overlooked(struct ma_heap *heap)
{
	void *x = alloc(rooms.a, 56);
	void *y = alloc(rooms.a, 1000);

	os_fake_fail_from(1);
	use_up_meta();
	release(heap, x);
	release(heap, y);
	os_fake_lift();
	assert_int_equal(state_of(x), 'r');
	assert_int_equal(narrived(rooms.a), 0);
	assert_true(atomic_load(&rooms.a->overlooked));
	assert_sound(rooms_check());
	assert_true(ma_remote_collect(rooms.a));
	assert_int_equal(state_of(x), 'f');
	assert_int_equal(state_of(y), 'f');
	assert_false(ma_remote_collect(rooms.a));
	assert_sound(rooms_check());
}

static void test_without_memory_nothing_is_lost(void **state)
{
	(void)state;
	check_overlooked(rooms.b);
	check_overlooked(NULL);
}

/* A search leaves alone what a batch tells of. */
static void test_a_search_finds_only_what_was_lost(void **state)
{
	void *x = alloc(rooms.a, 56);

	(void)state;
	release(rooms.b, x);
	atomic_store(&rooms.a->overlooked, true);
	assert_true(ma_remote_collect(rooms.a));
	assert_int_equal(state_of(x), 'r');
	ma_heap_compact(&rooms.inst, rooms.a);
	assert_int_equal(nslabs(rooms.a), 1);
	ma_remote_deliver(rooms.b);
	assert_true(ma_remote_collect(rooms.a));
	assert_int_equal(state_of(x), 'f');
	assert_sound(rooms_check());
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void test_freed_again(void **state)
{
	static const char words[] = "is not live: it was freed before";
	void *x = alloc(rooms.a, 56);

	(void)state;
	release(rooms.b, x);
	assert_reports(words, release(rooms.b, x));
	assert_reports(words, release(rooms.a, x));
	assert_reports(words, release(NULL, x));
	ma_remote_deliver(rooms.b);
	assert_reports(words, release(rooms.a, x));
	assert_true(ma_remote_collect(rooms.a));
	assert_reports(words, release(rooms.b, x));
	assert_sound(rooms_check());
}

/* The owner does not ask. */
static __attribute__((noinline)) void free_at_once(struct ma_slab *slab, const void *ptr)
{
	struct ma_slot slot;

	assert_int_equal(ma_slab_prove(slab, ptr, &slot), MA_PROOF_OK);
	assert_true(ma_remote_free(rooms.b, slab, slot));
	assert_false(ma_remote_free(NULL, slab, slot));
	ma_slab_retire(slab, slot.idx, slot.state);
}

/* Two threads that both saw it live: of two others one is told so, and what the owner hears later
 * cannot be. */
static void test_freed_by_two_at_once(void **state)
{
	char *x = alloc(rooms.a, 56);

	(void)state;
	free_at_once(slab_of(x), x);
	ma_remote_deliver(rooms.b);
	assert_reports("was freed by two threads at once", (void)ma_remote_collect(rooms.a));
	ma_slab_put(slab_of(x), slot_of(x));
	atomic_store(&rooms.a->inbox, NULL);
	assert_sound(rooms_check());
}

static void test_writes_after_a_remote_free(void **state)
{
	char *x = alloc(rooms.a, 56);

	(void)state;
	release(rooms.b, x);
	x[7] = 1;
	assert_broken("S6", rooms_check());
	ma_remote_deliver(rooms.b);
	assert_true(ma_remote_collect(rooms.a));
	assert_reports("write after free", (void)alloc(rooms.a, 56));
	rooms_end();
	rooms_start(&(const struct ma_instance_config){.pool = {.age_ms = 1}, .seed = 1});
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void forked(struct ma_heap *heap)
{
	ma_instance_lock(&rooms.inst);
	ma_instance_unlock(&rooms.inst);
	ma_instance_forked(&rooms.inst, heap);
}

/* What a vanished thread had freed is found: told of or not, zeroed or not yet, here and there. */
static void test_after_a_fork(void **state)
{
	size_t n = slab_of(alloc(rooms.a, 56))->nslots;
	void *mine[3], *shared;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		mine[i] = alloc(rooms.a, 56);
	for (size_t i = 0; i < 3 * n; i++)
		(void)alloc(rooms.a, 56);
	shared = alloc(rooms.b, 1000);
	(void)alloc(rooms.b, 1000);
	release(rooms.a, shared);
	ma_heap_release(rooms.b);
	rooms.b = ma_heap_acquire(&rooms.inst);
	release(rooms.b, mine[0]);
	ma_remote_deliver(rooms.b);
	release(rooms.b, mine[1]);
	ma_slab_set_phase(slab_of(mine[2]), slot_of(mine[2]), MA_SLOT_LEAVING);
	forked(rooms.a);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(state_of(mine[i]), 'f');
	assert_int_equal(state_of(shared), 'f');
	rooms.b = NULL;
	assert_sound(rooms_check());
	ma_heap_release(rooms.a);
	rooms.a = NULL;
	assert_sound(rooms_check());
}

/* Objects of threads that are gone can be freed; their slots are not used again. */
static void test_objects_of_vanished_threads(void **state)
{
	void *x = alloc(rooms.b, 56);

	(void)state;
	forked(rooms.a);
	release(rooms.a, x);
	assert_int_equal(state_of(x), 'r');
	assert_ptr_not_equal(alloc(rooms.a, 56), x);
	assert_sound(rooms_check());
}

static void test_forked_without_a_heap(void **state)
{
	void *x = alloc(rooms.a, 56);

	(void)state;
	ma_heap_release(rooms.a);
	rooms.a = NULL;
	release(NULL, x);
	forked(NULL);
	assert_int_equal(narrived(&rooms.inst.shared), 0);
	assert_sound(rooms_check());
}

/* Heaps that idle, and those to come, make other secrets than the parent's do. */
static void test_a_child_chooses_anew(void **state)
{
	uint64_t seed = rooms.inst.config.seed;
	uint64_t other = rooms.b->random.state;

	(void)state;
	rooms.inst.config.renewed = true;
	forked(rooms.a);
	assert_true(rooms.inst.config.seed != seed);
	assert_true(rooms.b->random.state != other);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void test_broken_rules_are_seen(void **state)
{
	void *x = alloc(rooms.a, 56);
	unsigned kept;

	(void)state;
	release(rooms.b, x);
	kept = ma_slab_load(slab_of(x), slot_of(x));
	ma_slab_set_phase(slab_of(x), slot_of(x), MA_SLOT_RETIRED);
	assert_broken("N1", rooms_check());
	ma_slab_store(slab_of(x), slot_of(x), kept);
	ma_remote_deliver(rooms.b);
	atomic_load(&rooms.a->inbox)->n = 0;
	assert_broken("N1", rooms_check());
	atomic_load(&rooms.a->inbox)->n = MA_BATCH + 1;
	assert_broken("N1", rooms_check());
	atomic_load(&rooms.a->inbox)->n = 1;
	assert_sound(rooms_check());
	ma_heap_release(rooms.b);
	assert_broken("N2", ma_heap_check(rooms.b));
	rooms.b = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, rooms_setup, rooms_teardown)
		TEST(test_a_remote_free_is_seen_at_once),
		TEST(test_many_are_told_of_at_once),
		TEST(test_what_does_not_wait),
		TEST(test_collected_slots_are_used_again),
		TEST(test_the_owner_frees_meanwhile),
		TEST(test_many_owners),
		TEST(test_the_owner_has_ended),
		TEST(test_what_arrives_at_another_is_sent_on),
		TEST(test_an_ending_thread_tells_what_it_freed),
		TEST(test_without_memory_nothing_is_lost),
		TEST(test_a_search_finds_only_what_was_lost),
		TEST(test_freed_again),
		TEST(test_freed_by_two_at_once),
		TEST(test_writes_after_a_remote_free),
		TEST(test_after_a_fork),
		TEST(test_objects_of_vanished_threads),
		TEST(test_forked_without_a_heap),
		TEST(test_a_child_chooses_anew),
		TEST(test_broken_rules_are_seen),
#undef TEST
	};

	return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
