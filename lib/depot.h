/*
 * depot - stacks by number.
 *
 * What and why: thousands of objects are allocated from the same few places. A stack is kept once,
 * and an object remembers its number, four bytes instead of hundreds. The numbers are read where
 * misuse is reported, so reading takes no lock and trusts nothing.
 *
 *      root -> [ child child child child | hash | n | pc pc pc ... ]     two bits of the hash lead
 *                  |     +-> [ child child child child | ... ]           to one of four children
 *                  +-> [ child child child child | ... ]
 *
 *      chunks  [ - | record | record | record | ....... ] [ record | ... ]    in order of arrival
 *
 * A number is where the record lies: 8-byte units from the start of the first chunk, as if the
 * chunks were one. 0 is no number: the first unit is not used.
 *
 * Rules:
 *   D1  Chunks below nchunks are mapped, the others NULL; records lie in the used bytes of them,
 *       each within one chunk. Nothing is ever moved, changed or given back until the end.
 *   D2  A record has 1 to MA_DEPOT_LEN_MAX return addresses, and the hash of them.
 *   D3  A child has a higher number than its parent: every way down ends.
 *   D4  Each record is the child of one, or the root; nrecords counts them.
 *   D5  A record is where its hash leads: no two are equal, and equal stacks have equal numbers.
 *   D6  n is written last, and a child after the record is complete: who sees either sees all.
 *
 * Locks: one of its own, innermost; nothing but mapping a chunk happens under it. Readers take
 * none. Cost: log4(stacks) records per look-up, about 5 for 1,000 stacks, 10 for 400,000.
 * Rejected: a table of buckets (must grow, or costs 64 KiB for the first stack).
 */
#ifndef MA_DEPOT_H
#define MA_DEPOT_H

#include <stdatomic.h>

#include "base.h"
#include "lock.h"

#define MA_DEPOT_CHUNK ((size_t)64 * 1024)
#define MA_DEPOT_CHUNKS_MAX 1024
#define MA_DEPOT_UNIT ((size_t)8)
#define MA_DEPOT_LEN_MAX 256
#define MA_DEPOT_FAN 4

struct ma_depot_record {
	_Atomic uint32_t child[MA_DEPOT_FAN]; /* numbers; 0: none (D3) */
	uint32_t hash;
	_Atomic uint32_t n; /* return addresses in pc (D2, D6) */
	uintptr_t pc[];
};

struct ma_depot {
	struct ma_lock lock;
	unsigned char *_Atomic chunk[MA_DEPOT_CHUNKS_MAX]; /* MA_DEPOT_CHUNK bytes each (D1) */
	_Atomic uint32_t root;                             /* number; 0: none */
	_Atomic size_t nchunks;                            /* written under the lock */
	_Atomic size_t used;     /* bytes from the start of the first chunk; written likewise */
	_Atomic size_t nrecords; /* written likewise */
	_Atomic size_t lost;     /* stacks that had no place */
};

/** ma_depot_init() - empty; maps nothing yet. */
void ma_depot_init(struct ma_depot *depot);

/** ma_depot_fini() - unmap all; numbers become invalid. Nobody else may be using it. */
void ma_depot_fini(struct ma_depot *depot);

/**
 * ma_depot_put() - the number of a stack
 * @pc:  return addresses
 * @n:   how many; beyond MA_DEPOT_LEN_MAX they are left out
 *
 * Locks: takes the depot's when the stack is new. Return: 0 for an empty stack, and when the depot
 * is full or the OS refused memory, which is counted in lost.
 */
uint32_t ma_depot_put(struct ma_depot *depot, const uintptr_t *pc, size_t n);

/**
 * ma_depot_get() - the stack of a number
 * @pc:   where it goes
 * @max:  how many fit
 *
 * Wait-free and async-signal-safe. What was never a number gives nothing, or nonsense, but does no
 * harm. Return: return addresses in @pc.
 */
size_t ma_depot_get(const struct ma_depot *depot, uint32_t id, uintptr_t *pc, size_t max);

/** ma_depot_mapped() - bytes that its chunks take. */
size_t ma_depot_mapped(const struct ma_depot *depot);

/** ma_depot_hash() - of @n return addresses; for the validator. */
uint64_t ma_depot_hash(const uintptr_t *pc, size_t n);

/** ma_depot_record() - at a number that lies in a chunk; NULL for others. */
const struct ma_depot_record *ma_depot_record(const struct ma_depot *depot, uint32_t id);

/** ma_depot_check() - NULL, or the text of the rule that is broken. Takes the lock. */
const char *ma_depot_check(struct ma_depot *depot) ma_must_check;

#endif
