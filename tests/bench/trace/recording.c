#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recording.h"

#define EVENT_BYTES_MAX 16 /* with a change of thread before it */
#define NONE RECORDING_NONE

/* ---- the recording --------------------------------------------------------------------------- */

struct entry {
	uintptr_t ptr; /* 0: none */
	uint32_t slot;
};

struct slot {
	uint32_t next; /* in the list it is in */
	uint16_t owner;
};

struct thread {
	uint32_t own;   /* stack of slots */
	uint32_t first; /* queue of those that others freed */
	uint32_t last;
	uint32_t fresh; /* never used, up to a multiple of TRACE_BATCH */
	bool is_taken;
};

static struct {
	pthread_mutex_t lock;
	_Atomic bool is_on; /* changes under the lock */
	char path[PATH_MAX];
	struct trace_header *header; /* the file */
	size_t file_size;
	uint8_t *at;
	uint64_t events_max;
	struct entry *index;
	size_t index_mask;
	struct slot *slots;
	uint32_t nslots; /* a multiple of TRACE_BATCH */
	unsigned writer; /* thread of the last event */
	unsigned nnumbered;
	pthread_key_t key;
	struct thread threads[TRACE_THREADS_MAX];
} rec = {.lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP};

/* Plus 1. The model is one that needs no memory. */
static _Thread_local unsigned self __attribute__((tls_model("initial-exec")));

static void stop_locked(void)
{
	if (!rec.is_on)
		return;
	rec.is_on = false;
	(void)truncate(rec.path, (off_t)(sizeof(*rec.header) + rec.header->nbytes));
	(void)munmap(rec.header, rec.file_size);
}

/* Take the lock, if there is something to record: not what other handlers of fork() do. */
static bool begin(void)
{
	if (!rec.is_on || pthread_mutex_lock(&rec.lock) != 0)
		return false;
	if (rec.is_on)
		return true;
	(void)pthread_mutex_unlock(&rec.lock);
	return false;
}

static void end(void)
{
	(void)pthread_mutex_unlock(&rec.lock);
}

/* ---- threads --------------------------------------------------------------------------------- */

/* The lowest that is not taken; when all are, they are shared. */
static unsigned free_number(void)
{
	for (unsigned i = 0; i < TRACE_THREADS_MAX; i++)
		if (!rec.threads[i].is_taken)
			return i;
	return rec.nnumbered++ % TRACE_THREADS_MAX;
}

/* Before begin(): to set the key may allocate. */
static void number_thread(void)
{
	if (self != 0 || !begin())
		return;
	self = free_number() + 1;
	rec.threads[self - 1].is_taken = true;
	end();
	(void)pthread_setspecific(rec.key, &rec.threads[self - 1]);
}

static void leave_thread(void *context)
{
	struct thread *thread = context;

	if (!begin())
		return;
	thread->is_taken = false;
	end();
}

/* ---- slots ----------------------------------------------------------------------------------- */

static uint32_t take_slot(void)
{
	struct thread *thread = &rec.threads[self - 1];
	uint32_t slot = thread->own;

	if (slot != NONE) {
		thread->own = rec.slots[slot].next;
	} else if (thread->first != NONE) {
		slot = thread->first;
		thread->first = rec.slots[slot].next;
	} else {
		if (thread->fresh % TRACE_BATCH == 0) {
			thread->fresh = rec.nslots;
			rec.nslots += TRACE_BATCH;
		}
		slot = thread->fresh++;
	}
	rec.slots[slot].owner = (uint16_t)(self - 1);
	if (slot >= rec.header->nobjects)
		rec.header->nobjects = slot + 1;
	return slot;
}

static void give_slot(uint32_t slot)
{
	unsigned owner = rec.slots[slot].owner;
	struct thread *thread = &rec.threads[owner];

	if (owner == self - 1) {
		rec.slots[slot].next = thread->own;
		thread->own = slot;
		return;
	}
	rec.slots[slot].next = NONE;
	if (thread->first == NONE)
		thread->first = slot;
	else
		rec.slots[thread->last].next = slot;
	thread->last = slot;
}

/* ---- the index ------------------------------------------------------------------------------- */

