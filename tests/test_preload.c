/*
 * The C library's names, served by the preload library.
 *
 *      test_preload path-of-the-preload-library
 *
 * It starts itself anew with the library preloaded. Build it with -fno-builtin: what compilers
 * believe of malloc() is what is tested here.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scenario.h"

#define ODD 4711
#define MIB ((size_t)1024 * 1024)

/* Not known at compile time, so that no call is folded or warned of. */
static size_t opaque(size_t n)
{
	volatile size_t hidden = n;

	return hidden;
}

static void assert_refused(const void *ptr, int error)
{
	assert_null(ptr);
	assert_int_equal(errno, error);
	errno = ODD;
}

/* What C23 adds is not in this C library. */
static void *ours(const char *name)
{
	void *function = dlsym(RTLD_DEFAULT, name);

	assert_non_null(function);
	return function;
}

static void call_free_sized(void *ptr, size_t size)
{
	void (*function)(void *, size_t);
	void *found = ours("free_sized");

	memcpy(&function, &found, sizeof(function));
	function(ptr, size);
}

static void call_free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
	void (*function)(void *, size_t, size_t);
	void *found = ours("free_aligned_sized");

	memcpy(&function, &found, sizeof(function));
	function(ptr, alignment, size);
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const names[] = {
	"malloc",
	"free",
	"calloc",
	"realloc",
	"reallocarray",
	"aligned_alloc",
	"memalign",
	"posix_memalign",
	"valloc",
	"pvalloc",
	"free_sized",
	"_Znwm",
	"malloc_usable_size",
	"malloc_stats",
	"mallinfo",
	"mallinfo2",
	"_ZdlPv",
	"_Znam",
	"_ZdaPvSt11align_val_t",
	"_ZdlPvm",
	"_ZdlPvmSt11align_val_t",
	"free_aligned_sized",
};

static void test_every_name_is_ours(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		Dl_info info = {NULL, NULL, NULL, NULL};

		assert_int_not_equal(dladdr(ours(names[i]), &info), 0);
		assert_non_null(strstr(info.dli_fname, "memalloc-preload"));
	}
	/* A program may have its own of these. */
	assert_null(dlsym(RTLD_DEFAULT, "init_pool"));
	assert_null(dlsym(RTLD_DEFAULT, "print_free_list"));
	assert_null(dlsym(RTLD_DEFAULT, "custom_malloc"));
}

/* ---- semantics ------------------------------------------------------------------------------- */

static void test_zero_sizes(void **state)
{
	void *a = malloc(opaque(0));
	void *b = malloc(opaque(0));
	void *c = calloc(opaque(0), 7);

	(void)state;
	assert_true(a != NULL && b != NULL && c != NULL && a != b && b != c && a != c);
	assert_int_equal(malloc_usable_size(a), 0);
	errno = ODD;
	assert_null(realloc(a, opaque(0)));
	assert_null(reallocarray(b, opaque(0), 8));
	assert_int_equal(errno, ODD);
	free(c);
	c = realloc(NULL, opaque(0));
	assert_non_null(c);
	free(c);
	free(NULL);
	call_free_sized(NULL, 3);
	call_free_aligned_sized(NULL, 64, 3);
	assert_int_equal(malloc_usable_size(NULL), 0);
}

static void realloc_to_zero_frees(void)
{
	void *ptr = malloc(opaque(100));
	void *volatile again = ptr;

	assert_null(realloc(ptr, opaque(0)));
	free(again);
}

static void test_usable_size_is_what_was_asked_for(void **state)
{
	(void)state;
	for (size_t size = 0; size < 2 * MIB; size += 1 + size / 3) {
		unsigned char *ptr = malloc(size);

		assert_non_null(ptr);
		assert_int_equal(malloc_usable_size(ptr), size);
		memset(ptr, 0xff, size);
		ptr = realloc(ptr, 2 * size + 1);
		assert_int_equal(malloc_usable_size(ptr), 2 * size + 1);
		free(ptr);
	}
}

