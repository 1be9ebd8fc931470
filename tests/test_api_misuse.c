/*
 * What follows misuse, in whatever a program is doing: reports from everywhere, and with
 * on_violation=report a program that goes on with a sound heap.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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

#define GO_ON "on_violation=report"
#define NOBJECTS 300

/* The compiler may not see through these. */
static char *volatile victim;
static volatile size_t offset;

static char *fresh(size_t size)
{
	victim = custom_malloc(size);
	assert_non_null(victim);
	memset(victim, 'v', size);
	return victim;
}

static void free_twice(size_t size)
{
	char *volatile again = fresh(size);

	custom_free(victim);
	custom_free(again);
}

/* Allocate, change and free for a while: whatever the misuse left behind would show. */
static void work(void)
{
	static void *object[NOBJECTS];

	for (unsigned i = 0; i < 20 * NOBJECTS; i++) {
		unsigned k = i * 7 % NOBJECTS;
		size_t size = i * 37 % (i % 50 == 0 ? 100000 : 400);

		custom_free(object[k]);
		object[k] = custom_malloc(size);
		assert_non_null(object[k]);
		memset(object[k], (int)i, size);
	}
	for (unsigned k = 0; k < NOBJECTS; k++)
		custom_free(object[k]);
}

static void go_on(void)
{
	work();
	assert_null(memalloc_check());
}

/* ---- it goes on ------------------------------------------------------------------------------ */

static void double_frees(void)
{
	free_twice(20);
	free_twice(3000);
	free_twice(100000);
	free_twice(50 * 1024 * 1024);
	go_on();
}

static void invalid_frees(void)
{
	char local[64];

	(void)fresh(200);
	offset = 16;
	custom_free(victim + offset);
	custom_free(victim);
	(void)fresh(100000);
	custom_free(victim + offset);
	custom_free(victim);
	victim = local;
	custom_free(victim + offset);
	victim = (char *)(uintptr_t)&go_on;
	custom_free(victim);
	go_on();
}

static void overflows(void)
{
	static const size_t sizes[] = {20, 200, 3000, 100000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		offset = sizes[i];
		fresh(sizes[i])[offset] ^= 1;
		custom_free(victim);
		fresh(sizes[i])[offset] ^= 1;
		victim = custom_realloc(victim, 2 * sizes[i]);
		assert_int_equal(victim[sizes[i] - 1], 'v');
		custom_free(victim);
	}
	go_on();
}

static void writes_after_free(void)
{
	for (size_t i = 0; i < 100; i++) {
		(void)fresh(40);
		custom_free(victim);
		offset = i % 40;
		victim[offset] = 'x';
	}
	/* What still waits in the quarantine is damaged, and stays so. */
	work();
}

static void bad_pointers(void)
{
	(void)fresh(100);
	custom_free(victim);
	assert_int_equal(custom_usable_size(victim), 0);
	errno = 0;
	assert_null(custom_realloc(victim, 200));
	assert_int_equal(errno, ENOMEM);
	offset = 8;
	(void)fresh(100);
	assert_int_equal(custom_usable_size(victim + offset), 0);
	assert_null(custom_realloc(victim + offset, 200));
	custom_free(victim);
	go_on();
}

static void wrong_pools(void)
{
	memalloc_pool *one = memalloc_pool_create(NULL);
	memalloc_pool *other = memalloc_pool_create(NULL);

	victim = memalloc_pool_malloc(one, 100);
	memalloc_pool_free(other, victim);
	custom_free(victim);
	memalloc_pool_free(one, victim);
	assert_null(memalloc_pool_check(one));
	assert_null(memalloc_pool_check(other));
	memalloc_pool_destroy(one);
	memalloc_pool_free(NULL, victim);
	assert_null(memalloc_pool_malloc(NULL, 10));
	memalloc_pool_destroy(other);
	go_on();
}

/* ---- reports from everywhere ----------------------------------------------------------------- */

static void *in_thread(void *arg)
{
	free_twice(100);
	return arg;
}

static void thread(void)
{
	pthread_t id;

	assert_int_equal(pthread_create(&id, NULL, in_thread, NULL), 0);
	(void)pthread_join(id, NULL);
}

static void on_signal(int sig)
{
	(void)sig;
	custom_free(victim);
}

static void signal_handler(void)
{
	(void)fresh(100);
	custom_free(victim);
	(void)signal(SIGUSR1, on_signal);
	(void)raise(SIGUSR1);
}

static void at_exit(void)
{
	free_twice(100);
}

static void exit_handler(void)
{
	custom_free(fresh(1));
	(void)atexit(at_exit);
	exit(0);
}

/* Nobody frees it: the look at live objects finds it. */
static void never_freed(void)
{
	offset = 20;
	fresh(20)[offset] ^= 1;
	exit(0);
}

static int hold_on(const struct memalloc_object *object, void *arg)
{
	(void)object;
	(void)write(*(int *)arg, "x", 1);
	for (;;)
		(void)pause();
	return 0;
}

/* Holds a lock of the heap while it visits. */
static void *visit_for_ever(void *arg)
{
	(void)memalloc_walk(hold_on, arg);
	return NULL;
}

