/*
 * region - the ordered set of a pool's mappings.
 *
 * What and why: regions in address order, so that a new one finds its place in the list of blocks,
 * and a tree over their largest free blocks, so that first fit skips regions without a fit.
 *
 * Rules:
 *   R1  The table is in strict address order; idx is the place in it; regions do not overlap.
 *   R2  With a tree: entry idx is the largest entry of the region's own tree, 0 for a direct
 *       region.
 *   R3  mapped is the sum of the regions' sizes.
 *
 * Locks: the pool's. Cost: finding O(log regions); adding and removing O(regions), beside a system
 * call each.
 */
#ifndef MA_REGION_H
#define MA_REGION_H

#include "block.h"
#include "meta.h"

struct ma_region_set {
	struct ma_meta *meta;     /* fixed */
	struct ma_region **table; /* R1; cap entries */
	size_t nregions;          /* used entries */
	size_t cap;               /* entries of table */
	size_t mapped;            /* bytes (R3) */
	size_t nodirect;          /* regions that are not direct */
	void *tree_mem;           /* of tree */
	size_t tree_bytes;        /* 0: no tree is kept */
	struct ma_maxtree tree;   /* R2 */
	bool with_tree;           /* fixed */
};

/** ma_region_set_init() - empty; @with_tree: keep trees (first fit). */
void ma_region_set_init(struct ma_region_set *set, struct ma_meta *meta, bool with_tree);

/**
 * ma_region_add() - describe a mapping
 * @addr, @size:  the mapping; whole pages
 * @direct:       one block for one object
 *
 * Return: the region, entered, without blocks; NULL when there is no memory for it, nothing
 * changed.
 */
struct ma_region *ma_region_add(struct ma_region_set *set, uintptr_t addr, size_t size,
				bool direct) ma_must_check;

/** ma_region_detach() - take a region out of the set; its descriptor stays the caller's. */
void ma_region_detach(struct ma_region_set *set, struct ma_region *region);

/**
 * ma_region_attach() - put a detached region back. Return: false when there is no memory for its
 * place.
 */
bool ma_region_attach(struct ma_region_set *set, struct ma_region *region) ma_must_check;

/** ma_region_free() - release the descriptor of a detached region; nothing is unmapped here. */
void ma_region_free(struct ma_region_set *set, struct ma_region *region);

/** ma_region_resize() - the end of a region moved to @size; never fails. */
void ma_region_resize(struct ma_region_set *set, struct ma_region *region, size_t size);

/** ma_region_move() - a region without tree was remapped; never fails. */
void ma_region_move(struct ma_region_set *set, struct ma_region *region, uintptr_t addr,
		    size_t size);

/** ma_region_set_page() - page @page of @region starts a free block of @npages, or none (0). */
void ma_region_set_page(struct ma_region_set *set, struct ma_region *region, size_t page,
			size_t npages);

/** ma_region_before() - the region before @region in address order, or NULL. */
struct ma_region *ma_region_before(const struct ma_region_set *set, const struct ma_region *region);

/** ma_region_check() - NULL, or the text of the rule that is broken. */
const char *ma_region_check(const struct ma_region_set *set) ma_must_check;

#endif
