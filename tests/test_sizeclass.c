#include "fixture.h"
#include "sizeclass.h"

#define LARGEST ((size_t)512 * 1024)

static const size_t pages[] = {4096, 16384, 65536};

#define NPAGES (sizeof(pages) / sizeof(*pages))

/* Z1 */
static void test_slots_grow_in_whole_units(void **state)
{
	(void)state;
	assert_int_equal(ma_class_slot(0), MA_ALIGN);
	for (unsigned c = 0; c < MA_NCLASSES; c++) {
		assert_int_equal(ma_class_slot(c) % MA_ALIGN, 0);
		if (c > 0)
			assert_true(ma_class_slot(c) > ma_class_slot(c - 1));
	}
	assert_int_equal(ma_class_slot(MA_NCLASSES - 1), LARGEST);
}

/* Z2, for every size there is */
static void test_the_smallest_class_that_holds_it(void **state)
{
	(void)state;
	for (size_t size = 1; size <= LARGEST; size++) {
		unsigned c = ma_class_of(size);

		assert_true(c < MA_NCLASSES && ma_class_slot(c) >= size);
		if (c > 0)
			assert_true(ma_class_slot(c - 1) < size);
	}
}

/* Z3: the request that wastes most of a class is one byte above the class below. */
static void test_the_bound_on_waste(void **state)
{
	(void)state;
	for (unsigned c = 1; c < MA_NCLASSES; c++) {
		size_t below = ma_class_slot(c - 1);

		if (below >= MA_CLASS_FINE)
			assert_true(8 * (ma_class_slot(c) - below) <= below);
	}
}

struct waste {
	double worst, mean; /* of the requested bytes */
	size_t at;          /* the request of the worst */
};

/* Of requests above MA_CLASS_FINE, that need @extra bytes more each. */
static struct waste measure(size_t extra)
{
	struct waste waste = {0, 0, 0};

	for (size_t size = MA_CLASS_FINE + 1; size + extra <= LARGEST; size++) {
		size_t slot = ma_class_slot(ma_class_of(size + extra));
		double share = (double)(slot - size) / (double)size;

		waste.mean += share / (double)(LARGEST - extra - MA_CLASS_FINE);
		if (share > waste.worst) {
			waste.worst = share;
			waste.at = size;
		}
	}
	return waste;
}

static void test_measured_waste(void **state)
{
	struct waste plain = measure(0);
	struct waste canary = measure(MA_CANARY);

	(void)state;
	print_message("waste above %zu bytes: worst %.2f %% (at %zu bytes), mean %.2f %%\n",
		      MA_CLASS_FINE, 100 * plain.worst, plain.at, 100 * plain.mean);
	print_message("with the canary: worst %.2f %% (at %zu bytes), mean %.2f %%\n",
		      100 * canary.worst, canary.at, 100 * canary.mean);
	assert_true(plain.worst <= 0.125);
	assert_true(plain.mean <= 0.0625);
	assert_true(canary.worst <= 0.19);
}

static void test_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < NPAGES; i++) {
		size_t limit = ma_class_limit(pages[i]);

		assert_true(limit >= 4096 && ma_class_of(limit) < MA_NCLASSES);
		assert_int_equal(ma_class_slot(ma_class_of(limit)), limit);
	}
}

/* ---- alignment ------------------------------------------------------------------------------- */

/* The same, by trying all classes from the smallest. */
static unsigned search_aligned(size_t size, size_t align, size_t page)
{
	for (unsigned c = 0; c < MA_NCLASSES; c++)
		if (ma_class_slot(c) >= size && ma_class_slot(c) % align == 0 &&
		    ma_class_slot(c) <= ma_class_limit(page))
			return c;
	return MA_NCLASSES;
}

