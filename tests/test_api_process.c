/* What happens once per process, or to a process: start, options, memory given back, fork. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "memalloc.h"
#include "scenario.h"
#include "watched.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define NBIG 64
#define NSMALL ((size_t)64 * 1024)

static struct memalloc_statistics stats_now(void)
{
	struct memalloc_statistics stats;

	memalloc_stats(&stats);
	return stats;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&ts, NULL);
}

/* ---- the first allocation -------------------------------------------------------------------- */

static void nothing_is_mapped_before_the_first_allocation(void)
{
	assert_int_equal(stats_now().mapped, 0);
	assert_int_equal(stats_now().regions, 0);
	custom_free(NULL);
	assert_int_equal(stats_now().mapped, 0);
	assert_non_null(custom_malloc(1));
	assert_in_range(stats_now().mapped, 64 * KIB, 4 * MIB);
	assert_int_equal(stats_now().regions, 1);
}

static void init_pool_sets_the_first_region(void)
{
	init_pool(3 * MIB + 1);
	assert_int_equal(stats_now().mapped, 0);
	assert_non_null(custom_malloc(1));
	assert_in_range(stats_now().mapped, 3 * MIB + 1, 3 * MIB + 64 * KIB);
	assert_int_equal(stats_now().regions, 1);
}

static void init_pool_beyond_one_region(void)
{
	init_pool(150 * MIB);
	assert_int_equal(stats_now().mapped, 0);
	assert_non_null(custom_malloc(1));
	assert_in_range(stats_now().mapped, 150 * MIB, 200 * MIB);
	assert_in_range(stats_now().regions, 3, 4);
	assert_null(memalloc_check());
}

static void init_pool_of_absurd_sizes(void)
{
	size_t mapped;

	init_pool(0);
	init_pool(SIZE_MAX);
	init_pool(PTRDIFF_MAX);
	init_pool(((size_t)1 << 40) + 1);
	assert_non_null(custom_malloc(1));
	mapped = stats_now().mapped;
	assert_in_range(mapped, 64 * KIB, 4 * MIB);
	init_pool(0);
	init_pool(SIZE_MAX);
	init_pool(((size_t)1 << 40) + 1);
	assert_int_equal(stats_now().mapped, mapped);
	assert_null(memalloc_check());
}

static void init_pool_later_makes_room(void)
{
	size_t mapped;

	assert_non_null(custom_malloc(1));
	init_pool(100 * MIB);
	assert_true(stats_now().free >= 100 * MIB);
	mapped = stats_now().mapped;
	init_pool(10 * MIB);
	assert_int_equal(stats_now().mapped, mapped);
	for (int i = 0; i < 9; i++)
		assert_non_null(custom_malloc(10 * MIB));
	assert_int_equal(stats_now().mapped, mapped);
}

static void option_init(void)
{
	assert_non_null(custom_malloc(1));
	assert_int_equal(stats_now().mapped, 5 * MIB);
}

/* ---- the list -------------------------------------------------------------------------------- */

static void list(void)
{
	void *small = custom_malloc(100);
	void *large = custom_malloc(100 * KIB);
	void *huge = custom_malloc(100 * MIB);
	void *between = custom_malloc(50 * KIB);

	(void)printf("before\n");
	custom_free(between);
	print_free_list();
	(void)printf("after %d\n", small != NULL && large != NULL && huge != NULL);
}

/* Return: blocks listed; their addresses must grow and their sizes add up to @mapped. */
static size_t read_blocks(const char *text, size_t *mapped)
{
	unsigned long last = 0;
	size_t n = 0;

	*mapped = 0;
	for (const char *at = strstr(text, "  region "); at != NULL; n++) {
		unsigned long region, addr, size;

		assert_int_equal(sscanf(at, " region %lu 0x%lx %lu", &region, &addr, &size), 3);
		assert_true(addr > last);
		last = addr;
		*mapped += size;
		at = strstr(at + 1, "  region ");
	}
	return n;
}

