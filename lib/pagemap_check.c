#include "pagemap.h"

/* Does not prove that entries are right: that is the pool's rule P6, which knows the blocks. */
const char *ma_pagemap_check(const struct ma_pagemap *map)
{
	size_t budget = MA_PAGEMAP_NROOT;

	if (map->root == NULL)
		return "M2 the root exists";
	for (const struct ma_pagemap_leaf *l = atomic_load(&map->leaves); l != NULL; l = l->next) {
		if (l->idx >= MA_PAGEMAP_NROOT || atomic_load(&map->root[l->idx]) != l)
			return "M4 the root knows each leaf at its index";
		if (budget-- == 0)
			return "M4 the list of leaves ends";
	}
	return NULL;
}
