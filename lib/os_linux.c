/* Linux behind os.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
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

uintptr_t ma_os_program_headers(void)
{
	return (uintptr_t)getauxval(AT_PHDR);
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

void ma_os_write(int fd, const char *buf, size_t size)
{
	int saved = errno;

	while (size > 0) {
		ssize_t n = write(fd, buf, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf += n;
		size -= (size_t)n;
	}
	errno = saved;
}

unsigned ma_os_thread_id(void)
{
	return (unsigned)syscall(SYS_gettid);
}

const char *ma_os_getenv(const char *name)
{
	return secure_getenv(name);
}

void ma_os_abort(void)
{
	abort();
}
