#include "fill.h"
#include "fixture.h"

/* A slot with a neighbour on each side. */
static struct {
	alignas(16) unsigned char before[64];
	unsigned char slot[MA_FILL_MAX];
	unsigned char after[64];
} room;

static bool is_all(const unsigned char *bytes, size_t n, unsigned char value)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static void test_zero_reaches_every_byte_and_none_beyond(void **state)
{
	(void)state;
	for (size_t size = MA_ALIGN; size <= MA_FILL_MAX; size += MA_ALIGN) {
		memset(&room, 0xee, sizeof(room));
		ma_fill_zero(room.slot, size);
		assert_true(is_all(room.slot, size, 0));
		assert_true(is_all(room.before, sizeof(room.before), 0xee));
		assert_true(
			is_all(room.slot + size, MA_FILL_MAX - size + sizeof(room.after), 0xee));
	}
}

static void test_is_zero_looks_at_nothing_beyond(void **state)
{
	(void)state;
	for (size_t size = MA_ALIGN; size <= MA_FILL_MAX; size += MA_ALIGN) {
		memset(&room, 0xee, sizeof(room));
		memset(room.slot, 0, size);
		assert_true(ma_fill_is_zero(room.slot, size));
	}
}

static void test_is_zero_finds_every_bit(void **state)
{
	(void)state;
	memset(&room, 0, sizeof(room));
	for (size_t size = MA_ALIGN; size <= MA_FILL_MAX; size += MA_ALIGN) {
		for (size_t bit = 0; bit < size * 8; bit++) {
			room.slot[bit / 8] = (unsigned char)(1u << bit % 8);
			assert_false(ma_fill_is_zero(room.slot, size));
			room.slot[bit / 8] = 0;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_reaches_every_byte_and_none_beyond),
		cmocka_unit_test(test_is_zero_looks_at_nothing_beyond),
		cmocka_unit_test(test_is_zero_finds_every_bit),
	};

	return cmocka_run_group_tests_name("fill", tests, NULL, NULL);
}
