/*
 * canary - eight bytes that nobody can know, directly behind what was asked for.
 *
 * What and why: a write past the end of an object, by one byte already, changes them; they are
 * compared whenever the object's pointer is given to us. They depend on their address and on a
 * secret of the process, so that a canary seen elsewhere does not fit here.
 *
 * Rules: C1  The first byte is never 0, so that a lone terminator past the end is seen.
 * Does not prove that nothing was written: the same value may have been written back, and writes
 * may jump over it.
 *
 * Locks: none; the secret is fixed after init. Cost: a multiplication, one store or load of eight
 * bytes.
 * Rejected: a canary at the end of the slot (an overflow into the slack is not seen).
 */
#ifndef MA_CANARY_H
#define MA_CANARY_H

#include <string.h>

#include "base.h"

/* Of this process; written once, by ma_canary_init(). */
extern uint64_t ma_canary_secret;

/**
 * ma_canary_init() - choose the secret. Objects that are live keep the old one: call it before
 * there are any.
 */
void ma_canary_init(uint64_t secret);

/** ma_canary_at() - the canary of an address. */
ma_inline uint64_t ma_canary_at(const void *at)
{
	return (((uintptr_t)at * 0x9e3779b97f4a7c15u) ^ ma_canary_secret) | 1;
}

/** ma_canary_found() - the eight bytes at an address. */
ma_inline uint64_t ma_canary_found(const void *at)
{
	uint64_t found;

	memcpy(&found, at, sizeof(found));
	return found;
}

/** ma_canary_put() - write the canary. */
ma_inline void ma_canary_put(void *at)
{
	uint64_t canary = ma_canary_at(at);

	memcpy(at, &canary, sizeof(canary));
}

/** ma_canary_clear() - nobody is to see it any more. */
ma_inline void ma_canary_clear(void *at)
{
	memset(at, 0, sizeof(uint64_t));
}

/** ma_canary_intact() - whether it is still there. */
ma_inline bool ma_canary_intact(const void *at)
{
	return ma_canary_found(at) == ma_canary_at(at);
}

#endif
