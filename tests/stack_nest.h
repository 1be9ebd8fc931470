/*
 * stack_nest - functions of a program that call one another, and know from where.
 *
 * stack_nest.c is compiled twice: with frame pointers (framed_) and without (frameless_).
 */
#ifndef TESTS_STACK_NEST_H
#define TESTS_STACK_NEST_H

#include "stack_gate.h"

#define NEST_MAX 64

struct nest {
	gate_fn *gate; /* called at the bottom */
	struct ma_stack_place *place;
	struct capture capture;
	size_t depth;                 /* functions to call, at most NEST_MAX */
	size_t n;                     /* functions called */
	uintptr_t expected[NEST_MAX]; /* return addresses of them, the outermost first */
};

/** nest() - call functions, @depth deep, then the gate. */
void framed_nest(struct nest *nest);
void frameless_nest(struct nest *nest);

#endif
