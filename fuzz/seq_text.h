/*
 * seq_text - operations of a sequence as lines of text.
 *
 * What and why: what a person reads, writes and shortens by hand, and what a diff shows. A line is
 * an operation and says all of it, so that lines can be removed and moved.
 *
 *      config 05 00 13                    the target's bytes, in hexadecimal; the first line
 *      malloc 3 100                       slot 3, 100 bytes
 *      t1 calloc 70 4p-8                  by thread 1; four pages less 8 bytes
 *      posix_memalign 5 100 align 4096    the functions of C: malloc, valloc, pvalloc, calloc,
 *      aligned_alloc 5 100 align 64 zero  aligned_alloc, memalign, posix_memalign, realloc,
 *      realloc 3 0                        reallocarray, free, free_sized, free_aligned_sized
 *      malloc 8..39 24                    a run: malloc, aligned_alloc and free of several slots
 *      free 8..39 mask 55                 of those that a mask of eight selects, in hexadecimal
 *      clock 10                           an operation of the world, and its operand
 *      write-behind 3 0 255               misuse: slot, how, number
 *      other 7 1000                       any other: code, number
 *
 * What follows a # is a comment.
 *
 * Rules:
 *   X1  A line that is accepted is what is printed of the operation it becomes, but for spaces,
 *       comments, leading zeros, and t0, which is not printed.
 *   X2  What cannot be said in bytes is refused, with a reason.
 *
 * Locks: none. Cost: some hundred nanoseconds a line. Rejected: names of objects instead of slots
 * (a mutated sequence has none); thread and bank as lines of their own (a line that is removed
 * would change all that follow).
 */
#ifndef FUZZ_SEQ_TEXT_H
#define FUZZ_SEQ_TEXT_H

#include <stdio.h>

#include "seq.h"

/** seq_function_name() - as a program calls it. */
const char *seq_function_name(unsigned function);

/** seq_code_name() - a word; NULL: it has none. */
const char *seq_code_name(unsigned code);

/** seq_print() - write an operation as a line, without its end. */
void seq_print(FILE *to, const struct seq_op *op);

/**
 * seq_parse() - read a line that is neither empty nor the configuration
 * @line:  without its end; changed
 * @op:    filled if nothing is wrong
 *
 * Return: what is wrong, NULL if nothing.
 */
const char *seq_parse(char *line, struct seq_op *op);

/** seq_word() - cut the next word off *@at. Return: NULL if there is none. */
char *seq_word(char **at);

/** seq_number() - cut a word off that must be a number, of base 10 or 16, up to @max. */
bool seq_number(char **at, int base, uint64_t max, uint64_t *value);

#endif
