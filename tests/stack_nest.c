#include "stack_nest.h"

/* NEST, EVEN and ODD are given by the compiler's command line. */
void ODD(struct nest *nest);
void EVEN(struct nest *nest);

static void go_on(struct nest *nest, void (*next)(struct nest *nest))
{
	if (nest->n < nest->depth)
		next(nest);
	else
		nest->gate(&nest->capture, nest->place);
	__asm__ volatile("" ::: "memory");
}

ma_noinline void ODD(struct nest *nest)
{
	nest->expected[nest->n++] = (uintptr_t)__builtin_return_address(0);
	go_on(nest, EVEN);
}

/* Has a frame of another size. */
ma_noinline void EVEN(struct nest *nest)
{
	volatile char room[200];

	room[nest->n] = 1;
	nest->expected[nest->n++] = (uintptr_t)__builtin_return_address(0);
	go_on(nest, ODD);
	room[0] = room[1];
}

ma_noinline void NEST(struct nest *nest)
{
	nest->n = 0;
	ODD(nest);
	__asm__ volatile("" ::: "memory");
}
