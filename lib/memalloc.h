/*
 * memalloc - a memory allocator that is hardened by default and visible to every tool.
 *
 * Objects are aligned to 16 bytes unless more is asked for. Sizes are in bytes. A function that
 * cannot serve a request returns NULL and sets errno to ENOMEM (EINVAL for a bad alignment);
 * nothing else changes then. Functions that take a pointer prove it first: one that is not the
 * start of a live object of ours, or whose object was written past its end, is reported on stderr
 * and ends the program with SIGABRT. errno is kept on success. All functions are thread safe; they
 * are not async-signal-safe. fork() is safe at any time.
 *
 * Do not mix: what comes from here goes back here, not to free(), unless memalloc is the program's
 * malloc too.
 */
#ifndef MEMALLOC_H
#define MEMALLOC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MEMALLOC_VERSION_MAJOR 1
#define MEMALLOC_VERSION_MINOR 0

#define MEMALLOC_API __attribute__((visibility("default")))

/* ---- options --------------------------------------------------------------------------------- */

/**
 * memalloc_options - options that a program brings with it
 *
 *      const char *memalloc_options = "profile=strict:background=1";
 *
 * Not defined by the library: a program may define it, and it is read once, before the first
 * allocation. /etc/memalloc.conf and the environment override it (memalloc(3) describes all
 * options). With the preload library only a program whose dynamic symbols include it is heard: link
 * with -rdynamic. Source: malloc_conf of jemalloc.
 */
extern MEMALLOC_API const char *memalloc_options;

/* ---- the heap -------------------------------------------------------------------------------- */

/**
 * custom_malloc() - allocate memory
 * @size:  bytes; 0 gives a unique pointer to no bytes
 *
 *      char *name = custom_malloc(strlen(from) + 1);
 *
 * The contents are indeterminate. Standard: malloc() of C11 7.22.3.4.
 * Errors: ENOMEM when @size exceeds PTRDIFF_MAX or memory is exhausted. Thread safe.
 * Return: the object, or NULL.
 */
MEMALLOC_API void *custom_malloc(size_t size) __attribute__((malloc, alloc_size(1)));

/**
 * custom_calloc() - allocate zeroed memory for an array
 * @count, @size:  elements, and bytes of each
 *
 *      struct point *points = custom_calloc(n, sizeof(*points));
 *
 * Standard: calloc() of C11 7.22.3.2. Errors: ENOMEM, also when the product overflows. Thread safe.
 * Return: the object, or NULL.
 */
MEMALLOC_API void *custom_calloc(size_t count, size_t size)
	__attribute__((malloc, alloc_size(1, 2)));

/**
 * custom_realloc() - change the size of an object
 * @ptr:   a live object, or NULL: then as custom_malloc()
 * @size:  bytes; 0 frees the object and returns NULL
 *
 *      char *longer = custom_realloc(line, 2 * size);
 *      if (longer == NULL)
 *              return -1; // line is still valid
 *
 * The contents are kept up to the smaller size. Standard: realloc() of C11 7.22.3.5; for size 0,
 * what the GNU C library does. Errors: ENOMEM; the object is then unchanged. Thread safe.
 * Return: the object, maybe at another address, or NULL.
 */
MEMALLOC_API void *custom_realloc(void *ptr, size_t size) __attribute__((alloc_size(2)));

/**
 * custom_reallocarray() - custom_realloc() for an array, with the product checked
 *
 *      items = custom_reallocarray(items, n, sizeof(*items));
 *
 * Standard: reallocarray() of POSIX.1-2024. Errors: ENOMEM, also when the product overflows. Thread
 * safe.
 * Return: the object, or NULL.
 */
MEMALLOC_API void *custom_reallocarray(void *ptr, size_t count, size_t size)
	__attribute__((alloc_size(2, 3)));

/**
 * custom_aligned_alloc() - allocate memory at a multiple of an alignment
 * @alignment:  bytes, a power of two; less than 16 means 16
 * @size:       bytes; need not be a multiple of @alignment
 *
 *      float *vec = custom_aligned_alloc(64, n * sizeof(*vec));
 *
 * Standard: aligned_alloc() of C17 7.22.3.1. Errors: EINVAL for another alignment, ENOMEM. Thread
 * safe.
 * Return: the object, or NULL.
 */
