#include <string.h>

#include "file.h"
#include "lock.h"
#include "os.h"
#include "record.h"
#include "report.h"

#define NONE MA_RECORD_NONE
#define MAGIC "memtrace"
#define NTHREADS 256
#define BATCH 64 /* slots a thread takes at once: no cache line is shared by two */
#define SIZE_BOUND ((size_t)1 << 37)
#define ALIGN_BOUND ((size_t)1 << 30)
#define EVENT_MAX 16             /* bytes, with a change of thread before it */
#define STEP ((size_t)256 << 10) /* bytes by which the file grows */
#define NAMES 100                /* of one process */

struct header {
	char magic[8];
	uint32_t version;
	uint32_t nthreads;
	uint64_t nevents;
	uint64_t nobjects;
	uint64_t nbytes; /* of the events */
};

static_assert(sizeof(struct header) == 40, "the format");

struct entry {
	uintptr_t ptr; /* 0: none */
	uint32_t slot;
};

struct slot {
	uint32_t next; /* in the list it is in */
	uint16_t owner;
};

struct thread {
	const void *who; /* NULL: not yet seen */
	uint32_t own;    /* stack of slots */
	uint32_t first;  /* queue of those that others freed */
	uint32_t last;
	uint32_t fresh; /* never used, up to a multiple of BATCH */
};

_Atomic bool ma_record_on;

/* All of it: the lock. */
static struct {
	struct ma_lock lock;
	struct ma_file file;
	struct header *header; /* the file, mapped */
	size_t file_max;       /* bytes mapped */
	size_t on_disk;        /* bytes that can be touched */
	uint8_t *at;
	uint64_t events_max;
	struct entry *index;
	size_t index_mask;
	struct slot *slots;
	uint32_t nslots; /* a multiple of BATCH */
	unsigned writer; /* thread of the last event */
	struct thread threads[NTHREADS];
} rec;

static size_t used_bytes(void)
{
	return (size_t)(rec.at - (uint8_t *)rec.header);
}

/* What is mapped stays so: nobody looks there again, and no lock may be held (L2). */
static void stop_locked(void)
{
	if (!ma_record_is_on())
		return;
	atomic_store(&ma_record_on, false);
	(void)ma_file_cut(&rec.file, used_bytes());
}

static bool begin(void)
{
	if (!ma_record_is_on())
		return false;
	ma_lock(&rec.lock);
	if (ma_record_is_on())
		return true;
	ma_unlock(&rec.lock);
	return false;
}

static void end(void)
{
	ma_unlock(&rec.lock);
}

/* ---- threads --------------------------------------------------------------------------------- */