static void test_sizes_beyond_limits(void **state)
{
	void *volatile kept = malloc(10);

	(void)state;
	errno = ODD;
	assert_refused(malloc(opaque(SIZE_MAX)), ENOMEM);
	assert_refused(malloc(opaque((size_t)PTRDIFF_MAX + 1)), ENOMEM);
	assert_refused(calloc(opaque(SIZE_MAX / 2), 3), ENOMEM);
	assert_refused(calloc(opaque((size_t)1 << 32), opaque((size_t)1 << 32)), ENOMEM);
	assert_refused(realloc(kept, opaque(SIZE_MAX - 100)), ENOMEM);
	assert_refused(reallocarray(kept, opaque(SIZE_MAX / 8 + 2), 8), ENOMEM);
	assert_refused(reallocarray(NULL, opaque(SIZE_MAX / 8 + 2), 8), ENOMEM);
	assert_refused(aligned_alloc(64, opaque(SIZE_MAX - 63)), ENOMEM);
	assert_refused(memalign(64, opaque(SIZE_MAX)), ENOMEM);
	assert_refused(valloc(opaque(SIZE_MAX)), ENOMEM);
	assert_refused(pvalloc(opaque(SIZE_MAX)), ENOMEM);
	assert_refused(pvalloc(opaque(PTRDIFF_MAX)), ENOMEM);
	assert_int_equal(malloc_usable_size(kept), 10);
	free(kept);
}

/* ---- alignment ------------------------------------------------------------------------------- */

static void test_posix_memalign_errors(void **state)
{
	static const size_t bad[] = {0, 1, 2, 4, 7, 9, 12, 24, 1000, SIZE_MAX};
	void *out = &out;

	(void)state;
	errno = ODD;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(posix_memalign(&out, opaque(bad[i]), 8), EINVAL);
	assert_int_equal(posix_memalign(&out, 64, opaque(SIZE_MAX)), ENOMEM);
	assert_int_equal(posix_memalign(&out, 64, opaque(PTRDIFF_MAX)), ENOMEM);
	assert_int_equal(posix_memalign(&out, (size_t)1 << 62, 1), ENOMEM);
	assert_ptr_equal(out, &out);
	assert_int_equal(errno, ODD);
}

static void test_posix_memalign(void **state)
{
	(void)state;
	errno = ODD;
	for (size_t align = sizeof(void *); align <= 4 * MIB; align *= 2) {
		void *ptr = NULL;

		assert_int_equal(posix_memalign(&ptr, align, 100), 0);
		assert_int_equal((uintptr_t)ptr % align, 0);
		assert_int_equal(malloc_usable_size(ptr), 100);
		free(ptr);
		assert_int_equal(posix_memalign(&ptr, align, 0), 0);
		assert_non_null(ptr);
		free(ptr);
	}
	assert_int_equal(errno, ODD);
}

static void test_aligned_alloc_and_memalign(void **state)
{
	(void)state;
	errno = ODD;
	assert_refused(aligned_alloc(opaque(0), 1), EINVAL);
	assert_refused(aligned_alloc(opaque(3), 3), EINVAL);
	assert_refused(memalign(opaque(48), 1), EINVAL);
	for (size_t align = 1; align <= MIB; align *= 2) {
		void *a = aligned_alloc(align, 3);
		void *b = memalign(align, 5000);

		assert_true(a != NULL && b != NULL);
		assert_int_equal((uintptr_t)a % align + (uintptr_t)b % align, 0);
		free(a);
		free(b);
	}
	assert_int_equal(errno, ODD);
}

static void test_valloc_and_pvalloc(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *a = valloc(10);
	void *b = pvalloc(opaque(0));
	void *c = pvalloc(page + 1);

	(void)state;
	assert_true(a != NULL && b != NULL && c != NULL);
	assert_int_equal((uintptr_t)a % page + (uintptr_t)b % page + (uintptr_t)c % page, 0);
	assert_int_equal(malloc_usable_size(a), 10);
	assert_int_equal(malloc_usable_size(b), page);
	assert_int_equal(malloc_usable_size(c), 2 * page);
	free(a);
	free(b);
	free(c);
}

/* ---- free ------------------------------------------------------------------------------------ */

static void test_free_keeps_errno(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 5000, 50000, MIB, 50 * MIB};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		void *ptr = malloc(sizes[i]);

		assert_non_null(ptr);
		errno = ODD;
		free(ptr);
		assert_int_equal(errno, ODD);
	}
}

static void test_sized_free(void **state)
{
	(void)state;
	for (size_t size = 0; size < MIB; size += 1 + size / 2) {
		errno = ODD;
		call_free_sized(malloc(size), size);
		call_free_sized(calloc(size, 2), 2 * size);
		call_free_sized(realloc(malloc(1), size + 1), size + 1);
		call_free_aligned_sized(aligned_alloc(256, size), 256, size);
		call_free_aligned_sized(aligned_alloc(64 * 1024, size), 64 * 1024, size);
		assert_int_equal(errno, ODD);
	}
}

