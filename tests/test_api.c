/* The heap's functions of memalloc.h, against the shared library, as a program sees them. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memalloc.h"
#include "scenario.h"

#define ODD 4711
#define MIB ((size_t)1024 * 1024)

/* Compilers know what the standard's allocators do, and warn of what these tests are about. */
static size_t opaque(size_t n)
{
	volatile size_t hidden = n;

	return hidden;
}

static const size_t sizes[] = {0,     1,     15,   16,    17,    100,  120,     121,
			       248,   249,   256,  1000,  4088,  4096, 8000,    32760,
			       32761, 32768, 5000, 65536, 99999, MIB,  3 * MIB, 40 * MIB};

#define NSIZES (sizeof(sizes) / sizeof(*sizes))

static const size_t too_large[] = {PTRDIFF_MAX,     (size_t)PTRDIFF_MAX + 1,
				   SIZE_MAX - 4096, SIZE_MAX - 16,
				   SIZE_MAX - 8,    SIZE_MAX - 1,
				   SIZE_MAX};

#define NTOO_LARGE (sizeof(too_large) / sizeof(*too_large))

static void assert_sound(void)
{
	const char *broken = memalloc_check();

	if (broken != NULL)
		fail_msg("%s", broken);
}

static void assert_refused(const void *ptr, int error)
{
	assert_null(ptr);
	assert_int_equal(errno, error);
	errno = ODD;
}

static void assert_kept(void)
{
	assert_int_equal(errno, ODD);
}

static size_t live_objects(void)
{
	struct memalloc_statistics stats;

	memalloc_stats(&stats);
	return stats.live_objects;
}

static int all_sound(void **state)
{
	(void)state;
	return memalloc_check() == NULL && live_objects() == 0 ? 0 : -1;
}

/* ---- sizes and errors ------------------------------------------------------------------------ */

static void test_zero_sizes(void **state)
{
	void *a = custom_malloc(opaque(0));
	void *b = custom_malloc(opaque(0));
	void *c = custom_calloc(opaque(0), 8);
	void *d = custom_calloc(8, opaque(0));
	void *e = custom_realloc(NULL, opaque(0));
	void *f = custom_aligned_alloc(64, opaque(0));
	void *all[] = {a, b, c, d, e, f};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_non_null(all[i]);
		assert_int_equal(custom_usable_size(all[i]), 0);
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(all[i], all[k]);
	}
	assert_int_equal(live_objects(), 6);
	for (size_t i = 0; i < 6; i++)
		custom_free(all[i]);
}

static void test_realloc_to_zero_frees(void **state)
{
	void *a = custom_malloc(100);
	void *b = custom_malloc(MIB);

	(void)state;
	errno = ODD;
	assert_null(custom_realloc(a, opaque(0)));
	assert_null(custom_reallocarray(b, opaque(0), 8));
	assert_kept();
	assert_int_equal(live_objects(), 0);
}

static void test_null_pointers(void **state)
{
	(void)state;
	errno = ODD;
	custom_free(NULL);
	assert_int_equal(custom_usable_size(NULL), 0);
	memalloc_pool_destroy(NULL);
	assert_kept();
}

static void test_too_large(void **state)
{
	(void)state;
	errno = ODD;
	for (size_t i = 0; i < NTOO_LARGE; i++) {
		size_t size = opaque(too_large[i]);

		assert_refused(custom_malloc(size), ENOMEM);
		assert_refused(custom_calloc(1, size), ENOMEM);
		assert_refused(custom_calloc(size, 1), ENOMEM);
		assert_refused(custom_realloc(NULL, size), ENOMEM);
		assert_refused(custom_reallocarray(NULL, size, 1), ENOMEM);
		assert_refused(custom_aligned_alloc(16, size), ENOMEM);
		assert_refused(custom_aligned_alloc(4096, size), ENOMEM);
		assert_refused(custom_aligned_alloc(128 * MIB, size), ENOMEM);
		assert_sound();
	}
}

