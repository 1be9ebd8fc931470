/* Linux behind os.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "annotate.h"
#include "os.h"

size_t ma_os_page_size(void)
{
	static _Atomic size_t cached;
	size_t size = atomic_load_explicit(&cached, memory_order_relaxed);

	if (ma_unlikely(size == 0)) {
		size = (size_t)sysconf(_SC_PAGESIZE);
		atomic_store_explicit(&cached, size, memory_order_relaxed);
	}
	return size;
}

void *ma_os_map_at(uintptr_t wish, size_t size)
{
	int saved = errno;
	void *ptr = mmap((void *)wish, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (ptr != MAP_FAILED)
		return ptr;
	errno = saved;
	return NULL;
}

/*
 * The system maps downwards from below the stack. This far below there is nothing yet, nor will
 * there soon be, and a sanitizer's shadow is elsewhere.
 */
uintptr_t ma_os_open_place(uint64_t choice)
{
	const uintptr_t least = (uintptr_t)3 << 39;
	const uintptr_t step = (uintptr_t)2 << 20;
	uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
	uintptr_t down = least + (uintptr_t)(choice % ((uintptr_t)1 << 40));

	return stack > 2 * down ? ma_align_down(stack - down, step) : 0;
}

void ma_os_hint_sparse(void *ptr, size_t size)
{
	int saved = errno;

	(void)madvise(ptr, size, MADV_NOHUGEPAGE);
	errno = saved;
}

bool ma_os_unmap(void *ptr, size_t size)
{
	int saved = errno;
	bool done = munmap(ptr, size) == 0;

	errno = saved;
	return done;
}

bool ma_os_resize(void *ptr, size_t old_size, size_t new_size)
{
	int saved = errno;
	bool done = mremap(ptr, old_size, new_size, 0) != MAP_FAILED;

	errno = saved;
	return done;
}

bool ma_os_move(void *from, size_t from_size, void *to, size_t to_size)
{
	int saved = errno;
	bool done = mremap(from, from_size, to_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) !=
		    MAP_FAILED;

	errno = saved;
	return done;
}

bool ma_os_purge(void *ptr, size_t size)
{
	int saved = errno;
	bool done = madvise(ptr, size, MADV_DONTNEED) == 0;

	errno = saved;
	return done;
}

/* ---- guards ---------------------------------------------------------------------------------- */

/* Since Linux 6.13; the headers of older systems do not know them. */
#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

/* One in this many of the mappings that a process may have is for guards: each splits two. */
#define GUARD_SHARE 4
#define MAX_MAP_COUNT "/proc/sys/vm/max_map_count"
#define MAX_MAP_DEFAULT 65530

/* Whether the kernel marks pages is found out once; from then on all guards are of one sort. */
enum { MARKS_UNKNOWN, MARKS_KNOWN, MARKS_REFUSED };
static _Atomic int marks;
static _Atomic long budget = -1;

