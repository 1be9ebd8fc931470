/*
 * A target with two bugs, each at a site of its own, which fuzz/test_continuous.py must find.
 *
 * They are a few comparisons deep, so that an engine has them in a second, and call what the real
 * targets call when they fail: a line that names the oracle and the rule, then abort().
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

__attribute__((noinline)) static void fail(const char *oracle, const char *rule)
{
	(void)fprintf(stderr, "fuzz: %s: %s\n", oracle, rule);
	abort();
}

__attribute__((noinline)) static void look_left(const uint8_t *data)
{
	if (data[1] == 'e')
		fail("left", "L1 the second byte is no e");
}

__attribute__((noinline)) static void look_right(const uint8_t *data)
{
	if (data[1] == 'i')
		fail("right", "R1 the second byte is no i");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] == 'L')
		look_left(data);
	if (data[0] == 'R')
		look_right(data);
	return 0;
}
