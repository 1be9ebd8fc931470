#include "seq_trace.h"

#include <stdlib.h>
#include <string.h>

#include "bench/trace/trace.h"
#include "seq_places.h"

/* The operations of a recording and the functions of a sequence are the same but for the order. */
static const uint8_t ops[SEQ_NFUNCTIONS] = {
	[SEQ_BY_MALLOC] = TRACE_MALLOC,
	[SEQ_BY_VALLOC] = TRACE_VALLOC,
	[SEQ_BY_PVALLOC] = TRACE_VALLOC,
	[SEQ_BY_CALLOC] = TRACE_CALLOC,
	[SEQ_BY_ALIGNED_ALLOC] = TRACE_ALIGNED_ALLOC,
	[SEQ_BY_MEMALIGN] = TRACE_MEMALIGN,
	[SEQ_BY_POSIX_MEMALIGN] = TRACE_POSIX_MEMALIGN,
	[SEQ_BY_REALLOC] = TRACE_REALLOC,
	[SEQ_BY_REALLOCARRAY] = TRACE_REALLOCARRAY,
	[SEQ_BY_FREE] = TRACE_FREE,
	[SEQ_BY_FREE_SIZED] = TRACE_FREE,
	[SEQ_BY_FREE_ALIGNED_SIZED] = TRACE_FREE,
};

/* ---- from a recording ------------------------------------------------------------------------ */

#define NO_SLOT UINT32_MAX

struct importer {
	FILE *to;
	struct seq_writer writer;
	uint32_t *slots; /* by object: its slot, or NO_SLOT; NULL: they are the same */
	bool *is_taken;  /* by slot */
};

/* The slot of an object that an event names, the lowest that is free if it has none yet. */
static uint32_t slot_of(struct importer *in, const struct trace_event *event)
{
	uint32_t *slot;

	if (in->slots == NULL)
		return event->object;
	slot = &in->slots[event->object];
	if (*slot == NO_SLOT && event->op != TRACE_FREE) {
		*slot = 0;
		while (in->is_taken[*slot])
			++*slot;
		in->is_taken[*slot] = true;
	}
	return *slot;
}

static void import_event(struct importer *in, const struct trace_event *event)
{
	struct seq_op op = {
		.slot = slot_of(in, event),
		.size = (size_t)event->size,
		.thread = (uint8_t)event->thread,
		.count = 1,
		.mask = SEQ_MASK_ALL,
	};

	if (op.slot == NO_SLOT)
		return;
	while (ops[op.function] != event->op)
		op.function++;
	op.kind = (uint8_t)seq_kind_of((enum seq_function)op.function);
	if (op.kind == SEQ_ALIGNED)
		op.align = (size_t)1 << event->align_log2;
	if (in->slots != NULL && op.kind == SEQ_FREE) {
		in->is_taken[op.slot] = false;
		in->slots[event->object] = NO_SLOT;
	}
	seq_put(&in->writer, &op);
	(void)fwrite(in->writer.bytes, 1, in->writer.nbytes, in->to);
}

static bool init_slots(struct importer *in, size_t nobjects)
{
	in->slots = malloc((nobjects + 1) * sizeof(*in->slots));
	in->is_taken = calloc(nobjects + 1, sizeof(*in->is_taken));
	if (in->slots == NULL || in->is_taken == NULL)
		return false;
	memset(in->slots, 0xff, (nobjects + 1) * sizeof(*in->slots));
	return true;
}

bool seq_of_trace(FILE *to, const struct trace *trace, size_t skip, size_t count)
{
	struct importer in = {.to = to};
	bool done = (skip == 0 && count == 0) || init_slots(&in, trace->nobjects);

	if (count == 0 || skip > trace->nevents || count > trace->nevents - skip)
		count = skip > trace->nevents ? 0 : trace->nevents - skip;
	seq_write_init(&in.writer);
	for (size_t i = skip; done && i - skip < count; i++)
		import_event(&in, &trace->events[i]);
	free(in.slots);
	free(in.is_taken);
	return done;
}

bool seq_from_trace(FILE *to, const char *path, size_t skip, size_t count)
{
	struct trace trace;
	bool done;

	if (!trace_read(&trace, path))
		return false;
	done = seq_of_trace(to, &trace, skip, count);
	trace_release(&trace);
	return done;
}

/* ---- to a recording -------------------------------------------------------------------------- */

#define UNUSED UINT32_MAX

struct exporter {
	FILE *to; /* the events */
	struct seq_places places;
	bool *is_live;     /* by place */
	uint32_t *objects; /* by place: its number, UNUSED while it has no event */
	struct trace_header header;
	unsigned thread;
	size_t nlost;
};

static void put_varint(FILE *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		(void)putc((int)(value & 0x7f) | 0x80, to);
	(void)putc((int)value, to);
}

static uint32_t object_of(struct exporter *out, size_t place)
{
	uint32_t *object = &out->objects[place];

	if (*object == UNUSED)
		*object = (uint32_t)place;
	if (out->header.nobjects <= *object)
		out->header.nobjects = *object + UINT64_C(1);
	return *object;
}

