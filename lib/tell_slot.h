/*
 * tell_slot - the short way of small objects while memcheck looks on.
 *
 * What and why: each instruction of the core costs memcheck twenty, and each look at a slot, which
 * is closed to the program but for its object, five hundred, though the error is not shown. So what
 * is done with a small object's slot is done outside of the simulation, on the real machine: as
 * memcheck's own malloc is. What remains are the requests that tell of the object.
 *
 *      allocate   [ take, verify, arm ]   tell
 *      free       tell   [ prove, zero, quarantine ]
 *
 * Rules:
 *   N1  What is in brackets has no thread of the program's: no thread-local variables, no calls of
 *       the C library or of the OS, no locks, no protector of its stack (ma_native).
 *   N2  It writes only where memcheck takes all for initialised, or where nothing is the program's.
 *   N3  What the long way would check is checked here, too. What is wrong, rare or slow changes
 *       nothing here, and is left to the long way.
 *
 * Locks: those of tell. Cost: without memcheck nobody comes here.
 * Rejected: opening the slot for the core by a request, and closing it again (a request costs as
 * much as forty instructions of the core).
 * Source: Valgrind's manual, "The Client Request mechanism", VALGRIND_NON_SIMD_CALL.
 */
#ifndef MA_TELL_SLOT_H
#define MA_TELL_SLOT_H

#include "heap.h"

/** ma_tell_slot_alloc() - ma_heap_alloc(), the short way; NULL: the long way is to be taken. */
void *ma_tell_slot_alloc(struct ma_heap *heap, size_t size, bool zero);

/** ma_tell_slot_free() - ma_heap_free(), the short way; false: the long way is to be taken. */
bool ma_tell_slot_free(struct ma_heap *heap, void *ptr);

#endif
