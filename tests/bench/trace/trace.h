/*
 * trace - the allocations of a program, in a file.
 *
 * What and why: what a program asks of malloc() and when is recorded once (lib/record.h) and
 * performed again under any allocator, without the program (replay.c). This is the format they
 * share, and the decoder, which believes nothing that it reads.
 *
 * A file is a header and events. All numbers are little endian; a varint has seven bits per byte,
 * the lowest first, the top bit says that more follow.
 *
 *      [ struct trace_header ][ event ][ event ] ... [ anything: not looked at ]
 *                              <------ nbytes ------>
 *
 *      an allocation           [op][object: varint][size: varint]
 *      one with an alignment   [op][object: varint][size: varint][log2 of the alignment]
 *      a free                  [op][object: varint]
 *      another thread acts     [op][thread: varint]            not counted in nevents
 *
 * Objects are numbers of slots in a table, used again after a free. Thread 0 acts first.
 *
 * Rules, of a file that is accepted:
 * T1  Every object is below nobjects, every thread below nthreads.
 * T2  A slot that is allocated into is empty; one that is freed is not; one that is reallocated may
 *     be either: realloc(NULL, size).
 * T3  No size is beyond TRACE_SIZE_MAX, none of a realloc is 0: what that means is not portable.
 * T4  The table is not much larger than the events could fill, the counts are exact.
 *
 * Locks: none. Cost: a pass over the file; memory in proportion to its size.
 *
 * Rejected: text (ten times the size); a number of its own for every object (the table of a long
 * trace is larger than its objects); the time of each event (replayed at full speed anyway).
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_MAGIC "memtrace"
#define TRACE_VERSION 1
#define TRACE_THREADS_MAX 256
#define TRACE_EVENTS_MAX (UINT64_C(1) << 26)
#define TRACE_SIZE_MAX (UINT64_C(1) << 37) /* so that all events together fit in 64 bits */
#define TRACE_ALIGN_MAX 30                 /* log2 */
#define TRACE_BATCH 64 /* slots a thread takes at once: no cache line is shared by two */

enum trace_op {
	TRACE_THREAD,
	TRACE_FREE,
	TRACE_MALLOC,
	TRACE_CALLOC,
	TRACE_REALLOC,
	TRACE_REALLOCARRAY,
	TRACE_VALLOC,
	TRACE_ALIGNED_ALLOC, /* from here on with an alignment */
	TRACE_MEMALIGN,
	TRACE_POSIX_MEMALIGN,
	TRACE_NOPS
};

struct trace_header {
	char magic[8];
	uint32_t version;
	uint32_t nthreads; /* 1 .. TRACE_THREADS_MAX */
	uint64_t nevents;
	uint64_t nobjects; /* slots in the table */
	uint64_t nbytes;   /* of the events */
};

/* Decoded. */
struct trace_event {
	uint64_t size; /* bytes; 0 of a free */
	uint32_t object;
	uint32_t step; /* which event of this object it is, from 0 */
	uint16_t thread;
	uint8_t op;         /* enum trace_op, never TRACE_THREAD */
	uint8_t align_log2; /* 0: none */
};

struct trace {
	struct trace_event *events;
	size_t nevents;
	size_t nobjects;
	size_t nthreads;
	uint64_t peak_bytes; /* live at a time */
	uint64_t peak_objects;
	uint64_t end_objects; /* live after the last event */
};

/* Zeroed pages of the system, NULL if it refuses: the allocator under test has no part in them. */
void *trace_pages(size_t size);
void trace_release_pages(void *pages, size_t size);

/**
 * trace_decode() - read all events
 * @trace:  filled, only if there is nothing wrong
 * @data:   the file
 * @size:   its bytes
 * @where:  the byte at which something is wrong
 *
 * Return: what is wrong, NULL if nothing.
 */
const char *trace_decode(struct trace *trace, const uint8_t *data, size_t size, size_t *where);

/* Maps the file, decodes it, and complains on stderr if something is wrong with it. */
bool trace_read(struct trace *trace, const char *path);

void trace_release(struct trace *trace);

/* The function's name. */
const char *trace_op_name(unsigned op);

static inline bool trace_op_has_align(unsigned op)
{
	return op >= TRACE_ALIGNED_ALLOC;
}

static inline bool trace_op_is_resize(unsigned op)
{
	return op == TRACE_REALLOC || op == TRACE_REALLOCARRAY;
}

/* As text, on stdout. */
void trace_print_list(const struct trace *trace);

/* As text, on stdout. Return: false if there is no memory for it. */
bool trace_print_stats(const struct trace *trace);

#endif
