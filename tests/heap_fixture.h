/*
 * heap_fixture - an instance on the fake OS, with two heaps: two threads, played by one.
 */
#ifndef TESTS_HEAP_FIXTURE_H
#define TESTS_HEAP_FIXTURE_H

#include "fixture.h"
#include "heap.h"
#include "pagemap.h"

struct rooms {
	struct ma_pagemap map;
	struct ma_instance inst;
	struct ma_heap *a, *b; /* NULL: not acquired */
};

extern struct rooms rooms;

/**
 * rooms_config() - what tests start from: seed 1, small slots filled, no quarantine and no bound to
 * its bytes, no guards, nothing waits, pages age a second.
 */
struct ma_instance_config rooms_config(void);

/** rooms_start() - make the instance and its two heaps on an OS that was just reset. */
void rooms_start(const struct ma_instance_config *config);

/** rooms_end() - unmap all; nothing is left at the OS but what it refused and was counted. */
void rooms_end(void);

/** rooms_setup(), rooms_teardown() - the same for cmocka; the latter validates first. */
int rooms_setup(void **state);
int rooms_teardown(void **state);

/** rooms_check() - all validators. */
const char *rooms_check(void);

/** block_of() - the block at an address. */
struct ma_block *block_of(const void *ptr);

/** slab_of() - the slab that holds an object. */
struct ma_slab *slab_of(const void *ptr);

/** slot_of() - the index of an object in its slab. */
uint32_t slot_of(const void *ptr);

/** is_filled() - whether @size bytes are all @value. */
bool is_filled(const void *ptr, size_t size, unsigned char value);

#endif
