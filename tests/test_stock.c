#include "heap_fixture.h"

#include "fast.h"
#include "remote.h"

static void restart(size_t entries, size_t bytes, size_t quiet)
{
	struct ma_instance_config config = rooms_config();

	rooms_end();
	config.stock = (struct ma_stock_config){entries, bytes, quiet};
	rooms_start(&config);
}

static char *alloc(size_t size)
{
	char *ptr = ma_heap_alloc(rooms.a, size);

	assert_non_null(ptr);
	return ptr;
}

static void release(void *ptr)
{
	ma_heap_free(&rooms.inst, rooms.a, ptr);
}

static const struct ma_stock *stock_of(size_t size)
{
	return rooms.a->stock[ma_class_of(size + MA_CANARY)];
}

/* ---- order ----------------------------------------------------------------------------------- */

/* The way round is as long as what is at hand: none comes back while another has waited longer. */
static void test_the_one_that_waited_longest_comes_first(void **state)
{
	char *ptr[400];
	size_t n = 0;

	(void)state;
	restart(64, 65536, 16);
	for (size_t i = 0; i < 400; i++) {
		ptr[i] = alloc(50);
		if (n == 0 && i > 0 && ptr[i] == ptr[0])
			n = i;
		assert_true(n == 0 || ptr[i] == ptr[i - n]);
		for (size_t k = n == 0 ? 0 : i - n + 1; k < i; k++)
			assert_ptr_not_equal(ptr[i], ptr[k]);
		release(ptr[i]);
	}
	assert_in_range(n, 17, 64);
	assert_int_equal(n, ma_stock_count(stock_of(50)));
	assert_sound(rooms_check());
}

/* So many have been freed since, at least, when a slot is used again. */
static void test_quiet_ones_stay(void **state)
{
	(void)state;
	for (size_t quiet = 0; quiet <= 16; quiet += 4) {
		char *kept[200];
		char *freed;
		size_t n = 0;

		restart(64, 65536, quiet);
		for (size_t i = 0; i < 200; i++)
			kept[i] = alloc(50);
		freed = kept[0];
		release(freed);
		/* What is taken until then comes from slabs. */
		for (size_t i = 0; i < 100; i++)
			assert_true(quiet == 0 || alloc(50) != freed);
		while (++n < 100 && alloc(50) != freed)
			release(kept[n]);
		assert_true(quiet == 0 || n >= quiet);
		assert_int_equal(stock_of(50)->quiet, quiet);
		assert_sound(rooms_check());
	}
}

/* What another thread freed waits, too, though it comes by way of the slab. */
static void test_what_others_freed_waits(void **state)
{
	char *ptr[100];

	(void)state;
	restart(64, 65536, 16);
	for (size_t i = 0; i < 100; i++)
		ptr[i] = alloc(50);
	while (ma_stock_count(stock_of(50)) > 0)
		(void)alloc(50);
	for (size_t i = 0; i < 60; i++)
		ma_heap_free(&rooms.inst, rooms.b, ptr[i]);
	ma_remote_deliver(rooms.b);
	(void)alloc(50);
	assert_int_equal(stock_of(50)->quiet, 16);
	assert_in_range(ma_stock_count(stock_of(50)), 16, 60);
	assert_sound(rooms_check());
}

/* A class that is little used takes few slots from its slabs: none wait but what was freed. */
static void test_none_is_quiet_at_first(void **state)
{
	(void)state;
	restart(64, 65536, 16);
	release(alloc(50));
	assert_int_equal(stock_of(50)->quiet, 1);
	assert_int_equal(ma_stock_count(stock_of(50)), 2);
	assert_int_equal(slab_of(ma_stock_at(stock_of(50), stock_of(50)->head)->ptr)->used, 2);
}

static void test_fresh_slots_come_in_address_order(void **state)
{
	char *last;
	size_t turns = 0;

	(void)state;
	restart(64, 65536, 16);
	last = alloc(50);
	for (size_t i = 1; i < slab_of(last)->nslots; i++) {
		char *ptr = alloc(50);

		turns += ptr != last + slab_of(last)->slot;
		last = ptr;
	}
	assert_int_equal(turns, 1);
}

/* ---- how many -------------------------------------------------------------------------------- */

static void test_there_are_no_more_than_there_may_be(void **state)
{
	static char *ptr[3000];

	(void)state;
	restart(64, 8192, 8);
	for (size_t size = 8; size <= MA_FAST_MAX; size = size * 2 + 1) {
		size_t slot = ma_class_slot(ma_class_of(size + MA_CANARY));

		for (size_t i = 0; i < 3000; i++)
			ptr[i] = alloc(size);
		for (size_t i = 0; i < 3000; i++) {
			release(ptr[i]);
			assert_in_range(ma_stock_count(stock_of(size)), 1, 64);
			assert_true(ma_stock_count(stock_of(size)) <= 8 ||
				    ma_stock_count(stock_of(size)) * slot <= 8192);
		}
		assert_sound(rooms_check());
	}
}

