/*
 * pagemap - address -> block, the only way back from a pointer.
 *
 * What and why: a two-level table over granules. Any address at all may be asked for; what is not
 * ours has no entry. All instances (the heap and every explicit pool) share one map, so that a
 * pointer of the wrong pool is recognised.
 *
 *      address  [ 0 | root index | leaf index | offset in granule ]
 *      root[i] -> leaf[j] -> struct ma_block
 *
 * Rules:
 *   M1  An entry is written by the pool whose region covers the address, under that pool's lock.
 *   M2  Entries of a region can be set without failing: its leaves exist before the region does.
 *   M3  Leaves are never unmapped while the map lives, so that a reader needs no lock.
 *   M4  The list of leaves reaches leaves that the root knows at their index, each once.
 *
 * Locks: none; readers are wait-free. Cost: two dependent loads.
 * Rejected: a table of regions (a search per free); three levels (one more load for no less memory
 * that matters).
 */
#ifndef MA_PAGEMAP_H
#define MA_PAGEMAP_H

#include <stdatomic.h>

#include "base.h"

#define MA_PAGEMAP_ADDR_BITS 48
#define MA_PAGEMAP_LEAF_BITS 18
#define MA_PAGEMAP_ROOT_BITS (MA_PAGEMAP_ADDR_BITS - MA_GRANULE_SHIFT - MA_PAGEMAP_LEAF_BITS)
#define MA_PAGEMAP_NLEAF ((size_t)1 << MA_PAGEMAP_LEAF_BITS)
#define MA_PAGEMAP_NROOT ((size_t)1 << MA_PAGEMAP_ROOT_BITS)

struct ma_block;

struct ma_pagemap_leaf {
	_Atomic(struct ma_block *) block[MA_PAGEMAP_NLEAF];
	size_t idx;                   /* in the root; fixed */
	struct ma_pagemap_leaf *next; /* in the list of leaves (M4); fixed */
};

struct ma_pagemap {
	_Atomic(struct ma_pagemap_leaf *) *root;  /* MA_PAGEMAP_NROOT entries; fixed after init */
	_Atomic(struct ma_pagemap_leaf *) leaves; /* M4 */
};

/** ma_pagemap_init() - an empty map. Return: false when the OS refused. */
bool ma_pagemap_init(struct ma_pagemap *map) ma_must_check;

/** ma_pagemap_fini() - unmap it; no reader may be left. */
void ma_pagemap_fini(struct ma_pagemap *map);

/**
 * ma_pagemap_reserve() - make entries of an address range settable (M2)
 *
 * Return: false when the OS refused or the range lies beyond the address bits the map covers; the
 * map is then unchanged but for leaves that stay empty.
 */
bool ma_pagemap_reserve(struct ma_pagemap *map, uintptr_t addr, size_t size) ma_must_check;

/**
 * ma_pagemap_set() - enter a block, or none, for a range
 * @addr:  start of a granule; the range was reserved
 * @size:  bytes, whole granules
 */
void ma_pagemap_set(struct ma_pagemap *map, uintptr_t addr, size_t size, struct ma_block *block);

/** ma_pagemap_get() - the block that was entered for the granule of any address, or NULL. */
ma_inline struct ma_block *ma_pagemap_get(const struct ma_pagemap *map, uintptr_t addr)
{
	size_t high = addr >> (MA_GRANULE_SHIFT + MA_PAGEMAP_LEAF_BITS);
	size_t low = (addr >> MA_GRANULE_SHIFT) & (MA_PAGEMAP_NLEAF - 1);
	struct ma_pagemap_leaf *leaf;

	if (ma_unlikely(high >= MA_PAGEMAP_NROOT))
		return NULL;
	leaf = atomic_load_explicit(&map->root[high], memory_order_acquire);
	if (ma_unlikely(leaf == NULL))
		return NULL;
	return atomic_load_explicit(&leaf->block[low], memory_order_acquire);
}

/**
 * ma_pagemap_get_any() - the same in fewer steps, for who proves the address: of one that lies
 * beyond the map, a block that is not there.
 */
ma_inline struct ma_block *ma_pagemap_get_any(const struct ma_pagemap *map, uintptr_t addr)
{
	size_t high = (addr >> (MA_GRANULE_SHIFT + MA_PAGEMAP_LEAF_BITS)) % MA_PAGEMAP_NROOT;
	size_t low = (addr >> MA_GRANULE_SHIFT) % MA_PAGEMAP_NLEAF;
	struct ma_pagemap_leaf *leaf = atomic_load_explicit(&map->root[high], memory_order_acquire);

	if (ma_unlikely(leaf == NULL))
		return NULL;
	return atomic_load_explicit(&leaf->block[low], memory_order_acquire);
}

/** ma_pagemap_size() - bytes of address space the map takes. */
size_t ma_pagemap_size(const struct ma_pagemap *map);

/** ma_pagemap_check() - NULL, or the text of the rule that is broken. */
const char *ma_pagemap_check(const struct ma_pagemap *map) ma_must_check;

#endif
