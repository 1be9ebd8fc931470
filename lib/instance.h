/*
 * instance - the one global instance and the calling thread's heap in it.
 *
 * What and why: the rooms of the public API (memalloc, pools, dump, worker) share what exists once
 * per process.
 *
 * Rules: K1  It is initialised once, by the first call that needs it, bottom-up; never torn down.
 * Locks: initialisation has one of its own. Cost: after the first call, a load and a test.
 */
#ifndef MA_INSTANCE_H
#define MA_INSTANCE_H

#include "heap.h"
#include "options.h"
#include "pagemap.h"
#include "record.h"

struct ma_global {
	alignas(MA_SEALED) struct ma_options options; /* read-only after init */
	uint64_t seed;  /* of this run: the option, or chosen; read-only after init */
	uint64_t place; /* where the heap lies depends on it; read-only after init */
	bool watched;   /* calls take the long way: there is more to do; read-only after init */
	bool passing; /* a memory checker's malloc() serves them (below.h); read-only after init */
	alignas(MA_SEALED) struct ma_pagemap pagemap; /* of all instances */
	struct ma_depot depot;
	struct ma_instance instance;
};

extern struct ma_global ma_global;

/** ma_global_config() - what the options say of an instance. */
struct ma_instance_config ma_global_config(void);

/** ma_global_ready() - initialise if that has not happened. Return: false without memory. */
bool ma_global_ready(void) ma_must_check;

/**
 * ma_free_sized() - custom_free() that also proves size and alignment
 * @size:   bytes that were asked for; SIZE_MAX: not known
 * @align:  that was asked for; 1: not known
 */
void ma_free_sized(void *ptr, size_t size, size_t align);

/** ma_malloc_free() - custom_free() under the C library's name: what it ends came from malloc. */
void ma_malloc_free(void *ptr);

/** ma_free_long() - free what is not freed in a few steps; @how as there. */
void ma_free_long(void *ptr, unsigned how);

/** ma_global_heap() - the calling thread's heap; NULL without memory. */
struct ma_heap *ma_global_heap(void);

/** ma_global_own_heap() - the same; NULL when it has none yet. */
struct ma_heap *ma_global_own_heap(void);

/** ma_aligned_alloc() - custom_aligned_alloc(); @op: what the program called. */
void *ma_aligned_alloc(size_t align, size_t size, enum ma_record_op op);

/** ma_made() - note that @origin made a live object, if wanted. */
ma_inline void *ma_made(void *ptr, enum ma_origin origin)
{
	if (ma_unlikely(ma_global.options.alloc_dealloc_mismatch) && ptr != NULL)
		ma_heap_set_origin(&ma_global.instance, ptr, origin);
	return ptr;
}

#endif
