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
#include <unistd.h>

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

void *ma_os_map(size_t size)
{
	int saved = errno;
	void *ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ptr != MAP_FAILED)
		return ptr;
	errno = saved;
	return NULL;
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

/*
 * The kernel's pool may not be ready early in boot: mix what every process is given with the clock.
 */
static ma_cold void random_fallback(unsigned char *buf, size_t size)
{
	const unsigned char *given = (const unsigned char *)getauxval(AT_RANDOM);
	struct timespec ts = {0, 0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = given != NULL ? given[i % 16] : 0;

		buf[i] = (unsigned char)(byte ^ ((uint64_t)ts.tv_nsec >> (i % 4 * 8)));
	}
}

void ma_os_random(void *buf, size_t size)
{
	const unsigned nonblock = 1; /* GRND_NONBLOCK */
	int saved = errno;
	long got = syscall(SYS_getrandom, buf, size, nonblock);

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

int ma_os_append(const char *path)
{
	return open_file(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW);
}

size_t ma_os_read(int fd, char *buf, size_t size)
{
	long n = call(SYS_read, fd, (long)buf, (long)size, 0);

	return n < 0 ? 0 : (size_t)n;
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
