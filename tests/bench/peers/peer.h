/*
 * peer.h - what the two lower bounds, bump and lifo, have in common.
 *
 * An allocator defines malloc(), free(), calloc(), realloc() and malloc_usable_size(), and
 * peer_aligned() for the calls of peer.c, which only differ in what they demand of alignments.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_EXPORT __attribute__((visibility("default")))
#define PEER_TLS _Thread_local __attribute__((tls_model("initial-exec")))
#define PEER_LIKELY(condition) __builtin_expect(condition, 1)
#define PEER_PAGE 4096
#define PEER_ALIGNMENT 16
#define PEER_MOST ((size_t)1 << 46)

/* Round @size up; @unit is a power of two. */
static inline size_t peer_round(size_t size, size_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

/*
 * Count what is to be mapped, up to half of the system's memory; false, and errno, if it is more.
 * The kernel kills programs, and not always the right one, when there is none left.
 */
bool peer_may_map(size_t length);

/* Set errno for memory that is not there; returns NULL. */
void *peer_none(void);

/* An object at a multiple of @alignment, a power of two; of the allocator. */
void *peer_aligned(size_t alignment, size_t size);

#endif