static void check_alignment(size_t align, size_t page)
{
	size_t limit = ma_class_limit(page);

	for (size_t size = 1; size <= limit; size += size < 5000 ? 1 : 97)
		assert_int_equal(ma_class_aligned(size, align, page),
				 search_aligned(size, align, page));
	assert_int_equal(ma_class_aligned(limit, align, page), search_aligned(limit, align, page));
	assert_int_equal(ma_class_aligned(limit + 1, align, page), MA_NCLASSES);
}

static void test_aligned_classes(void **state)
{
	(void)state;
	for (size_t i = 0; i < NPAGES; i++)
		for (size_t align = 1; align <= pages[i]; align *= 2)
			check_alignment(align, pages[i]);
}

static void test_no_class_for_more_than_a_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < NPAGES; i++)
		for (size_t align = 2 * pages[i]; align != 0; align *= 2)
			assert_int_equal(ma_class_aligned(1, align, pages[i]), MA_NCLASSES);
}

/* ---- slabs ----------------------------------------------------------------------------------- */

static unsigned nclasses(size_t page)
{
	return ma_class_of(ma_class_limit(page)) + 1;
}

static void check_slab(unsigned c, size_t growth, size_t page)
{
	size_t slot = ma_class_slot(c);
	size_t size = ma_class_slab_size(c, growth, page);

	assert_int_equal(size % page, 0);
	assert_true(size / slot >= 2);
	assert_true(16 * (size % slot) <= size);
	/* Indices are 16 bits wide; slabs stay small enough for a region and its fit. */
	assert_true(size / slot <= 65536 && size <= 64 * 1024 * 1024 / 8);
	assert_true(ma_class_slab_size(c, growth + 1, page) >= size);
}

static void test_slab_sizes(void **state)
{
	static const size_t growths[] = {0, 1, 2, 3, 100, SIZE_MAX - 1};

	(void)state;
	for (size_t i = 0; i < NPAGES; i++)
		for (unsigned c = 0; c < nclasses(pages[i]); c++)
			for (size_t g = 0; g < sizeof(growths) / sizeof(*growths); g++)
				check_slab(c, growths[g], pages[i]);
}

/* The first slab of a small class is small. */
static void test_first_slabs_are_small(void **state)
{
	(void)state;
	for (unsigned c = 0; c < nclasses(4096) && ma_class_slot(c) <= 1024; c++)
		assert_true(ma_class_slab_size(c, 0, 4096) <= 20480);
}

/*
 * A slot's index comes from an offset by a multiplication. The last bytes of slots of some classes
 * come out one too high, which does not matter: what counts is that a slot's start gives its index,
 * and that nothing else looks like a start.
 */
static void check_reciprocal(unsigned c, size_t page)
{
	size_t slot = ma_class_slot(c);
	size_t size = ma_class_slab_size(c, 2, page);
	uint64_t recip = (((uint64_t)1 << 32) + slot - 1) / slot;

	assert_true(recip <= UINT32_MAX);
	for (size_t offset = 0; offset < size; offset++) {
		size_t idx = (offset * recip) >> 32;

		assert_true(idx == offset / slot || idx == offset / slot + 1);
		assert_true((idx * slot == offset) == (offset % slot == 0));
	}
}

static void test_the_reciprocal_finds_exactly_the_starts(void **state)
{
	(void)state;
	for (size_t i = 0; i < NPAGES; i++)
		for (unsigned c = 0; c < nclasses(pages[i]); c++)
			check_reciprocal(c, pages[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_grow_in_whole_units),
		cmocka_unit_test(test_the_smallest_class_that_holds_it),
		cmocka_unit_test(test_the_bound_on_waste),
		cmocka_unit_test(test_measured_waste),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_aligned_classes),
		cmocka_unit_test(test_no_class_for_more_than_a_page),
		cmocka_unit_test(test_slab_sizes),
		cmocka_unit_test(test_first_slabs_are_small),
		cmocka_unit_test(test_the_reciprocal_finds_exactly_the_starts),
	};

	return cmocka_run_group_tests_name("sizeclass", tests, NULL, NULL);
}
