/*
 * record - a library to preload that writes down what a program asks of malloc().
 *
 *      MEMTRACE=FILE            where to; %p becomes the number of the process
 *      MEMTRACE_ONLY=NAME       record only programs of this name
 *      MEMTRACE_EVENTS=N        stop after so many events
 *
 * What and why: every function stands before the one of the next allocator, calls it, and tells the
 * recording (recording.h) what came out. A child of fork() is not recorded, the program it executes
 * is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"

#define EXPORT __attribute__((visibility("default")))
#define EVENTS_DEFAULT 2000000
#define EARLY_SIZE 65536

EXPORT void *memalign(size_t align, size_t size);

/* ---- the next allocator ---------------------------------------------------------------------- */

static struct {
	void *(*malloc)(size_t size);
	void (*free)(void *ptr);
	void *(*calloc)(size_t n, size_t size);
	void *(*realloc)(void *ptr, size_t size);
	void *(*aligned_alloc)(size_t align, size_t size);
	void *(*memalign)(size_t align, size_t size);
	int (*posix_memalign)(void **ptr, size_t align, size_t size);
	void *(*valloc)(size_t size);
} next;

/* What dlsym() itself allocates while it looks for them. Never used again, so it is zero. */
static union {
	max_align_t align;
	unsigned char bytes[EARLY_SIZE];
} early;

static size_t early_used;
static bool is_resolving;

static bool is_early(const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)early.bytes < EARLY_SIZE;
}

static void *early_alloc(size_t size)
{
	size_t at = early_used;

	if (size > EARLY_SIZE - 16 - at)
		return NULL;
	early_used = at + ((size + 15) & ~(size_t)15);
	return early.bytes + at;
}

static void find(void *function, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		abort();
	memcpy(function, &found, sizeof(found));
}

/* Whether the next allocator can be called. */
static bool resolve(void)
{
	if (next.valloc != NULL)
		return true;
	if (is_resolving)
		return false;
	is_resolving = true;
	find(&next.malloc, "malloc");
	find(&next.free, "free");
	find(&next.calloc, "calloc");
	find(&next.realloc, "realloc");
	find(&next.aligned_alloc, "aligned_alloc");
	find(&next.memalign, "memalign");
	find(&next.posix_memalign, "posix_memalign");
	find(&next.valloc, "valloc");
	is_resolving = false;
	return true;
}

/* ---- the beginning and the end --------------------------------------------------------------- */

__attribute__((constructor)) static void record_init(void)
{
	const char *path = getenv("MEMTRACE");
	const char *only = getenv("MEMTRACE_ONLY");
	const char *events = getenv("MEMTRACE_EVENTS");

	if (!resolve() || path == NULL)
		return;
	if (only != NULL && strcmp(only, program_invocation_short_name) != 0)
		return;
	/* The allocator's own handlers of fork() are to run after ours, which take the lock. */
	next.free(next.malloc(1));
	if (!recording_start(path, events == NULL ? EVENTS_DEFAULT : strtoull(events, NULL, 10))) {
		(void)fprintf(stderr, "memtrace: %s: %s\n", path, strerror(errno));
		return;
	}
	/* What this program executes would write over the one file. */
	if (strstr(path, "%p") == NULL)
		(void)unsetenv("MEMTRACE");
}

__attribute__((destructor)) static void record_fini(void)
{
	recording_stop();
}

/* ---- what is exported ------------------------------------------------------------------------ */

static void *told(enum trace_op op, void *ptr, size_t size, size_t align)
{
	recording_alloc(op, ptr, size, align);
	return ptr;
}

EXPORT void *malloc(size_t size)
{
	if (!resolve())
		return early_alloc(size);
	return told(TRACE_MALLOC, next.malloc(size), size, 0);
}

EXPORT void free(void *ptr)
{
	if (ptr == NULL || is_early(ptr) || !resolve())
		return;
	recording_free(ptr);
	next.free(ptr);
}

EXPORT void *calloc(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	if (!resolve())
		return early_alloc(total);
	return told(TRACE_CALLOC, next.calloc(n, size), total, 0);
}

/* How large it was is not known: as much is copied as there may be. */
static void *leave_early(const void *old, size_t size)
{
	size_t most = (size_t)(early.bytes + EARLY_SIZE - (const unsigned char *)old);
	void *ptr = malloc(size);

	if (ptr != NULL)
		memcpy(ptr, old, size < most ? size : most);
	return ptr;
}

static void *resize(enum trace_op op, void *old, size_t size)
{
	uint32_t slot;
	void *ptr;

	if (!resolve() || is_early(old))
		return old == NULL ? early_alloc(size) : leave_early(old, size);
	slot = old == NULL ? RECORDING_NONE : recording_leave(old);
	ptr = next.realloc(old, size);
	recording_resized(op, slot, old, ptr, size);
	return ptr;
}

EXPORT void *realloc(void *ptr, size_t size)
{
	return resize(TRACE_REALLOC, ptr, size);
}

EXPORT void *reallocarray(void *ptr, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return resize(TRACE_REALLOCARRAY, ptr, total);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	if (!resolve())
		return NULL;
	return told(TRACE_ALIGNED_ALLOC, next.aligned_alloc(align, size), size, align);
}

EXPORT void *memalign(size_t align, size_t size)
{
	if (!resolve())
		return NULL;
	return told(TRACE_MEMALIGN, next.memalign(align, size), size, align);
}

EXPORT int posix_memalign(void **ptr, size_t align, size_t size)
{
	int error = !resolve() ? ENOMEM : next.posix_memalign(ptr, align, size);

	if (error == 0)
		recording_alloc(TRACE_POSIX_MEMALIGN, *ptr, size, align);
	return error;
}

EXPORT void *valloc(size_t size)
{
	if (!resolve())
		return NULL;
	return told(TRACE_VALLOC, next.valloc(size), size, 0);
}
