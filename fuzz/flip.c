#include "flip.h"
#include "large.h"
#include "stock.h"

/* What a field is part of. */
enum owner { BLOCK, REGION, SLAB, LARGE, STATES, VACANT, TREE, BIN, STOCK, QUARANTINE, POOL };

struct field {
	enum owner owner;
	size_t offset, size;
};

#define FIELD(owner, type, name)                                                        \
	{                                                                               \
		owner, offsetof(struct type, name), sizeof(((struct type *)NULL)->name) \
	}

static const struct field fields[] = {
	FIELD(BLOCK, ma_block, owner),
	FIELD(BLOCK, ma_block, granule),
	FIELD(BLOCK, ma_block, size),
	FIELD(BLOCK, ma_block, dirty_ms),
	FIELD(BLOCK, ma_block, kind),
	FIELD(BLOCK, ma_block, free),
	FIELD(BLOCK, ma_block, zero),
	FIELD(BLOCK, ma_block, dirty),
	FIELD(BLOCK, ma_block, purpose),
	FIELD(BLOCK, ma_block, guarded),
	FIELD(BLOCK, ma_block, nguarded),
	FIELD(BLOCK, ma_block, nstale),
	FIELD(REGION, ma_region, granule),
	FIELD(REGION, ma_region, size),
	FIELD(REGION, ma_region, idx),
	FIELD(REGION, ma_region, direct),
	FIELD(REGION, ma_region, tree_bytes),
	FIELD(SLAB, ma_slab, granule),
	FIELD(SLAB, ma_slab, where),
	FIELD(SLAB, ma_slab, slot),
	FIELD(SLAB, ma_slab, recip),
	FIELD(SLAB, ma_slab, nslots),
	FIELD(SLAB, ma_slab, class_idx),
	FIELD(SLAB, ma_slab, flags),
	FIELD(SLAB, ma_slab, nvacant),
	FIELD(SLAB, ma_slab, fresh),
	FIELD(SLAB, ma_slab, start),
	FIELD(SLAB, ma_slab, used),
	FIELD(SLAB, ma_slab, hint),
	FIELD(SLAB, ma_slab, zero),
	FIELD(SLAB, ma_slab, is_avail),
	FIELD(LARGE, ma_large, requested),
	FIELD(LARGE, ma_large, offset),
	FIELD(LARGE, ma_large, secret),
	FIELD(LARGE, ma_large, sealed),
	FIELD(LARGE, ma_large, tight),
	FIELD(BIN, ma_bin, nslabs),
	FIELD(STOCK, ma_stock, head),
	FIELD(STOCK, ma_stock, limit),
	FIELD(STOCK, ma_stock, tail),
	FIELD(STOCK, ma_stock, bound),
	FIELD(STOCK, ma_stock, room),
	FIELD(STOCK, ma_stock, quiet),
	FIELD(STOCK, ma_stock, quiet_max),
	FIELD(QUARANTINE, ma_quarantine, next),
	FIELD(QUARANTINE, ma_quarantine, skip),
	FIELD(QUARANTINE, ma_quarantine, bytes),
	FIELD(POOL, ma_pool, counts),
	FIELD(POOL, ma_pool, regions.mapped),
	{STATES, 0, 2},
	{VACANT, 0, 8},
	{TREE, 0, 2},
};

#define NFIELDS (sizeof(fields) / sizeof(*fields))

static bool has(const struct ma_block *block, enum owner owner)
{
	if (owner == BLOCK)
		return true;
	return block->kind == (owner == LARGE ? MA_BLOCK_LARGE : MA_BLOCK_SLAB);
}

/* The @n-th block that has descriptors of that kind, counted round; NULL: none has. */
static struct ma_block *nth_block(const struct ma_pool *pool, enum owner owner, size_t n)
{
	size_t count = 0;

	for (const struct ma_block *b = pool->blocks; b != NULL; b = b->next)
		count += has(b, owner);
	if (count == 0)
		return NULL;
	n %= count;
	for (struct ma_block *b = pool->blocks;; b = b->next)
		if (has(b, owner) && n-- == 0)
			return b;
}

/* What is beside the blocks of a slab: entry @n of an array. */
static void *in_array(struct ma_block *block, enum owner owner, size_t n)
{
	struct ma_slab *slab = ma_slab_of(block);

	if (owner == STATES)
		return (void *)&slab->states[n % slab->nslots];
	return owner == VACANT ? (void *)&slab->vacant[n % ((slab->nslots + 63) / 64)] : slab;
}

static void *of_block(const struct ma_pool *pool, enum owner owner, size_t n)
{
	struct ma_block *block = nth_block(pool, owner, n % 64);

	if (block == NULL)
		return NULL;
	if (owner == BLOCK)
		return block;
	return owner == LARGE ? (void *)ma_large_of(block) : in_array(block, owner, n / 64);
}

static void *of_region(const struct ma_pool *pool, enum owner owner, size_t n)
{
	struct ma_region *region;

	if (pool->regions.nregions == 0)
		return NULL;
	region = pool->regions.table[n % 64 % pool->regions.nregions];
	if (owner == REGION)
		return region;
	return region->tree_bytes > 0
		       ? &region->tree.level[0][n / 64 % (region->tree_bytes / sizeof(int16_t))]
		       : NULL;
}

static void *of_heap(struct ma_heap *heap, enum owner owner, size_t n)
{
	if (heap == NULL)
		return NULL;
	if (owner == QUARANTINE)
		return &heap->quarantine;
	if (owner == BIN)
		return &heap->bin[n % MA_NCLASSES];
	return heap->stock[n % MA_NCLASSES] != &ma_stock_none ? heap->stock[n % MA_NCLASSES] : NULL;
}

static void *owner_of(struct world *w, enum owner owner, size_t n)
{
	struct ma_pool *pool = &w->instance[w->inst].pool;

	if (owner == POOL)
		return pool;
	if (owner == REGION || owner == TREE)
		return of_region(pool, owner, n);
	if (owner == BIN || owner == STOCK || owner == QUARANTINE)
		return of_heap(w->heap[w->inst][w->thread], owner, n);
	return of_block(pool, owner, n);
}

void flip(struct world *w, unsigned which, uint64_t arg)
{
	const struct field *field = &fields[which % NFIELDS];
	unsigned char *at = owner_of(w, field->owner, (size_t)(arg >> 9));
	size_t bit = arg % 512 % (8 * field->size);

	if (at != NULL)
		at[field->offset + bit / 8] ^= (unsigned char)(1u << bit % 8);
}