/* Overflowing products that come out small must not be served. */
static void test_overflowing_products(void **state)
{
	void *kept = custom_malloc(10);

	(void)state;
	errno = ODD;
	assert_refused(custom_calloc(opaque(SIZE_MAX / 2 + 1), 2), ENOMEM);
	assert_refused(custom_calloc(opaque(SIZE_MAX), opaque(SIZE_MAX)), ENOMEM);
	assert_refused(custom_calloc(opaque((size_t)1 << 33), (size_t)1 << 31), ENOMEM);
	assert_refused(custom_reallocarray(NULL, opaque(SIZE_MAX / 16 + 1), 16), ENOMEM);
	assert_refused(custom_reallocarray(kept, opaque(SIZE_MAX / 16 + 2), 16), ENOMEM);
	assert_int_equal(custom_usable_size(kept), 10);
	custom_free(kept);
}

static void test_realloc_refused_keeps_the_object(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSIZES; i++) {
		unsigned char *ptr = custom_malloc(sizes[i]);

		assert_non_null(ptr);
		memset(ptr, 0x5a, sizes[i]);
		for (size_t k = 0; k < NTOO_LARGE; k++)
			assert_refused(custom_realloc(ptr, opaque(too_large[k])), ENOMEM);
		assert_int_equal(custom_usable_size(ptr), sizes[i]);
		for (size_t k = 0; k < sizes[i]; k += 1 + sizes[i] / 1000)
			assert_int_equal(ptr[k], 0x5a);
		custom_free(ptr);
	}
}

static void test_bad_alignments(void **state)
{
	static const size_t bad[] = {0, 3, 5, 24, 48, 4095, 4097, SIZE_MAX, SIZE_MAX - 1};

	(void)state;
	errno = ODD;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_refused(custom_aligned_alloc(opaque(bad[i]), 1), EINVAL);
		assert_refused(custom_aligned_alloc(opaque(bad[i]), opaque(SIZE_MAX)), EINVAL);
	}
	assert_refused(custom_aligned_alloc((size_t)1 << 63, 1), ENOMEM);
}

static void test_errno_kept(void **state)
{
	(void)state;
	errno = ODD;
	for (size_t i = 0; i < NSIZES; i++) {
		void *a = custom_malloc(sizes[i]);
		void *b = custom_calloc(1, sizes[i]);
		void *c = custom_aligned_alloc(256, sizes[i]);

		a = custom_realloc(a, sizes[i] + 1);
		assert_non_null(a);
		a = custom_reallocarray(a, sizes[i] / 2 + 1, 1);
		assert_non_null(b);
		assert_non_null(c);
		custom_free(a);
		custom_free(b);
		custom_free(c);
		assert_kept();
	}
	init_pool(1);
	assert_null(memalloc_check());
	(void)memalloc_trim(0);
	(void)memalloc_compact();
	(void)live_objects();
	assert_kept();
}

/* ---- objects --------------------------------------------------------------------------------- */

static void test_objects_are_aligned_and_as_large_as_asked(void **state)
{
	(void)state;
	for (size_t size = 0; size < 5000; size++) {
		unsigned char *ptr = custom_malloc(size);

		assert_non_null(ptr);
		assert_int_equal((uintptr_t)ptr % 16, 0);
		assert_int_equal(custom_usable_size(ptr), size);
		memset(ptr, 0xff, size);
		custom_free(ptr);
	}
}

static void test_alignments(void **state)
{
	(void)state;
	for (size_t align = 1; align <= 128 * MIB; align *= 2) {
		for (size_t i = 0; i < NSIZES; i += 2) {
			unsigned char *ptr = custom_aligned_alloc(align, sizes[i]);

			assert_non_null(ptr);
			assert_int_equal((uintptr_t)ptr % align, 0);
			assert_int_equal(custom_usable_size(ptr), sizes[i]);
			if (sizes[i] > 0)
				ptr[0] = ptr[sizes[i] - 1] = 1;
			custom_free(ptr);
		}
	}
}

static void dirty(size_t size)
{
	void *ptr[8];

	for (size_t i = 0; i < 8; i++) {
		ptr[i] = custom_malloc(size);
		assert_non_null(ptr[i]);
		memset(ptr[i], 0xaa, size);
	}
	for (size_t i = 0; i < 8; i++)
		custom_free(ptr[i]);
}

