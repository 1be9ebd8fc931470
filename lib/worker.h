/*
 * worker - the background thread (background=1).
 *
 * What and why: gives back what belongs to no running thread, for programs that go idle with free
 * pages in hand. It is started when the library is loaded, and anew in the child of a fork.
 *
 * Rules: none. Locks: those of what it calls. Cost: one thread that sleeps.
 */
#ifndef MA_WORKER_H
#define MA_WORKER_H

#include "base.h"

/** ma_worker_start() - start it, if the options ask for it. The caller holds no lock. */
void ma_worker_start(void);

#endif
