/*
 * below - the program's own malloc(), which a memory checker has taken for itself.
 *
 * What and why: what a checker knows best is its own malloc's objects: who allocated, who freed,
 * how far away from them something is, which are lost. With mode=passthrough a program that calls
 * memalloc by its own names has each request served from there.
 *
 * Rules: none. Locks: none of ours may be held that an allocation could need. Cost: a call.
 * Rejected: dlsym() for its names (it may allocate itself); the drop-in library, which has nothing
 * below it, says so by a symbol of its own.
 */
#ifndef MA_BELOW_H
#define MA_BELOW_H

#include "base.h"

/** ma_below_is_there() - whether malloc() is not this library itself. */
bool ma_below_is_there(void);

/** ma_below_alloc() - @align: a power of two, or 0. Return: NULL with errno. */
void *ma_below_alloc(size_t size, size_t align, bool zero) ma_must_check;

/** ma_below_realloc() - neither @ptr nor @size is 0. */
void *ma_below_realloc(void *ptr, size_t size) ma_must_check;

/** ma_below_free() - whatever it is, is for the checker to tell. */
void ma_below_free(void *ptr);

/** ma_below_size() - bytes that the program may use at @ptr. */
size_t ma_below_size(const void *ptr);

#endif
