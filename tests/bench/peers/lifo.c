/*
 * lifo - free lists and nothing else: what an allocator that uses memory again costs at least.
 *
 * What: per thread and size class a list of free objects; the one freed last is the first to be
 * allocated again, while it is still in the processor's caches. Nothing is checked, nothing goes
 * back to the system, large objects are kept in lists, too. An object that another thread frees
 * goes into that thread's list: one that only allocates never sees its memory again, and the
 * lists of a thread that ends are lost. An allocator for real use must do all of that, and its
 * cost above lifo's is the price.
 *
 * How: every class has a region of addresses, so that an object's class is in the upper bits of
 * its address, and free() need not wait for a word of the object that is not in the caches. Threads
 * cut runs of objects off the regions. Sizes of classes: each multiple of 16 up to 1024, then
 * eight to a doubling. An object lies at a multiple of its class's size; a size that is rounded up
 * to a multiple of an alignment has a class whose size is one, too. Class 0 stands for sizes that
 * are too large; its list is always empty. The addresses are fixed, from 16 TiB up: nothing else
 * is there on 64-bit Linux. The system must let programs reserve more than it has.
 */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "peer.h"

#define REGION_BITS 37
#define REGION ((size_t)1 << REGION_BITS)
#define FIRST_REGION 128
#define MOST_BITS 35
#define FINE_BITS 10
#define FINE ((size_t)1 << FINE_BITS) /* classes are multiples of 16 up to here */
#define NFINE (FINE / PEER_ALIGNMENT)
#define NCLASSES (NFINE + 8 * (MOST_BITS - FINE_BITS) + 1)
#define RUN ((size_t)64 << 10)
#define LARGE ((size_t)128 << 10) /* are moved by the kernel; multiples of pages */

static PEER_TLS struct {
	void *list[NCLASSES];
	uintptr_t next[NCLASSES]; /* the rest of a run */
	uintptr_t end[NCLASSES];
} own;

/* Of the regions: whether there is memory, and how much of it has been handed out. */
static atomic_bool mapped[NCLASSES];
static atomic_size_t used[NCLASSES];

static size_t coarse_class(size_t size)
{
	unsigned bits = 63 - (unsigned)__builtin_clzll(size - 1);

	if (size > (size_t)1 << MOST_BITS)
		return 0;
	return NFINE + 8 * (size_t)(bits - FINE_BITS) + (((size - 1) >> (bits - 3)) & 7) + 1;
}

static inline size_t class_of(size_t size)
{
	if (PEER_LIKELY(size <= FINE))
		return (size + (size == 0) + PEER_ALIGNMENT - 1) / PEER_ALIGNMENT;
	return coarse_class(size);
}

static inline size_t class_at(const void *ptr)
{
	return ((uintptr_t)ptr >> REGION_BITS) - FIRST_REGION;
}

static size_t size_of(size_t class)
{
	size_t step = class - NFINE - 1;

	return class <= NFINE ? class * PEER_ALIGNMENT
			      : (9 + step % 8) << (FINE_BITS + step / 8 - 3);
}

/* Have memory at a region's addresses; another thread may be quicker. */
static bool map_region(size_t class)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	void *base = (void *)((FIRST_REGION + class) << REGION_BITS);
	int before = errno;

	if (atomic_load(&mapped[class]))
		return true;
	if (mmap(base, REGION, PROT_READ | PROT_WRITE, flags, -1, 0) != base && errno != EEXIST)
		return false;
	errno = before;
	atomic_store(&mapped[class], true);
	return true;
}

/* A region's first object shares sets of caches with those of few other classes. */
static size_t first_of(size_t class)
{
	return class * (PEER_PAGE + 64) / size_of(class) * size_of(class);
}

/* Let this thread have the next run of a region. */
static bool take_run(size_t class)
{
	size_t size = size_of(class);
	size_t run, at, most;

	if (class == 0 || !map_region(class))
		return false;
	run = size < RUN ? RUN / size * size : size;
	most = REGION - first_of(class) - run;
	if (atomic_load(&used[class]) > most || (at = atomic_fetch_add(&used[class], run)) > most)
		return false;
	own.next[class] = ((FIRST_REGION + class) << REGION_BITS) + first_of(class) + at;
	own.end[class] = own.next[class] + run;
	return true;
}

/* Cut an object of zeroes off the run. */
__attribute__((noinline)) static void *fresh(size_t class)
{
	uintptr_t object;

	if (own.next[class] == own.end[class] && !take_run(class))
		return peer_none();
	object = own.next[class];
	own.next[class] += size_of(class);
	return (void *)object;
}

PEER_EXPORT void *malloc(size_t size)
{
	size_t class = class_of(size);
	void *object = own.list[class];

	if (PEER_LIKELY(object != NULL)) {
		own.list[class] = *(void **)object;
		return object;
	}
	return fresh(class);
}

PEER_EXPORT void free(void *ptr)
{
	size_t class = class_at(ptr);

	if (ptr == NULL)
		return;
	*(void **)ptr = own.list[class];
	own.list[class] = ptr;
}

/* Only what was in a list is not zero. */
PEER_EXPORT void *calloc(size_t count, size_t size)
{
	size_t total, class;

	if (__builtin_mul_overflow(count, size, &total))
		return peer_none();
	class = class_of(total);
	return own.list[class] != NULL ? memset(malloc(total), 0, total) : fresh(class);
}

void *peer_aligned(size_t alignment, size_t size)
{
	if (alignment > PEER_MOST || size > PEER_MOST)
		return peer_none();
	return malloc(peer_round(size + (size == 0), alignment));
}

PEER_EXPORT size_t malloc_usable_size(void *ptr)
{
	return ptr != NULL ? size_of(class_at(ptr)) : 0;
}

/* Let the kernel move pages; those at @from are fresh then. */
static bool move_pages(void *to, void *from, size_t size)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	return size >= LARGE && mremap(from, size, size, flags, to) == to;
}

PEER_EXPORT void *realloc(void *ptr, size_t size)
{
	size_t old = malloc_usable_size(ptr);
	void *moved;

	if (ptr == NULL)
		return malloc(size);
	if (size <= old && size >= old / 2)
		return ptr;
	moved = malloc(size);
	if (moved == NULL)
		return NULL;
	if (size < old || !move_pages(moved, ptr, old))
		memcpy(moved, ptr, size < old ? size : old);
	free(ptr);
	return moved;
}
