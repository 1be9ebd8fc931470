#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the header is read as it lies there");
_Static_assert(sizeof(struct trace_header) == 40, "the format");
_Static_assert(TRACE_EVENTS_MAX <= UINT64_MAX / TRACE_SIZE_MAX, "the sum of all sizes");

#define EMPTY UINT64_MAX
#define EVENT_BYTES_MIN 2

/* What is known of a slot while decoding. */
struct slot {
	uint64_t size; /* complement of the size, or of EMPTY: that is what zeroed pages hold */
	uint32_t step;
};

struct decoder {
	const uint8_t *at;
	const uint8_t *end;
	const char *why; /* NULL: nothing is wrong */
	struct slot *slots;
	uint64_t live_bytes;
	uint64_t live_objects;
	uint16_t thread;
};

void *trace_pages(size_t size)
{
	void *pages = mmap(NULL, size + (size == 0), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

void trace_release_pages(void *pages, size_t size)
{
	if (pages != NULL)
		(void)munmap(pages, size + (size == 0));
}

const char *trace_op_name(unsigned op)
{
	static const char *const names[TRACE_NOPS] = {
		[TRACE_THREAD] = "thread",     [TRACE_FREE] = "free",
		[TRACE_MALLOC] = "malloc",     [TRACE_CALLOC] = "calloc",
		[TRACE_REALLOC] = "realloc",   [TRACE_REALLOCARRAY] = "reallocarray",
		[TRACE_VALLOC] = "valloc",     [TRACE_ALIGNED_ALLOC] = "aligned_alloc",
		[TRACE_MEMALIGN] = "memalign", [TRACE_POSIX_MEMALIGN] = "posix_memalign",
	};

	return op < TRACE_NOPS ? names[op] : "?";
}

/* ---- the parts of an event ------------------------------------------------------------------- */

static uint8_t get_byte(struct decoder *d)
{
	if (d->at == d->end) {
		d->why = "the last event is cut off";
		return 0;
	}
	return *d->at++;
}

/* At most @limit; otherwise @why. */
static uint64_t get_varint(struct decoder *d, uint64_t limit, const char *why)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		uint8_t byte = get_byte(d);

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (value > limit)
			break;
		if (byte < 0x80)
			return value;
	}
	d->why = d->why != NULL ? d->why : why;
	return 0;
}

static uint8_t get_align(struct decoder *d, unsigned op)
{
	uint8_t align_log2 = get_byte(d);
	bool is_good = align_log2 <= TRACE_ALIGN_MAX;

	/* The standard wants a multiple of a pointer's size here. */
	if (op == TRACE_POSIX_MEMALIGN)
		is_good = is_good && ((size_t)1 << align_log2) >= sizeof(void *);
	if (!is_good && d->why == NULL)
		d->why = "no such alignment";
	return align_log2;
}

static void switch_thread(struct decoder *d, const struct trace *trace)
{
	d->thread = (uint16_t)get_varint(d, trace->nthreads - 1, "no such thread");
}

/* ---- events ---------------------------------------------------------------------------------- */

/* The slot's contents become @size bytes, or EMPTY. Slots hold the complement: EMPTY is zero. */
static void put_in_slot(struct decoder *d, struct slot *slot, uint64_t size)
{
	uint64_t before = ~slot->size;

	d->live_objects -= before != EMPTY;
	d->live_bytes -= before != EMPTY ? before : 0;
	d->live_objects += size != EMPTY;
	d->live_bytes += size != EMPTY ? size : 0;
	slot->size = ~size;
}

static void follow(struct decoder *d, struct trace *trace, struct trace_event *event)
{
	struct slot *slot = &d->slots[event->object];
	bool is_live = ~slot->size != EMPTY;

	if (event->op == TRACE_FREE && !is_live)
		d->why = "a free of what is not allocated";
	else if (event->op != TRACE_FREE && is_live && !trace_op_is_resize(event->op))
		d->why = "an allocation in a place that is taken";
	event->step = slot->step++;
	put_in_slot(d, slot, event->op == TRACE_FREE ? EMPTY : event->size);
	if (d->live_bytes > trace->peak_bytes)
		trace->peak_bytes = d->live_bytes;
	if (d->live_objects > trace->peak_objects)
		trace->peak_objects = d->live_objects;
}

