/*
 * report - a violation, said once and clearly, and what follows.
 *
 * What and why: misuse of memory by the program is always reported with the facts that help to find
 * it: what was wrong, the pointer, the object it belongs to, what was expected and what was found,
 * its surroundings, and the stacks that are known. As text for people, or as JSON for machines.
 *
 * Rules:
 *   V1  A report allocates nothing and takes no lock. The facts are written with one system call,
 *       before anything is done that could fail in a broken process (walking stacks).
 *   V2  A report ends the process as configured: by SIGABRT, a trap, or an exit status. Only when
 *       the configuration says so does it return, and then the caller leaves the heap valid.
 *   V3  The first line is "memalloc: <kind>: <pointer>...", stable for scripts.
 *   V4  Of several threads with a report, each is written whole; one that waits for another's does
 *       so for a second at most.
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
	MA_HEAP_UNDERFLOW,
	MA_WRITE_AFTER_FREE,
	MA_BAD_REALLOC,
	MA_BAD_USABLE_SIZE,
	MA_SIZE_MISMATCH,
	MA_ALIGNMENT_MISMATCH,
	MA_DEALLOC_MISMATCH,
	MA_BAD_ACCESS,
	MA_WRONG_POOL,
	MA_BAD_POOL,
	MA_BAD_METADATA,
};

/* Characters for the picture of the neighbourhood, with the terminator. */
#define MA_AROUND 64

struct ma_violation {
	enum ma_violation_kind kind;
	const void *ptr;    /* as the program passed it, or where the damage is */
	const char *why;    /* one clause: what about it is wrong */
	const void *object; /* start of the object or slot, NULL when unknown */
	size_t requested;   /* bytes the program asked for; SIZE_MAX when unknown */
	size_t slot;        /* bytes of the slot or block; 0 when unknown */
	const char *state;  /* of the object: "live", "free", "retired"; NULL when unknown */
	const void *damage; /* first byte that was expected and found as below, or NULL */
	uint64_t expected;  /* eight bytes at damage, as they should be */
	uint64_t found;     /* eight bytes at damage, as they are */
	uint32_t allocated; /* number of the stack that allocated the object; 0: not recorded */
	uint32_t freed;     /* of the one that freed it */
	const char *hint;   /* what would tell more, or NULL */

	/*
	 * The slots around the object, one character each, the object's own in brackets: 'l' live,
	 * '.' free, 'q' retired, '!' damaged, '#' guard. Empty when there are none.
	 */
	char around[MA_AROUND];
};

/** ma_report() - write the report; what follows is configured. It may return. */
void ma_report(const struct ma_violation *v) __attribute__((cold));

/** ma_warn() - one line on stderr, "memalloc: " @a @b @c; NULL parts are left out. */
void ma_warn(const char *a, const char *b, const char *c) __attribute__((cold));

#endif
