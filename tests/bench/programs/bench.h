/*
 * What the small programs share: their arguments, a random sequence that is the same every time,
 * allocations that must succeed, and tokens.
 *
 * A token is a word at the start of an object, made of its address and of what its owner knows of
 * it. It is verified before the object is freed, so that an allocator that gives memory twice, or
 * writes into what is in use, is found out rather than rewarded for it. Nothing is written to the
 * standard output, and the clock is not asked: who runs a program measures it.
 */
#ifndef MA_BENCH_H
#define MA_BENCH_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define BENCH_PAGE ((size_t)4096)

/* A number that a program takes after the percentage: what it is if not given, and what is. */
struct bench_option {
	const char *name; /* as usage has it */
	size_t value;
	size_t min, max;
};

/* The state of a random sequence; not 0. */
struct bench_random {
	uint64_t state;
};

/*
 * What is to be done, of the amount that takes 100 percent: at least 1. The program ends with 2 and
 * a message if its arguments are anything else than one number, or none for 100.
 */
size_t bench_scaled(int argc, char **argv, size_t amount);

/* The same of a program with an option, whose value is changed if there is a second number. */
size_t bench_scaled_with(int argc, char **argv, size_t amount, struct bench_option *option);

/* A part of the amount, so that it is the same for any number of threads; at least 1. */
size_t bench_share(size_t amount, size_t nthreads);

/* Ends the program with 1 and a message. */
_Noreturn void bench_fail(const char *what);

/* Never NULL: the program ends with 1 first. A new object's last byte is written; @size > 0. */
void *bench_malloc(size_t size);
void *bench_realloc(void *ptr, size_t size);

/* Writes one byte to each page of the object, its last byte included. */
void bench_touch(void *ptr, size_t size);

/* A thread that must start, and the wait for its end. */
pthread_t bench_start(void *(*run)(void *), void *with);
void bench_join(pthread_t thread);

static inline struct bench_random bench_seeded(uint64_t number)
{
	return (struct bench_random){(number + 1) * 0x9e3779b97f4a7c15u | 1};
}

/* xorshift64*; its upper half is what is good. */
static inline uint32_t bench_next(struct bench_random *random)
{
	uint64_t x = random->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random->state = x;
	return (uint32_t)((x * 0x2545f4914f6cdd1du) >> 32);
}

/* Below n, each with the same chance as far as 32 bits allow. */
static inline size_t bench_below(struct bench_random *random, size_t n)
{
	return (size_t)((uint64_t)bench_next(random) * n >> 32);
}

static inline size_t bench_between(struct bench_random *random, size_t min, size_t max)
{
	return min + bench_below(random, max - min + 1);
}

/* From 1 << min to (1 << max) - 1: each power of two begins as many sizes as any other. */
static inline size_t bench_log_size(struct bench_random *random, unsigned min, unsigned max)
{
	size_t base = (size_t)1 << bench_between(random, min, max - 1);

	return base + bench_below(random, base);
}

static inline uint64_t bench_token(const void *ptr, size_t known)
{
	return ((uint64_t)(uintptr_t)ptr ^ known) * 0x9e3779b97f4a7c15u;
}

/* Of at least 8 bytes. */
static inline void bench_mark(void *ptr, size_t known)
{
	*(uint64_t *)ptr = bench_token(ptr, known);
}

static inline void bench_verify(const void *ptr, size_t known)
{
	if (*(const uint64_t *)ptr != bench_token(ptr, known))
		bench_fail("an object has changed");
}

/* Verifies and frees. */
static inline void bench_free(void *ptr, size_t known)
{
	bench_verify(ptr, known);
	free(ptr);
}

#endif
