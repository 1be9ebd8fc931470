#include <inttypes.h>
#include <stdio.h>

#include "trace.h"

#define NSIZES 39 /* 0, then one per power of two */

struct counts {
	uint64_t ops[TRACE_NOPS];
	uint64_t sizes[NSIZES];
	uint64_t allocations;
	uint64_t frees_elsewhere; /* in another thread than the last allocation or resize */
};

_Static_assert(TRACE_SIZE_MAX >> (NSIZES - 2) == 1, "the histogram has a place for each size");

static unsigned size_place(uint64_t size)
{
	unsigned place = 0;

	for (; size > 0; size >>= 1)
		place++;
	return place;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* @owner: of each object, zeroed. */
static void count(struct counts *counts, const struct trace *trace, uint16_t *owner)
{
	for (size_t i = 0; i < trace->nevents; i++) {
		const struct trace_event *event = &trace->events[i];

		counts->ops[event->op]++;
		if (event->op == TRACE_FREE) {
			counts->frees_elsewhere += owner[event->object] != event->thread;
			continue;
		}
		owner[event->object] = event->thread;
		counts->allocations++;
		counts->sizes[size_place(event->size)]++;
	}
}

static void print(const struct counts *counts, const struct trace *trace)
{
	uint64_t frees = counts->ops[TRACE_FREE];

	printf("events %zu\nthreads %zu\nobjects %zu\n", trace->nevents, trace->nthreads,
	       trace->nobjects);
	for (unsigned op = TRACE_FREE; op < TRACE_NOPS; op++)
		if (counts->ops[op] > 0)
			printf("%s %" PRIu64 "\n", trace_op_name(op), counts->ops[op]);
	printf("frees by another thread %" PRIu64 " (%.1f %%)\n", counts->frees_elsewhere,
	       percent(counts->frees_elsewhere, frees));
	printf("peak live bytes %" PRIu64 "\n", trace->peak_bytes);
	printf("peak live objects %" PRIu64 "\n", trace->peak_objects);
	printf("live at the end %" PRIu64 "\n", trace->end_objects);
	for (unsigned place = 0; place < NSIZES; place++) {
		uint64_t first = place == 0 ? 0 : UINT64_C(1) << (place - 1);
		uint64_t last = place == 0 ? 0 : 2 * first - 1;

		if (counts->sizes[place] > 0)
			printf("size %" PRIu64 "..%" PRIu64 " %" PRIu64 " (%.1f %%)\n", first, last,
			       counts->sizes[place],
			       percent(counts->sizes[place], counts->allocations));
	}
}

bool trace_print_stats(const struct trace *trace)
{
	struct counts counts = {.allocations = 0};
	size_t size = trace->nobjects * sizeof(uint16_t);
	uint16_t *owner = trace_pages(size);

	if (owner == NULL)
		return false;
	count(&counts, trace, owner);
	print(&counts, trace);
	trace_release_pages(owner, size);
	return true;
}

void trace_print_list(const struct trace *trace)
{
	for (size_t i = 0; i < trace->nevents; i++) {
		const struct trace_event *event = &trace->events[i];

		printf("%u %s #%" PRIu32, event->thread, trace_op_name(event->op), event->object);
		if (event->op != TRACE_FREE)
			printf(" %" PRIu64, event->size);
		if (trace_op_has_align(event->op))
			printf(" align %zu", (size_t)1 << event->align_log2);
		printf("\n");
	}
}
