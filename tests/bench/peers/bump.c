/*
 * bump - an allocator that never frees: what allocating costs at the very least.
 *
 * What: a pointer per thread moves through a chunk of fresh memory, and free() does nothing. No
 * allocator needs fewer instructions; but memory is never used again, so that the processor's
 * caches and the kernel have all the work that an allocator spares them. A program's cost under
 * bump says how much of it is allocating at all; its memory says how much it allocates in total.
 *
 * How: the word in front of an object is its size, for realloc(), which also extends what was
 * allocated last. `next` is where the next such word goes, 8 beyond a multiple of 16. Sizes in
 * chunks are 8 beyond a multiple of 16, too; a size that is a multiple of 16 is that of a large
 * object, alone in its mapping, 16 from the mapping's start unless it was to be aligned.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "peer.h"

#define CHUNK ((size_t)4 << 20)
#define LARGE (CHUNK / 4)
#define WORD sizeof(size_t)

static PEER_TLS struct {
	uintptr_t next;
	uintptr_t end;
} own;

/* The word in front of @object. */
static inline size_t *word(uintptr_t object)
{
	return (size_t *)(object - WORD);
}

/* Zeroed memory from the system; 0, and errno, if there is none. */
static uintptr_t map(size_t length)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *base = MAP_FAILED;

	if (peer_may_map(length))
		base = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, -1, 0);
	return base != MAP_FAILED ? (uintptr_t)base : 0;
}

/* Make more of a mapping, which may move. */
static uintptr_t remap(uintptr_t base, size_t length, size_t wanted)
{
	void *moved = MAP_FAILED;

	if (peer_may_map(wanted - length))
		moved = mremap((void *)base, length, wanted, MREMAP_MAYMOVE);
	return moved != MAP_FAILED ? (uintptr_t)moved : 0;
}

/* What an object takes from a chunk, with its word. */
static size_t room_for(size_t size)
{
	return peer_round(size + WORD, PEER_ALIGNMENT);
}

static void *large(size_t alignment, size_t size)
{
	size_t length = peer_round(alignment + size, PEER_PAGE);
	uintptr_t base = map(length);
	uintptr_t object = peer_round(base + PEER_ALIGNMENT, alignment);

	if (base == 0)
		return NULL;
	*word(object) = base + length - object;
	return (void *)object;
}

static void *aligned(size_t alignment, size_t size)
{
	uintptr_t object = peer_round(own.next + WORD, alignment);
	uintptr_t next = object - WORD + room_for(size);

	if (own.next == 0 || next > own.end)
		return NULL;
	own.next = next;
	*word(object) = next - object;
	return (void *)object;
}

__attribute__((noinline)) static void *slow(size_t alignment, size_t size)
{
	uintptr_t base;

	if (size > PEER_MOST || alignment > PEER_MOST)
		return peer_none();
	if (size + alignment > LARGE)
		return large(alignment, size);
	base = map(CHUNK);
	if (base == 0)
		return NULL;
	own.next = base + WORD;
	own.end = base + CHUNK;
	return aligned(alignment, size);
}

PEER_EXPORT void *malloc(size_t size)
{
	size_t room = room_for(size);
	uintptr_t object = own.next + WORD;

	if (PEER_LIKELY(size <= LARGE && room <= own.end - own.next)) {
		*word(object) = room - WORD;
		own.next += room;
		return (void *)object;
	}
	return slow(PEER_ALIGNMENT, size);
}

PEER_EXPORT void free(void *ptr)
{
	(void)ptr;
}

/* All memory is fresh, hence zero. */
PEER_EXPORT void *calloc(size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return peer_none();
	return malloc(total);
}

void *peer_aligned(size_t alignment, size_t size)
{
	void *object = NULL;

	if (alignment <= PEER_ALIGNMENT)
		return malloc(size);
	if (size <= LARGE && alignment <= LARGE)
		object = aligned(alignment, size);
	return object != NULL ? object : slow(alignment, size);
}

PEER_EXPORT size_t malloc_usable_size(void *ptr)
{
	return ptr != NULL ? *word((uintptr_t)ptr) : 0;
}

/* Make more of the mapping of a large object. */
static void *grow_large(uintptr_t object, size_t size)
{
	size_t length = *word(object) + PEER_ALIGNMENT;
	size_t wanted;
	uintptr_t base;

	if (size > PEER_MOST)
		return peer_none();
	wanted = peer_round(size + PEER_ALIGNMENT, PEER_PAGE);
	base = remap(object - PEER_ALIGNMENT, length, wanted);
	if (base == 0)
		return NULL;
	*word(base + PEER_ALIGNMENT) = wanted - PEER_ALIGNMENT;
	return (void *)(base + PEER_ALIGNMENT);
}

/* Make more of what this thread allocated last, if it is that. */
static void *grow_last(uintptr_t object, size_t size)
{
	uintptr_t next = object - WORD + room_for(size);

	if (object + *word(object) != own.next || size > LARGE || next > own.end)
		return NULL;
	own.next = next;
	*word(object) = next - object;
	return (void *)object;
}

static void *move(void *ptr, size_t size)
{
	void *moved = malloc(size);

	if (moved != NULL)
		memcpy(moved, ptr, malloc_usable_size(ptr));
	return moved;
}

PEER_EXPORT void *realloc(void *ptr, size_t size)
{
	uintptr_t object = (uintptr_t)ptr;
	size_t old = malloc_usable_size(ptr);
	void *grown;

	if (ptr == NULL)
		return malloc(size);
	if (size <= old)
		return ptr;
	if (old % PEER_ALIGNMENT == 0 && object % PEER_PAGE == PEER_ALIGNMENT)
		return grow_large(object, size);
	grown = grow_last(object, size);
	return grown != NULL ? grown : move(ptr, size);
}
