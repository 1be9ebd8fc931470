#include "fill.h"
#include "fixture.h"

#define SIZE_MOST ((size_t)1024)

/* A slot with a neighbour on each side. */
static struct {
	alignas(16) unsigned char before[64];
	unsigned char slot[SIZE_MOST];
	unsigned char after[64];
} room;

static bool is_all(const unsigned char *bytes, size_t n, unsigned char value)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static void zero(size_t size, bool whole)
{
	const struct ma_fill fill = ma_fill_of(size, whole);

	ma_fill_zero((char *)room.slot, &fill);
}

static bool is_zero(size_t size, bool whole)
{
	const struct ma_fill fill = ma_fill_of(size, whole);

	return ma_fill_is_zero((const char *)room.slot, &fill);
}

static void test_zero_reaches_every_byte_and_none_beyond(void **state)
{
	(void)state;
	for (size_t size = MA_ALIGN; size <= SIZE_MOST; size += MA_ALIGN) {
		memset(&room, 0xee, sizeof(room));
		zero(size, true);
		assert_true(is_all(room.slot, size, 0));
		assert_true(is_all(room.before, sizeof(room.before), 0xee));
		assert_true(is_all(room.slot + size, SIZE_MOST - size + sizeof(room.after), 0xee));
	}
}

static void test_is_zero_looks_at_nothing_beyond(void **state)
{
	(void)state;
	for (size_t size = MA_ALIGN; size <= SIZE_MOST; size += MA_ALIGN) {
		memset(&room, 0xee, sizeof(room));
		memset(room.slot, 0, size);
		assert_true(is_zero(size, true));
	}
}

static void test_is_zero_finds_every_bit(void **state)
{
	(void)state;
	memset(&room, 0, sizeof(room));
	for (size_t size = MA_ALIGN; size <= SIZE_MOST; size += MA_ALIGN) {
		for (size_t bit = 0; bit < size * 8; bit++) {
			room.slot[bit / 8] = (unsigned char)(1u << bit % 8);
			assert_false(is_zero(size, true));
			room.slot[bit / 8] = 0;
		}
	}
}

static void test_both_ends_are_filled_where_the_whole_is_not(void **state)
{
	(void)state;
	for (size_t size = MA_ALIGN; size <= SIZE_MOST; size += MA_ALIGN) {
		memset(&room, 0xee, sizeof(room));
		zero(size, false);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(room.slot[i], i < 16 || i >= size - 16 ? 0 : 0xee);
		assert_true(is_all(room.before, sizeof(room.before), 0xee));
		assert_true(is_zero(size, false));
		room.slot[15] = 1;
		assert_false(is_zero(size, false));
		room.slot[15] = 0;
		room.slot[size - 16] = 1;
		assert_false(is_zero(size, false));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_reaches_every_byte_and_none_beyond),
		cmocka_unit_test(test_is_zero_looks_at_nothing_beyond),
		cmocka_unit_test(test_is_zero_finds_every_bit),
		cmocka_unit_test(test_both_ends_are_filled_where_the_whole_is_not),
	};

	return cmocka_run_group_tests_name("fill", tests, NULL, NULL);
}
