#include <string.h>

#include "annotate.h"
#include "os.h"
#include "region.h"

#define CAP_MIN ((size_t)16)

void ma_region_set_init(struct ma_region_set *set, struct ma_meta *meta, bool with_tree)
{
	memset(set, 0, sizeof(*set));
	set->meta = meta;
	set->with_tree = with_tree;
}

/* Fill the tree over all regions anew, from @from on: regions there have changed places. */
static void renumber(struct ma_region_set *set, size_t from)
{
	for (size_t i = from; i < set->nregions; i++) {
		struct ma_region *region = set->table[i];

		region->idx = i;
		if (set->with_tree)
			ma_maxtree_set(&set->tree, i,
				       region->tree_bytes > 0 ? ma_maxtree_max(&region->tree) : 0);
	}
	if (set->with_tree && set->nregions < set->cap)
		ma_maxtree_set(&set->tree, set->nregions, 0);
}

static bool grow_table(struct ma_region_set *set)
{
	size_t cap = set->cap > 0 ? set->cap * 2 : CAP_MIN;
	size_t tree_bytes = set->with_tree ? ma_maxtree_bytes(cap) : 0;
	struct ma_region **table;
	void *tree_mem = NULL;

	if (cap > MA_META_MAX / sizeof(*table))
		return false;
	table = ma_meta_alloc(set->meta, cap * sizeof(*table));
	if (table != NULL && tree_bytes > 0)
		tree_mem = ma_meta_alloc(set->meta, tree_bytes);
	if (table == NULL || (tree_bytes > 0 && tree_mem == NULL)) {
		ma_meta_free(set->meta, table, cap * sizeof(*table));
		return false;
	}
	if (set->nregions > 0)
		memcpy(table, set->table, set->nregions * sizeof(*table));
	ma_meta_free(set->meta, set->table, set->cap * sizeof(*table));
	ma_meta_free(set->meta, set->tree_mem, set->tree_bytes);
	set->table = table;
	set->cap = cap;
	set->tree_mem = tree_mem;
	set->tree_bytes = tree_bytes;
	if (set->with_tree)
		ma_maxtree_init(&set->tree, tree_mem, cap);
	renumber(set, 0);
	return true;
}

/* Place of the first region above @addr. */
static size_t place_of(const struct ma_region_set *set, uintptr_t addr)
{
	size_t low = 0;
	size_t high = set->nregions;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ma_region_addr(set->table[mid]) > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static struct ma_region *new_region(struct ma_region_set *set, size_t npages)
{
	struct ma_region *region = ma_meta_alloc(set->meta, sizeof(*region));
	void *mem;

	if (region == NULL || npages == 0)
		return region;
	mem = ma_meta_alloc(set->meta, ma_maxtree_bytes(npages));
	if (mem == NULL) {
		ma_meta_free(set->meta, region, sizeof(*region));
		return NULL;
	}
	region->tree_bytes = ma_maxtree_bytes(npages);
	ma_maxtree_init(&region->tree, mem, npages);
	return region;
}

static void enter(struct ma_region_set *set, struct ma_region *region)
{
	size_t place = place_of(set, ma_region_addr(region));

	memmove(&set->table[place + 1], &set->table[place],
		(set->nregions - place) * sizeof(*set->table));
	set->table[place] = region;
	set->nregions++;
	set->nodirect += !region->direct;
	set->mapped += region->size;
	renumber(set, place);
	ma_annotate_region(ma_region_addr(region), region->size);
}

static void leave(struct ma_region_set *set, struct ma_region *region)
{
	size_t place = region->idx;

	ma_annotate_no_region(ma_region_addr(region), region->size);
	set->nregions--;
	set->nodirect -= !region->direct;
	set->mapped -= region->size;
	memmove(&set->table[place], &set->table[place + 1],
		(set->nregions - place) * sizeof(*set->table));
	renumber(set, place);
}

struct ma_region *ma_region_add(struct ma_region_set *set, uintptr_t addr, size_t size, bool direct)
{
	bool tree = set->with_tree && !direct;
	struct ma_region *region;

	if (set->nregions == set->cap && !grow_table(set))
		return NULL;
	region = new_region(set, tree ? size / ma_os_page_size() : 0);
	if (region == NULL)
		return NULL;
	region->granule = addr >> MA_GRANULE_SHIFT;
	region->size = size;
	region->direct = direct;
	enter(set, region);
	return region;
}

void ma_region_detach(struct ma_region_set *set, struct ma_region *region)
{
	leave(set, region);
}

bool ma_region_attach(struct ma_region_set *set, struct ma_region *region)
{
	if (set->nregions == set->cap && !grow_table(set))
		return false;
	enter(set, region);
	return true;
}

void ma_region_free(struct ma_region_set *set, struct ma_region *region)
{
	if (region->tree_bytes > 0)
		ma_meta_free(set->meta, region->tree.level[0], region->tree_bytes);
	ma_meta_free(set->meta, region, sizeof(*region));
}

void ma_region_resize(struct ma_region_set *set, struct ma_region *region, size_t size)
{
	ma_annotate_resized(ma_region_addr(region), region->size, size);
	set->mapped += size - region->size;
	region->size = size;
}

void ma_region_move(struct ma_region_set *set, struct ma_region *region, uintptr_t addr,
		    size_t size)
{
	MA_ASSERT(region->tree_bytes == 0);
	leave(set, region);
	region->granule = addr >> MA_GRANULE_SHIFT;
	region->size = size;
	enter(set, region);
}

void ma_region_set_page(struct ma_region_set *set, struct ma_region *region, size_t page,
			size_t npages)
{
	if (region->tree_bytes == 0)
		return;
	ma_maxtree_set(&region->tree, page, npages);
	ma_maxtree_set(&set->tree, region->idx, ma_maxtree_max(&region->tree));
}

struct ma_region *ma_region_before(const struct ma_region_set *set, const struct ma_region *region)
{
	return region->idx > 0 ? set->table[region->idx - 1] : NULL;
}