static void test_calloc_is_zero_on_used_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSIZES - 1; i++) {
		unsigned char *ptr;

		dirty(sizes[i]);
		ptr = custom_calloc(sizes[i], 1);
		assert_non_null(ptr);
		for (size_t k = 0; k < sizes[i]; k++)
			if (ptr[k] != 0)
				fail_msg("byte %zu of %zu is %d", k, sizes[i], ptr[k]);
		custom_free(ptr);
	}
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 256);
}

static void assert_pattern(const unsigned char *ptr, size_t n)
{
	for (size_t i = 0; i < n; i += 1 + n / 5000)
		if (ptr[i] != pattern(i))
			fail_msg("byte %zu of %zu changed", i, n);
}

static void check_realloc(size_t from, size_t to)
{
	unsigned char *ptr = custom_malloc(from);

	assert_non_null(ptr);
	for (size_t i = 0; i < from; i++)
		ptr[i] = pattern(i);
	ptr = custom_realloc(ptr, to);
	assert_non_null(ptr);
	assert_int_equal(custom_usable_size(ptr), to);
	assert_pattern(ptr, from < to ? from : to);
	ptr[to - 1] = 1;
	custom_free(ptr);
}

static void test_realloc_keeps_contents(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSIZES; i++)
		for (size_t k = 1; k < NSIZES; k++)
			check_realloc(sizes[i], sizes[k]);
	assert_sound();
}

/* ---- looking inside -------------------------------------------------------------------------- */

struct seen {
	void *ptr[64];
	size_t n;
	size_t matched;
	uintptr_t last;
	int stop_at; /* objects; 0: never */
};

static int visit(const struct memalloc_object *object, void *arg)
{
	struct seen *seen = arg;

	assert_true((uintptr_t)object->ptr > seen->last);
	assert_true(object->footprint > object->size);
	seen->last = (uintptr_t)object->ptr;
	for (size_t i = 0; i < seen->n; i++)
		if (seen->ptr[i] == object->ptr && sizes[i % NSIZES] == object->size)
			seen->matched++;
	return --seen->stop_at == 0 ? 42 : 0;
}

static void test_walk_finds_exactly_the_live_objects(void **state)
{
	struct seen seen = {.n = 2 * NSIZES};

	(void)state;
	for (size_t i = 0; i < seen.n; i++) {
		seen.ptr[i] = custom_malloc(sizes[i % NSIZES]);
		assert_non_null(seen.ptr[i]);
		custom_free(custom_malloc(sizes[i % NSIZES]));
	}
	assert_int_equal(memalloc_walk(visit, &seen), 0);
	assert_int_equal(seen.matched, seen.n);
	assert_int_equal(live_objects(), seen.n);
	seen.last = 0;
	seen.matched = 0;
	seen.stop_at = 3;
	assert_int_equal(memalloc_walk(visit, &seen), 42);
	assert_int_equal(seen.matched, 3);
	for (size_t i = 0; i < seen.n; i++)
		custom_free(seen.ptr[i]);
}

static void test_walk_of_nothing(void **state)
{
	struct seen seen = {.n = 0};

	(void)state;
	assert_int_equal(memalloc_walk(visit, &seen), 0);
	assert_int_equal(seen.last, 0);
}

static size_t sum_of(const struct memalloc_statistics *stats)
{
	return stats->live + stats->slack + stats->free_used + stats->free_fresh +
	       stats->quarantine + stats->tails + stats->guards + stats->waiting + stats->aside +
	       stats->free;
}