static void test_list(void **state)
{
	unsigned long blocks, free, mapped;
	const char *total;
	size_t sum;
	char text[4096];

	(void)state;
	assert_true(scenario_output("list", NULL, STDOUT_FILENO, text, sizeof(text)));
	assert_memory_equal(text, "before\nmemory pool: ", 20);
	assert_non_null(strstr(text, "\nafter 1\n"));
	assert_non_null(strstr(text, "  slab of 112-byte slots: 1 live, 0 retired, "));
	assert_non_null(strstr(text, "  large: 102400 bytes requested\n"));
	assert_non_null(strstr(text, "  huge: 104857600 bytes requested\n"));
	total = strstr(text, "\ntotal: ");
	assert_non_null(total);
	assert_int_equal(sscanf(total, " total: %lu blocks, %lu free, %lu bytes mapped", &blocks,
				&free, &mapped),
			 3);
	assert_int_equal(read_blocks(text, &sum), blocks);
	assert_int_equal(sum, mapped);
	assert_in_range(free, 1, blocks - 3);
}

/* ---- memory goes back ------------------------------------------------------------------------ */

static void *big[NBIG];
static void *small[NSMALL];

static void take_big(void)
{
	for (size_t i = 0; i < NBIG; i++) {
		big[i] = custom_malloc(MIB);
		assert_non_null(big[i]);
		memset(big[i], 1, MIB);
	}
}

static void give_big(void)
{
	for (size_t i = 0; i < NBIG; i++)
		custom_free(big[i]);
}

static void take_small(void)
{
	for (size_t i = 0; i < NSMALL; i++) {
		small[i] = custom_malloc(1000);
		assert_non_null(small[i]);
		memset(small[i], 1, 1000);
	}
}

static void give_small(void)
{
	for (size_t i = 0; i < NSMALL; i++)
		custom_free(small[i]);
}

static void trim_lowers_resident_memory(void)
{
	size_t full;

	take_big();
	full = resident_bytes();
	give_big();
	assert_true(resident_bytes() + MIB > full);
	assert_int_equal(memalloc_trim(0), 1);
	assert_true(resident_bytes() + 60 * MIB < full);
	assert_int_equal(stats_now().free, 0);
	assert_int_equal(memalloc_trim(0), 0);
}

static void trim_keeps_what_it_is_told_to(void)
{
	void *rest;

	take_big();
	rest = custom_malloc(1);
	give_big();
	assert_int_equal(memalloc_trim(2 * MIB), 1);
	assert_in_range(stats_now().free, MIB, 16 * MIB);
	assert_int_equal(memalloc_trim(0), 1);
	custom_free(rest);
	assert_null(memalloc_check());
}

static void compact_lowers_resident_memory(void)
{
	size_t full, given;

	take_small();
	full = resident_bytes();
	give_small();
	given = memalloc_compact();
	assert_true(given >= 60 * MIB);
	assert_true(resident_bytes() + 60 * MIB < full);
	assert_int_equal(stats_now().slabs + stats_now().retired + stats_now().mapped, 0);
	assert_int_equal(memalloc_compact(), 0);
}

/* Every other object stays: whole pages inside cannot go, the ends of regions neither. */
static void compact_purges_holes(void)
{
	size_t full;

	take_big();
	full = resident_bytes();
	for (size_t i = 0; i < NBIG; i += 2)
		custom_free(big[i]);
	(void)memalloc_compact();
	assert_true(resident_bytes() + 28 * MIB < full);
	for (size_t i = 1; i < NBIG; i += 2) {
		assert_int_equal(((char *)big[i])[MIB / 2], 1);
		custom_free(big[i]);
	}
	assert_null(memalloc_check());
}

static void pages_that_came_of_age_go_back_by_themselves(void)
{
	size_t full;

	take_big();
	full = resident_bytes();
	give_big();
	for (int i = 0; i < 200 && resident_bytes() + 56 * MIB > full; i++) {
		void *ptr = custom_malloc(100 * KIB);

		sleep_ms(10);
		custom_free(ptr);
	}
	assert_true(resident_bytes() + 56 * MIB < full);
}

/* ---- background=1 ---------------------------------------------------------------------------- */

