/* What may be refused, and where large objects go, worked out from what the lists say. */
#include "world.h"

/* Larger requests get mappings of their own. */
#define DIRECT_MIN (MA_REGION_MAX / 2)

static bool is_direct(size_t size, size_t align)
{
	return size + MA_CANARY > DIRECT_MIN || align > DIRECT_MIN;
}

static unsigned class_of(const struct ma_instance *inst, size_t size, size_t align)
{
	size_t page = inst->pool.page;

	if (size > ma_class_limit(page) - MA_CANARY)
		return MA_NCLASSES;
	return ma_class_aligned(size + MA_CANARY, ma_max(align, MA_ALIGN), page);
}

/* Where in a free block an object would start; 0: the block does not hold it. */
static uintptr_t place_in(const struct ma_block *block, size_t size, size_t align)
{
	uintptr_t at = ma_align_up(ma_block_addr(block), align);

	if (!block->free || at >= ma_block_end(block) || ma_block_end(block) - at < size)
		return 0;
	return at;
}

static bool any_block_holds(const struct ma_pool *pool, size_t size, size_t align)
{
	for (const struct ma_block *b = pool->blocks; b != NULL; b = b->next)
		if (place_in(b, size, align) != 0)
			return true;
	return false;
}

static bool slab_has_room(const struct ma_heap *heap, unsigned class_idx)
{
	for (const struct ma_slab *s = heap->bin[class_idx].avail; s != NULL; s = s->next)
		if (ma_slab_has_free(s))
			return true;
	return false;
}

bool world_may_refuse(struct world *w, unsigned inst, size_t size, size_t align)
{
	const struct ma_pool *pool = &w->instance[inst].pool;
	const struct ma_heap *heap = w->heap[inst][w->thread];
	unsigned class_idx = class_of(&w->instance[inst], size, align);
	size_t limit = pool->config.limit;
	size_t room = limit > pool->regions.mapped ? limit - pool->regions.mapped : 0;
	size_t block;

	align = ma_max(align, pool->page);
	if (size > MA_REQUEST_MAX - 4 * pool->page || align > MA_REQUEST_MAX / 2 ||
	    align > MA_REQUEST_MAX - 4 * pool->page - size)
		return true;
	if (limit == 0)
		return false;
	/* How many pages guards take, and what waits, is not worked out here. */
	if (!w->plain || w->config[inst].slab.guarded)
		return true;
	block = ma_align_up(size + MA_CANARY, pool->page);
	if (class_idx < MA_NCLASSES) {
		if (heap != NULL && slab_has_room(heap, class_idx))
			return false;
		block = ma_class_slab_size(
			class_idx, heap != NULL ? heap->bin[class_idx].nslabs : 0, pool->page);
		align = pool->page;
	} else if (is_direct(size, align)) {
		return block + (align > pool->page ? align : 0) > ma_align_down(room, pool->page);
	}
	return block + align - pool->page > ma_align_down(room, pool->page) &&
	       !any_block_holds(pool, block, align);
}

/* Objects with a larger alignment may be in a slot of another class, or in a block though small. */
bool world_must_stay(struct world *w, unsigned inst, const struct model_object *object, size_t size)
{
	const struct ma_instance *instance = &w->instance[inst];
	size_t page = instance->pool.page;
	unsigned old = class_of(instance, object->size, 0);
	unsigned new = class_of(instance, size, 0);
	size_t need = ma_align_up(size + MA_CANARY, page);
	const struct ma_block *block;
	size_t have;

	if (!w->plain || object->align > MA_ALIGN || size > DIRECT_MIN ||
	    object->size + MA_CANARY > DIRECT_MIN)
		return false;
	block = ma_pagemap_get(&w->pagemap, (uintptr_t)object->ptr);
	if (old != MA_NCLASSES || new != MA_NCLASSES)
		return old == new && (atomic_load(&block->owner) & ~MA_SLAB_PENDING) ==
					     (uintptr_t)w->heap[inst][w->thread];
	if (block->region->direct || size + MA_CANARY > DIRECT_MIN)
		return false;
	have = block->size;
	if (block != block->region->last && block->next->free)
		have += block->next->size;
	return need <= have;
}

struct world_choice world_choose(struct world *w, unsigned inst, size_t size, size_t align)
{
	const struct ma_pool *pool = &w->instance[inst].pool;
	struct world_choice choice = {0};
	size_t least = SIZE_MAX;

	align = ma_max(align, pool->page);
	if (!w->plain || size > MA_REGION_MAX || is_direct(size, align) ||
	    class_of(&w->instance[inst], size, align) < MA_NCLASSES)
		return choice;
	size = ma_align_up(size + MA_CANARY, pool->page);
	for (const struct ma_block *b = pool->blocks; b != NULL; b = b->next) {
		uintptr_t at = place_in(b, size, align);

		if (at == 0 || b->size > least)
			continue;
		if (pool->config.fit == MA_FIT_FIRST) {
			choice.addr[choice.n++] = at;
			return choice;
		}
		choice.n = b->size < least ? 0 : choice.n;
		least = b->size;
		if (choice.n < sizeof(choice.addr) / sizeof(*choice.addr))
			choice.addr[choice.n] = at;
		choice.n++;
	}
	return choice;
}

void world_check_choice(const struct world_choice *choice, const void *ptr)
{
	if (choice->n == 0 || choice->n > sizeof(choice->addr) / sizeof(*choice->addr))
		return;
	for (size_t i = 0; i < choice->n; i++)
		if (choice->addr[i] == (uintptr_t)ptr)
			return;
	model_fail("world", "W2 a large object comes from the block that the policy chooses");
}