MEMALLOC_API void *custom_aligned_alloc(size_t alignment, size_t size)
	__attribute__((malloc, alloc_size(2)));

/**
 * custom_free() - give an object back
 * @ptr:  a live object of the heap, or NULL
 *
 *      custom_free(name);
 *
 * Standard: free() of C11 7.22.3.3. Errors: none; misuse is reported. Thread safe, from any thread.
 */
MEMALLOC_API void custom_free(void *ptr);

/**
 * custom_usable_size() - the bytes that were asked for
 * @ptr:  a live object, or NULL (0)
 *
 *      memset(name, 0, custom_usable_size(name));
 *
 * There is no usable byte beyond the requested ones: the canary stands there. Source:
 * malloc_usable_size(3), which allows more. Errors: none; misuse is reported. Thread safe.
 * Return: bytes.
 */
MEMALLOC_API size_t custom_usable_size(const void *ptr);

/**
 * init_pool() - prepare the memory pool
 * @size:  bytes; 0 and sizes above 1 TiB are ignored
 *
 *      init_pool(1 << 20);
 *
 * Before the first allocation: the first region will have this size (rounded up to pages, at most
 * 64 MiB per region, several if needed); it is still mapped with the first allocation, not here.
 * Later: makes sure that so much is free, as far as the system grants it. Never fails visibly:
 * memory that is not granted here is asked for again when it is needed. Thread safe.
 */
MEMALLOC_API void init_pool(size_t size);

/**
 * print_free_list() - list the blocks of the pool on standard output
 *
 *      print_free_list();
 *
 * One line per block in address order: region, address, size in bytes and state; a slab with the
 * size of its slots and how many are live, retired (waiting before reuse) and free; then the
 * totals. Allocates nothing. Counts of other threads' slabs may be a moment old. Thread safe.
 */
MEMALLOC_API void print_free_list(void);

/* ---- explicit pools -------------------------------------------------------------------------- */

/**
 * struct memalloc_pool - a pool of one's own
 *
 * Objects of a pool are freed by memalloc_pool_free() one by one, by memalloc_pool_reset()
 * together, or with the pool. A pool may be used by several threads; each call takes its lock.
 */
typedef struct memalloc_pool memalloc_pool;

enum memalloc_fit {
	MEMALLOC_FIT_FIRST, /* the lowest free block that suffices */
	MEMALLOC_FIT_BEST,  /* the smallest free block that suffices */
};

/**
 * struct memalloc_pool_options - how to make a pool; zero everywhere is a good default
 * @name:     for listings; copied, at most 31 characters are kept; may be NULL
 * @initial:  bytes of the first region, at most 1 TiB; 0 for 64 KiB
 * @limit:    bytes the pool may map for objects, in whole pages; 0 for no limit
 * @fit:      which free block serves a request
 */
struct memalloc_pool_options {
	const char *name;
	size_t initial;
	size_t limit;
	enum memalloc_fit fit;
	size_t reserved[4]; /* zero */
};

/**
 * memalloc_pool_create() - a new, empty pool
 * @options:  NULL for the defaults
 *
 *      memalloc_pool *pool = memalloc_pool_create(&(struct memalloc_pool_options){.name =
 *      "parser"});
 *
 * Errors: EINVAL for options out of range, ENOMEM. Thread safe. Return: the pool, or NULL.
 */
MEMALLOC_API memalloc_pool *memalloc_pool_create(const struct memalloc_pool_options *options);

/**
 * memalloc_pool_malloc() - custom_malloc() from @pool. Errors: ENOMEM, also at the pool's limit.
 */
MEMALLOC_API void *memalloc_pool_malloc(memalloc_pool *pool, size_t size)
	__attribute__((malloc, alloc_size(2)));

/** memalloc_pool_calloc() - custom_calloc() from @pool. */
MEMALLOC_API void *memalloc_pool_calloc(memalloc_pool *pool, size_t count, size_t size)
	__attribute__((malloc, alloc_size(2, 3)));

/** memalloc_pool_realloc() - custom_realloc() within @pool. */
MEMALLOC_API void *memalloc_pool_realloc(memalloc_pool *pool, void *ptr, size_t size)
	__attribute__((alloc_size(3)));

