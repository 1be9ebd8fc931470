/*
 * seq_trace - sequences from and to what was recorded of real programs.
 *
 * What and why: a recording (tests/bench/trace) is counted, checked and decoded before it is
 * performed against a clock; a sequence is bytes that a fuzzer may change. What a program did with
 * its objects is the same in both, and nothing of it is lost on the way: function, thread, object,
 * size and alignment. Its first thousand operations make a seed.
 *
 * Rules:
 *   Y1  A whole recording comes back from its sequence with the same events.
 *   Y2  A part of one frees nothing that was allocated before it, and its slots are as low as they
 *       can be: a target has few.
 *   Y3  To a recording, operations on objects are written out: what is allocated where there is an
 *       object frees it, a run is as many events. What a recording cannot hold is left out and
 *       counted: operations of the world, misuse, sizes and alignments beyond its bounds.
 *
 * Locks: none. Cost: a pass over the events; a part with n live objects looks for a slot in O(n).
 */
#ifndef FUZZ_SEQ_TRACE_H
#define FUZZ_SEQ_TRACE_H

#include <stdio.h>

#include "seq.h"

/**
 * seq_from_trace() - write the operations of a recording, without a configuration
 * @path:   of the recording
 * @skip:   events that are left out in front
 * @count:  events that follow, at most; all of it if both are 0
 *
 * Return: false, with a line on stderr, if it cannot be read.
 */
bool seq_from_trace(FILE *to, const char *path, size_t skip, size_t count);

struct trace;

/** seq_of_trace() - the same of a recording that was read. Return: false without memory. */
bool seq_of_trace(FILE *to, const struct trace *trace, size_t skip, size_t count);

/**
 * seq_to_trace() - write a recording
 * @seq:      behind its configuration
 * @nlost:    operations that were left out
 *
 * Return: false without memory, or if there are too many events.
 */
bool seq_to_trace(FILE *to, struct seq seq, size_t *nlost);

#endif
