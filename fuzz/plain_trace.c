#include "plain_trace.h"

#include <string.h>

/* A file being read. */
struct input {
	const uint8_t *data;
	size_t size;
	size_t at;
	bool is_good;
};

static uint8_t byte(struct input *in)
{
	if (in->at < in->size)
		return in->data[in->at++];
	in->is_good = false;
	return 0;
}

static uint64_t little_endian(struct input *in, unsigned nbytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < nbytes; i++)
		value |= (uint64_t)byte(in) << 8 * i;
	return value;
}

/* Any that is longer than nine bytes is beyond all limits, or not as the recorder writes it. */
static uint64_t varint(struct input *in)
{
	uint64_t value = 0;
	uint8_t last = 0x80;

	for (unsigned i = 0; i < 9 && last >= 0x80; i++) {
		last = byte(in);
		value |= (uint64_t)(last & 0x7f) << 7 * i;
	}
	if (last >= 0x80)
		in->is_good = false;
	return value;
}

static struct trace_header header_of(struct input *in)
{
	struct trace_header header;

	for (unsigned i = 0; i < sizeof(header.magic); i++)
		header.magic[i] = (char)byte(in);
	header.version = (uint32_t)little_endian(in, 4);
	header.nthreads = (uint32_t)little_endian(in, 4);
	header.nevents = little_endian(in, 8);
	header.nobjects = little_endian(in, 8);
	header.nbytes = little_endian(in, 8);
	return header;
}

static bool is_header(const struct trace_header *header, size_t behind)
{
	return memcmp(header->magic, TRACE_MAGIC, sizeof(header->magic)) == 0 &&
	       header->version == TRACE_VERSION && header->nthreads >= 1 &&
	       header->nthreads <= TRACE_THREADS_MAX && header->nbytes <= behind &&
	       header->nevents <= header->nbytes / 2 &&
	       header->nobjects <= header->nevents + (uint64_t)TRACE_BATCH * header->nthreads &&
	       (header->nobjects > 0 || header->nevents == 0);
}

/* The operands behind the operation's byte. Whether each is within its bounds. */
static bool read_operands(struct input *in, const struct trace_header *header,
			  struct trace_event *event)
{
	uint64_t object = varint(in);

	event->object = (uint32_t)object;
	if (event->op != TRACE_FREE)
		event->size = varint(in);
	if (event->op >= TRACE_ALIGNED_ALLOC)
		event->align_log2 = byte(in);
	if (event->op == TRACE_POSIX_MEMALIGN && event->align_log2 < 3)
		return false;
	if ((event->op == TRACE_REALLOC || event->op == TRACE_REALLOCARRAY) && event->size == 0)
		return false;
	return in->is_good && object < header->nobjects && event->size <= TRACE_SIZE_MAX &&
	       event->align_log2 <= TRACE_ALIGN_MAX;
}

/* The event before it of the same object; NULL: none. */
static const struct trace_event *before(const struct plain_trace *plain, uint32_t object)
{
	for (size_t i = plain->nevents; i > 0; i--)
		if (plain->events[i - 1].object == object)
			return &plain->events[i - 1];
	return NULL;
}

static bool may_follow(const struct trace_event *event, bool is_live)
{
	switch (event->op) {
	case TRACE_FREE:
		return is_live;
	case TRACE_REALLOC:
	case TRACE_REALLOCARRAY:
		return true;
	default:
		return !is_live;
	}
}

/* Takes the event into account. Whether there may be such a one now. */
static bool follow(struct plain_trace *plain, struct trace_event *event, uint64_t *live_bytes)
{
	const struct trace_event *last = before(plain, event->object);
	bool was_live = last != NULL && last->op != TRACE_FREE;

	if (plain->nevents == PLAIN_EVENTS_MAX || !may_follow(event, was_live))
		return false;
	event->step = last != NULL ? last->step + 1 : 0;
	*live_bytes += event->size - (was_live ? last->size : 0);
	plain->end_objects += (event->op != TRACE_FREE) - (uint64_t)was_live;
	if (*live_bytes > plain->peak_bytes)
		plain->peak_bytes = *live_bytes;
	if (plain->end_objects > plain->peak_objects)
		plain->peak_objects = plain->end_objects;
	plain->events[plain->nevents++] = *event;
	return true;
}

bool plain_trace_read(struct plain_trace *plain, const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .size = size, .is_good = true};
	struct trace_header header = header_of(&in);
	uint64_t live_bytes = 0;
	uint64_t thread = 0;

	plain->nevents = 0;
	plain->peak_bytes = plain->peak_objects = plain->end_objects = 0;
	if (!in.is_good || !is_header(&header, size - in.at))
		return false;
	in.size = in.at + header.nbytes;
	while (in.at < in.size) {
		struct trace_event event = {.op = byte(&in), .thread = (uint16_t)thread};

		if (event.op == TRACE_THREAD) {
			thread = varint(&in);
			if (!in.is_good || thread >= header.nthreads)
				return false;
		} else if (event.op >= TRACE_NOPS || !read_operands(&in, &header, &event) ||
			   !follow(plain, &event, &live_bytes)) {
			return false;
		}
	}
	return plain->nevents == header.nevents;
}

size_t plain_trace_count(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .size = size, .is_good = true};
	size_t nevents = 0;

	while (in.at < in.size) {
		uint8_t op = byte(&in);

		nevents += op != TRACE_THREAD;
		(void)varint(&in);
		if (op > TRACE_FREE)
			(void)varint(&in);
		if (op >= TRACE_ALIGNED_ALLOC)
			(void)byte(&in);
	}
	return nevents;
}
