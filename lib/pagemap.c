#include "pagemap.h"
#include "os.h"

static size_t root_bytes(void)
{
	return ma_align_up(MA_PAGEMAP_NROOT * sizeof(void *), ma_os_page_size());
}

static size_t leaf_bytes(void)
{
	return ma_align_up(sizeof(struct ma_pagemap_leaf), ma_os_page_size());
}

static size_t root_index(uintptr_t addr)
{
	return addr >> (MA_GRANULE_SHIFT + MA_PAGEMAP_LEAF_BITS);
}

static void *map_table(size_t size)
{
	void *table = ma_os_map_guarded(size);

	if (table != NULL)
		ma_os_hint_sparse(table, size);
	return table;
}

bool ma_pagemap_init(struct ma_pagemap *map)
{
	map->root = map_table(root_bytes());
	atomic_store(&map->leaves, NULL);
	return map->root != NULL;
}

void ma_pagemap_fini(struct ma_pagemap *map)
{
	struct ma_pagemap_leaf *leaf = atomic_load(&map->leaves);

	while (leaf != NULL) {
		struct ma_pagemap_leaf *next = leaf->next;

		ma_os_discard_guarded(leaf, leaf_bytes());
		leaf = next;
	}
	ma_os_discard_guarded((void *)map->root, root_bytes());
	map->root = NULL;
	atomic_store(&map->leaves, NULL);
}

static void list_leaf(struct ma_pagemap *map, struct ma_pagemap_leaf *leaf)
{
	leaf->next = atomic_load(&map->leaves);
	while (!atomic_compare_exchange_weak(&map->leaves, &leaf->next, leaf))
		;
}

static bool add_leaf(struct ma_pagemap *map, size_t i)
{
	struct ma_pagemap_leaf *none = NULL;
	struct ma_pagemap_leaf *leaf;

	if (atomic_load_explicit(&map->root[i], memory_order_acquire) != NULL)
		return true;
	leaf = map_table(leaf_bytes());
	if (leaf == NULL)
		return false;
	leaf->idx = i;
	if (atomic_compare_exchange_strong(&map->root[i], &none, leaf))
		list_leaf(map, leaf);
	else /* Another pool was faster; its leaf serves both. */
		ma_os_discard_guarded(leaf, leaf_bytes());
	return true;
}

bool ma_pagemap_reserve(struct ma_pagemap *map, uintptr_t addr, size_t size)
{
	size_t last = root_index(addr + size - 1);

	if (size == 0 || addr + size < addr || last >= MA_PAGEMAP_NROOT)
		return false;
	for (size_t i = root_index(addr); i <= last; i++)
		if (!add_leaf(map, i))
			return false;
	return true;
}

void ma_pagemap_set(struct ma_pagemap *map, uintptr_t addr, size_t size, struct ma_block *block)
{
	uintptr_t end = addr + size;

	MA_ASSERT(addr % MA_GRANULE == 0 && size % MA_GRANULE == 0);
	while (addr < end) {
		struct ma_pagemap_leaf *leaf = atomic_load_explicit(&map->root[root_index(addr)],
								    memory_order_relaxed);
		size_t low = (addr >> MA_GRANULE_SHIFT) & (MA_PAGEMAP_NLEAF - 1);
		size_t n = ma_min(MA_PAGEMAP_NLEAF - low, (end - addr) >> MA_GRANULE_SHIFT);

		for (size_t i = 0; i < n; i++)
			atomic_store_explicit(&leaf->block[low + i], block, memory_order_release);
		addr += n << MA_GRANULE_SHIFT;
	}
}

size_t ma_pagemap_size(const struct ma_pagemap *map)
{
	size_t size = ma_os_guarded_size(root_bytes());

	for (const struct ma_pagemap_leaf *l = atomic_load(&map->leaves); l != NULL; l = l->next)
		size += ma_os_guarded_size(leaf_bytes());
	return size;
}
