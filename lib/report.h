/*
 * report - a violation, said once and clearly, and the end of the process.
 *
 * What and why: misuse of memory by the program is always reported with the facts that help to find
 * it: what was wrong, the pointer, the object it belongs to, what was expected and what was found.
 *
 * Rules:
 *   V1  A report allocates nothing, takes no lock, and is written with one system call.
 *   V2  A report ends the process with SIGABRT.
 *   V3  The first line is "memalloc: <kind>: <pointer>...", stable for scripts.
 *
 * Locks: none. Cost: does not matter.
 */
#ifndef MA_REPORT_H
#define MA_REPORT_H

#include "base.h"

enum ma_violation_kind {
	MA_DOUBLE_FREE,
	MA_INVALID_FREE,
	MA_HEAP_OVERFLOW,
	MA_WRITE_AFTER_FREE,
	MA_BAD_REALLOC,
	MA_BAD_USABLE_SIZE,
	MA_SIZE_MISMATCH,
	MA_ALIGNMENT_MISMATCH,
	MA_WRONG_POOL,
	MA_BAD_POOL,
};

struct ma_violation {
	enum ma_violation_kind kind;
	const void *ptr;    /* as the program passed it, or where the damage is */
	const char *why;    /* one clause: what about it is wrong */
	const void *object; /* start of the object or slot, NULL when unknown */
	size_t requested;   /* bytes the program asked for; SIZE_MAX when unknown */
	size_t slot;        /* bytes of the slot or block; 0 when unknown */
	const void *damage; /* first byte that was expected and found as below, or NULL */
	uint64_t expected;  /* eight bytes at damage, as they should be */
	uint64_t found;     /* eight bytes at damage, as they are */
};

/** ma_report() - write the report and abort. */
void ma_report(const struct ma_violation *v) __attribute__((noreturn, cold));

/** ma_warn() - one line on stderr, "memalloc: " @a @b @c; NULL parts are left out. */
void ma_warn(const char *a, const char *b, const char *c) __attribute__((cold));

#endif
