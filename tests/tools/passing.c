/*
 * passing - what memalloc promises where a memory checker's own malloc() serves: mode=passthrough.
 *
 *      passing             everything that is right: ends with 0
 *      passing wrong-pool  an object is freed into another pool than its own
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memalloc.h"

#define N 3000

#define must(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void check_heap(void)
{
	char *ptr = custom_calloc(100, 7);

	must(ptr != NULL && custom_usable_size(ptr) >= 700);
	for (int i = 0; i < 700; i++)
		must(ptr[i] == 0);
	memset(ptr, 1, 700);
	ptr = custom_realloc(ptr, 7000);
	must(ptr != NULL && ptr[699] == 1);
	must(custom_realloc(ptr, 0) == NULL);
	for (size_t align = 1; align <= 65536; align *= 2) {
		ptr = custom_aligned_alloc(align, 100);
		must(ptr != NULL && (uintptr_t)ptr % align == 0);
		custom_free(ptr);
	}
	custom_free(NULL);
	must(memalloc_check() == NULL);
}

static void check_limit(memalloc_pool *pool)
{
	void *ptr[4];

	for (int i = 0; i < 4; i++)
		must((ptr[i] = memalloc_pool_malloc(pool, 250000)) != NULL);
	errno = 0;
	must(memalloc_pool_malloc(pool, 250000) == NULL && errno == ENOMEM);
	must(memalloc_pool_malloc(pool, SIZE_MAX) == NULL);
	must(memalloc_pool_realloc(pool, ptr[0], 300000) == NULL);
	must((ptr[0] = memalloc_pool_realloc(pool, ptr[0], 100)) != NULL);
	must((ptr[1] = memalloc_pool_realloc(pool, ptr[1], 300000)) != NULL);
	for (int i = 0; i < 4; i++)
		memalloc_pool_free(pool, ptr[i]);
}

/* More than a table's first places, and in any order. */
static void check_many(memalloc_pool *pool)
{
	static char *ptr[N];

	for (int i = 0; i < N; i++) {
		must((ptr[i] = memalloc_pool_malloc(pool, 10 + (size_t)i % 50)) != NULL);
		memset(ptr[i], i, 10);
	}
	for (int i = 0; i < N; i += 3)
		memalloc_pool_free(pool, ptr[i]);
	for (int i = 1; i < N; i += 3)
		must((ptr[i] = memalloc_pool_realloc(pool, ptr[i], 200)) != NULL &&
		     ptr[i][0] == (char)i);
	for (int i = 2; i < N; i += 6)
		memalloc_pool_free(pool, ptr[i]);
	must(memalloc_pool_check(pool) == NULL);
	memalloc_pool_reset(pool);
	must((ptr[0] = memalloc_pool_aligned_alloc(pool, 256, 100)) != NULL);
	must((uintptr_t)ptr[0] % 256 == 0);
}

int main(int argc, char **argv)
{
	memalloc_pool *pool = memalloc_pool_create(
		&(struct memalloc_pool_options){.limit = 1000000});
	memalloc_pool *other = memalloc_pool_create(NULL);

	must(pool != NULL && other != NULL);
	if (argc > 1 && strcmp(argv[1], "wrong-pool") == 0) {
		memalloc_pool_free(other, memalloc_pool_malloc(pool, 10));
		return 0;
	}
	check_heap();
	check_limit(pool);
	check_many(pool);
	memalloc_pool_destroy(pool);
	memalloc_pool_destroy(other);
	return 0;
}