/* The number; where there are more threads than numbers, some share theirs. */
static unsigned number_of(const void *who)
{
	unsigned i = 0;

	if (rec.threads[rec.writer].who == who)
		return rec.writer;
	while (i < NTHREADS && rec.threads[i].who != NULL && rec.threads[i].who != who)
		i++;
	if (i == NTHREADS)
		return (unsigned)((uintptr_t)who / MA_CACHE_LINE % NTHREADS);
	if (rec.threads[i].who == NULL)
		rec.threads[i] = (struct thread){.who = who, .own = NONE, .first = NONE};
	return i;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static uint32_t take_slot(unsigned number)
{
	struct thread *thread = &rec.threads[number];
	uint32_t slot = thread->own;

	if (slot != NONE) {
		thread->own = rec.slots[slot].next;
	} else if (thread->first != NONE) {
		slot = thread->first;
		thread->first = rec.slots[slot].next;
	} else {
		if (thread->fresh % BATCH == 0) {
			thread->fresh = rec.nslots;
			rec.nslots += BATCH;
		}
		slot = thread->fresh++;
	}
	rec.slots[slot].owner = (uint16_t)number;
	if (slot >= rec.header->nobjects)
		rec.header->nobjects = slot + 1;
	return slot;
}

/* J3 */
static void give_slot(unsigned number, uint32_t slot)
{
	unsigned owner = rec.slots[slot].owner;
	struct thread *thread = &rec.threads[owner];

	if (owner == number) {
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
	size_t i = index_place((uintptr_t)ptr);

	rec.index[i] = (struct entry){.ptr = (uintptr_t)ptr, .slot = slot};
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Room for an event. False: the recording has ended (J6). */
static bool make_room(void)
{
	size_t size = ma_min(rec.on_disk + STEP, rec.file_max);

	if (ma_likely(used_bytes() + EVENT_MAX <= rec.on_disk))
		return true;
	if (ma_file_grow(&rec.file, rec.on_disk, size)) {
		rec.on_disk = size;
		return true;
	}
	ma_warn("record: no room for more in ", rec.file.name, "; the recording ends");
	stop_locked();
	return false;
}

static void put_varint(uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*rec.at++ = (uint8_t)(value | 0x80);
	*rec.at++ = (uint8_t)value;
}

static void put_thread(unsigned number)
{
	if (rec.writer == number)
		return;
	rec.writer = number;
	*rec.at++ = MA_RECORD_THREAD;
	put_varint(number);
	if (rec.header->nthreads <= number)
		rec.header->nthreads = number + 1;
}

static void put_event(unsigned number, enum ma_record_op op, uint32_t slot, size_t size,
		      size_t align)
{
	put_thread(number);
	*rec.at++ = (uint8_t)op;
	put_varint(slot);
	if (op != MA_RECORD_FREE)
		put_varint(size);
	if (op >= MA_RECORD_ALIGNED_ALLOC)
		*rec.at++ = align <= 1 ? 0 : (uint8_t)ma_log2(align);
	rec.header->nbytes = used_bytes() - sizeof(*rec.header);
	if (++rec.header->nevents == rec.events_max)
		stop_locked();
}

static void put_free(unsigned number, uint32_t slot)
{
	if (!make_room())
		return;
	put_event(number, MA_RECORD_FREE, slot, 0, 0);
	give_slot(number, slot);
}

static bool is_recordable(size_t size, size_t align)
{
	return size <= SIZE_BOUND && align <= ALIGN_BOUND;
}

static void alloc_locked(unsigned number, enum ma_record_op op, const void *ptr, size_t size,
			 size_t align)
{
	uint32_t slot = index_take(ptr);

	if (slot != NONE) /* it was freed in a way that is not seen here */
		put_free(number, slot);
	if (!ma_record_is_on() || !make_room())
		return;
	slot = take_slot(number);
	index_put(ptr, slot);
	put_event(number, op, slot, size, align);
}

void ma_record_alloc(const void *thread, enum ma_record_op op, const void *ptr, size_t size,
		     size_t align)
{
	if (ptr == NULL || !is_recordable(size, align) || !begin())
		return;
	alloc_locked(number_of(thread), op, ptr, size, align);
	end();
}

void ma_record_free(const void *thread, const void *ptr)
{
	uint32_t slot;

	if (!begin())
		return;
	slot = index_take(ptr);
	if (slot != NONE)
		put_free(number_of(thread), slot);
	end();
}

uint32_t ma_record_leave(const void *thread, const void *ptr)
{
	uint32_t slot;

	if (!begin())
		return NONE;
	(void)number_of(thread);
	slot = index_take(ptr);
	end();
	return slot;
}

static void resized_locked(unsigned number, enum ma_record_op op, uint32_t slot, const void *ptr,
			   size_t size)
{
	if (!is_recordable(size, 0)) {
		put_free(number, slot);
		return;
	}
	if (!make_room())
		return;
	index_put(ptr, slot);
	put_event(number, op, slot, size, 0);
}

void ma_record_resized(const void *thread, enum ma_record_op op, uint32_t slot, const void *old,
		       const void *ptr, size_t size)
{
	if (slot == NONE) {
		ma_record_alloc(thread, op, ptr, size, 0);
		return;
	}
	if (!begin())
		return;
	if (ptr == NULL)
		index_put(old, slot);
	else
		resized_locked(number_of(thread), op, slot, ptr, size);
	end();
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool map_file(void)
{
	size_t page = ma_os_page_size();

	rec.file_max = ma_align_up(sizeof(*rec.header) + rec.events_max * EVENT_MAX, page);
	rec.on_disk = ma_min(STEP, rec.file_max);
	if (!ma_file_grow(&rec.file, 0, rec.on_disk))
		return false;
	rec.header = ma_file_map(&rec.file, rec.file_max);
	if (rec.header == NULL)
		return false;
	*rec.header = (struct header){.magic = MAGIC, .version = 1, .nthreads = 1};
	rec.at = (uint8_t *)(rec.header + 1);
	return true;
}

/* ---- the beginning and the end --------------------------------------------------------------- */

static size_t index_bytes(void)
{
	return ma_align_up((rec.index_mask + 1) * sizeof(*rec.index), ma_os_page_size());
}

static size_t slots_bytes(void)
{
	size_t n = rec.events_max + (size_t)BATCH * (NTHREADS + 1);

	return ma_align_up(n * sizeof(*rec.slots), ma_os_page_size());
}

static bool map_tables(void)
{
	size_t n = 64;

	while (n < 2 * rec.events_max)
		n *= 2;
	rec.index_mask = n - 1;
	rec.index = ma_os_map(index_bytes());
	rec.slots = ma_os_map(slots_bytes());
	if (rec.index == NULL || rec.slots == NULL)
		return false;
	ma_os_hint_sparse(rec.index, index_bytes());
	ma_os_hint_sparse(rec.slots, slots_bytes());
	return true;
}

/* Of a child: what it had of the parent's is unknown (J4). */
static bool empty_tables(void)
{
	memset(rec.threads, 0, sizeof(rec.threads));
	rec.nslots = 0;
	rec.writer = 0;
	return ma_os_purge(rec.index, index_bytes()) && ma_os_purge(rec.slots, slots_bytes());
}

static void start_file(void)
{
	if (!ma_file_create(&rec.file))
		ma_warn("record: cannot create ", rec.file.name, "; nothing is recorded");
	else if (map_file())
		atomic_store(&ma_record_on, true);
	else if (ma_file_cut(&rec.file, 0))
		ma_warn("record: no room for ", rec.file.name, "; nothing is recorded");
}

void ma_record_start(const char *path, uint64_t nevents)
{
	rec.events_max = nevents;
	if (ma_file_is_refused())
		ma_warn("record: not in a set-id program; nothing is recorded", NULL, NULL);
	else if (!ma_file_init(&rec.file, path))
		ma_warn("record: the path is too long: ", path, "; nothing is recorded");
	else if (!map_tables())
		ma_warn("record: no memory for so many events; nothing is recorded", NULL, NULL);
	else
		start_file();
}

void ma_record_stop(void)
{
	if (!begin())
		return;
	stop_locked();
	end();
}

void ma_record_lock(void)
{
	ma_lock(&rec.lock);
}

void ma_record_unlock(void)
{
	ma_unlock(&rec.lock);
}

void ma_record_forked(void)
{
	if (!ma_record_is_on())
		return;
	atomic_store(&ma_record_on, false);
	if (!ma_os_unmap(rec.header, rec.file_max))
		return;
	if (ma_file_is_numbered(&rec.file) && empty_tables())
		start_file();
}