static size_t home_of(uintptr_t ptr)
{
	return (size_t)((ptr >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 24) & rec.index_mask;
}

/* Where it is, or would be. */
static size_t index_place(uintptr_t ptr)
{
	size_t i = home_of(ptr);

	while (rec.index[i].ptr != 0 && rec.index[i].ptr != ptr)
		i = (i + 1) & rec.index_mask;
	return i;
}

/* Those behind it that could not be where they belong move up. */
static void index_close_gap(size_t gap)
{
	size_t i = gap;

	for (;;) {
		i = (i + 1) & rec.index_mask;
		if (rec.index[i].ptr == 0)
			break;
		if (((i - home_of(rec.index[i].ptr)) & rec.index_mask) <
		    ((i - gap) & rec.index_mask))
			continue;
		rec.index[gap] = rec.index[i];
		gap = i;
	}
	rec.index[gap].ptr = 0;
}

/* The slot of the object, which is forgotten; NONE if it is unknown. */
static uint32_t index_take(const void *ptr)
{
	size_t i = index_place((uintptr_t)ptr);
	uint32_t slot = rec.index[i].slot;

	if (rec.index[i].ptr == 0)
		return NONE;
	index_close_gap(i);
	return slot;
}

static void index_put(const void *ptr, uint32_t slot)
{
	rec.index[index_place((uintptr_t)ptr)] = (struct entry){.ptr = (uintptr_t)ptr,
								.slot = slot};
}

/* ---- events ---------------------------------------------------------------------------------- */

static void put_varint(uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*rec.at++ = (uint8_t)(value | 0x80);
	*rec.at++ = (uint8_t)value;
}

static void put_thread(void)
{
	if (rec.writer == self - 1)
		return;
	rec.writer = self - 1;
	*rec.at++ = TRACE_THREAD;
	put_varint(rec.writer);
	if (rec.header->nthreads < self)
		rec.header->nthreads = self;
}

/* @align is the alignment that was asked for, of operations that have one. */
static void put_event(enum trace_op op, uint32_t slot, size_t size, size_t align)
{
	put_thread();
	*rec.at++ = (uint8_t)op;
	put_varint(slot);
	if (op != TRACE_FREE)
		put_varint(size);
	if (trace_op_has_align(op))
		*rec.at++ = align <= 1 ? 0 : (uint8_t)(64 - __builtin_clzll(align - 1));
	rec.header->nbytes = (uint64_t)(rec.at - (uint8_t *)(rec.header + 1));
	if (++rec.header->nevents == rec.events_max)
		stop_locked();
}

static void put_free(uint32_t slot)
{
	put_event(TRACE_FREE, slot, 0, 0);
	give_slot(slot);
}

static bool is_recordable(size_t size, size_t align)
{
	return size <= TRACE_SIZE_MAX && align <= (size_t)1 << TRACE_ALIGN_MAX;
}

void recording_alloc(enum trace_op op, const void *ptr, size_t size, size_t align)
{
	uint32_t slot;

	if (ptr == NULL || !is_recordable(size, align))
		return;
	number_thread();
	if (!begin())
		return;
	slot = index_take(ptr);
	if (slot != NONE) /* it was freed in a way that is not seen here */
		put_free(slot);
	if (rec.is_on) {
		slot = take_slot();
		index_put(ptr, slot);
		put_event(op, slot, size, align);
	}
	end();
}

void recording_free(const void *ptr)
{
	uint32_t slot;

	number_thread();
	if (!begin())
		return;
	slot = index_take(ptr);
	if (slot != NONE)
		put_free(slot);
	end();
}

/* A realloc begins: the object is out of the index until it ends (R2). */
uint32_t recording_leave(const void *ptr)
{
	uint32_t slot;

	number_thread();
	if (!begin())
		return NONE;
	slot = index_take(ptr);
	end();
	return slot;
}

/* It ends: @ptr is what the allocator said of @old. */
void recording_resized(enum trace_op op, uint32_t slot, const void *old, const void *ptr,
		       size_t size)
{
	if (slot == NONE) {
		recording_alloc(op, ptr, size > 0 ? size : 1, 0);
		return;
	}
	if (!begin())
		return;
	if (ptr == NULL && size > 0) {
		index_put(old, slot);
	} else if (ptr == NULL || !is_recordable(size, 0)) {
		put_free(slot);
	} else {
		index_put(ptr, slot);
		put_event(op, slot, size > 0 ? size : 1, 0);
	}
	end();
}

/* ---- the beginning and the end --------------------------------------------------------------- */

static void before_fork(void)
{
	(void)pthread_mutex_lock(&rec.lock);
}

static void in_parent(void)
{
	(void)pthread_mutex_unlock(&rec.lock);
}

/* The mapping is the parent's; what is executed next has its own. */
static void in_child(void)
{
	rec.is_on = false;
	rec.lock = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
}

/* The path, absolute, as the program may change its directory. Whether it fits. */
static bool make_path(const char *from)
{
	char *to = rec.path;
	char *last = rec.path + sizeof(rec.path) - 16; /* the number of a process is shorter */

	if (from[0] != '/') {
		if (getcwd(rec.path, sizeof(rec.path) / 2) == NULL)
			return false;
		to += strlen(to);
		*to++ = '/';
	}
	for (; *from != '\0' && to < last; from++) {
		if (from[0] == '%' && from[1] == 'p') {
			to += snprintf(to, 16, "%d", (int)getpid());
			from++;
			continue;
		}
		*to++ = *from;
	}
	*to = '\0';
	return *from == '\0';
}

static bool map_file(void)
{
	int fd = open(rec.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return false;
	rec.file_size = sizeof(*rec.header) + rec.events_max * EVENT_BYTES_MAX;
	if (ftruncate(fd, (off_t)rec.file_size) == 0)
		rec.header = mmap(NULL, rec.file_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (rec.header == NULL || rec.header == MAP_FAILED)
		return false;
	memcpy(rec.header->magic, TRACE_MAGIC, sizeof(rec.header->magic));
	rec.header->version = TRACE_VERSION;
	rec.header->nthreads = 1;
	rec.at = (uint8_t *)(rec.header + 1);
	return true;
}

static bool map_tables(void)
{
	size_t n = 64;

	while (n < 2 * rec.events_max)
		n *= 2;
	rec.index_mask = n - 1;
	rec.index = trace_pages(n * sizeof(*rec.index));
	rec.slots = trace_pages((rec.events_max + TRACE_BATCH * (TRACE_THREADS_MAX + 1)) *
				sizeof(*rec.slots));
	for (unsigned i = 0; i < TRACE_THREADS_MAX; i++)
		rec.threads[i] = (struct thread){.own = NONE, .first = NONE};
	return rec.index != NULL && rec.slots != NULL;
}

bool recording_start(const char *path, uint64_t events_max)
{
	if (events_max == 0 || events_max > TRACE_EVENTS_MAX) {
		errno = EDOM;
		return false;
	}
	rec.events_max = events_max;
	rec.is_on = make_path(path) && map_tables() && map_file() &&
		    pthread_key_create(&rec.key, leave_thread) == 0 &&
		    pthread_atfork(before_fork, in_parent, in_child) == 0;
	return rec.is_on;
}

void recording_stop(void)
{
	if (!begin())
		return;
	stop_locked();
	end();
}