static bool shrinks_by_itself(void)
{
	size_t full;

	take_big();
	full = resident_bytes();
	give_big();
	for (int i = 0; i < 500; i++) {
		if (resident_bytes() + 56 * MIB < full)
			return true;
		sleep_ms(10);
	}
	return false;
}

static void background_gives_memory_back(void)
{
	assert_true(shrinks_by_itself());
	assert_null(memalloc_check());
}

static void background_survives_fork(void)
{
	int status = -1;
	pid_t pid;

	assert_true(shrinks_by_itself());
	pid = fork();
	if (pid == 0)
		_exit(shrinks_by_itself() && memalloc_check() == NULL ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(shrinks_by_itself());
}

/* ---- threads --------------------------------------------------------------------------------- */

#define NOBJECTS ((size_t)2000)

static void *objects[NOBJECTS];
static char no_memory[] = "no memory";
static char no_key[] = "no key";

static void *allocate(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < NOBJECTS; i++) {
		objects[i] = custom_malloc(100);
		if (objects[i] == NULL)
			return no_memory;
		memset(objects[i], (int)i, 100);
	}
	return NULL;
}

static void run_thread(void *(*body)(void *))
{
	void *failed = NULL;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
}

/* What a thread leaves behind is used by the next one that needs slots of that size. */
static void slabs_of_ended_threads_are_adopted(void)
{
	size_t slabs;

	run_thread(allocate);
	for (size_t i = 0; i < NOBJECTS; i += 2)
		custom_free(objects[i]);
	slabs = stats_now().slabs;
	for (size_t i = 0; i < NOBJECTS; i += 2) {
		objects[i] = custom_malloc(100);
		assert_non_null(objects[i]);
	}
	assert_int_equal(stats_now().slabs, slabs);
	assert_null(memalloc_check());
	for (size_t i = 1; i < NOBJECTS; i += 2)
		assert_int_equal(*(unsigned char *)objects[i], (unsigned char)i);
	for (size_t i = 0; i < NOBJECTS; i++)
		custom_free(objects[i]);
	(void)memalloc_compact();
	assert_int_equal(stats_now().slabs, 0);
}

static void *deallocate(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < NOBJECTS; i++)
		custom_free(objects[i]);
	return NULL;
}

static void objects_may_be_freed_by_any_thread(void)
{
	assert_null(allocate(NULL));
	run_thread(deallocate);
	assert_int_equal(stats_now().live_objects, 0);
	(void)memalloc_compact();
	assert_int_equal(stats_now().slabs, 0);
	assert_null(memalloc_check());
}

static void heaps_are_reused(void)
{
	for (int i = 0; i < 50; i++) {
		run_thread(allocate);
		run_thread(deallocate);
	}
	/* The thread that only frees needs none, nor does this one. */
	assert_int_equal(stats_now().heaps, 1);
	(void)memalloc_compact();
	assert_int_equal(stats_now().slabs, 0);
}

static pthread_key_t key;

static void late(void *arg)
{
	custom_free(arg);
	custom_free(custom_malloc(200));
}

static void *with_destructor(void *arg)
{
	void *mine = custom_malloc(100);

	(void)arg;
	return pthread_setspecific(key, mine) == 0 ? NULL : no_key;
}

/* Destructors of other keys may allocate after the thread's heap was given up. */
static void destructors_may_allocate(void)
{
	assert_int_equal(pthread_key_create(&key, late), 0);
	for (int i = 0; i < 20; i++)
		run_thread(with_destructor);
	assert_int_equal(stats_now().live_objects, 0);
	assert_in_range(stats_now().heaps, 1, 2);
	(void)memalloc_compact();
	assert_int_equal(stats_now().slabs, 0);
	assert_null(memalloc_check());
}

/* ---- fork ------------------------------------------------------------------------------------ */

static _Atomic bool stop;

