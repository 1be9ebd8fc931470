/*
 * faults - does an access fault?
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static sigjmp_buf fault_jump;

static void fault_handler(int number)
{
	(void)number;
	siglongjmp(fault_jump, 1);
}

/** fault_try() - run a function. Return: whether it faulted, and was left there. */
static inline bool fault_try(void (*run)(void *), void *argument)
{
	const struct sigaction action = {.sa_handler = fault_handler, .sa_flags = (int)SA_NODEFER};
	struct sigaction before;
	volatile bool faulted = true;

	if (sigaction(SIGSEGV, &action, &before) != 0)
		abort();
	if (sigsetjmp(fault_jump, 1) == 0) {
		run(argument);
		faulted = false;
	}
	if (sigaction(SIGSEGV, &before, NULL) != 0)
		abort();
	return faulted;
}

static inline void fault_read(void *ptr)
{
	(void)*(volatile char *)ptr;
}

/** faults() - whether reading a byte does. */
static inline bool faults(const void *ptr)
{
	return fault_try(fault_read, (void *)(uintptr_t)ptr);
}

#endif
