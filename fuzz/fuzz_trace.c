/*
 * Recordings, sequences and their text become each other, or are refused with a reason; nothing is
 * lost on the way, and no bytes do harm.
 *
 *      m...       a recording as it is, from its magic on
 *      e t n ...  events; a header that counts them right, t + 1 threads and n slots is put before
 *      t...       lines of text
 *      any other  a sequence, behind that byte
 *
 * A recording is also read by a plain reading (plain_trace.h), which must agree.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plain_trace.h"
#include "seq_text.h"
#include "seq_trace.h"

#define SIZE_MAX_READ 4000 /* bytes of an input; of all events of a sequence, some times more */
#define EVENTS_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn static void fail(const char *rule, const char *what)
{
	(void)fprintf(stderr, "fuzz: trace: %s: %s\n", rule, what);
	abort();
}

static void check(bool is_right, const char *rule, const char *what)
{
	if (!is_right)
		fail(rule, what);
}

/* ---- bytes that are written ------------------------------------------------------------------ */

struct output {
	FILE *file;
	char *data;
	size_t size;
};

static void begin(struct output *out)
{
	*out = (struct output){.data = NULL};
	out->file = open_memstream(&out->data, &out->size);
	check(out->file != NULL, "harness", "no memory");
}

/* Its data and size are right from here on. */
static void finish(struct output *out)
{
	check(fclose(out->file) == 0, "harness", "no memory");
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool is_same(const struct seq_op *a, const struct seq_op *b)
{
	return a->size == b->size && a->align == b->align && a->arg == b->arg &&
	       a->slot == b->slot && a->code == b->code && a->kind == b->kind &&
	       a->function == b->function && a->thread == b->thread && a->count == b->count &&
	       a->mask == b->mask && a->how == b->how && a->zero == b->zero &&
	       a->npages == b->npages && a->edge == b->edge;
}

/* Without comment, and without zeros in front of numbers; one blank between words. */
static void make_plain(char *to, const char *from)
{
	size_t n = 0;
	bool is_first = true; /* in a word, or behind what is no letter or digit */

	for (; *from != '\0' && *from != '#'; from++) {
		bool is_blank = strchr(" \t\r\n", *from) != NULL;

		if (is_blank && (n == 0 || to[n - 1] == ' '))
			continue;
		if (*from == '0' && is_first && isxdigit((unsigned char)from[1]))
			continue;
		to[n] = is_blank ? ' ' : *from;
		is_first = !isalnum((unsigned char)to[n]) ||
			   (to[n] == 't' && (n == 0 || to[n - 1] == ' '));
		n++;
	}
	to[n > 0 && to[n - 1] == ' ' ? n - 1 : n] = '\0';
}

/* The first thread need not be named. */
static const char *behind_thread(const char *line)
{
	return strncmp(line, "t0 ", 3) == 0 ? line + 3 : line;
}

/* X1: the lines say the same, word by word. */
static void check_line(const char *line, const char *printed)
{
	char *a = malloc(strlen(line) + 1);
	char *b = malloc(strlen(printed) + 1);

	check(a != NULL && b != NULL, "harness", "no memory");
	make_plain(a, line);
	make_plain(b, printed);
	check(strcmp(behind_thread(a), b) == 0, "X1 an accepted line is what is printed of it",
	      line);
	free(a);
	free(b);
}

/* An operation as text and back. @line: that it was read from, or NULL. */
static void check_printed(const struct seq_op *op, const char *line)
{
	struct seq_op again;
	struct output text;
	const char *why;

	begin(&text);
	seq_print(text.file, op);
	finish(&text);
	if (line != NULL)
		check_line(line, text.data);
	why = seq_parse(text.data, &again);
	check(why == NULL, "what is printed can be read", why);
	check(is_same(op, &again), "text says all of an operation", "another one came back");
	free(text.data);
}

/* Q2: an operation as bytes and back. */
static void check_encoded(const struct seq_op *op)
{
	struct seq_writer writer;
	struct seq_op again;
	struct seq seq;

	seq_write_init(&writer);
	seq_put(&writer, op);
	check(writer.nbytes <= SEQ_OP_MAX, "Q2 an operation fits", "too long");
	seq_init(&seq, writer.bytes, writer.nbytes);
	check(seq_next(&seq, &again) && seq_done(&seq), "Q2 bytes are one operation", "not one");
	check(is_same(op, &again), "Q2 bytes say all of an operation", "another one came back");
}

static void run_line(const char *line)
{
	char *copy = strdup(line);
	struct seq_op op;
	const char *why;

	check(copy != NULL, "harness", "no memory");
	memset(&op, 0xa5, sizeof(op));
	why = seq_parse(copy, &op);
	if (why == NULL) {
		check_printed(&op, line);
		check_encoded(&op);
	} else {
		check(*why != '\0', "a refusal has a reason", line);
		check(op.kind == 0xa5, "what is refused is not filled", line);
	}
	free(copy);
}

static void run_text(const char *text, size_t size)
{
	char *copy = malloc(size + 1);
	char *rest = copy;
	char *line;

	check(copy != NULL, "harness", "no memory");
	memcpy(copy, text, size);
	copy[size] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL)
		run_line(line);
	free(copy);
}

