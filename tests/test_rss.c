/*
 * What memalloc_stats() takes for resident, against the kernel's count of this process's anonymous
 * pages, for heaps of tens of MiB. Each is built in a process of its own.
 */
#include <fcntl.h>
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

#include "memalloc.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define NPTR ((size_t)2 * 1024 * 1024)
#define PERCENT 5

static void *ptr[NPTR];
static size_t nptr;
static size_t baseline;

/* Bytes of anonymous pages of this process: the sum over its mappings, page by page. */
static size_t anonymous(void)
{
	char text[4096] = "";
	int fd = open("/proc/self/smaps_rollup", O_RDONLY);
	const char *line;

	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	line = strstr(text, "\nAnonymous:");
	assert_non_null(line);
	return strtoul(line + strlen("\nAnonymous:"), NULL, 10) * KIB;
}

static void add(size_t size)
{
	assert_true(nptr < NPTR);
	ptr[nptr] = custom_malloc(size);
	assert_non_null(ptr[nptr]);
	memset(ptr[nptr++], 0xc3, size);
}

/* Frees those whose number is no multiple of @keep. */
static void thin_out(size_t keep)
{
	for (size_t i = 0; i < nptr; i++) {
		if (i % keep == 0)
			continue;
		custom_free(ptr[i]);
		ptr[i] = NULL;
	}
}

static void check(const char *when)
{
	struct memalloc_statistics stats;
	size_t real = anonymous() - baseline;
	size_t off;

	memalloc_stats(&stats);
	off = stats.resident > real ? stats.resident - real : real - stats.resident;
	print_message("    %-36s %9zu KiB, really %9zu KiB\n", when, stats.resident / KIB,
		      real / KIB);
	assert_true(real > 10 * MIB);
	if (off * 100 > real * PERCENT)
		fail_msg("%s: off by %zu KiB", when, off / KIB);
}

/* ---- heaps ----------------------------------------------------------------------------------- */

static void dense(void)
{
	for (size_t i = 0; i < 400000; i++)
		add(100);
	check("100 bytes, all live");
	thin_out(2);
	check("100 bytes, every second freed");
}

static void tiny(void)
{
	for (size_t i = 0; i < 1500000; i++)
		add(i % 2 + 7);
	check("7 and 8 bytes, all live");
	thin_out(4);
	check("7 and 8 bytes, three of four freed");
	thin_out(400);
	(void)memalloc_trim(0);
	for (size_t i = 0; i < 200000; i++)
		add(100);
	check("after a trim, 100 bytes");
}

static void many_sizes(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < 20000; i++) {
		x = x * 1103515245 + 12345;
		add(1 + (x >> 8) % (i % 10 == 0 ? 30000 : 1000));
	}
	check("up to 30000 bytes, all live");
	thin_out(2);
	check("up to 30000 bytes, every second freed");
	thin_out(8);
	check("up to 30000 bytes, 7 of 8 freed");
	(void)memalloc_trim(0);
	check("up to 30000 bytes, trimmed");
	for (size_t i = 0; i < 20000; i++)
		add(500);
	check("then 500 bytes");
}

static void large(void)
{
	for (size_t i = 0; i < 60; i++)
		add(700 * KIB + i * 5000);
	check("about 700 KiB, all live");
	thin_out(2);
	check("about 700 KiB, every second freed");
	for (size_t i = 0; i < 30; i++)
		add(300 * KIB);
	check("then 300 KiB");
	(void)memalloc_trim(0);
	check("trimmed");
}

static void huge(void)
{
	add(80 * MIB);
	check("80 MiB");
	ptr[0] = custom_realloc(ptr[0], 50 * MIB);
	check("shrunk to 50 MiB");
}

static void run(void (*build)(void))
{
	int status;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		memset(ptr, 1, sizeof(ptr));
		baseline = anonymous();
		build();
		(void)fflush(NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_heaps(void **state)
{
	static void (*const build[])(void) = {dense, tiny, many_sizes, large, huge};

	(void)state;
	for (size_t i = 0; i < sizeof(build) / sizeof(*build); i++)
		run(build[i]);
}

static const char *profile[] = {"default", "fast", "strict"};

/* Options are read once per process: each profile needs a program of its own. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_heaps)};
	char options[64];

	if (argc > 1) {
		print_message("%s\n", argv[1]);
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	for (size_t i = 0; i < sizeof(profile) / sizeof(*profile); i++) {
		char name[16];
		int status = 1;
		pid_t pid = fork();

		(void)snprintf(options, sizeof(options), "seed=1:profile=%s", profile[i]);
		(void)snprintf(name, sizeof(name), "%s", profile[i]);
		if (pid == 0) {
			(void)setenv("MEMALLOC_OPTIONS", options, 1);
			(void)execl("/proc/self/exe", argv[0], name, (char *)NULL);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			return 1;
	}
	return 0;
}
