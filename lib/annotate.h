/*
 * annotate - what memory checkers are told.
 *
 * What and why: to Valgrind and the sanitizers a pool is one large piece of memory in which
 * everything is allowed. They are told here which bytes are whose, so that they see in objects of
 * ours what they see in those of malloc: one byte too far, a use after free, an uninitialised read,
 * a leak, a race. Always compiled in; which tools look on is found out once, at the start.
 *
 *      Valgrind    client requests: a few instructions that do nothing elsewhere. Objects of the
 *                  heap are like malloc's, those of a pool belong to a mempool.
 *      sanitizers  functions of their run-time libraries, bound weakly: the library as it is
 *                  installed works with a program that was built with one.
 *
 *      slot        [ requested bytes | canary, rest ][ next slot ...
 *      program     [ may use         | may not      ]
 *
 * What is said of a slot, or of a block:
 *
 *                 memcheck       ASan       MSan            TSan              Helgrind, DRD
 *      region     no access      poisoned   uninitialised                     ignored
 *      allocated  malloc-like    open       uninitialised   acquire, write    watched
 *      freed      free-like      poisoned   uninitialised   write, release    ignored
 *
 * Zeroed memory is initialised; to LSan a region is a place where pointers may be.
 *
 * The core goes on to look at canaries and at what must stay zero. What it touches then is no
 * mistake of the program: Valgrind is told so at the entries (ma_annotate_enter); sanitizers see
 * nothing of what the plain library does, but for functions of the C library, before which the
 * memory is opened (ma_annotate_open). A library that is itself built with a sanitizer has the few
 * functions that touch the program's memory marked (ma_touches).
 *
 * Rules:
 *   A1  Nothing here changes what the allocator does, nor depends on it.
 *   A2  What is opened is closed before the program runs again.
 *   A3  Memory is no longer poisoned when it goes back to the OS.
 *
 * Locks: none. Cost: without a tool a load and a test, on long ways only.
 * Rejected: an instance of its own for each tool; compiling it in only on demand (then nobody has
 * it when it is needed); Valgrind's metapools (reachable blocks are called lost).
 */
#ifndef MA_ANNOTATE_H
#define MA_ANNOTATE_H

#include "base.h"

#ifdef MA_VALGRIND
#include <valgrind/memcheck.h>
#endif

struct ma_tools {
	bool any;      /* one of these */
	bool valgrind; /* memcheck, DRD or massif: one that keeps an account of objects */
	bool memcheck; /* that, and no other one */
	bool races;    /* Helgrind or DRD */
	bool asan;
	bool lsan;
	bool msan;
	bool tsan;
};

/* Read-only after ma_annotate_start(). */
extern struct ma_tools ma_tools;

/* What the program was given. */
struct ma_annotated {
	const void *pool; /* the explicit pool's handle; NULL: of the heap */
	void *ptr;
	size_t size; /* bytes requested */
	size_t room; /* bytes from @ptr to the end of its slot or block */
	bool zero;   /* all of it reads as zero */
};

/** ma_annotate_start() - find out which tools look on; before anything else here. */
void ma_annotate_start(void);

/** ma_annotate_has_sanitizer() - whether the program was built with one. */
bool ma_annotate_has_sanitizer(void);

/** ma_annotate_is_under_valgrind() - whether it is run by any tool of Valgrind's. */
bool ma_annotate_is_under_valgrind(void);

/** ma_annotate_stop() - none is told anything from now on; before there are objects. */
void ma_annotate_stop(void);

/* Parts of what follows, for sanitizers. */
void ma_annotate_opened(const struct ma_annotated *o);
void ma_annotate_closed(const struct ma_annotated *o);

/** ma_annotate_region() - memory of a pool: from now on nobody may use it but by an object. */
void ma_annotate_region(uintptr_t addr, size_t size);

/** ma_annotate_no_region() - it leaves the pool; as it came, whole. */
void ma_annotate_no_region(uintptr_t addr, size_t size);

/** ma_annotate_resized() - its end moves; what comes or goes is free. */
void ma_annotate_resized(uintptr_t addr, size_t old, size_t size);

/**
 * ma_annotate_private() - what is read and written here is our own affair
 *
 * Helgrind does not know atomics: it sees a race wherever there is one.
 */
void ma_annotate_private(void *ptr, size_t size);

/** ma_annotate_open() - the core is about to hand this to a function of the C library. */
void ma_annotate_open(void *ptr, size_t size);

/** ma_annotate_written() - the OS has written here, by a system call that a tool did not see. */
void ma_annotate_written(void *ptr, size_t size);

#ifdef MA_SANITIZED_MEMORY

/** ma_annotate_filled() - the core has written here, which does not make it the program's. */
void ma_annotate_filled(void *ptr, size_t size);

#else

ma_inline void ma_annotate_filled(void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
}

#endif