static long read_budget(void)
{
	char digits[32] = "";
	int fd = open(MAX_MAP_COUNT, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, digits, sizeof(digits) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	return (n > 0 ? strtol(digits, NULL, 10) : MAX_MAP_DEFAULT) / GUARD_SHARE;
}

static bool take_budget(void)
{
	if (atomic_load(&budget) < 0)
		atomic_store(&budget, read_budget());
	if (atomic_fetch_sub(&budget, 2) > 2)
		return true;
	atomic_fetch_add(&budget, 2);
	return false;
}

static bool guard_by_mapping(void *ptr, size_t size)
{
	if (!take_budget())
		return false;
	/* Locked memory keeps its contents, and so is none that can be guarded. */
	if (mprotect(ptr, size, PROT_NONE) == 0) {
		if (madvise(ptr, size, MADV_DONTNEED) == 0)
			return true;
		(void)mprotect(ptr, size, PROT_READ | PROT_WRITE);
	}
	atomic_fetch_add(&budget, 2);
	return false;
}

static bool guard_by_mark(void *ptr, size_t size)
{
	bool done = madvise(ptr, size, GUARD_INSTALL) == 0;
	int expected = MARKS_UNKNOWN;

	(void)atomic_compare_exchange_strong(&marks, &expected, done ? MARKS_KNOWN : MARKS_REFUSED);
	return done;
}

bool ma_os_guard(void *ptr, size_t size)
{
	int saved = errno;
	bool done = false;

	if (atomic_load(&marks) != MARKS_REFUSED)
		done = guard_by_mark(ptr, size);
	if (atomic_load(&marks) == MARKS_REFUSED)
		done = guard_by_mapping(ptr, size);
	errno = saved;
	return done;
}

bool ma_os_unguard(void *ptr, size_t size, unsigned nguards)
{
	int saved = errno;
	bool done;

	if (atomic_load(&marks) == MARKS_KNOWN) {
		done = madvise(ptr, size, GUARD_REMOVE) == 0;
	} else {
		done = mprotect(ptr, size, PROT_READ | PROT_WRITE) == 0;
		atomic_fetch_add(&budget, 2 * (long)nguards);
	}
	errno = saved;
	return done;
}

static bool reprotect(void *ptr, size_t size, int prot)
{
	size_t page = ma_os_page_size();
	int saved = errno;
	bool done = (uintptr_t)ptr % page == 0 && size % page == 0 &&
		    mprotect(ptr, size, prot) == 0;

	errno = saved;
	return done;
}

bool ma_os_seal(void *ptr, size_t size)
{
	return reprotect(ptr, size, PROT_READ);
}

bool ma_os_unseal(void *ptr, size_t size)
{
	return reprotect(ptr, size, PROT_READ | PROT_WRITE);
}

/* ---- looking --------------------------------------------------------------------------------- */

static bool populate_read(uintptr_t addr, size_t size)
{
	const int advice = 22; /* MADV_POPULATE_READ, Linux 5.14 */
	int saved = errno;
	bool done = madvise((void *)addr, size, advice) == 0;

	errno = saved;
	return done;
}

/* Emulators take advice for a hint, and any for good: is the page at 0 said to be readable? */
static bool populate_is_honest(void)
{
	static _Atomic int known; /* 0: not yet asked */
	int answer = atomic_load_explicit(&known, memory_order_relaxed);

	if (ma_unlikely(answer == 0)) {
		answer = populate_read(0, ma_os_page_size()) ? -1 : 1;
		atomic_store_explicit(&known, answer, memory_order_relaxed);
	}
	return answer > 0;
}

bool ma_os_readable(const void *ptr, size_t size)
{
	return populate_is_honest() && populate_read((uintptr_t)ptr, size);
}

/* Asked in pieces, so that the answers fit the stack. */
size_t ma_os_resident(const void *ptr, size_t size)
{
	size_t page = ma_os_page_size();
	unsigned char in[1024];
	size_t resident = 0;
	int saved = errno;

	for (size_t at = 0; at < size && resident != SIZE_MAX; at += sizeof(in) * page) {
		size_t n = ma_min(sizeof(in), (size - at) / page);
		bool told = mincore((void *)((uintptr_t)ptr + at), n * page, in) == 0;

		for (size_t i = 0; i < n && told; i++)
			resident += (in[i] & 1) * page;
		if (!told)
			resident = SIZE_MAX;
	}
	errno = saved;
	return resident;
}

uintptr_t ma_os_program_headers(void)
{
	return (uintptr_t)getauxval(AT_PHDR);
}

/* ---- services -------------------------------------------------------------------------------- */

/*
 * The kernel's pool may not be ready early in boot: mix what every process is given with the clock.
 */
static ma_cold void random_fallback(unsigned char *buf, size_t size)
{
	const unsigned char *given = (const unsigned char *)getauxval(AT_RANDOM);
	struct timespec ts = {0, 0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	for (size_t i = 0; i < size; i++) {
		buf[i] = (unsigned char)((uint64_t)ts.tv_nsec >> (i % 4 * 8));
		buf[i] ^= given != NULL ? given[i % 16] : 0;
	}
}

void ma_os_random(void *buf, size_t size)
{
	int saved = errno;
	long got = syscall(SYS_getrandom, buf, size, 1u /* GRND_NONBLOCK */);

	ma_annotate_written(buf, size);
	if (got != (long)size)
		random_fallback(buf, size);
	errno = saved;
}

uint64_t ma_os_now_ms(void)
{
	struct timespec ts = {0, 0};

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * Files are read and written by system calls proper: where the C library's functions are points of
 * cancellation, a report would end in the middle, and where they are interposed, it could allocate.
 */
static long call(long number, long a, long b, long c, long d)
{
	int saved = errno;
	long result;

	do
		result = syscall(number, a, b, c, d);
	while (result < 0 && errno == EINTR);
	errno = saved;
	return result;
}

static int open_file(const char *path, int flags)
{
	return (int)call(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC | O_NOCTTY,
			 S_IRUSR | S_IWUSR);
}

void ma_os_write(int fd, const char *buf, size_t size)
{
	while (size > 0) {
		long n = call(SYS_write, fd, (long)buf, (long)size, 0);

		if (n <= 0)
			break;
		buf += n;
		size -= (size_t)n;
	}
}

int ma_os_open(const char *path)
{
	return open_file(path, O_RDONLY);
}

/* A pipe without a reader must not make a report wait. */
int ma_os_append(const char *path)
{
	return open_file(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

size_t ma_os_read(int fd, char *buf, size_t size)
{
	long n = call(SYS_read, fd, (long)buf, (long)size, 0);
	size_t got = n < 0 ? 0 : (size_t)n;

	ma_annotate_written(buf, got);
	return got;
}

/* Interrupted or not, it is closed. */
void ma_os_close(int fd)
{
	int saved = errno;

	(void)syscall(SYS_close, fd);
	errno = saved;
}

void ma_os_sleep_ms(unsigned ms)
{
	struct timespec ts = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	int saved = errno;

	(void)syscall(SYS_nanosleep, &ts, NULL);
	errno = saved;
}

#if defined(__x86_64__)
#define FAULT_WRITE 2 /* in the error code that the processor pushes */

bool ma_os_fault_is_write(const void *context)
{
	const ucontext_t *uc = context;

	return (uc->uc_mcontext.gregs[REG_ERR] & FAULT_WRITE) != 0;
}
#else
bool ma_os_fault_is_write(const void *context)
{
	(void)context;
	return false;
}
#endif

unsigned ma_os_thread_id(void)
{
	return (unsigned)syscall(SYS_gettid);
}

unsigned ma_os_process_id(void)
{
	return (unsigned)getpid();
}

const char *ma_os_getenv(const char *name)
{
	return secure_getenv(name);
}

static bool is_regular(long fd)
{
	struct stat status = {0};

	return syscall(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode);
}

static size_t read_all(long fd, char *buf, size_t size)
{
	size_t used = 0;

	while (used < size) {
		long n = syscall(SYS_read, fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return SIZE_MAX;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	ma_annotate_written(buf, used);
	return used;
}

/*
 * Straight to the kernel, here and below: a library that is preloaded beside us may wrap open() and
 * its like, and allocate in there, which must not happen while we start. What is no file must not
 * make us wait, and is not read.
 */
size_t ma_os_read_file(const char *path, char *buf, size_t size)
{
	int saved = errno;
	long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t used = SIZE_MAX;

	if (fd >= 0) {
		if (is_regular(fd))
			used = read_all(fd, buf, size);
		(void)syscall(SYS_close, fd);
	}
	errno = saved;
	return used;
}

void ma_os_program(char *buf, size_t size)
{
	char path[4096];
	int saved = errno;
	long len = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof(path));
	size_t end = len > 0 ? (size_t)len : 0;
	size_t start = end;

	ma_annotate_written(path, end);
	while (start > 0 && path[start - 1] != '/')
		start--;
	end = start + ma_min(end - start, size - 1);
	memcpy(buf, path + start, end - start);
	buf[end - start] = '\0';
	errno = saved;
}

void ma_os_abort(void)
{
	abort();
}

/* abort() would run the program's handler once more, and that is where we may come from. */
void ma_os_abort_now(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t set;

	(void)sigaction(SIGABRT, &action, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGABRT);
	(void)raise(SIGABRT);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + SIGABRT);
}

void ma_os_trap(void)
{
	__builtin_trap();
}

void ma_os_exit(int status)
{
	_exit(status);
}
