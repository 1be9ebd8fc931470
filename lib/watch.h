/*
 * watch - calls of the heap that take the long way, because somebody looks on.
 *
 * What and why: recorded stacks, a proof of who made an object, a recording (record.h), memory
 * checkers: each wants to see every call, at the place where the program calls. When
 * ma_global.watched is set, the entries jump here.
 *
 * Rules: W1  A function here is called as the last thing that an entry does, so that a jump leads
 * to it: the registers hold what the program left in them, and its stack begins at this frame
 * (stack.h). A tool that takes a stack itself finds the program one frame further.
 * Locks: those of heap. Cost: nobody comes here in a hurry.
 */
#ifndef MA_WATCH_H
#define MA_WATCH_H

#include "instance.h"

/* How an object is ended: as whose (enum ma_origin), and whether size and align are claims. */
#define MA_ENDS_CLAIMING 16u

/**
 * ma_watched_alloc() - ma_heap_alloc_request() by the calling thread; NULL with errno
 * @op:  what the program called; that of calloc() asks for zeroed memory
 */
void *ma_watched_alloc(size_t size, size_t align, enum ma_record_op op);

/** ma_watched_resize() - ma_heap_realloc() by the calling thread; NULL with errno. */
void *ma_watched_resize(void *ptr, size_t size, enum ma_record_op op);

/**
 * ma_watched_free() - free when ma_global.watched: with a look at who made the object
 * @size, @align:  as ma_free_sized()
 * @how:           an origin, and MA_ENDS_CLAIMING if @size and @align are to be proven
 *
 * To be called as the last thing a function does, so that a jump leads here (stack.h).
 */
void ma_watched_free(void *ptr, size_t size, size_t align, unsigned how);

/** ma_watched_realloc() - what realloc() does, with a look at who made the object. */
void *ma_watched_realloc(void *ptr, size_t size, enum ma_record_op op);

/** ma_watched_reallocarray() - what reallocarray() does, in the same way. */
void *ma_watched_reallocarray(void *ptr, size_t count, size_t size);

/** ma_watched_size() - ma_heap_usable_size(). */
size_t ma_watched_size(const void *ptr);

#endif
