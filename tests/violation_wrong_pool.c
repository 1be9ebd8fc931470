/* An object of one pool is freed into another. */
#include "memalloc.h"
#include "violation.h"

int main(int argc, char **argv)
{
	memalloc_pool *mine = opaque(memalloc_pool_create(NULL));
	memalloc_pool *other = opaque(memalloc_pool_create(NULL));
	void *ptr = opaque(memalloc_pool_malloc(mine, 100));

	memalloc_pool_free(misuse(argc, argv) ? other : mine, ptr);
	memalloc_pool_destroy(other);
	memalloc_pool_destroy(mine);
	return 0;
}
