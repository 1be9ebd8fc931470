#include <errno.h>
#include <stdio.h>

#include "bench.h"

#define PERCENT_MAX 1000000

static _Noreturn void refuse(const char *program)
{
	(void)fprintf(stderr, "usage: %s [SCALE_PERCENT], from 1 to %d\n", program, PERCENT_MAX);
	exit(2);
}

/* A signed or padded number is none, though strtoul() takes it. */
static size_t percent_of(const char *program, const char *word)
{
	char *end;
	unsigned long percent;

	errno = 0;
	percent = strtoul(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end != '\0' || errno != 0)
		refuse(program);
	if (percent < 1 || percent > PERCENT_MAX)
		refuse(program);
	return percent;
}

size_t bench_scaled(int argc, char **argv, size_t amount)
{
	size_t percent = 100;
	size_t scaled;

	if (argc > 2)
		refuse(argv[0]);
	if (argc == 2)
		percent = percent_of(argv[0], argv[1]);
	scaled = amount * percent / 100;
	return scaled > 0 ? scaled : 1;
}

void bench_fail(const char *what)
{
	(void)fprintf(stderr, "%s\n", what);
	exit(1);
}

void *bench_malloc(size_t size)
{
	void *ptr = malloc(size);

	if (ptr == NULL)
		bench_fail("no memory");
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