static void free_sized_wrong(void)
{
	call_free_sized(malloc(opaque(100)), 101);
}

static void free_sized_wrong_large(void)
{
	call_free_sized(malloc(opaque(MIB)), MIB - 1);
}

static void free_aligned_sized_wrong_alignment(void)
{
	void *first = aligned_alloc(32, opaque(32));
	void *second = aligned_alloc(32, opaque(32));

	/* Slots of 48 bytes: of neighbours, one is no multiple of 64 KiB. */
	call_free_aligned_sized(first, 64 * 1024, 32);
	call_free_aligned_sized(second, 64 * 1024, 32);
}

static void free_aligned_sized_wrong_size(void)
{
	call_free_aligned_sized(aligned_alloc(64, opaque(64)), 64, 65);
}

static void free_twice(void)
{
	void *ptr = malloc(opaque(10));
	void *volatile again = ptr;

	free(ptr);
	free(again);
}

static void free_of_static_memory(void)
{
	static char array[100];
	void *volatile ptr = array;

	free(ptr);
}

static void look_inside(void)
{
	char *ptr = malloc(opaque(50 * MIB));

	memset(ptr, 1, 50 * MIB);
	malloc_stats();
}

static void exit_with_objects(void)
{
	char *ptr = malloc(opaque(50 * MIB));

	memset(ptr, 1, 50 * MIB);
}

static const struct scenario scenarios[] = {
	{"look inside", look_inside},
	{"exit with objects", exit_with_objects},
	{"realloc to zero frees", realloc_to_zero_frees},
	{"free_sized, wrong size", free_sized_wrong},
	{"free_sized, wrong size, large", free_sized_wrong_large},
	{"free_aligned_sized, wrong alignment", free_aligned_sized_wrong_alignment},
	{"free_aligned_sized, wrong size", free_aligned_sized_wrong_size},
	{"free twice", free_twice},
	{"free of static memory", free_of_static_memory},
};

static void test_misuse_is_reported(void **state)
{
	(void)state;
	assert_true(scenario_dies("realloc to zero frees", NULL, "memalloc: double free: 0x"));
	assert_true(scenario_dies("free_sized, wrong size", NULL, "memalloc: size mismatch: 0x"));
	assert_true(scenario_dies("free_sized, wrong size, large", NULL,
				  "memalloc: size mismatch: 0x"));
	assert_true(scenario_dies("free_aligned_sized, wrong alignment", NULL,
				  "memalloc: alignment mismatch: 0x"));
	assert_true(scenario_dies("free_aligned_sized, wrong size", NULL,
				  "memalloc: size mismatch: 0x"));
	assert_true(scenario_dies("free twice", NULL, "memalloc: double free: 0x"));
	assert_true(scenario_dies("free of static memory", NULL, "memalloc: invalid free: 0x"));
}

/* ---- looking inside -------------------------------------------------------------------------- */

/* The C library wants nobody to call it. */
static struct mallinfo call_mallinfo(void)
{
	struct mallinfo (*function)(void);
	void *found = ours("mallinfo");

	memcpy(&function, &found, sizeof(function));
	return function();
}

/* They tell of our memory, not of the C library's. */
static void test_mallinfo(void **state)
{
	struct mallinfo2 before = mallinfo2();
	void *small = malloc(opaque(1000));
	void *huge = malloc(opaque(50 * MIB));
	struct mallinfo2 after = mallinfo2();
	struct mallinfo old = call_mallinfo();

	(void)state;
	assert_int_equal(after.hblks, before.hblks + 1);
	assert_in_range(after.hblkhd - before.hblkhd, 50 * MIB, 51 * MIB);
	assert_int_equal(after.uordblks + after.fordblks, after.arena);
	assert_in_range(after.uordblks, before.uordblks + 1000, after.arena);
	assert_in_range(after.fsmblks, 1, after.fordblks);
	assert_in_range(after.keepcost, 0, after.fordblks);
	assert_int_equal(old.hblkhd, after.hblkhd);
	assert_int_equal(old.arena, after.arena);
	free(small);
	free(huge);
	assert_int_equal(mallinfo2().hblkhd, before.hblkhd);
}

/* The number of a line of statistics; dies without one. */
static size_t number_of(const char *text, const char *words)
{
	const char *at = strstr(text, words);

	assert_non_null(at);
	while (at > text && at[-1] != '\n')
		at--;
	return strtoul(at, NULL, 10);
}

