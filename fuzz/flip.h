/*
 * flip - wrong numbers in descriptors.
 *
 * What and why: metadata lies in mappings of its own between guards, where no overflow of a program
 * reaches. But a bug of ours does, a stray write by the kernel, or a bit of bad memory, and then
 * somebody calls the validators to find out what is wrong. So these must stand what they look at.
 * Pointers are left as they are: a validator has no way to tell a wrong one from a right one but by
 * following it.
 *
 *      which   one of the numbers of a block, region, slab, its arrays, a bin, a stock or the pool
 *      arg     the bit (9 bits), then which of the descriptors of that kind
 *
 * Locks: none. Cost: a walk over the blocks.
 */
#ifndef FUZZ_FLIP_H
#define FUZZ_FLIP_H

#include "world.h"

/** flip() - change a bit of a descriptor of the acting instance, if it has one of that kind. */
void flip(struct world *w, unsigned which, uint64_t arg);

#endif
