/*
 * random - secrets and choices.
 *
 * What and why: secrets (canaries) come from the OS once; choices (where a slab starts handing out
 * slots) need speed, not secrecy from somebody who reads our memory, and come from a small
 * generator seeded by a secret.
 *
 * Rules: G1  With a seed given, every choice is a function of that seed.
 * Locks: the caller's. Cost: a few cycles.
 * Source: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014
 * (splitmix64).
 */
#ifndef MA_RANDOM_H
#define MA_RANDOM_H

#include "base.h"

struct ma_random {
	uint64_t state;
};

/** ma_random_init() - start from @seed, or from the OS when it is 0. */
void ma_random_init(struct ma_random *random, uint64_t seed);

/** ma_random_next() - 64 bits. */
ma_inline uint64_t ma_random_next(struct ma_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/** ma_random_below() - a number below @n, 0 < @n < 2^32; the bias is at most 2^-32 * n. */
ma_inline size_t ma_random_below(struct ma_random *random, size_t n)
{
	return (size_t)(((ma_random_next(random) >> 32) * n) >> 32);
}

#endif