/* ---- recordings ------------------------------------------------------------------------------ */

/* Which object of one recording is which of another. */
struct names {
	uint32_t *to;
	uint32_t *from;
};

static uint32_t *new_names(size_t n)
{
	uint32_t *names = malloc((n + 1) * sizeof(*names));

	check(names != NULL, "harness", "no memory");
	memset(names, 0xff, (n + 1) * sizeof(*names));
	return names;
}

static bool is_same_object(const struct names *names, uint32_t a, uint32_t b)
{
	if (names->to[a] == UINT32_MAX && names->from[b] == UINT32_MAX) {
		names->to[a] = b;
		names->from[b] = a;
	}
	return names->to[a] == b && names->from[b] == a;
}

static void check_events(const struct trace *a, const struct trace *b, const char *rule)
{
	const struct names names = {new_names(a->nobjects), new_names(b->nobjects)};

	check(a->nevents == b->nevents, rule, "another number of events");
	check(a->peak_bytes == b->peak_bytes && a->peak_objects == b->peak_objects &&
		      a->end_objects == b->end_objects,
	      rule, "other totals");
	for (size_t i = 0; i < a->nevents; i++) {
		const struct trace_event *x = &a->events[i];
		const struct trace_event *y = &b->events[i];

		check(x->op == y->op && x->size == y->size && x->thread == y->thread &&
			      x->align_log2 == y->align_log2 && x->step == y->step &&
			      is_same_object(&names, x->object, y->object),
		      rule, trace_op_name(x->op));
	}
	free(names.to);
	free(names.from);
}

static void must_decode(struct trace *trace, const uint8_t *data, size_t size)
{
	size_t where;
	const char *why = trace_decode(trace, data, size, &where);

	check(why == NULL, "what was made of a sequence is a recording", why);
}

/* A sequence as a recording. Return: operations that are not in it. */
static size_t to_trace(struct trace *trace, const uint8_t *data, size_t size)
{
	struct output out;
	struct seq seq;
	size_t nlost;

	seq_init(&seq, data, size);
	begin(&out);
	check(seq_to_trace(out.file, seq, &nlost), "harness", "no memory");
	finish(&out);
	must_decode(trace, (const uint8_t *)out.data, out.size);
	free(out.data);
	return nlost;
}

/* Y1: all of it, and back. */
static void check_whole(const struct trace *trace)
{
	struct output out;
	struct trace again;

	begin(&out);
	check(seq_of_trace(out.file, trace, 0, 0), "harness", "no memory");
	finish(&out);
	check(to_trace(&again, (const uint8_t *)out.data, out.size) == 0,
	      "Y1 a recording comes back", "something is lost");
	check_events(trace, &again, "Y1 a recording comes back");
	trace_release(&again);
	free(out.data);
}

/* Y2: slots are the lowest that are free, and nothing is freed that is not there. */
static void check_slots(const uint8_t *data, size_t size)
{
	bool *is_taken = calloc(size + 1, sizeof(*is_taken));
	struct seq_op op;
	struct seq seq;

	check(is_taken != NULL, "harness", "no memory");
	seq_init(&seq, data, size);
	while (seq_next(&seq, &op)) {
		size_t lowest = 0;

		while (is_taken[lowest])
			lowest++;
		check(op.slot < size && (is_taken[op.slot] || op.slot == lowest),
		      "Y2 slots of a part are as low as they can be", "one is not");
		check(op.kind != SEQ_FREE || is_taken[op.slot], "Y2 a part frees what it allocated",
		      "something else");
		is_taken[op.slot] = op.kind != SEQ_FREE;
	}
	free(is_taken);
}