/** memalloc_pool_aligned_alloc() - custom_aligned_alloc() from @pool. */
MEMALLOC_API void *memalloc_pool_aligned_alloc(memalloc_pool *pool, size_t alignment, size_t size)
	__attribute__((malloc, alloc_size(3)));

/**
 * memalloc_pool_free() - custom_free() into @pool; an object of another pool, or of the heap, is
 * reported.
 */
MEMALLOC_API void memalloc_pool_free(memalloc_pool *pool, void *ptr);

/**
 * memalloc_pool_reset() - free all objects of @pool at once; their memory goes back to the system.
 */
MEMALLOC_API void memalloc_pool_reset(memalloc_pool *pool);

/**
 * memalloc_pool_destroy() - reset @pool and end it; NULL is ignored. Using it afterwards is
 * reported.
 */
MEMALLOC_API void memalloc_pool_destroy(memalloc_pool *pool);

/** memalloc_pool_check() - memalloc_check() for @pool. */
MEMALLOC_API const char *memalloc_pool_check(memalloc_pool *pool);

/* ---- looking inside -------------------------------------------------------------------------- */

/**
 * memalloc_check() - validate the heap
 *
 *      const char *broken = memalloc_check();
 *
 * Checks the pool, all metadata, large objects, and slabs of the calling thread and of threads that
 * have ended, with the canaries of their live objects. Slabs of other running threads are theirs
 * and not looked into. Thread safe.
 * Return: NULL when all is well, else the text of the first rule found broken.
 */
MEMALLOC_API const char *memalloc_check(void);

/** struct memalloc_object - what memalloc_walk() tells of a live object */
struct memalloc_object {
	void *ptr;        /* its first byte */
	size_t size;      /* bytes requested */
	size_t footprint; /* bytes of the slot or block that holds it */
};

/**
 * memalloc_walk() - call a function for each live object of the heap, in address order
 * @visit:  returns 0 to go on, anything else to stop; must not call functions of this header
 * @arg:    passed on
 *
 *      memalloc_walk(count_one, &n);
 *
 * While other threads allocate and free, their objects may or may not be among those visited.
 * Thread safe.
 * Return: what @visit returned last, 0 if it never was called.
 */
MEMALLOC_API int memalloc_walk(int (*visit)(const struct memalloc_object *object, void *arg),
			       void *arg);

/** struct memalloc_statistics - sizes in bytes unless said */
struct memalloc_statistics {
	size_t mapped;       /* taken from the system for objects */
	size_t metadata;     /* taken from the system for descriptors, and address tables */
	size_t free;         /* in free blocks */
	size_t dirty;        /* of those, not given back to the system yet */
	size_t slabs;        /* in blocks cut into slots */
	size_t large;        /* in blocks of one object each */
	size_t live;         /* requested bytes of live objects */
	size_t live_objects; /* number */
	size_t retired;      /* number of slots that wait before reuse */
	size_t free_slots;   /* number of free slots in slabs */
	size_t regions;      /* number of mappings */
	size_t blocks;       /* number */
	size_t free_blocks;  /* number */
	size_t heaps;        /* number of threads' heaps ever needed at once */
	size_t stranded;     /* refused by the system when it was to take it back */
	size_t waiting;      /* in blocks that were freed and wait before they are used again */
	size_t guarded;      /* guards put up so far, around objects, slabs and freed memory */
	size_t unguarded;    /* guards that the system refused, or that were spared */
	uint64_t grown;      /* times a region was mapped */
	uint64_t shrunk;     /* times memory was unmapped */
	uint64_t purged;     /* times contents of free memory were dropped */

	/* live + these + waiting + free = mapped */
	size_t slack; /* slots and blocks of live objects beside the objects: canaries, rounding */
	size_t free_used;  /* free slots that were in use before */
	size_t free_fresh; /* free slots that never were */
	size_t quarantine; /* slots that wait before reuse */
	size_t tails;      /* slabs behind their last slot */
	size_t guards;     /* pages set aside as guards in slabs and at large objects */
	size_t aside;      /* blocks that another thread is at work on */

	size_t stale;             /* of free: probably resident */
	size_t direct;            /* of large: in mappings of their own */
	size_t slab_blocks;       /* number */
	size_t large_blocks;      /* number */
	size_t direct_blocks;     /* number */
	size_t metadata_used;     /* of metadata: handed out */
	size_t metadata_resident; /* of metadata: probably resident */
	size_t resident;          /* of mapped and metadata: probably resident */
};

