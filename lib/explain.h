/*
 * explain - what was wrong about an access, by its address.
 *
 * What and why: a guard turns a wrong access into a fault, AddressSanitizer into a report of its
 * own; both know no more than an address. It leads to a block, and the block to the object that was
 * meant: which, how large, live or freed, by whom.
 *
 * Rules: none of its own. Locks: none; async-signal-safe. Cost: nobody is in a hurry any more.
 */
#ifndef MA_EXPLAIN_H
#define MA_EXPLAIN_H

#include "instance.h"

/**
 * ma_explain() - what is known of a wrong access
 * @write:    it was to write
 * @guarded:  only if there is a guard that it may have hit
 *
 * Return: false when the address is none of ours; *@v is what ma_report() takes.
 */
bool ma_explain(const void *at, bool write, bool guarded, struct ma_violation *v) ma_must_check;

/** ma_explain_start() - add a section to the reports of AddressSanitizer, if it is there. */
void ma_explain_start(void);

#endif