static void *churn(void *arg)
{
	size_t seed = (size_t)(uintptr_t)arg;
	void *ptr[64] = {NULL};

	for (size_t i = 0; !atomic_load(&stop); i++) {
		size_t k = (i * 13 + seed) % 64;
		size_t size = i % 100 == 0 ? 200 * KIB : 1 + i % 700;

		custom_free(ptr[k]);
		ptr[k] = custom_malloc(size);
		if (ptr[k] == NULL)
			return no_memory;
		memset(ptr[k], 1, 1);
	}
	for (size_t k = 0; k < 64; k++)
		custom_free(ptr[k]);
	return NULL;
}

static int child(memalloc_pool *pool, void *in_pool)
{
	if (memalloc_check() != NULL || memalloc_pool_check(pool) != NULL)
		return 1;
	for (size_t i = 0; i < NOBJECTS; i++) {
		if (*(unsigned char *)objects[i] != (unsigned char)i)
			return 2;
		custom_free(objects[i]);
	}
	memalloc_pool_free(pool, in_pool);
	for (size_t i = 0; i < NOBJECTS; i++)
		if (custom_malloc(i * 10) == NULL)
			return 3;
	(void)memalloc_compact();
	return memalloc_check() != NULL || memalloc_pool_check(pool) != NULL ? 4 : 0;
}

static void fork_once(memalloc_pool *pool, void *in_pool)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)alarm(20);
		_exit(child(pool, in_pool));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void fork_while_threads_allocate(void)
{
	memalloc_pool *pool = memalloc_pool_create(NULL);
	void *in_pool = memalloc_pool_malloc(pool, 1000);
	pthread_t thread[4];

	assert_null(allocate(NULL));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < 50; i++)
		fork_once(pool, in_pool);
	atomic_store(&stop, true);
	for (size_t i = 0; i < 4; i++) {
		void *failed = NULL;

		(void)pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	memalloc_pool_destroy(pool);
	assert_null(deallocate(NULL));
	assert_null(memalloc_check());
	assert_int_equal(stats_now().live_objects, 0);
}