static void assert_stats(const char *text)
{
	assert_int_equal(strncmp(text, "memory of process ", 18), 0);
	assert_in_range(number_of(text, "  live: "), 50 * MIB, 51 * MIB);
	assert_in_range(number_of(text, "  resident (estimate)"), 50 * MIB, 52 * MIB);
	assert_in_range(number_of(text, "  resident (asked "), 50 * MIB, 52 * MIB);
}

static void test_stats_for_people(void **state)
{
	char text[4096];

	(void)state;
	assert_true(scenario_output("look inside", NULL, STDERR_FILENO, text, sizeof(text)));
	assert_stats(text);
	assert_true(scenario_output("exit with objects", NULL, STDERR_FILENO, text, sizeof(text)));
	assert_string_equal(text, "");
	assert_true(scenario_output("exit with objects", "stats=1:exit_check_ms=0", STDERR_FILENO,
				    text, sizeof(text)));
	assert_stats(text);
	/* Into a directory that is none: they follow on stderr. */
	assert_true(scenario_output("exit with objects", "stats=1:log_path=/dev/null/x",
				    STDERR_FILENO, text, sizeof(text)));
	assert_non_null(strstr(text, "log_path: cannot open"));
	assert_stats(strchr(text, '\n') + 1);
}

/* ---- the C library --------------------------------------------------------------------------- */

static void test_what_the_c_library_allocates(void **state)
{
	char *text = NULL;
	char *copy = strdup("abc");
	char *joined = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	DIR *dir = opendir("/proc/self");

	(void)state;
	assert_true(copy != NULL && stream != NULL && dir != NULL);
	assert_int_equal(malloc_usable_size(copy), 4);
	for (int i = 0; i < 10000; i++)
		assert_true(fprintf(stream, "%d ", i) > 0);
	(void)fclose(stream);
	assert_int_equal(strlen(text), size);
	assert_true(asprintf(&joined, "%s%s", copy, "def") > 0);
	assert_string_equal(joined, "abcdef");
	(void)closedir(dir);
	free(joined);
	free(copy);
	free(text);
}

static void *thread_body(void *arg)
{
	char *text = strdup("of a thread");

	(void)arg;
	free(malloc(1000));
	return text;
}

static void test_threads_come_and_go(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		void *text = NULL;

		assert_int_equal(pthread_create(&thread, NULL, thread_body, NULL), 0);
		assert_int_equal(pthread_join(thread, &text), 0);
		assert_string_equal(text, "of a thread");
		free(text);
	}
}

static void test_fork(void **state)
{
	void *ptr = malloc(100);

	(void)state;
	for (int i = 0; i < 20; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			free(ptr);
			_exit(thread_body(NULL) == NULL);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	free(ptr);
}

/* ---- main ------------------------------------------------------------------------------------ */

/* Only returns when it fails. */
static int with_preload(char **argv, const char *library)
{
	(void)setenv("LD_PRELOAD", library, 1);
	(void)execv("/proc/self/exe", argv);
	perror("test_preload");
	return 99;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_name_is_ours),
		cmocka_unit_test(test_zero_sizes),
		cmocka_unit_test(test_usable_size_is_what_was_asked_for),
		cmocka_unit_test(test_sizes_beyond_limits),
		cmocka_unit_test(test_posix_memalign_errors),
		cmocka_unit_test(test_posix_memalign),
		cmocka_unit_test(test_aligned_alloc_and_memalign),
		cmocka_unit_test(test_valloc_and_pvalloc),
		cmocka_unit_test(test_free_keeps_errno),
		cmocka_unit_test(test_sized_free),
		cmocka_unit_test(test_misuse_is_reported),
		cmocka_unit_test(test_mallinfo),
		cmocka_unit_test(test_stats_for_people),
		cmocka_unit_test(test_what_the_c_library_allocates),
		cmocka_unit_test(test_threads_come_and_go),
		cmocka_unit_test(test_fork),
	};
	const char *preload = getenv("LD_PRELOAD");

	if (preload == NULL || strstr(preload, "memalloc-preload") == NULL)
		return argc > 1 ? with_preload(argv, argv[1]) : 99;
	if (argc > 1 && strchr(argv[1], '/') == NULL &&
	    scenario_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(*scenarios)))
		return 0;
	return cmocka_run_group_tests_name("preload", tests, NULL, NULL);
}
