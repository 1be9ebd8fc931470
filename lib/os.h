/*
 * os - the seam to the operating system.
 *
 * What and why: every byte and every service the allocator takes from outside passes through these
 * functions, so that a test can replace them (tests/os_fake.c) and make any of them fail.
 *
 * Rules:
 *   O1  Every call may fail, and says so by its return value; none prints, none ends the process
 *       but those that are for that.
 *   O2  Mapped memory is readable, writable, zero, and aligned to a page.
 *   O3  Sizes are whole pages. Addresses handed back were handed out.
 *   O4  errno is left as it was found.
 *
 * Locks: none. Cost: a system call each, unless said.
 * Rejected: reserving address space ahead of use (kills programs under Valgrind and under
 * RLIMIT_AS).
 */
#ifndef MA_OS_H
#define MA_OS_H

#include "annotate.h"

/**
 * ma_os_page_size() - the page size of this machine, in bytes
 *
 * Cost: no system call after the first. Return: a power of two, at least MA_GRANULE.
 */
size_t ma_os_page_size(void);

/**
 * ma_os_map_at() - take fresh memory
 * @wish:  where it had best lie, if nothing is there; 0: anywhere
 * @size:  bytes, whole pages
 *
 * Return: zeroed memory (O2), or NULL.
 */
void *ma_os_map_at(uintptr_t wish, size_t size) ma_must_check;

/** ma_os_map() - take fresh memory anywhere, for what is our own affair (annotate.h). */
ma_inline void *ma_os_map(size_t size)
{
	void *ptr = ma_os_map_at(0, size);

	if (ptr != NULL)
		ma_annotate_private(ptr, size);
	return ptr;
}

/**
 * ma_os_open_place() - an address above which much is likely to be free
 * @choice:  which of many, any value
 *
 * Return: a multiple of all page sizes; 0: none is known.
 */
uintptr_t ma_os_open_place(uint64_t choice);

/**
 * ma_os_hint_sparse() - little of this mapping will ever be touched
 *
 * Without the hint a system that prefers huge pages would make all of it resident at the first
 * touch.
 */
void ma_os_hint_sparse(void *ptr, size_t size);

/**
 * ma_os_unmap() - give memory and its addresses back
 *
 * Return: false when the OS refused (splitting a mapping can exceed its limit of mappings); the
 * memory is then still mapped, unchanged.
 */
bool ma_os_unmap(void *ptr, size_t size) ma_must_check;

/**
 * ma_os_resize() - move the end of a mapping, its start stays
 *
 * Return: false when the OS refused, and then nothing changed. A grown tail is zero.
 */
bool ma_os_resize(void *ptr, size_t old_size, size_t new_size) ma_must_check;

/**
 * ma_os_move() - move the pages of a mapping onto another one, whose contents are lost
 * @from:  @from_size bytes; no longer mapped afterwards
 * @to:    @to_size bytes, at least @from_size, mapped; what lies beyond the moved pages is zero
 *
 * Return: false when the OS refused, and then nothing changed.
 */
bool ma_os_move(void *from, size_t from_size, void *to, size_t to_size) ma_must_check;

/**
 * ma_os_purge() - drop the contents, keep the addresses
 *
 * Return: true when the memory now reads as zero and takes no physical pages; false when nothing
 * changed.
 */
bool ma_os_purge(void *ptr, size_t size);

/**
 * ma_os_guard() - make pages inaccessible; their contents are lost
 *
 * Where the kernel marks pages, this takes no mapping; else a part of the OS's mappings is used for
 * it and no more. Return: false when the OS or that budget refused; nothing changed.
 */
bool ma_os_guard(void *ptr, size_t size);

/**
 * ma_os_unguard() - make all pages of a range accessible again; what was guarded reads as zero
 * @nguards:  calls of ma_os_guard() that made guards in the range
 *
 * Return: false when the OS refused.
 */
bool ma_os_unguard(void *ptr, size_t size, unsigned nguards) ma_must_check;

/**
 * ma_os_discard() - unmap, or where that is refused at least purge. Return: whether it was
 * unmapped.
 */
ma_inline bool ma_os_discard(void *ptr, size_t size)
{
	if (ma_os_unmap(ptr, size))
		return true;
	(void)ma_os_purge(ptr, size);
	return false;
}

/** ma_os_guarded_size() - bytes that ma_os_map_guarded() takes for @size. */
ma_inline size_t ma_os_guarded_size(size_t size)
{
	return size + 2 * ma_os_page_size();
}

/**
 * ma_os_map_guarded() - fresh memory with an inaccessible page on both sides
 *
 * For what a program must not reach by accident. Where guards are refused the pages are there all
 * the same. Return: as ma_os_map().
 */