/** ma_annotate_close() - and nobody may use it. */
void ma_annotate_close(void *ptr, size_t size);

/* What memcheck does not simulate: see tell_slot.h. */
typedef uintptr_t ma_outside(size_t tid, void *what, uintptr_t how);

/* The part for DRD, whose header cannot stand beside Helgrind's: both have the same names. */
void ma_annotate_drd_new(const void *ptr, size_t size);

#ifdef MA_VALGRIND

/* Bytes beside an object of a mempool that are no object's; a slot has a canary there. */
#define MA_ANNOTATE_BESIDE 8

/** ma_annotate_enter() - what the core touches from here on is not the program's doing. */
ma_inline void ma_annotate_enter(void)
{
	if (ma_unlikely(ma_tools.valgrind))
		VALGRIND_DISABLE_ERROR_REPORTING;
}

/** ma_annotate_leave() - as many as ma_annotate_enter(). */
ma_inline void ma_annotate_leave(void)
{
	if (ma_unlikely(ma_tools.valgrind))
		VALGRIND_ENABLE_ERROR_REPORTING;
}

/**
 * ma_annotate_outside() - do something on the real machine, where no tool looks on
 * @act:  ma_native; its first argument is not for us
 */
ma_inline uintptr_t ma_annotate_outside(ma_outside *act, void *what, uintptr_t how)
{
	return VALGRIND_NON_SIMD_CALL2(act, what, how);
}

ma_inline void ma_annotate_tell_alloc(const struct ma_annotated *o)
{
	if (o->pool == NULL)
		VALGRIND_MALLOCLIKE_BLOCK(o->ptr, o->size, 0, o->zero);
	else
		VALGRIND_MEMPOOL_ALLOC(o->pool, o->ptr, o->size);
	if (o->zero && o->pool != NULL)
		(void)VALGRIND_MAKE_MEM_DEFINED(o->ptr, o->size);
}

/* What is no live object, too: the tool says so, with the stacks it knows. */
ma_inline void ma_annotate_tell_free(const void *pool, const void *ptr)
{
	if (pool == NULL)
		VALGRIND_FREELIKE_BLOCK(ptr, 0);
	else
		VALGRIND_MEMPOOL_FREE(pool, ptr);
}

/** ma_annotate_pool() - an explicit pool begins. */
ma_inline void ma_annotate_pool(const void *pool)
{
	if (ma_unlikely(ma_tools.valgrind))
		VALGRIND_CREATE_MEMPOOL(pool, MA_ANNOTATE_BESIDE, 0);
}

/** ma_annotate_pool_reset() - all its objects are freed at once. */
ma_inline void ma_annotate_pool_reset(const void *pool)
{
	if (ma_unlikely(ma_tools.valgrind))
		VALGRIND_MEMPOOL_TRIM(pool, pool, 0);
}

/** ma_annotate_pool_end() - the same, and it ends; before its memory goes. */
ma_inline void ma_annotate_pool_end(const void *pool)
{
	if (ma_likely(!ma_tools.valgrind))
		return;
	VALGRIND_MEMPOOL_TRIM(pool, pool, 0);
	VALGRIND_DESTROY_MEMPOOL(pool);
}

#else

ma_inline void ma_annotate_enter(void)
{
}

ma_inline void ma_annotate_leave(void)
{
}

ma_inline uintptr_t ma_annotate_outside(ma_outside *act, void *what, uintptr_t how)
{
	return act(0, what, how);
}

ma_inline void ma_annotate_tell_alloc(const struct ma_annotated *o)
{
	(void)o;
}

ma_inline void ma_annotate_tell_free(const void *pool, const void *ptr)
{
	(void)pool;
	(void)ptr;
}

ma_inline void ma_annotate_pool(const void *pool)
{
	(void)pool;
}

ma_inline void ma_annotate_pool_reset(const void *pool)
{
	(void)pool;
}

ma_inline void ma_annotate_pool_end(const void *pool)
{
	(void)pool;
}

#endif

/**
 * ma_annotate_alloc() - an object becomes the program's
 *
 * In what the program called itself, so that its own frame is the next one in a tool's stack.
 */
ma_inline void ma_annotate_alloc(const struct ma_annotated *o)
{
	if (ma_tools.valgrind)
		ma_annotate_tell_alloc(o);
	ma_annotate_opened(o);
}

/** ma_annotate_free() - it is the program's no more; before the core frees it. */
ma_inline void ma_annotate_free(const struct ma_annotated *o)
{
	ma_annotate_closed(o);
	if (ma_tools.valgrind)
		ma_annotate_tell_free(o->pool, o->ptr);
}

/** ma_annotate_bad_free() - the program frees what is no object. */
ma_inline void ma_annotate_bad_free(const void *pool, const void *ptr)
{
	if (ma_tools.valgrind)
		ma_annotate_tell_free(pool, ptr);
}

#endif