static void check_part(const struct trace *trace, size_t skip, size_t count)
{
	struct output out;
	struct trace part;

	begin(&out);
	check(seq_of_trace(out.file, trace, skip, count), "harness", "no memory");
	finish(&out);
	check_slots((const uint8_t *)out.data, out.size);
	check(to_trace(&part, (const uint8_t *)out.data, out.size) == 0,
	      "Y2 nothing of a part is lost", "something is");
	check(part.nevents <= count, "Y2 a part has no more than was asked for", "it has");
	trace_release(&part);
	free(out.data);
}

/* What is printed: a line for each event, and of the counts the first. */
static void check_words(const struct trace *trace)
{
	FILE *console = stdout;
	struct output list;
	struct output stats;
	size_t nlines = 0;
	bool done;

	begin(&list);
	stdout = list.file;
	trace_print_list(trace);
	finish(&list);
	begin(&stats);
	stdout = stats.file;
	done = trace_print_stats(trace);
	stdout = console;
	finish(&stats);
	for (size_t i = 0; i < list.size; i++)
		nlines += list.data[i] == '\n';
	check(nlines == trace->nevents, "a list has a line for each event", "it has not");
	check(done && strtoull(stats.data + strlen("events "), NULL, 10) == trace->nevents,
	      "the counts are those of the events", "they are not");
	free(list.data);
	free(stats.data);
}

static void check_plain(const struct trace *trace, const struct plain_trace *plain)
{
	check(trace->nevents == plain->nevents && trace->peak_bytes == plain->peak_bytes &&
		      trace->peak_objects == plain->peak_objects &&
		      trace->end_objects == plain->end_objects,
	      "a plain reading agrees", "about the counts");
	for (size_t i = 0; i < trace->nevents; i++) {
		const struct trace_event *a = &trace->events[i];
		const struct trace_event *b = &plain->events[i];

		check(a->op == b->op && a->size == b->size && a->thread == b->thread &&
			      a->object == b->object && a->step == b->step &&
			      a->align_log2 == b->align_log2,
		      "a plain reading agrees", trace_op_name(a->op));
	}
}

static void run_trace(const uint8_t *data, size_t size)
{
	static struct plain_trace plain;
	struct trace trace = {.nevents = SIZE_MAX};
	bool is_good = plain_trace_read(&plain, data, size);
	size_t where = SIZE_MAX;
	const char *why = trace_decode(&trace, data, size, &where);

	check((why == NULL) == is_good, "a plain reading agrees",
	      why != NULL ? why : "it refuses what was accepted");
	if (why != NULL) {
		check(*why != '\0' && where <= size, "a refusal has a reason and a place", why);
		check(trace.nevents == SIZE_MAX && trace.events == NULL,
		      "what is refused is not filled", why);
		return;
	}
	check_plain(&trace, &plain);
	check_words(&trace);
	check_whole(&trace);
	check_part(&trace, trace.nevents / 3, trace.nevents / 2 + 1);
	trace_release(&trace);
}

static void run_events(const uint8_t *data, size_t size)
{
	const size_t nbytes = size > 2 ? size - 2 : 0;
	const uint8_t *events = data + size - nbytes;
	struct trace_header header = {TRACE_MAGIC, TRACE_VERSION, 1, 0, 0, nbytes};
	uint8_t *file = malloc(sizeof(header) + nbytes);

	check(file != NULL, "harness", "no memory");
	header.nthreads += size > 0 ? data[0] : 0;
	header.nobjects = size > 1 ? data[1] : 0;
	header.nevents = plain_trace_count(events, nbytes);
	memcpy(file, &header, sizeof(header));
	memcpy(file + sizeof(header), events, nbytes);
	run_trace(file, sizeof(header) + nbytes);
	free(file);
}

/* ---- sequences ------------------------------------------------------------------------------- */

/* Events that a sequence has at most. */
static size_t check_ops(const uint8_t *data, size_t size)
{
	size_t nevents = 0;
	struct seq_op op;
	struct seq seq;

	seq_init(&seq, data, size);
	while (seq_next(&seq, &op)) {
		check_printed(&op, NULL);
		check_encoded(&op);
		nevents += 2u * op.count;
	}
	return nevents;
}

static void run_seq(const uint8_t *data, size_t size)
{
	struct trace trace;

	if (check_ops(data, size) > EVENTS_MAX)
		return;
	(void)to_trace(&trace, data, size);
	check_words(&trace);
	check_whole(&trace);
	trace_release(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > SIZE_MAX_READ)
		return 0;
	if (data[0] == 'm')
		run_trace(data, size);
	else if (data[0] == 'e')
		run_events(data + 1, size - 1);
	else if (data[0] == 't')
		run_text((const char *)data + 1, size - 1);
	else
		run_seq(data + 1, size - 1);
	return 0;
}
