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
 * How: the word in front of an object says its class, and is written once, when the object is cut
 * off a chunk of fresh memory. An aligned object lies in a larger one; the word in front of it
 * says how far behind that one's start as well. `next` is where the next word goes, 8 beyond a
 * multiple of 16. Classes: each multiple of 16 up to 1024 bytes with the word, then eight to a
 * doubling. Class 0 stands for sizes that are too large; its list is always empty.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

#define CHUNK ((size_t)4 << 20)
#define LARGE (CHUNK / 16)
#define FINE 1024 /* classes are multiples of 16 up to here */
#define FINE_BITS 10
#define NFINE (FINE / PEER_ALIGNMENT)
#define NCLASSES (NFINE + 8 * (47 - FINE_BITS) + 1)
#define CLASS_BITS 16
#define CLASS_MASK (((size_t)1 << CLASS_BITS) - 1)

static PEER_TLS struct {
	void *list[NCLASSES];
	uintptr_t next;
	uintptr_t end;
} own;

static size_t coarse_class(size_t size)
{
	size_t last = size + PEER_WORD - 1;
	unsigned bits;

	if (size > PEER_MOST)
		return 0;
	bits = 63 - (unsigned)__builtin_clzll(last);
	return NFINE + 8 * (size_t)(bits - FINE_BITS) + ((last >> (bits - 3)) & 7) + 1;
}

static inline size_t class_of(size_t size)
{
	if (PEER_LIKELY(size <= FINE - PEER_WORD))
		return (size + PEER_WORD + PEER_ALIGNMENT - 1) / PEER_ALIGNMENT;
	return coarse_class(size);
}

/* What an object of a class takes, with its word. */
static size_t room_of(size_t class)
{
	size_t step = class - NFINE - 1;

	return class <= NFINE ? class * PEER_ALIGNMENT
			      : (9 + step % 8) << (FINE_BITS + step / 8 - 3);
}

/* The mapping of a large object, which lies 16 from its start. */
static size_t length_of(size_t class)
{
	return room_of(class) + PEER_PAGE;
}

static void *large(size_t class)
{
	uintptr_t base = peer_map(length_of(class));

	if (base == 0)
		return peer_none();
	*peer_word(base + PEER_ALIGNMENT) = class;
	return (void *)(base + PEER_ALIGNMENT);
}

__attribute__((noinline)) static void *fresh(size_t class)
{
	size_t room = room_of(class);
	uintptr_t object;

	if (class == 0)
		return peer_none();
	if (room > LARGE)
		return large(class);
	if (room > own.end - own.next) {
		uintptr_t base = peer_map(CHUNK);

		if (base == 0)
			return NULL;
		own.next = base + PEER_WORD;
		own.end = base + CHUNK;
	}
	object = own.next + PEER_WORD;
	own.next += room;
	*peer_word(object) = class;
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
	size_t word;
	void **object;

	if (ptr == NULL)
		return;
	word = *peer_word((uintptr_t)ptr);
	object = (void **)((uintptr_t)ptr - (word >> CLASS_BITS));
	*object = own.list[word & CLASS_MASK];
	own.list[word & CLASS_MASK] = object;
}

/* Only what was in a list is not zero. */
PEER_EXPORT void *calloc(size_t count, size_t size)
{
	size_t total, class;

	if (__builtin_mul_overflow(count, size, &total))
		return peer_none();
	class = class_of(total);
	if (own.list[class] == NULL)
		return fresh(class);
	return memset(malloc(total), 0, total);
}

void *peer_aligned(size_t alignment, size_t size)
{
	uintptr_t object;
	size_t behind;

	if (alignment <= PEER_ALIGNMENT)
		return malloc(size);
	if (alignment > PEER_MOST || size > PEER_MOST)
		return peer_none();
	object = (uintptr_t)malloc(size + alignment);
	behind = -object & (alignment - 1);
	if (behind != 0 && object != 0)
		*peer_word(object + behind) = *peer_word(object) | behind << CLASS_BITS;
	return (void *)(object + behind);
}

PEER_EXPORT size_t malloc_usable_size(void *ptr)
{
	size_t word;

	if (ptr == NULL)
		return 0;
	word = *peer_word((uintptr_t)ptr);
	return room_of(word & CLASS_MASK) - PEER_WORD - (word >> CLASS_BITS);
}

static void *grow_large(uintptr_t object, size_t size)
{
	size_t class = class_of(size);
	size_t length = length_of(*peer_word(object));
	uintptr_t base = object - PEER_ALIGNMENT;

	base = class != 0 ? peer_remap(base, length, length_of(class)) : 0;
	if (base == 0)
		return peer_none();
	*peer_word(base + PEER_ALIGNMENT) = class;
	return (void *)(base + PEER_ALIGNMENT);
}

PEER_EXPORT void *realloc(void *ptr, size_t size)
{
	size_t old = malloc_usable_size(ptr);
	void *moved;

	if (ptr == NULL)
		return malloc(size);
	if (size <= old && size >= old / 2)
		return ptr;
	if (size > old && *peer_word((uintptr_t)ptr) <= CLASS_MASK && old > LARGE)
		return grow_large((uintptr_t)ptr, size);
	moved = malloc(size);
	if (moved != NULL) {
		memcpy(moved, ptr, size < old ? size : old);
		free(ptr);
	}
	return moved;
}
