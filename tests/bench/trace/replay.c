/*
 * replay - performs what a trace recorded, under the allocator of this process.
 *
 *      replay FILE [ROUNDS]      prints what it took; with LD_PRELOAD=..., under another allocator
 *      replay --list FILE        prints the events, one a line: thread, operation, object, size
 *      replay --stats FILE       prints what they amount to
 *
 * What and why: the allocator's share of real programs, alone, and the same for every allocator.
 * The file is decoded before the clock starts. Objects are used as programs use them: a byte of
 * every line is written, of larger objects one of every page; what they begin with is looked at
 * when they are freed. What lives at the end of a round is freed.
 *
 * Threads: as many as were recorded, each with its events in order. An event waits for the one
 * before it of the same object, in whichever thread that is; there is no other order between
 * threads. As every event waits only for earlier ones, one of them can always go on. A trace of a
 * single thread is performed without threads and without atomic operations.
 *
 * Exit code: 1 if the allocator failed, 2 if the file or the command is bad.
 */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trace.h"

#define LINE 64
#define PAGE 4096
#define SPINS 100 /* looks for another thread, before the processor is left to others */
#define YIELDS 10 /* then sleep */
#define PAUSE_NS 20000
#define PAUSE_MAX_NS 1000000

struct object {
	unsigned char *ptr;
	size_t size;
	_Atomic uint32_t turn; /* the step that is next; only where there are threads */
};

/* What a thread does. */
struct part {
	struct trace_event *events;
	size_t nevents;
	struct object *objects;
	pthread_barrier_t *start;
};

_Noreturn static void fail(int code, const char *why)
{
	(void)fprintf(stderr, "replay: %s\n", why);
	exit(code);
}

/* ---- what programs do with memory ------------------------------------------------------------ */

