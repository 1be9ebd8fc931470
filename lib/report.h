/*
 * report - a violation, said once and clearly, and what follows.
 *
 * What and why: misuse of memory by the program is always reported with the facts that help to find
 * it: what was wrong, the pointer, the object it belongs to, what was expected and what was found,
 * its surroundings, and the stacks that are known. As text for people, or as JSON for machines.
 *
 *      memalloc: heap overflow: 0x7f21a3c04074 behind the end of ...     the facts: one write
 *      memalloc:   object 0x7f21a3c04060, 20 bytes requested, in 32 bytes, live
 *      memalloc:   at 0x7f21a3c04074: expected 0xa3c1..., found 0xa3c1...00
 *      memalloc:   one zero byte past the end: no place for a string's terminator?
 *      memalloc:   around: llqq.l[!]l...l##  (l live, . free, q retired, ...)
 *      memalloc:   thread 4242 of process 4240
 *      memalloc:   detected here                                         then the stacks
 *      memalloc:     #0 0x55d0c8a4f1b6 /usr/bin/foo+0x11b6
 *      memalloc:   allocated by
 *      memalloc:     #0 0x55d0c8a4f17d /usr/bin/foo+0x117d
 *      memalloc:   seed 1, profile default; options that would show more: ...
 *
 * As JSON it is two lines: an object with the facts, and, where there are stacks, one with them.
 * The man page memalloc-reports(7) describes both; a test compares it with the source.
 *
 * Rules:
 *   V1  A report allocates nothing and takes no lock. The facts are written with one system call,
 *       before anything is done that could fail in a broken process (walking stacks).
 *   V2  A report ends the process as configured: by SIGABRT, a trap, or an exit status. Only when
 *       the configuration says so does it return, and then the caller leaves the heap valid.
 *   V3  The first line is "memalloc: <kind>: <pointer>...", stable for scripts.
 *   V4  Of several threads with a report, each is written whole; one that waits for another's does
 *       so for a second at most. A thread that gets into a report from its own report says so in
 *       one line, and the process ends at once.
 *   V5  errno is left as it was found.
 *
 * A log is opened and closed by each report: a descriptor kept open could be closed by the program,
 * and its number used for a file of its own.
 *
 * Locks: none; V4 is kept with an atomic variable. Cost: does not matter; about 6 KiB of stack.
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

/* What follows a report; in the order of the words of the option on_violation. */
enum ma_report_action {
	MA_ON_ABORT,
	MA_ON_TRAP,
	MA_ON_EXIT,
	MA_ON_REPORT, /* nothing */
};

/* Strings and functions must stay as long as the process; zero everywhere is a good default. */
struct ma_report_config {
	enum ma_report_action action;
	int exitcode;         /* for MA_ON_EXIT */
	bool json;            /* as JSON, not as text */
	const char *log_path; /* a dot and the process's number are appended; NULL or "": stderr */
	uint64_t seed;        /* of this run */
	const char *profile;  /* its name; NULL: neither it nor the seed is told */

	/* The stack that was recorded under a number, at most @max addresses; NULL: none are. */
	size_t (*stack)(uint32_t id, uintptr_t *pc, size_t max);

	/* The stack of the calling thread; NULL: not to be had. */
	size_t (*here)(uintptr_t *pc, size_t max);

	/*
	 * The program's, or NULL. Called when the report was written, before what follows; @report
	 * is the text of the facts. It must return, or end the process.
	 */
	void (*handler)(const struct ma_violation *v, const char *report);
};

/**
 * ma_report_configure() - how to report from now on
 * @config:  is copied
 *
 * Not while another thread may report. Without it: text on stderr, and MA_ON_ABORT.
 */
void ma_report_configure(const struct ma_report_config *config);

/**
 * ma_report_forget() - no report is under way
 *
 * For the child of a fork, where the thread that was reporting does not exist. Others wait in vain
 * otherwise (V4).
 */
void ma_report_forget(void);

/** ma_report_is_mine() - whether the calling thread is in the middle of a report. */
bool ma_report_is_mine(void);

/** ma_report_kind() - the words for a kind. */
const char *ma_report_kind(enum ma_violation_kind kind);

/** ma_report() - write the report; what follows is configured. It may return. */
void ma_report(const struct ma_violation *v) __attribute__((cold));

/**
 * ma_report_add() - the same report as part of somebody else's, who decides what follows it
 *
 * Without the program's handler.
 */
void ma_report_add(const struct ma_violation *v) __attribute__((cold));

/**
 * ma_report_open() - where reports go
 *
 * Return: a descriptor: of the log that is configured, or stderr. For ma_report_close().
 */
int ma_report_open(void) ma_must_check;

/** ma_report_close() - done with it. */
void ma_report_close(int fd);

/** ma_warn() - one line on stderr, "memalloc: " @a @b @c; NULL parts are left out. */
void ma_warn(const char *a, const char *b, const char *c) __attribute__((cold));

#endif