/* A child of a child, each with threads of its own. */
static void fork_in_a_child(void)
{
	int status = -1;
	pid_t pid;

	run_thread(allocate);
	pid = fork();
	if (pid == 0) {
		run_thread(deallocate);
		run_thread(allocate);
		pid = fork();
		if (pid == 0) {
			run_thread(deallocate);
			(void)memalloc_compact();
			_exit(memalloc_check() == NULL && stats_now().slabs == 0 ? 0 : 1);
		}
		_exit(waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_null(deallocate(NULL));
}

/* ---- options --------------------------------------------------------------------------------- */

static void the_limit_holds(void)
{
	size_t n = 0;

	while (custom_malloc(1000) != NULL)
		n++;
	assert_int_equal(errno, ENOMEM);
	assert_in_range(n, 3000, 4 * MIB / 1000);
	assert_in_range(stats_now().mapped, 3 * MIB, 4 * MIB);
	assert_null(memalloc_check());
}

static void best_fit_is_used(void)
{
	void *low = custom_malloc(400 * KIB);
	void *wall = custom_malloc(40 * KIB);
	void *high = custom_malloc(200 * KIB);
	void *end = custom_malloc(40 * KIB);
	void *const expected = high;

	assert_true(low < wall && wall < high && high < end);
	custom_free(low);
	custom_free(high);
	assert_ptr_equal(custom_malloc(190 * KIB), expected);
}

static void freed_slots_are_used_again_soon(void)
{
	void *ptr = custom_malloc(100);
	void *const expected = ptr;

	custom_free(ptr);
	for (int i = 0; i < 64; i++)
		if (custom_malloc(100) == expected)
			return;
	fail();
}

static void use(void)
{
	custom_free(custom_malloc(1));
}

static void test_options_apply(void **state)
{
	char text[4096];

	(void)state;
	assert_true(scenario_passes("option init", "init=5m"));
	assert_true(scenario_passes("the limit holds", "limit=4m"));
	assert_true(scenario_passes("the limit holds", "nonsense:limit=4m:fit=worst"));
	assert_true(scenario_passes("best fit is used", "fit=best:init=4m:quarantine_size=0"));
	assert_true(scenario_passes("freed slots are used again soon", "quarantine=0"));
	assert_false(scenario_output("freed slots are used again soon", "quarantine=100",
				     STDERR_FILENO, text, sizeof(text)));
	assert_true(scenario_output("use", "help=1:retain=1k", STDERR_FILENO, text, sizeof(text)));
	assert_non_null(strstr(text, "  retain=1024  "));
	assert_true(scenario_output("use", "nonsense=1:quarantine=16385", STDERR_FILENO, text,
				    sizeof(text)));
	assert_non_null(strstr(text, "memalloc: MEMALLOC_OPTIONS: unknown option: nonsense=1"));
	assert_non_null(strstr(text, "bad value for an option: quarantine=16385;"));
	assert_true(scenario_dies("use", "strict_options=1:nonsense=1", "giving up"));
	assert_true(scenario_passes("use", "strict_options=1"));
}

/* ---- the tests ------------------------------------------------------------------------------- */

#define NEVER "purge_ms=1g"

static const struct {
	const char *options;
	struct scenario scenario;
} cases[] = {
	{NULL,
	 {"nothing is mapped before the first allocation",
	  nothing_is_mapped_before_the_first_allocation}},
	{NULL, {"init_pool sets the first region", init_pool_sets_the_first_region}},
	{NULL, {"init_pool beyond one region", init_pool_beyond_one_region}},
	{NULL, {"init_pool of absurd sizes", init_pool_of_absurd_sizes}},
	{NULL, {"init_pool later makes room", init_pool_later_makes_room}},
	{NEVER, {"trim lowers resident memory", trim_lowers_resident_memory}},
	{NEVER, {"trim keeps what it is told to", trim_keeps_what_it_is_told_to}},
	{NEVER, {"compact lowers resident memory", compact_lowers_resident_memory}},
	{NEVER, {"compact purges holes", compact_purges_holes}},
	{"purge_ms=50",
	 {"pages that came of age go back by themselves",
	  pages_that_came_of_age_go_back_by_themselves}},
	{"purge_ms=50:background=1",
	 {"background gives memory back", background_gives_memory_back}},
	{"purge_ms=50:background=1", {"background survives fork", background_survives_fork}},
	{NULL, {"slabs of ended threads are adopted", slabs_of_ended_threads_are_adopted}},
	{NULL, {"objects may be freed by any thread", objects_may_be_freed_by_any_thread}},
	{NULL, {"heaps are reused", heaps_are_reused}},
	{NULL, {"destructors may allocate", destructors_may_allocate}},
	{NULL, {"fork while threads allocate", fork_while_threads_allocate}},
	{"quarantine=0", {"fork while threads allocate", fork_while_threads_allocate}},
	{NULL, {"fork in a child", fork_in_a_child}},
};

static const struct scenario more[] = {
	{"list", list},
	{"use", use},
	{"option init", option_init},
	{"the limit holds", the_limit_holds},
	{"best fit is used", best_fit_is_used},
	{"freed slots are used again soon", freed_slots_are_used_again_soon},
};

#define NCASES (sizeof(cases) / sizeof(*cases))
#define NMORE (sizeof(more) / sizeof(*more))

static void test_case(void **state)
{
	size_t i = (size_t)(uintptr_t)*state;

	if (!starts_after_fork() && strcmp(cases[i].scenario.name, "background survives fork") == 0)
		skip();
	assert_true(scenario_passes(cases[i].scenario.name, cases[i].options));
}

static bool run_scenario(int argc, char **argv)
{
	struct scenario all[NCASES + NMORE];

	for (size_t i = 0; i < NCASES; i++)
		all[i] = cases[i].scenario;
	memcpy(all + NCASES, more, sizeof(more));
	return scenario_main(argc, argv, all, NCASES + NMORE);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[NCASES + 2] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_options_apply),
	};

	if (run_scenario(argc, argv))
		return 0;
	for (size_t i = 0; i < NCASES; i++)
		tests[i + 2] = (struct CMUnitTest){cases[i].scenario.name, test_case, NULL, NULL,
						   (void *)i};
	return cmocka_run_group_tests_name("api process", tests, NULL, NULL);
}
