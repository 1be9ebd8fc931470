/*
 * lock - a mutex that survives fork and that every tool understands.
 *
 * What and why: a thin name for the C library's mutex. It is used on slow paths only, so the
 * few cycles a hand-made lock would save do not matter, while Helgrind, DRD and TSan know this
 * one without annotations.
 *
 * Rules:
 *   L1  Order, outermost first: pool table, registry, shared heap, waitlist, pool, meta,
 *       depot, record. No room calls up while holding one.
 *   L2  Nothing that gives memory back to the OS runs under a lock.
 *   L3  A zero-initialised lock is an unlocked lock.
 *   L4  What is unlocked was locked; with assertions, that is verified.
 *
 * Rejected: C11-atomic spin locks (false reports in Helgrind and DRD; spinning on two cores).
 */
#ifndef MA_LOCK_H
#define MA_LOCK_H

#include <pthread.h>

#include "base.h"

struct ma_lock {
	pthread_mutex_t mutex;
};

#define MA_LOCK_INIT                      \
	{                                 \
		PTHREAD_MUTEX_INITIALIZER \
	}

ma_inline void ma_lock_init(struct ma_lock *lock)
{
	*lock = (struct ma_lock)MA_LOCK_INIT;
}

ma_inline void ma_lock(struct ma_lock *lock)
{
	(void)pthread_mutex_lock(&lock->mutex);
}

/* Return: whether it was free, and is taken now. */
ma_inline bool ma_trylock(struct ma_lock *lock)
{
	return pthread_mutex_trylock(&lock->mutex) == 0;
}

ma_inline void ma_unlock(struct ma_lock *lock)
{
	MA_ASSERT(!ma_trylock(lock));
	(void)pthread_mutex_unlock(&lock->mutex);
}

#endif
