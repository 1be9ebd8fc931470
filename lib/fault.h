/*
 * fault - explain accesses that hit a guard or memory that was freed.
 *
 * What and why: a guard turns a wrong access into a fault, which says no more than an address. The
 * address leads to a block, and the block to the object that was meant: handle_segv=1 tells, and
 * then lets the fault take its course.
 *
 * Rules:
 *   T1  A fault that is not in memory of ours, and every one after the report, goes to the handler
 *       that was there before, or ends the program as if we were not there.
 *
 * Locks: none; async-signal-safe. Cost: one system call per signal at start.
 */
#ifndef MA_FAULT_H
#define MA_FAULT_H

#include "instance.h"

/** ma_fault_start() - handle SIGSEGV and SIGBUS if the options say so. */
void ma_fault_start(void);

#endif