static uint64_t token_of(uint32_t object)
{
	return (object + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

static size_t token_size(size_t size)
{
	return size < sizeof(uint64_t) ? size : sizeof(uint64_t);
}

/* Writes to what was not there before, of which @from bytes were. */
static void touch(unsigned char *ptr, size_t from, size_t size, uint32_t object)
{
	const uint64_t token = token_of(object);
	size_t i = (from / LINE + 1) * LINE;

	if (size >= sizeof(token))
		memcpy(ptr, &token, sizeof(token));
	else
		memcpy(ptr, &token, size);
	for (; i < size && i < PAGE; i += LINE)
		ptr[i] = 1;
	for (i = (i + PAGE - 1) / PAGE * PAGE; i < size; i += PAGE)
		ptr[i] = 1;
	if (size > sizeof(token))
		ptr[size - 1] = 1;
}

static void check(const unsigned char *ptr, size_t size, uint32_t object)
{
	const uint64_t token = token_of(object);

	if (size >= sizeof(token)) {
		if (memcmp(ptr, &token, sizeof(token)) != 0)
			fail(1, "an object has changed");
	} else if (size > 0 && memcmp(ptr, &token, size) != 0) {
		fail(1, "an object has changed");
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

static void *aligned(const struct trace_event *event)
{
	size_t align = (size_t)1 << event->align_log2;
	void *ptr = NULL;

	if (event->op == TRACE_ALIGNED_ALLOC)
		ptr = aligned_alloc(align, event->size);
	else if (event->op == TRACE_MEMALIGN)
		ptr = memalign(align, event->size);
	else if (posix_memalign(&ptr, align, event->size) != 0)
		ptr = NULL;
	if (((uintptr_t)ptr & (align - 1)) != 0)
		fail(1, "an object is not aligned");
	return ptr;
}

static void *zeroed(size_t size)
{
	const uint64_t zero = 0;
	void *ptr = calloc(1, size);

	if (ptr != NULL && memcmp(ptr, &zero, token_size(size)) != 0)
		fail(1, "calloc() gave memory that is not zero");
	return ptr;
}

/* realloc() and the other one: the object, at another place perhaps. */
static void *resized(const struct object *object, const struct trace_event *event)
{
	size_t kept = object->size < event->size ? object->size : event->size;
	void *ptr;

	check(object->ptr, object->size, event->object);
	if (event->op == TRACE_REALLOC)
		ptr = realloc(object->ptr, event->size);
	else
		ptr = reallocarray(object->ptr, 1, event->size);
	if (ptr != NULL)
		check(ptr, kept, event->object);
	return ptr;
}

static void *allocated(const struct object *object, const struct trace_event *event)
{
	switch (event->op) {
	case TRACE_MALLOC:
		return malloc(event->size);
	case TRACE_CALLOC:
		return zeroed(event->size);
	case TRACE_REALLOC:
	case TRACE_REALLOCARRAY:
		return resized(object, event);
	case TRACE_VALLOC:
		return valloc(event->size);
	default:
		return aligned(event);
	}
}

static void release(struct object *object, uint32_t number)
{
	check(object->ptr, object->size, number);
	free(object->ptr);
	object->ptr = NULL;
	object->size = 0;
}

static inline void perform(struct object *object, const struct trace_event *event)
{
	unsigned char *ptr;

	if (event->op == TRACE_FREE) {
		release(object, event->object);
		return;
	}
	ptr = allocated(object, event);
	if (ptr == NULL && event->size > 0)
		fail(1, "out of memory");
	touch(ptr, object->size, event->size, event->object);
	object->ptr = ptr;
	object->size = event->size;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* Who waits longer sleeps longer: the processor's time is to be the allocator's. */
static void wait_for_turn(struct object *object, uint32_t step)
{
	struct timespec pause = {.tv_nsec = PAUSE_NS};
	unsigned tries = 0;

	while (atomic_load_explicit(&object->turn, memory_order_acquire) != step) {
		if (++tries <= SPINS)
			continue;
		if (tries <= SPINS + YIELDS) {
			(void)sched_yield();
			continue;
		}
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
}

static void *run_part(void *context)
{
	const struct part *part = context;

	(void)pthread_barrier_wait(part->start);
	for (size_t i = 0; i < part->nevents; i++) {
		const struct trace_event *event = &part->events[i];
		struct object *object = &part->objects[event->object];

		wait_for_turn(object, event->step);
		perform(object, event);
		atomic_store_explicit(&object->turn, event->step + 1, memory_order_release);
	}
	return NULL;
}

static void run_threads(struct part *parts, size_t nthreads)
{
	pthread_t threads[TRACE_THREADS_MAX];

	for (size_t i = 1; i < nthreads; i++)
		if (pthread_create(&threads[i], NULL, run_part, &parts[i]) != 0)
			fail(1, "a thread could not be created");
	(void)run_part(&parts[0]);
	for (size_t i = 1; i < nthreads; i++)
		(void)pthread_join(threads[i], NULL);
}

/* A copy of the events, in order of their threads. */
static void divide(const struct trace *trace, struct part *parts)
{
	struct trace_event *events = trace_pages(trace->nevents * sizeof(*events));

	if (events == NULL)
		fail(1, "no memory for the events");
	for (size_t i = 0; i < trace->nevents; i++)
		parts[trace->events[i].thread].nevents++;
	for (size_t i = 0; i < trace->nthreads; i++) {
		parts[i].events = events;
		events += parts[i].nevents;
		parts[i].nevents = 0;
	}
	for (size_t i = 0; i < trace->nevents; i++) {
		struct part *part = &parts[trace->events[i].thread];

		part->events[part->nevents++] = trace->events[i];
	}
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void run_single(const struct trace *trace, struct object *objects)
{
	for (size_t i = 0; i < trace->nevents; i++)
		perform(&objects[trace->events[i].object], &trace->events[i]);
}

static void release_rest(const struct trace *trace, struct object *objects)
{
	for (size_t i = 0; i < trace->nobjects; i++) {
		atomic_store_explicit(&objects[i].turn, 0, memory_order_relaxed);
		if (objects[i].ptr != NULL)
			release(&objects[i], (uint32_t)i);
	}
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A trace may ask for more than there is: then nothing is begun. */
static void check_memory(const struct trace *trace)
{
	uint64_t npages = (uint64_t)sysconf(_SC_PHYS_PAGES);

	if (trace->peak_bytes / (uint64_t)sysconf(_SC_PAGESIZE) >= npages)
		fail(2, "the trace needs more memory than there is");
}

static void replay(const struct trace *trace, unsigned long rounds)
{
	static struct part parts[TRACE_THREADS_MAX];
	struct object *objects = trace_pages(trace->nobjects * sizeof(*objects));
	pthread_barrier_t start;
	double cpu;
	double wall;

	check_memory(trace);
	if (objects == NULL || pthread_barrier_init(&start, NULL, (unsigned)trace->nthreads) != 0)
		fail(1, "no memory for the table");
	for (size_t i = 0; i < trace->nthreads; i++)
		parts[i] = (struct part){.objects = objects, .start = &start};
	if (trace->nthreads > 1)
		divide(trace, parts);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = seconds(CLOCK_MONOTONIC);
	for (unsigned long round = 0; round < rounds; round++) {
		if (trace->nthreads > 1)
			run_threads(parts, trace->nthreads);
		else
			run_single(trace, objects);
		release_rest(trace, objects);
	}
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("events %zu, rounds %lu, cpu %.3f s, wall %.3f s, cpu per event %.1f ns\n",
	       trace->nevents, rounds, cpu, wall,
	       trace->nevents == 0 ? 0 : cpu * 1e9 / (double)trace->nevents / (double)rounds);
}

/* ---- the command ----------------------------------------------------------------------------- */

static unsigned long get_rounds(const char *text)
{
	char *end;
	unsigned long rounds = strtoul(text, &end, 10);

	if (*end != '\0' || rounds == 0 || rounds > 1000000)
		fail(2, "ROUNDS is a number, at least 1");
	return rounds;
}

int main(int argc, char **argv)
{
	bool is_list = argc == 3 && strcmp(argv[1], "--list") == 0;
	bool is_stats = argc == 3 && strcmp(argv[1], "--stats") == 0;
	struct trace trace;

	if (argc < 2 || argc > 3 || (argv[1][0] == '-' && !is_list && !is_stats))
		fail(2, "usage: replay FILE [ROUNDS] | replay --list FILE | replay --stats FILE");
	if (!trace_read(&trace, is_list || is_stats ? argv[2] : argv[1]))
		return 2;
	if (is_list)
		trace_print_list(&trace);
	else if (!is_stats)
		replay(&trace, argc == 3 ? get_rounds(argv[2]) : 1);
	else if (!trace_print_stats(&trace))
		fail(1, "no memory for the counts");
	trace_release(&trace);
	return fflush(stdout) == 0 ? 0 : 1;
}