static void lock_is_held(void)
{
	pthread_t id;
	int ends[2];
	char byte;

	(void)fresh(100);
	custom_free(fresh(200));
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&id, NULL, visit_for_ever, &ends[1]), 0);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	custom_free(victim);
}

/* Whoever holds the lock does not let it go before the end. */
static void exit_while_lock_is_held(void)
{
	pthread_t id;
	int ends[2];
	char byte;

	(void)fresh(100);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&id, NULL, visit_for_ever, &ends[1]), 0);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	exit(0);
}

static void child(void)
{
	pid_t pid;
	int status = 0;

	custom_free(fresh(1));
	pid = fork();
	if (pid == 0)
		free_twice(100);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	free_twice(100);
}

/* ---- the program is told --------------------------------------------------------------------- */

static struct memalloc_violation told;
static size_t ntold;

static void note(const struct memalloc_violation *violation, void *arg)
{
	told = *violation;
	ntold += arg == &told;
	assert_non_null(strstr(violation->report, "memalloc: double free: 0x"));
}

static void handler(void)
{
	char *ptr;

	memalloc_set_violation_handler(note, &told);
	free_twice(100);
	ptr = victim;
	assert_int_equal(ntold, 1);
	assert_string_equal(told.kind, "double free");
	assert_ptr_equal(told.pointer, ptr);
	assert_ptr_equal(told.object, ptr);
	memalloc_set_violation_handler(NULL, NULL);
	free_twice(100);
	assert_int_equal(ntold, 1);
}

static void leave(const struct memalloc_violation *violation, void *arg)
{
	(void)violation;
	(void)arg;
	exit(5);
}

/* What it was told of is not found again on the way out. */
static void handler_that_exits(void)
{
	memalloc_set_violation_handler(leave, NULL);
	offset = 20;
	fresh(20)[offset] ^= 1;
	custom_free(victim);
}

static const struct scenario scenarios[] = {
	{"double frees", double_frees},
	{"invalid frees", invalid_frees},
	{"overflows", overflows},
	{"writes after free", writes_after_free},
	{"bad pointers", bad_pointers},
	{"wrong pools", wrong_pools},
	{"thread", thread},
	{"signal handler", signal_handler},
	{"exit handler", exit_handler},
	{"never freed", never_freed},
	{"lock is held", lock_is_held},
	{"exit while lock is held", exit_while_lock_is_held},
	{"child", child},
	{"handler", handler},
	{"handler that exits", handler_that_exits},
};

/* Each misuse is reported as what it is, and the heap is as sound as before. */
static void check_goes_on(const char *name, const char *text)
{
	static char said[1 << 20];

	assert_true(scenario_output(name, GO_ON, 2, said, sizeof(said)));
	assert_non_null(strstr(said, text));
	assert_true(
		scenario_output(name, GO_ON ":profile=strict:stacks=off", 2, said, sizeof(said)));
	assert_non_null(strstr(said, text));
	assert_true(scenario_passes(name, GO_ON ":profile=fast"));
}

static void test_the_program_goes_on(void **state)
{
	(void)state;
	check_goes_on("double frees", "memalloc: double free: 0x");
	check_goes_on("invalid frees", "memalloc: invalid free: 0x");
	check_goes_on("overflows", "memalloc: heap overflow: 0x");
	check_goes_on("writes after free", "memalloc: write after free: 0x");
	check_goes_on("bad pointers", "memalloc: bad usable size: 0x");
	check_goes_on("bad pointers", "memalloc: bad realloc: 0x");
	check_goes_on("wrong pools", "memalloc: wrong pool: 0x");
	check_goes_on("wrong pools", "memalloc: bad pool: 0x");
}

static void test_reports_from_everywhere(void **state)
{
	static const char *const names[] = {"thread", "signal handler", "exit handler",
					    "lock is held", "child"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		time_t start = time(NULL);

		assert_true(scenario_dies(names[i], NULL, "memalloc: double free: 0x"));
		assert_true(
			scenario_dies(names[i], "stacks=full:sample=2", "memalloc:   freed by\n"));
		assert_in_range(time(NULL) - start, 0, scenario_seconds(20));
	}
	assert_true(scenario_passes("exit while lock is held", NULL));
	assert_true(scenario_passes("exit while lock is held", "profile=strict"));
	assert_true(scenario_dies("never freed", NULL, "memalloc: heap overflow: 0x"));
	assert_false(scenario_dies("never freed", "exit_check_ms=0", "memalloc:"));
}

static void test_the_handler_is_called(void **state)
{
	(void)state;
	assert_true(scenario_passes("handler", GO_ON));
	assert_false(scenario_dies("handler that exits", NULL, "memalloc:"));
	assert_true(scenario_dies("handler", NULL, "memalloc: double free: 0x"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_program_goes_on),
		cmocka_unit_test(test_reports_from_everywhere),
		cmocka_unit_test(test_the_handler_is_called),
	};

	if (scenario_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(*scenarios)))
		return 0;
	return cmocka_run_group_tests_name("api misuse", tests, NULL, NULL);
}
