/*
 * active - who serves the program's malloc().
 *
 * What and why: a library that is preloaded may be loaded and yet serve nothing: a sanitizer in the
 * program, or Valgrind, has taken malloc() for itself. Nobody should hunt a bug for a day with an
 * allocator that was never asked. It is tried, not guessed: an object is allocated, and looked up.
 *
 * Rules: none. Locks: none of its own. Cost: an allocation, only where it is asked for: it would be
 * the first one, and take a slab.
 */
#ifndef MA_ACTIVE_H
#define MA_ACTIVE_H

/** ma_active_start() - in a drop-in library, at the start: say who serves malloc(), if need be. */
void ma_active_start(void);

#endif