static void get_event(struct decoder *d, struct trace *trace, uint8_t op, struct trace_event *event)
{
	*event = (struct trace_event){.op = op, .thread = d->thread};
	event->object = (uint32_t)get_varint(d, trace->nobjects - 1, "no such object");
	if (op != TRACE_FREE)
		event->size = get_varint(d, TRACE_SIZE_MAX, "the size is beyond all bounds");
	if (trace_op_has_align(op))
		event->align_log2 = get_align(d, op);
	if (d->why == NULL && trace_op_is_resize(op) && event->size == 0)
		d->why = "a realloc to nothing";
	if (d->why == NULL)
		follow(d, trace, event);
}

static void get_events(struct decoder *d, struct trace *trace)
{
	size_t n = 0;

	while (d->at < d->end && d->why == NULL) {
		uint8_t op = get_byte(d);

		if (op >= TRACE_NOPS)
			d->why = "no such operation";
		else if (op == TRACE_THREAD)
			switch_thread(d, trace);
		else if (n == trace->nevents)
			d->why = "more events than the header says";
		else
			get_event(d, trace, op, &trace->events[n++]);
	}
	if (d->why == NULL && n < trace->nevents)
		d->why = "fewer events than the header says";
	trace->end_objects = d->live_objects;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Bounds on everything by the size of the file, so that no count takes memory for nothing. */
static const char *check_header(const struct trace_header *header, size_t size)
{
	if (memcmp(header->magic, TRACE_MAGIC, sizeof(header->magic)) != 0)
		return "not a trace";
	if (header->version != TRACE_VERSION)
		return "a version that is not known";
	if (header->nthreads == 0 || header->nthreads > TRACE_THREADS_MAX)
		return "an impossible number of threads";
	if (header->nbytes > size - sizeof(*header))
		return "the file is truncated";
	if (header->nevents > TRACE_EVENTS_MAX ||
	    header->nevents > header->nbytes / EVENT_BYTES_MIN)
		return "an impossible number of events";
	if (header->nobjects > header->nevents + (uint64_t)TRACE_BATCH * header->nthreads)
		return "an impossible number of objects";
	if (header->nobjects == 0 && header->nevents > 0)
		return "events without objects";
	return NULL;
}

static const char *decode_events(struct trace *trace, struct decoder *d)
{
	size_t slots_size = trace->nobjects * sizeof(struct slot);
	size_t events_size = trace->nevents * sizeof(struct trace_event);

	trace->events = trace_pages(events_size);
	d->slots = trace_pages(slots_size);
	if (trace->events == NULL || d->slots == NULL)
		d->why = "no memory to decode it";
	else
		get_events(d, trace);
	trace_release_pages(d->slots, slots_size);
	if (d->why != NULL)
		trace_release_pages(trace->events, events_size);
	return d->why;
}

const char *trace_decode(struct trace *trace, const uint8_t *data, size_t size, size_t *where)
{
	struct trace_header header;
	struct decoder d = {.at = data + sizeof(header)};
	struct trace result;
	const char *why;

	*where = 0;
	if (size < sizeof(header))
		return "too short for a trace";
	memcpy(&header, data, sizeof(header));
	why = check_header(&header, size);
	if (why != NULL)
		return why;
	d.end = d.at + header.nbytes;
	result = (struct trace){
		.nevents = (size_t)header.nevents,
		.nobjects = (size_t)header.nobjects,
		.nthreads = header.nthreads,
	};
	why = decode_events(&result, &d);
	*where = (size_t)(d.at - data);
	if (why == NULL)
		*trace = result;
	return why;
}

void trace_release(struct trace *trace)
{
	trace_release_pages(trace->events, trace->nevents * sizeof(struct trace_event));
	trace->events = NULL;
}

bool trace_read(struct trace *trace, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat info;
	uint8_t *data;
	const char *why;
	size_t size;
	size_t where;

	if (fd < 0 || fstat(fd, &info) != 0) {
		perror(path);
		return false;
	}
	size = (size_t)info.st_size;
	data = mmap(NULL, size + (size == 0), PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	if (data == MAP_FAILED) {
		perror(path);
		return false;
	}
	why = trace_decode(trace, data, size, &where);
	(void)munmap(data, size + (size == 0));
	if (why != NULL)
		(void)fprintf(stderr, "%s: byte %zu: %s\n", path, where, why);
	return why == NULL;
}
