#include "pagemap.h"

/* Does not prove that entries are right: that is the pool's rule P6, which knows the blocks. */
const char *ma_pagemap_check(const struct ma_pagemap *map)
{
	size_t n = 0;

	if (map->root == NULL)
		return "M2 the root exists";
	for (size_t i = 0; i < MA_PAGEMAP_NROOT; i++)
		if (atomic_load(&map->root[i]) != NULL)
			n++;
	if (n != atomic_load(&map->nleaves))
		return "M4 nleaves counts the leaves";
	return NULL;
}
