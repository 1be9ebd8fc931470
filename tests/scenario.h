/*
 * scenario - run a part of a test in a process of its own.
 *
 * What and why: what happens once per process (the first allocation, options, the death by a
 * report, memory given back) needs a fresh process. The test program runs itself again with the
 * name of a scenario; the scenario asserts with cmocka's macros, which end the process there.
 */
#ifndef TESTS_SCENARIO_H
#define TESTS_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

struct scenario {
	const char *name;
	void (*run)(void);
};

/**
 * scenario_main() - in main(): run the scenario that the arguments name
 *
 * Return: false when they name none, and the tests are to be run.
 */
bool scenario_main(int argc, char **argv, const struct scenario *table, size_t n);

/** scenario_passes() - whether @name ends with success; @options: MEMALLOC_OPTIONS or NULL. */
bool scenario_passes(const char *name, const char *options);

/** scenario_dies() - whether @name ends by SIGABRT with @text on stderr. */
bool scenario_dies(const char *name, const char *options, const char *text);

/** scenario_output() - what @name writes to @fd, at most @size - 1 bytes. Return: as passes(). */
bool scenario_output(const char *name, const char *options, int fd, char *buf, size_t size);

/** resident_bytes() - physical memory of this process. */
size_t resident_bytes(void);

/** mapped_bytes() - address space of this process. */
size_t mapped_bytes(void);

/** scenario_seconds() - how long is too long: @n, and more where another machine is imitated. */
unsigned scenario_seconds(unsigned n);

#endif
