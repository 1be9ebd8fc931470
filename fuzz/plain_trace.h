/*
 * plain_trace - a plain reading of recordings, for comparison.
 *
 * What and why: what the decoder of tests/bench/trace must say of a file, read straight from the
 * description of the format, one field after the other, on tables of fixed size. It is slow, and
 * shares nothing with the decoder but the format's constants.
 *
 * Locks: none. Cost: O(bytes * slots).
 */
#ifndef FUZZ_PLAIN_TRACE_H
#define FUZZ_PLAIN_TRACE_H

#include "bench/trace/trace.h"

#define PLAIN_EVENTS_MAX 4096

struct plain_trace {
	struct trace_event events[PLAIN_EVENTS_MAX];
	size_t nevents;
	uint64_t peak_bytes;
	uint64_t peak_objects;
	uint64_t end_objects;
};

/**
 * plain_trace_read() - read a file that has at most PLAIN_EVENTS_MAX * 2 bytes
 *
 * Return: whether it is a recording.
 */
bool plain_trace_read(struct plain_trace *plain, const uint8_t *data, size_t size);

/** plain_trace_count() - events that begin in @size bytes, whatever is wrong with them. */
size_t plain_trace_count(const uint8_t *data, size_t size);

#endif