static void test_stats_add_up(void **state)
{
	struct memalloc_statistics stats;
	void *ptr[NSIZES];
	size_t sum = 0;

	(void)state;
	for (size_t i = 0; i < NSIZES; i++) {
		ptr[i] = custom_malloc(sizes[i]);
		sum += sizes[i];
	}
	memalloc_stats(&stats);
	assert_int_equal(stats.live, sum);
	assert_int_equal(stats.live_objects, NSIZES);
	assert_int_equal(stats.mapped, stats.free + stats.slabs + stats.large + stats.waiting);
	assert_int_equal(stats.mapped, sum_of(&stats));
	assert_in_range(stats.resident, stats.live, stats.mapped + stats.metadata);
	assert_in_range(stats.dirty, 0, stats.free);
	assert_in_range(stats.free_blocks, 0, stats.blocks);
	assert_true(stats.large >= 44 * MIB && stats.regions >= 1 && stats.heaps == 1);
	assert_true(stats.metadata > 0 && stats.grown >= stats.regions && stats.stranded == 0);
	for (size_t i = 0; i < NSIZES; i++)
		custom_free(ptr[i]);
	(void)memalloc_compact();
	memalloc_stats(&stats);
	assert_int_equal(stats.mapped, stats.free);
	assert_int_equal(stats.live + stats.slabs + stats.large + stats.retired + stats.waiting, 0);
}

static _Atomic bool over;

static void *allocate_meanwhile(void *seed)
{
	uint32_t x = (uint32_t)(uintptr_t)seed;
	void *ptr[64] = {NULL};

	while (!over) {
		x = x * 1103515245 + 12345;
		custom_free(ptr[x >> 26]);
		ptr[x >> 26] = custom_malloc((x >> 8) % (x & 0x800000 ? 400 : 90000));
	}
	for (size_t i = 0; i < 64; i++)
		custom_free(ptr[i]);
	return NULL;
}

/* Every byte is something, whatever others do. */
static void test_stats_while_others_allocate(void **state)
{
	pthread_t thread[2];
	struct memalloc_statistics stats;

	(void)state;
	over = false;
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, allocate_meanwhile, (void *)(i + 1)), 0);
	for (int i = 0; i < 500; i++) {
		memalloc_stats(&stats);
		assert_int_equal(stats.mapped, sum_of(&stats));
		assert_in_range(stats.resident, 0, stats.mapped + stats.metadata);
	}
	over = true;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Reads {"name":number,...}: what is written is that simple. Return: fields read, -1: malformed. */
static int parse(const char *json, const char *wanted, uint64_t *value)
{
	int n = 0;

	if (*json++ != '{')
		return -1;
	for (;;) {
		const char *end = *json == '"' ? strchr(json + 1, '"') : NULL;
		char *after = NULL;
		uint64_t number;

		if (end == NULL || end[1] != ':' || end[2] < '0' || end[2] > '9')
			return -1;
		number = strtoull(end + 2, &after, 10);
		if ((size_t)(end - json - 1) == strlen(wanted) &&
		    memcmp(json + 1, wanted, strlen(wanted)) == 0)
			*value = number;
		n++;
		if (*after != ',')
			return after[0] == '}' && after[1] == '\0' ? n : -1;
		json = after + 1;
	}
}

static uint64_t field(const char *json, const char *name)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(parse(json, name, &value), 37);
	return value;
}

static void test_json_agrees_with_the_struct(void **state)
{
	struct memalloc_statistics stats;
	void *ptr = custom_malloc(12345);
	char json[2048];

	(void)state;
	memalloc_stats(&stats);
	assert_in_range(memalloc_stats_json(json, sizeof(json)), 100, sizeof(json) - 1);
	assert_int_equal(field(json, "version"), 1);
	assert_int_equal(field(json, "mapped"), stats.mapped);
	assert_int_equal(field(json, "metadata"), stats.metadata);
	assert_int_equal(field(json, "live"), 12345);
	assert_int_equal(field(json, "live_objects"), 1);
	assert_int_equal(field(json, "free_slots"), stats.free_slots);
	assert_int_equal(field(json, "heaps"), stats.heaps);
	assert_int_equal(field(json, "grown"), stats.grown);
	assert_int_equal(field(json, "purged"), stats.purged);
	custom_free(ptr);
}

static void test_json_truncates(void **state)
{
	char whole[2048], part[2048];
	size_t len = memalloc_stats_json(whole, sizeof(whole));

	(void)state;
	assert_int_equal(strlen(whole), len);
	assert_int_equal(memalloc_stats_json(NULL, 0), len);
	for (size_t size = 1; size <= len + 2; size++) {
		size_t kept = size - 1 < len ? size - 1 : len;

		memset(part, 'x', sizeof(part));
		assert_int_equal(memalloc_stats_json(part, size), len);
		assert_memory_equal(part, whole, kept);
		assert_int_equal(part[kept], 0);
		assert_int_equal(part[kept + 1], 'x');
	}
}

