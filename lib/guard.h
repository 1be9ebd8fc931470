/*
 * guard - pages of a block that nobody can touch.
 *
 * What and why: an access that runs past a large object, in front of it, or into memory that was
 * freed, faults at once instead of reaching something else. The pages belong to the block, so the
 * address still leads to it when a fault is to be explained.
 *
 *      ends   [ guard | pages of the object | guard ]        all   [ guard --------------- ]
 *
 * Rules:
 *   D1  guarded of a block says whether it may have guard pages; contents of guard pages are lost
 *       and read as zero when the guard is lifted.
 *   D2  A guard that the OS refuses is counted and does without; nothing fails because of it.
 *
 * Locks: none; the block is the caller's. Cost: a system call per range.
 * Rejected: mappings without access between objects (each costs two of the OS's mappings, which are
 * few: a program with many small objects then runs out of memory early).
 */
#ifndef MA_GUARD_H
#define MA_GUARD_H

#include "pool.h"

/**
 * ma_guard_ends() - guard what lies in front of and behind the middle of a block without guards
 * @front, @back:  bytes, whole pages; 0 for none
 *
 * Where the OS refuses the one in front, there is none behind either.
 */
void ma_guard_ends(struct ma_block *block, size_t front, size_t back);

/** ma_guard_all() - guard the whole block; its contents are gone. Return: false when refused. */
bool ma_guard_all(struct ma_block *block);

/**
 * ma_guard_lift() - no page of the block is a guard any more
 *
 * Return: false when the OS refused: the block cannot be used again.
 */
bool ma_guard_lift(struct ma_block *block) ma_must_check;

#endif