static void test_compact_leaves_nothing_at_hand(void **state)
{
	(void)state;
	restart(64, 65536, 16);
	for (size_t size = 1; size < 5000; size += 100)
		release(alloc(size));
	ma_heap_compact(&rooms.inst, rooms.a);
	for (size_t i = 0; i < MA_NCLASSES; i++)
		assert_int_equal(ma_stock_count(rooms.a->stock[i]), 0);
	assert_int_equal(rooms.inst.pool.counts.nblocks, rooms.inst.pool.counts.nfree);
}

/* Rather than to refuse, the quiet ones are used. */
static void test_quiet_ones_are_the_last_resort(void **state)
{
	struct ma_instance_config config = rooms_config();
	static char *ptr[3000];
	size_t n = 0, again = 0;

	(void)state;
	rooms_end();
	config.stock = (struct ma_stock_config){64, 65536, 16};
	config.pool.limit = 262144;
	rooms_start(&config);
	while (n < 3000 && (ptr[n] = ma_heap_alloc(rooms.a, 200)) != NULL)
		n++;
	assert_in_range(n, 1000, 2999);
	for (size_t i = 0; i < 20; i++)
		release(ptr[i]);
	while (ma_heap_alloc(rooms.a, 200) != NULL)
		again++;
	assert_int_equal(again, 20);
	assert_sound(rooms_check());
}

/* ---- what is wrong is seen ------------------------------------------------------------------- */

static void test_misuse(void **state)
{
	char *ptr;

	(void)state;
	restart(64, 65536, 16);
	ptr = alloc(50);
	release(alloc(50));
	release(ptr);
	assert_reports("double free", release(ptr));
	ptr = alloc(50);
	assert_reports("invalid free", release(ptr + 16));
	assert_reports("invalid free", release(ptr + ((uintptr_t)1 << 60)));
	ptr[50] ^= 1;
	assert_reports("heap overflow", release(ptr));
	ptr[50] ^= 1;
	assert_sound(rooms_check());
}

static void take_all(size_t size)
{
	for (int i = 0; i < 100; i++)
		(void)alloc(size);
}

static void check_write(size_t size, size_t at)
{
	char *ptr[8];

	restart(64, 65536, 4);
	for (int i = 0; i < 8; i++)
		ptr[i] = alloc(size);
	for (int i = 0; i < 8; i++)
		release(ptr[i]);
	ptr[0][at] = 'x';
	assert_reports("was ", take_all(size));
}

/* In every place that is filled, of slots that are whole filled and of others. */
static void test_writes_to_what_is_at_hand(void **state)
{
	static const size_t sizes[] = {8, 24, 56, 100, 120, 200, 248, 300, 1000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t slot = ma_class_slot(ma_class_of(sizes[i] + MA_CANARY));

		for (size_t at = 0; at < slot; at++)
			if (slot <= MA_FILL_MAX || at < 16 || at >= slot - 16)
				check_write(sizes[i], at);
	}
	restart(64, 65536, 4);
}

static void *set_up_and_break(size_t *head)
{
	restart(64, 65536, 16);
	release(alloc(50));
	*head = (size_t)stock_of(50)->head;
	return rooms.a->stock[ma_class_of(50 + MA_CANARY)];
}

static void test_broken_rules_are_seen(void **state)
{
	struct ma_stock *stock;
	size_t head;

	(void)state;
	stock = set_up_and_break(&head);
	stock->limit -= 16;
	assert_broken("K2", rooms_check());
	stock->limit += 16;
	stock->bound -= MA_STOCK_FAR;
	assert_broken("K3", rooms_check());
	stock->bound += MA_STOCK_FAR;
	stock->quiet_max = stock->quiet;
	assert_broken("K3", rooms_check());
	stock->quiet_max = 16;
	*ma_stock_at(stock, stock->head) = *ma_stock_at(stock, stock->head + 16);
	assert_broken("K1", rooms_check());
	*ma_stock_at(stock, stock->head) = *ma_stock_at(stock, stock->head - 16);
	assert_broken("K1", rooms_check());
	stock = set_up_and_break(&head);
	assert_sound(rooms_check());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, rooms_setup, rooms_teardown)
		TEST(test_the_one_that_waited_longest_comes_first),
		TEST(test_quiet_ones_stay),
		TEST(test_what_others_freed_waits),
		TEST(test_none_is_quiet_at_first),
		TEST(test_fresh_slots_come_in_address_order),
		TEST(test_there_are_no_more_than_there_may_be),
		TEST(test_compact_leaves_nothing_at_hand),
		TEST(test_quiet_ones_are_the_last_resort),
		TEST(test_misuse),
		TEST(test_writes_to_what_is_at_hand),
		TEST(test_broken_rules_are_seen),
#undef TEST
	};

	return cmocka_run_group_tests_name("stock", tests, NULL, NULL);
}