/* ---- misuse ---------------------------------------------------------------------------------- */

/* The compiler may not see through these either. */
static void *volatile victim;

static void overflow(void)
{
	victim = custom_malloc(opaque(20));
	((volatile char *)victim)[opaque(20)] = 0;
	custom_free(victim);
}

static void double_free(void)
{
	void *again;

	victim = custom_malloc(20);
	again = victim;
	custom_free(victim);
	custom_free(again);
}

static void free_of_the_stack(void)
{
	char local[16];

	victim = local;
	custom_free(victim);
}

static void usable_size_of_freed(void)
{
	void *again;

	victim = custom_malloc(20);
	again = victim;
	custom_free(victim);
	(void)custom_usable_size(again);
}

static void realloc_of_the_middle(void)
{
	victim = custom_malloc(100);
	victim = (char *)victim + 16;
	victim = custom_realloc(victim, 200);
}

static void overflow_is_found_by_check(void)
{
	victim = custom_malloc(opaque(20));
	assert_null(memalloc_check());
	((volatile char *)victim)[opaque(20)] ^= 1;
	assert_string_equal(memalloc_check(), "S5 canaries are intact");
	((volatile char *)victim)[opaque(20)] ^= 1;
}

static const struct scenario scenarios[] = {
	{"overflow", overflow},
	{"double free", double_free},
	{"free of the stack", free_of_the_stack},
	{"usable size of freed", usable_size_of_freed},
	{"realloc of the middle", realloc_of_the_middle},
	{"overflow is found by check", overflow_is_found_by_check},
};

static void test_misuse_is_reported(void **state)
{
	(void)state;
	assert_true(scenario_dies("overflow", NULL, "memalloc: heap overflow: 0x"));
	assert_true(scenario_dies("double free", NULL, "memalloc: double free: 0x"));
	assert_true(scenario_dies("free of the stack", NULL, "memalloc: invalid free: 0x"));
	assert_true(scenario_dies("usable size of freed", NULL, "memalloc: bad usable size: 0x"));
	assert_true(scenario_dies("realloc of the middle", NULL, "memalloc: bad realloc: 0x"));
	assert_true(scenario_passes("overflow is found by check", NULL));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_zero_sizes, all_sound),
		cmocka_unit_test_teardown(test_realloc_to_zero_frees, all_sound),
		cmocka_unit_test_teardown(test_null_pointers, all_sound),
		cmocka_unit_test_teardown(test_too_large, all_sound),
		cmocka_unit_test_teardown(test_overflowing_products, all_sound),
		cmocka_unit_test_teardown(test_realloc_refused_keeps_the_object, all_sound),
		cmocka_unit_test_teardown(test_bad_alignments, all_sound),
		cmocka_unit_test_teardown(test_errno_kept, all_sound),
		cmocka_unit_test_teardown(test_objects_are_aligned_and_as_large_as_asked,
					  all_sound),
		cmocka_unit_test_teardown(test_alignments, all_sound),
		cmocka_unit_test_teardown(test_calloc_is_zero_on_used_memory, all_sound),
		cmocka_unit_test_teardown(test_realloc_keeps_contents, all_sound),
		cmocka_unit_test_teardown(test_walk_finds_exactly_the_live_objects, all_sound),
		cmocka_unit_test_teardown(test_walk_of_nothing, all_sound),
		cmocka_unit_test_teardown(test_stats_add_up, all_sound),
		cmocka_unit_test_teardown(test_stats_while_others_allocate, all_sound),
		cmocka_unit_test_teardown(test_json_agrees_with_the_struct, all_sound),
		cmocka_unit_test_teardown(test_json_truncates, all_sound),
		cmocka_unit_test(test_misuse_is_reported),
	};

	if (scenario_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(*scenarios)))
		return 0;
	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