/**
 * memalloc_stats() - the heap in numbers
 * @stats:  filled in
 *
 * resident is computed from what the allocator knows: objects are taken to be touched as a whole,
 * so it is too high where a program uses little of what it asked for.
 * Cost: a walk over all slots. Thread safe; numbers of other threads' slabs may be a moment old.
 */
MEMALLOC_API void memalloc_stats(struct memalloc_statistics *stats);

/**
 * memalloc_stats_json() - the same as one JSON object
 * @buf, @size:  where to; at most @size - 1 characters and a terminator are written; NULL only with
 * size 0
 *
 *      char buf[2048];
 *      memalloc_stats_json(buf, sizeof(buf));
 *
 * Return: characters of the whole text, without the terminator.
 */
MEMALLOC_API size_t memalloc_stats_json(char *buf, size_t size);

/**
 * memalloc_print_stats() - the same for people, on standard error
 *
 *      memalloc_print_stats();
 *
 * What makes up the memory, line by line, how much of it is probably resident, and how much is by
 * the system's answer. With MEMALLOC_OPTIONS=stats=1 it is written when the program exits, there
 * where reports go. Source: malloc_stats(3). Allocates nothing. Thread safe.
 */
MEMALLOC_API void memalloc_print_stats(void);

/**
 * memalloc_trim() - give free memory back to the system
 * @keep:  free bytes that may stay mapped at the end of each region
 *
 * Source: malloc_trim(3). Thread safe. Return: 1 if memory was given back, 0 if there was none.
 */
MEMALLOC_API int memalloc_trim(size_t keep);

/**
 * memalloc_compact() - tidy up, then give everything free back to the system
 *
 * Collects what other threads freed, gives back what the calling thread has waiting, empty slabs,
 * purges free blocks and unmaps the ends of regions. Objects do not move. With
 * MEMALLOC_OPTIONS=background=1 a thread does so on its own for what belongs to no running thread.
 * Thread safe. Return: bytes given back.
 */
MEMALLOC_API size_t memalloc_compact(void);

/* ---- misuse ---------------------------------------------------------------------------------- */

/**
 * struct memalloc_violation - misuse that was found
 *
 * The kinds, and what a report says, are described in memalloc-reports(7).
 */
struct memalloc_violation {
	const char *kind;    /* as in the report: "heap overflow" */
	const void *pointer; /* as the program passed it, or where the damage is */
	const void *object;  /* start of the object, NULL when unknown */
	size_t size;         /* bytes that were asked for, SIZE_MAX when unknown */
	const char
		*report; /* the facts as they were written, text or JSON, a newline at their end */
	void *reserved[4]; /* NULL */
};

typedef void memalloc_violation_handler(const struct memalloc_violation *violation, void *arg);

/**
 * memalloc_is_active() - whether the program's malloc() is memalloc's
 *
 *      int memalloc_is_active(void) __attribute__((weak)); // there is one if it was preloaded
 *
 * A sanitizer in the program, Valgrind, or a library that comes first may serve malloc() although
 * memalloc is preloaded. It is tried with an object of one byte. Errors: none. Thread safe.
 * Source: of our own.
 * Return: 1 or 0.
 */
MEMALLOC_API int memalloc_is_active(void);

/**
 * memalloc_set_violation_handler() - be told of misuse
 * @handler:  NULL for none
 * @arg:      passed on
 *
 *      memalloc_set_violation_handler(note_in_crash_log, log);
 *
 * It is called by the thread that found the misuse, after the report was written and before the
 * process ends, or goes on, as the option on_violation says; what it is given is valid until it
 * returns. The heap is damaged and its locks may be held: it must not allocate, free or fork, and
 * must not leave by longjmp() or an exception; it may end the process. Misuse that is found while
 * it runs ends the process. Of several calls the last one counts. Thread safe, but not for use
 * while another thread may find misuse: that may still be told to the one before, or to none.
 */
MEMALLOC_API void memalloc_set_violation_handler(memalloc_violation_handler *handler, void *arg);

#ifdef __cplusplus
}
#endif

#endif