ma_inline void *ma_os_map_guarded(size_t size)
{
	size_t page = ma_os_page_size();
	char *ptr = ma_os_map(ma_os_guarded_size(size));

	if (ptr == NULL)
		return NULL;
	(void)ma_os_guard(ptr, page);
	(void)ma_os_guard(ptr + page + size, page);
	return ptr + page;
}

/** ma_os_discard_guarded() - ma_os_discard() of what ma_os_map_guarded() gave. */
ma_inline void ma_os_discard_guarded(void *ptr, size_t size)
{
	size_t page = ma_os_page_size();

	(void)ma_os_discard((char *)ptr - page, ma_os_guarded_size(size));
}

/**
 * ma_os_seal() - make whole pages read-only for good
 *
 * Return: false when the OS refused or the range is not in whole pages.
 */
bool ma_os_seal(void *ptr, size_t size);

/** ma_os_unseal() - sealed pages become writable again, until they are sealed anew. */
bool ma_os_unseal(void *ptr, size_t size) ma_must_check;

/**
 * ma_os_readable() - whether every byte of a range can be read
 * @ptr:   start of a page
 * @size:  bytes, whole pages
 *
 * Makes what was never touched resident, as zero. Return: false, too, when the OS cannot tell.
 */
bool ma_os_readable(const void *ptr, size_t size) ma_must_check;

/**
 * ma_os_resident() - bytes of a mapped range that take physical memory
 * @ptr:   start of a page
 * @size:  bytes, whole pages
 *
 * Pages that were only read may count, too. Return: SIZE_MAX when the OS cannot tell.
 */
size_t ma_os_resident(const void *ptr, size_t size) ma_must_check;

/** ma_os_program_headers() - where those of the running program lie; 0 when unknown. */
uintptr_t ma_os_program_headers(void);

/**
 * ma_os_random() - unpredictable bytes
 *
 * Never blocks and never fails: where the kernel has none ready, the bytes the kernel gave this
 * process at its start are mixed with the clock.
 */
void ma_os_random(void *buf, size_t size);

/** ma_os_now_ms() - a coarse monotonic clock, in milliseconds. Cost: no system call. */
uint64_t ma_os_now_ms(void);

/** ma_os_write() - write to a descriptor until done or refused. Async-signal-safe. */
void ma_os_write(int fd, const char *buf, size_t size);

/** ma_os_open() - open a file for reading. Async-signal-safe. Return: a descriptor, or -1. */
int ma_os_open(const char *path) ma_must_check;

/**
 * ma_os_append() - open a file for writing at its end, after creating it if need be
 *
 * Only its owner may read what is created: reports tell of memory. Async-signal-safe.
 * Return: a descriptor that programs started from here do not get, or -1.
 */
int ma_os_append(const char *path) ma_must_check;

/**
 * ma_os_read() - read at most @size bytes. Async-signal-safe.
 *
 * Return: how many were read; 0 at the end of the file, or when refused.
 */
size_t ma_os_read(int fd, char *buf, size_t size) ma_must_check;

/** ma_os_close() - close a descriptor. Async-signal-safe. */
void ma_os_close(int fd);

/** ma_os_sleep_ms() - let at least @ms milliseconds pass, fewer when a signal comes. */
void ma_os_sleep_ms(unsigned ms);

/** ma_os_thread_id() - the kernel's number of the calling thread. Never 0. */
unsigned ma_os_thread_id(void);

/** ma_os_fault_is_write() - whether a fault, by its ucontext_t, was a write; false if unknown. */
bool ma_os_fault_is_write(const void *context);
/** ma_os_process_id() - the kernel's number of this process. */
unsigned ma_os_process_id(void);

/** ma_os_getenv() - an environment variable, NULL when unset or in a set-id program. */
const char *ma_os_getenv(const char *name);

/**
 * ma_os_read_file() - the beginning of a regular file
 * @size:  bytes read at most
 *
 * Return: bytes read; SIZE_MAX when it cannot be opened or read, or is not a regular file.
 */
size_t ma_os_read_file(const char *path, char *buf, size_t size);

/**
 * ma_os_program() - the name of the program, without its directory
 *
 * Return in @buf: the name, at most @size - 1 characters of it; "" when it cannot be told.
 */
void ma_os_program(char *buf, size_t size);

/** ma_os_abort() - end the process with SIGABRT; the program's handler for it is run first. */
void ma_os_abort(void) __attribute__((noreturn));

/** ma_os_abort_now() - end the process with SIGABRT, whatever the program wants to do with it. */
void ma_os_abort_now(void) __attribute__((noreturn));

/** ma_os_trap() - end the process with the instruction that is for that: SIGILL or SIGTRAP. */
void ma_os_trap(void) __attribute__((noreturn));

/**
 * ma_os_exit() - end the process with a status
 *
 * Exit handlers do not run and streams are not written out: both are the program's code, on data
 * that is known to be broken.
 */
void ma_os_exit(int status) __attribute__((noreturn));

#endif
