#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "bench.h"

#define PERCENT_MAX ((size_t)1000000)

static _Noreturn void refuse(const char *program, const struct bench_option *option)
{
	(void)fprintf(stderr, "usage: %s [SCALE_PERCENT", program);
	if (option != NULL)
		(void)fprintf(stderr, " [%s]], %s from %zu to %zu", option->name, option->name,
			      option->min, option->max);
	else
		(void)fputc(']', stderr);
	(void)fprintf(stderr, ", SCALE_PERCENT from 1 to %zu\n", PERCENT_MAX);
	exit(2);
}

/* False if the word is no number, or not of the range. A sign or blanks are none of a number's. */
static bool read_number(const char *word, size_t min, size_t max, size_t *number)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end != '\0' || errno != 0)
		return false;
	*number = value;
	return value >= min && value <= max;
}

size_t bench_scaled_with(int argc, char **argv, size_t amount, struct bench_option *option)
{
	size_t percent = 100;
	size_t scaled;

	if (argc > (option != NULL ? 3 : 2))
		refuse(argv[0], option);
	if (argc > 1 && !read_number(argv[1], 1, PERCENT_MAX, &percent))
		refuse(argv[0], option);
	if (argc > 2 && !read_number(argv[2], option->min, option->max, &option->value))
		refuse(argv[0], option);
	scaled = amount * percent / 100;
	return scaled > 0 ? scaled : 1;
}

size_t bench_scaled(int argc, char **argv, size_t amount)
{
	return bench_scaled_with(argc, argv, amount, NULL);
}

size_t bench_share(size_t amount, size_t nthreads)
{
	return amount > nthreads ? amount / nthreads : 1;
}

void bench_fail(const char *what)
{
	(void)fprintf(stderr, "%s\n", what);
	exit(1);
}

void *bench_malloc(size_t size)
{
	unsigned char *ptr = malloc(size);

	if (ptr == NULL)
		bench_fail("no memory");
	ptr[size - 1] = 1;
	return ptr;
}

void *bench_realloc(void *ptr, size_t size)
{
	void *moved = realloc(ptr, size);

	if (moved == NULL)
		bench_fail("no memory");
	return moved;
}

void bench_touch(void *ptr, size_t size)
{
	unsigned char *bytes = ptr;

	for (size_t at = 0; at < size; at += BENCH_PAGE)
		bytes[at] = (unsigned char)at;
	bytes[size - 1] = 1;
}

pthread_t bench_start(void *(*run)(void *), void *with)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, with) != 0)
		bench_fail("no thread");
	return thread;
}

void bench_join(pthread_t thread)
{
	if (pthread_join(thread, NULL) != 0)
		bench_fail("a thread is lost");
}