static void put_event(struct exporter *out, const struct seq_op *op, unsigned what, size_t place)
{
	if (op->thread != out->thread) {
		(void)putc(TRACE_THREAD, out->to);
		put_varint(out->to, op->thread);
		out->thread = op->thread;
		if (out->header.nthreads <= op->thread)
			out->header.nthreads = op->thread + 1u;
	}
	(void)putc((int)what, out->to);
	put_varint(out->to, object_of(out, place));
	if (what != TRACE_FREE)
		put_varint(out->to, op->size);
	if (trace_op_has_align(what))
		(void)putc(__builtin_ctzll(op->align), out->to);
	out->is_live[place] = what != TRACE_FREE;
	out->header.nevents++;
}

/* Whether a recording may hold the allocation. */
static bool is_within(const struct seq_op *op)
{
	if (op->kind == SEQ_FREE)
		return true;
	if (op->size > TRACE_SIZE_MAX)
		return false;
	if (op->kind != SEQ_ALIGNED)
		return true;
	return op->align <= (size_t)1 << TRACE_ALIGN_MAX &&
	       (op->function != SEQ_BY_POSIX_MEMALIGN || op->align >= sizeof(void *));
}

static void export_slot(struct exporter *out, const struct seq_op *op, size_t place)
{
	unsigned what = ops[op->function];
	bool resizes = op->kind == SEQ_REALLOC;

	if (resizes && op->size == 0)
		what = out->is_live[place] ? TRACE_FREE : TRACE_MALLOC;
	else if (!resizes && op->kind != SEQ_FREE && out->is_live[place])
		put_event(out, op, TRACE_FREE, place);
	if (what != TRACE_FREE || out->is_live[place])
		put_event(out, op, what, place);
}

static void export_op(struct exporter *out, const struct seq_op *op)
{
	if (op->kind == SEQ_OTHER || !is_within(op)) {
		out->nlost++;
		return;
	}
	for (unsigned i = 0; i < op->count; i++)
		if (seq_selects(op, i))
			export_slot(out, op, seq_place(&out->places, (uint64_t)op->slot + i));
}

/* A recording's table is not much larger than its events could fill. */
static bool is_dense(const struct trace_header *header)
{
	return header->nobjects <= header->nevents + (uint64_t)TRACE_BATCH * header->nthreads;
}

/* Objects become as many as there are places with events. */
static void renumber(struct exporter *out)
{
	uint32_t n = 0;

	for (size_t i = 0; i < out->places.nplaces; i++)
		out->objects[i] = out->objects[i] == UNUSED ? UNUSED : n++;
}

static bool init_exporter(struct exporter *out, struct seq seq)
{
	if (!seq_places_init(&out->places, seq, (size_t)TRACE_BATCH * TRACE_THREADS_MAX))
		return false;
	out->is_live = malloc((out->places.nplaces + 1) * sizeof(*out->is_live));
	out->objects = malloc((out->places.nplaces + 1) * sizeof(*out->objects));
	if (out->objects != NULL)
		memset(out->objects, 0xff, (out->places.nplaces + 1) * sizeof(*out->objects));
	return out->is_live != NULL && out->objects != NULL;
}

static void fini_exporter(struct exporter *out)
{
	free(out->objects);
	free(out->is_live);
	seq_places_fini(&out->places);
}

/* All events, in *@events. */
static bool export_all(struct exporter *out, struct seq seq, char **events, size_t *nbytes)
{
	struct seq_op op;

	free(*events);
	*events = NULL;
	out->header = (struct trace_header){TRACE_MAGIC, TRACE_VERSION, 1, 0, 0, 0};
	out->thread = 0;
	out->nlost = 0;
	memset(out->is_live, 0, out->places.nplaces + 1);
	out->to = open_memstream(events, nbytes);
	while (out->to != NULL && seq_next(&seq, &op))
		export_op(out, &op);
	return out->to != NULL && fclose(out->to) == 0;
}

static bool write_trace(FILE *to, struct exporter *out, const char *events, size_t nbytes)
{
	out->header.nbytes = nbytes;
	if (out->header.nevents > TRACE_EVENTS_MAX)
		return false;
	return fwrite(&out->header, sizeof(out->header), 1, to) == 1 &&
	       fwrite(events, 1, nbytes, to) == nbytes;
}

bool seq_to_trace(FILE *to, struct seq seq, size_t *nlost)
{
	struct exporter out = {.to = NULL};
	char *events = NULL;
	size_t nbytes = 0;
	bool done = init_exporter(&out, seq) && export_all(&out, seq, &events, &nbytes);

	if (done && !is_dense(&out.header)) {
		renumber(&out);
		done = export_all(&out, seq, &events, &nbytes);
	}
	*nlost = out.nlost;
	done = done && write_trace(to, &out, events, nbytes);
	free(events);
	fini_exporter(&out);
	return done;
}
