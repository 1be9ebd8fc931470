/*
 * canary - eight bytes that nobody can know, directly behind what was asked for.
 *
 * What and why: a write past the end of an object, by one byte already, changes them; they are
 * compared whenever the object's pointer is given to us. They depend on their address, on
 * where the slot's state lies and ten random bits of the slab (of a large block: on 64), on the
 * generation of the slot, and on a key of the process: a canary seen elsewhere, or in an earlier
 * life of the same slot, does not fit here.
 *
 * Rules:
 *   C1  The first byte is never 0, so that a lone terminator past the end is seen.
 *   C2  The last byte is 0, so that a string without terminator ends here and shows no more.
 * Does not prove that nothing was written: the object's own canary may have been read and written
 * back, which nobody can see, and writes may jump over it.
 *
 * Locks: none; the key is fixed after init. Cost: a multiplication, one store or load of eight
 * bytes.
 * Rejected: a canary at the end of the slot (an overflow into the slack is not seen); a sum of
 * address and secret (one canary that was read tells all others).
 */
#ifndef MA_CANARY_H
#define MA_CANARY_H

#include <string.h>

#include "annotate.h"

/* Of this process; in a page of its own, which is sealed once it is written. */
struct ma_canary_page {
	alignas(MA_SEALED) uint64_t key; /* odd */
	unsigned stride; /* what a slot's state goes on by when it is used again (slab.h) */
};

extern struct ma_canary_page ma_canary;

__extension__ typedef unsigned __int128 ma_canary_wide;

/* Bits of a stride that are none: it is an odd number of them. */
#define MA_CANARY_STRIDE ((unsigned)1 << 10)

/**
 * ma_canary_init() - choose key and stride. Objects that are live keep the old ones: call it before
 * there are any, once.
 */
void ma_canary_init(uint64_t secret);

/**
 * ma_canary_forked() - another stride: what the child makes from now on in slots of the parent has
 * other canaries than what the parent makes there. What is live keeps its own.
 */
void ma_canary_forked(uint64_t secret);

/** ma_canary_at() - the canary of an address, under the secret of its slab or block. */
ma_inline uint64_t ma_canary_at(const void *at, uint64_t secret)
{
	ma_canary_wide product = (ma_canary_wide)((uintptr_t)at ^ secret) * ma_canary.key;

	return ((uint64_t)product ^ (uint64_t)(product >> 64)) >> 8 | 1;
}

/** ma_canary_found() - the eight bytes at an address. */
ma_touches uint64_t ma_canary_found(const void *at)
{
	uint64_t found;

	memcpy(&found, at, sizeof(found));
	return found;
}

/** ma_canary_put() - write the canary. */
ma_touches void ma_canary_put(void *at, uint64_t secret)
{
	uint64_t canary = ma_canary_at(at, secret);

	memcpy(at, &canary, sizeof(canary));
}

/** ma_canary_clear() - nobody is to see it any more. */
ma_touches void ma_canary_clear(void *at)
{
	const uint64_t none = 0;

	memcpy(at, &none, sizeof(none)); /* of memset, gcc makes a call: sanitizers look at that */
	ma_annotate_filled(at, sizeof(uint64_t));
}

/** ma_canary_intact() - whether it is still there. */
ma_inline bool ma_canary_intact(const void *at, uint64_t secret)
{
	return ma_canary_found(at) == ma_canary_at(at, secret);
}

#endif
