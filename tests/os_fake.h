/*
 * os_fake - an operating system for tests: one arena, no surprises, failures on order.
 *
 * What and why: takes the place of lib/os_linux.c. Addresses are handed out lowest first, so that a
 * run repeats; every call that can fail can be made to; what is unmapped faults when touched; calls
 * with memory that is not mapped (rule O3 of os.h) end the test. The process is number 2.
 *
 * In fast mode, for fuzzing, nothing is protected and only memory that was used is cleared.
 *
 * Locks: none; one thread. Cost: O(mappings) per call, and a system call where pages must be
 * cleared or protected.
 */
#ifndef OS_FAKE_H
#define OS_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum os_fake_kind {
	OS_FAKE_MAP = 1,
	OS_FAKE_UNMAP = 2,
	OS_FAKE_RESIZE = 4,
	OS_FAKE_MOVE = 8,
	OS_FAKE_PURGE = 16,
	OS_FAKE_GUARD = 32,
	OS_FAKE_ALL = 63,
};

/** os_fake_reset() - nothing mapped, no failures, clock and counters 0, page size 4096, seed 1. */
void os_fake_reset(void);

/** os_fake_fast() - whether to leave out protection; from the next reset on. */
void os_fake_fast(bool fast);

/** os_fake_set_page_size() - 4096, 16384 or 65536; while nothing is mapped. */
void os_fake_set_page_size(size_t size);

/* The arena begins half of this behind a multiple of it, where a leaf of the pagemap begins. */
#define OS_FAKE_ARENA ((size_t)1 << 30)

/**
 * os_fake_set_offset() - leave out @npages pages at the start of the arena; while nothing is
 * mapped.
 */
void os_fake_set_offset(size_t npages);

/** os_fake_set_now() - what the clock says, in milliseconds. */
void os_fake_set_now(uint64_t now);

/** os_fake_set_tick() - by how much each look at the clock advances it; 0 after a reset. */
void os_fake_set_tick(uint64_t ms);

/** os_fake_set_limit() - bytes that may be mapped at once; 0 for no limit. */
void os_fake_set_limit(size_t bytes);

/** os_fake_set_seed() - of the random bytes. */
void os_fake_set_seed(uint64_t seed);

/** os_fake_fail_at() - the @n-th call from now that can fail does, once; 1 is the next. */
void os_fake_fail_at(size_t n);

/** os_fake_fail_from() - all calls from the @n-th on fail. */
void os_fake_fail_from(size_t n);

/**
 * os_fake_fail_mask() - the kinds of calls that are counted and fail; OS_FAKE_ALL after a reset.
 */
void os_fake_fail_mask(unsigned kinds);

/** os_fake_lift() - no further call fails. */
void os_fake_lift(void);

/** os_fake_calls() - calls since the reset that were counted. */
size_t os_fake_calls(void);

/** os_fake_set_place() - what ma_os_open_place() says; 0 after a reset. */
void os_fake_set_place(uintptr_t place);

/** os_fake_wish() - where memory was wanted last, if anywhere; it is not heard. */
uintptr_t os_fake_wish(void);

/** os_fake_refused() - calls since the reset that failed, the limit's refusals included. */
size_t os_fake_refused(void);

/** os_fake_mapped() - bytes mapped now. */
size_t os_fake_mapped(void);

/** os_fake_nmappings() - mappings now. */
size_t os_fake_nmappings(void);

/** os_fake_guards() - bytes of guard pages in a range of the arena, in fast mode, too. */
size_t os_fake_guards(const void *ptr, size_t size);

/** os_fake_all_guards() - bytes of guard pages in all. */
size_t os_fake_all_guards(void);

/** os_fake_written() - what was written to descriptor 2 since the last call of os_fake_forget(). */
const char *os_fake_written(void);

/** os_fake_nwrites() - calls that wrote to descriptor 2, counted likewise. */
size_t os_fake_nwrites(void);

/** os_fake_forget() - forget what was written, to the log as well. */
void os_fake_forget(void);

/** os_fake_on_abort() - called where the process is to end; must not return. NULL: abort(). */
void os_fake_on_abort(void (*hook)(void));

/** os_fake_ended() - how it was to end last: "abort", "abort now", "trap", "exit 23", or "". */
const char *os_fake_ended(void);

/**
 * os_fake_set_maps() - what any file holds that is opened for reading
 * @text:  NULL: none can be opened
 * @step:  bytes that one call of ma_os_read() gives at most
 */
void os_fake_set_maps(const char *text, size_t step);

/** os_fake_nopen() - descriptors that are open now. */
size_t os_fake_nopen(void);

/** os_fake_refuse_resident() - whether the OS cannot tell what is resident. */
void os_fake_refuse_resident(bool refuse);

/** os_fake_refuse_log() - whether ma_os_append() is refused. */
void os_fake_refuse_log(bool refuse);

/** os_fake_log_name() - the file that ma_os_append() was called for last, or "". */
const char *os_fake_log_name(void);

/** os_fake_logged() - what was written to such files. */
const char *os_fake_logged(void);

/** os_fake_set_thread() - who the calling thread is; 1 unless set. */
void os_fake_set_thread(unsigned id);

/** os_fake_on_sleep() - called at each ma_os_sleep_ms(): what another thread does meanwhile. */
void os_fake_on_sleep(void (*hook)(void));

/** os_fake_slept() - milliseconds slept since the reset; the clock went on by as many. */
uint64_t os_fake_slept(void);

/**
 * os_fake_on_unmap() - called at the next ma_os_unmap(), once, before it acts: what another thread
 * might do.
 */
void os_fake_on_unmap(void (*hook)(void));

/**
 * os_fake_set_file() - what ma_os_read_file() reads under any name; NULL for no file. Not copied.
 */
void os_fake_set_file(const char *text, size_t size);

/** os_fake_file_reads() - how often a file was asked for since the reset. */
size_t os_fake_file_reads(void);

/** os_fake_set_program() - what ma_os_program() says; "test" after a reset. Not copied. */
void os_fake_set_program(const char *name);

/** os_fake_setenv() - what ma_os_getenv() answers for any name; NULL for nothing. */
void os_fake_setenv(const char *value);

#endif
