/* What lib/os_linux.c reads: the file and the name of the program. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os.h"

#define ERRNO_BEFORE 12345

static char directory[] = "/tmp/memalloc-test-os-XXXXXX";
static char path[sizeof(directory) + sizeof("/file")];

static int make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/file", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(fputc((int)(i % 251), file), (int)(i % 251));
	assert_int_equal(fclose(file), 0);
}

/* Return: as ma_os_read_file(); nothing beyond @size bytes is written, and errno stays. */
static size_t read_part(const char *name, size_t size)
{
	static char buf[200000];
	size_t n;

	memset(buf, 0x55, sizeof(buf));
	errno = ERRNO_BEFORE;
	n = ma_os_read_file(name, buf, size);
	assert_int_equal(errno, ERRNO_BEFORE);
	if (n == SIZE_MAX)
		return n;
	for (size_t i = 0; i < n; i++)
		assert_int_equal((unsigned char)buf[i], i % 251);
	assert_int_equal(buf[n], 0x55);
	return n;
}

static void test_files(void **state)
{
	(void)state;
	write_file(100000);
	assert_int_equal(read_part(path, 150000), 100000);
	assert_int_equal(read_part(path, 100001), 100000);
	assert_int_equal(read_part(path, 100000), 100000);
	assert_int_equal(read_part(path, 99999), 99999);
	assert_int_equal(read_part(path, 1), 1);
	write_file(0);
	assert_int_equal(read_part(path, 100), 0);
}

/* Neither a directory, nor a device, nor a pipe, which nobody writes to: that would wait. */
static void test_what_is_no_file(void **state)
{
	(void)state;
	assert_int_equal(read_part(path, 100), SIZE_MAX);
	assert_int_equal(read_part(directory, 100), SIZE_MAX);
	assert_int_equal(read_part("/dev/zero", 100), SIZE_MAX);
	assert_int_equal(read_part("", 100), SIZE_MAX);
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)alarm(60);
	assert_int_equal(read_part(path, 100), SIZE_MAX);
	(void)alarm(0);
}

static void test_descriptors_are_closed(void **state)
{
	int before = dup(0);
	int after;

	(void)state;
	assert_int_equal(close(before), 0);
	write_file(10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(read_part(path, 100), 10);
		assert_int_equal(read_part(directory, 100), SIZE_MAX);
	}
	after = dup(0);
	assert_int_equal(close(after), 0);
	assert_int_equal(after, before);
}

static void test_the_program(void **state)
{
	char name[64];

	(void)state;
	errno = ERRNO_BEFORE;
	ma_os_program(name, sizeof(name));
	assert_string_equal(name, "test_os");
	memset(name, 'x', sizeof(name));
	ma_os_program(name, 5);
	assert_string_equal(name, "test");
	assert_int_equal(name[5], 'x');
	ma_os_program(name, 1);
	assert_string_equal(name, "");
	assert_int_equal(errno, ERRNO_BEFORE);
}

/* Right behind other memory, where first fit would have it; a page of it is free again. */
static void test_memory_where_it_is_wanted(void **state)
{
	size_t page = ma_os_page_size();
	uintptr_t place = ma_os_open_place(12345);
	char *first = ma_os_map(2 * page);
	char *again;

	(void)state;
	assert_int_equal(place % page, 0);
	assert_non_null(first);
	assert_true(ma_os_unmap(first + page, page));
	again = ma_os_map_at((uintptr_t)first + page, page);
	assert_ptr_equal(again, first + page);
	*again = 1;
	/* Something is there: anywhere else. */
	again = ma_os_map_at((uintptr_t)first, page);
	assert_non_null(again);
	assert_true(again + page <= first || again >= first + 2 * page);
	assert_true(ma_os_unmap(again, page));
	assert_true(ma_os_unmap(first, 2 * page));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_files, remove_file),
		cmocka_unit_test_teardown(test_what_is_no_file, remove_file),
		cmocka_unit_test_teardown(test_descriptors_are_closed, remove_file),
		cmocka_unit_test(test_the_program),
		cmocka_unit_test(test_memory_where_it_is_wanted),
	};

	return cmocka_run_group_tests_name("os", tests, make_directory, remove_directory);
}
