#include "region.h"

static const char *check_one(const struct ma_region_set *set, size_t i)
{
	const struct ma_region *region = set->table[i];
	size_t max = 0;
	int16_t largest = 0;

	if (region->idx != i)
		return "R1 idx is the place in the table";
	if (i > 0 && ma_region_addr(region) < ma_region_end(set->table[i - 1]))
		return "R1 regions are in address order and do not overlap";
	if (!set->with_tree)
		return NULL;
	if (region->tree_bytes > 0) {
		const int16_t *entry = region->tree.level[0];
		const char *broken = ma_maxtree_check(&region->tree);

		if (broken != NULL)
			return broken;
		for (size_t p = 0; p < region->tree.n; p++)
			largest = entry[p] > largest ? entry[p] : largest;
		max = (size_t)largest;
	}
	if (ma_maxtree_get(&set->tree, i) != max)
		return "R2 the tree over regions holds each region's largest free block";
	return NULL;
}

const char *ma_region_check(const struct ma_region_set *set)
{
	const char *broken = NULL;
	size_t mapped = 0;
	size_t nodirect = 0;

	if (set->nregions > set->cap)
		return "R1 the table holds all regions";
	for (size_t i = 0; i < set->nregions && broken == NULL; i++) {
		mapped += set->table[i]->size;
		nodirect += !set->table[i]->direct;
		broken = check_one(set, i);
	}
	if (broken == NULL && set->with_tree && set->cap > 0)
		broken = ma_maxtree_check(&set->tree);
	if (broken == NULL && mapped != set->mapped)
		broken = "R3 mapped is the sum of the regions";
	if (broken == NULL && nodirect != set->nodirect)
		broken = "R3 nodirect counts the regions that are searched";
	return broken;
}
