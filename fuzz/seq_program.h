/*
 * seq_program - a sequence as a program in C.
 *
 * What and why: what shows a bug to somebody who has neither this library nor its fuzz targets. The
 * program needs nothing but the C library, and runs under any allocator. It writes to what it
 * allocates and looks whether that is still there when it frees; if not, it says so and aborts.
 *
 *      put(3, malloc(100), 100);
 *      resized(3, realloc(ptr[3], 200), 200);
 *      free(take(3));
 *
 * Several threads take turns, so that the order of the operations is the sequence's. What C has no
 * function for (the clock, refusals, instances) is a comment, as are sized frees, which are freed.
 *
 * Locks: none. Cost: a pass over the sequence. Rejected: a table of operations and a loop (nobody
 * could shorten it by hand).
 */
#ifndef FUZZ_SEQ_PROGRAM_H
#define FUZZ_SEQ_PROGRAM_H

#include <stdio.h>

#include "seq.h"

/**
 * seq_print_program() - write the program
 * @seq:  behind its configuration
 *
 * Return: false without memory.
 */
bool seq_print_program(FILE *to, struct seq seq);

#endif
