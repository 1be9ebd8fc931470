/*
 * peer.c - the calls that bump and lifo have in common.
 *
 * These are rare in programs, so that what they cost does not count: they are made of
 * peer_aligned() and realloc(), for both allocators alike.
 */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "peer.h"

bool peer_may_map(size_t length)
{
	static atomic_size_t total;
	struct sysinfo system;
	size_t before = atomic_fetch_add(&total, length);

	if (sysinfo(&system) != 0 || before + length <= system.totalram / 2 * system.mem_unit)
		return true;
	atomic_fetch_sub(&total, length);
	errno = ENOMEM;
	return false;
}

void *peer_none(void)
{
	errno = ENOMEM;
	return NULL;
}

static bool is_power(size_t number)
{
	return number != 0 && (number & (number - 1)) == 0;
}

PEER_EXPORT void *memalign(size_t alignment, size_t size)
{
	if (!is_power(alignment)) {
		errno = EINVAL;
		return NULL;
	}
	return peer_aligned(alignment, size);
}

PEER_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

/* Says what failed by its result alone. */
PEER_EXPORT int posix_memalign(void **result, size_t alignment, size_t size)
{
	int before = errno;
	void *object;

	if (!is_power(alignment) || alignment < sizeof(void *))
		return EINVAL;
	object = peer_aligned(alignment, size);
	errno = before;
	if (object == NULL)
		return ENOMEM;
	*result = object;
	return 0;
}

PEER_EXPORT void *valloc(size_t size)
{
	return peer_aligned((size_t)sysconf(_SC_PAGESIZE), size);
}

PEER_EXPORT void *pvalloc(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return size <= PEER_MOST ? peer_aligned(page, peer_round(size, page)) : peer_none();
}

PEER_EXPORT void *reallocarray(void *ptr, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return peer_none();
	return realloc(ptr, total);
}
