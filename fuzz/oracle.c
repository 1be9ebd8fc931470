/* What may be refused, and where large objects go, worked out from what the lists say. */
#include "world.h"

/* Larger requests get mappings of their own. */
#define DIRECT_MIN (MA_REGION_MAX / 2)

static struct world_plan plan_for(size_t page, bool guarded, size_t size, size_t align)
{
	struct world_plan plan = {.align = ma_max(align, page), .back = guarded ? page : 0};

	plan.front = guarded ? plan.align : 0;
	plan.size = plan.front + ma_align_up(size + MA_CANARY, page) + plan.back;
	plan.direct = plan.size > DIRECT_MIN || plan.align > DIRECT_MIN;
	if (plan.direct && !guarded && plan.align > page) {
		plan.front = plan.align;
		plan.size += plan.align;
	}
	return plan;
}

struct world_plan world_plan(const struct world *w, unsigned inst, size_t size, size_t align)
{
	return plan_for(w->instance[inst].pool.page, w->config[inst].guard_large, size, align);
}

struct world_plan world_plan_bare(const struct world *w, unsigned inst, size_t size, size_t align)
{
	return plan_for(w->instance[inst].pool.page, false, size, align);
}

struct world_plan world_plan_of(struct world *w, const struct model_object *o)
{
	struct ma_block *block = ma_pagemap_get(&w->pagemap, (uintptr_t)o->ptr);

	if (block->kind == MA_BLOCK_LARGE && ma_large_of(block)->bare)
		return world_plan_bare(w, o->owner, o->size, o->align);
	return world_plan(w, o->owner, o->size, o->align);
}

unsigned world_class(const struct ma_instance *inst, size_t size, size_t align)
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

/* What a new slab for such an object would take. */
static size_t slab_size(const struct world *w, unsigned inst, unsigned class_idx)
{
	const struct ma_heap *heap = w->heap[inst][w->thread];
	size_t page = w->instance[inst].pool.page;
	size_t growth = heap != NULL ? heap->bin[class_idx].nslabs : 0;
	size_t guard = w->config[inst].slab.guarded ? page : 0;

	return ma_class_slab_size(class_idx, growth, page) + guard;
}

bool world_may_refuse(struct world *w, unsigned inst, size_t size, size_t align)
{
	const struct ma_pool *pool = &w->instance[inst].pool;
	const struct ma_heap *heap = w->heap[inst][w->thread];
	unsigned class_idx = world_class(&w->instance[inst], size, align);
	size_t limit = pool->config.limit;
	size_t room = limit > pool->regions.mapped ? limit - pool->regions.mapped : 0;
	struct world_plan plan;

	if (size > MA_REQUEST_MAX - 4 * pool->page || align > MA_REQUEST_MAX / 2 ||
	    align > MA_REQUEST_MAX - 4 * pool->page - size)
		return true;
	if (limit == 0)
		return false;
	room = ma_align_down(room, pool->page);
	plan = world_plan(w, inst, size, align);
	if (class_idx < MA_NCLASSES) {
		if (heap != NULL && slab_has_room(heap, class_idx))
			return false;
		plan.size = slab_size(w, inst, class_idx);
		plan.align = pool->page;
	} else if (plan.direct) {
		return plan.size > room;
	}
	return plan.size + plan.align - pool->page > room &&
	       !any_block_holds(pool, plan.size, plan.align);
}

static bool slot_must_stay(const struct world *w, unsigned inst, struct ma_block *block,
			   size_t size)
{
	uintptr_t owner = atomic_load(&block->owner);

	return owner == (uintptr_t)w->heap[inst][w->thread] &&
	       world_class(&w->instance[inst], size, 0) == ma_slab_of(block)->class_idx;
}

static bool block_must_stay(const struct world *w, unsigned inst, struct ma_block *block,
			    size_t size)
{
	size_t need = ma_large_of(block)->bare ? world_plan_bare(w, inst, size, 0).size
					       : world_plan(w, inst, size, 0).size;
	size_t have = block->size;

	if (ma_large_of(block)->tight || block->region->direct || need > DIRECT_MIN ||
	    world_class(&w->instance[inst], size, 0) != MA_NCLASSES)
		return false;
	if (block != block->region->last && block->next->free)
		have += block->next->size;
	return need <= have;
}

/* Objects with a larger alignment may be in a slot of another class, or in a block though small. */
bool world_must_stay(struct world *w, unsigned inst, const struct model_object *object, size_t size)
{
	struct ma_block *block = ma_pagemap_get(&w->pagemap, (uintptr_t)object->ptr);

	if (object->align > MA_ALIGN || size > DIRECT_MIN)
		return false;
	return block->kind == MA_BLOCK_SLAB ? slot_must_stay(w, inst, block, size)
					    : block_must_stay(w, inst, block, size);
}

/* A sampled object has a block whatever its size; one that waited may be in anybody's place. */
static bool is_chosen(const struct world *w, unsigned inst, size_t size, size_t align)
{
	const struct ma_instance_config *config = &w->config[inst];

	return size <= MA_REGION_MAX && align <= MA_REGION_MAX && config->wait == 0 &&
	       config->sample == 0 && !config->guard_sparing &&
	       world_class(&w->instance[inst], size, align) == MA_NCLASSES;
}

struct world_choice world_choose(struct world *w, unsigned inst, size_t size, size_t align)
{
	const struct ma_pool *pool = &w->instance[inst].pool;
	struct world_choice choice = {0};
	struct world_plan plan;
	size_t least = SIZE_MAX;

	if (!is_chosen(w, inst, size, align))
		return choice;
	plan = world_plan(w, inst, size, align);
	if (plan.direct)
		return choice;
	for (const struct ma_block *b = pool->blocks; b != NULL; b = b->next) {
		uintptr_t at = place_in(b, plan.size, plan.align);

		if (at == 0 || b->size > least)
			continue;
		at += plan.front;
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
