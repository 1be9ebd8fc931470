/*
 * stack_gate - what stands for the library in test_stack: a shared library with stack.c in it.
 *
 * Its functions keep what they like in the register of the frame pointer, as optimised code does,
 * and take the stack deep inside, or at once.
 */
#ifndef TESTS_STACK_GATE_H
#define TESTS_STACK_GATE_H

#include <stddef.h>
#include <stdint.h>

#include "stack.h"

struct capture {
	struct ma_stack stack;
	uintptr_t caller; /* where the gate was called from, in the program */
};

typedef void gate_fn(struct capture *capture, struct ma_stack_place *place);

/** gate_fast() - by frame pointers, from a frame that is reached by a jump. */
gate_fn gate_fast;

/** gate_full() - from such a frame, too, with both ways. */
gate_fn gate_full;

/** gate_deep() - with both ways, from inside the library, as a report does. */
gate_fn gate_deep;

/** gate_callback() - call the program back with @arg, from inside the library. */
void gate_callback(void (*fn)(void *arg), void *arg);

#endif
