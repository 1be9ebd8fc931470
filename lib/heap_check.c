#include "heap.h"
#include "large.h"
#include "remote.h"

static const char *check_list(struct ma_heap *heap, unsigned class_idx, bool avail, size_t *n)
{
	const struct ma_bin *bin = &heap->bin[class_idx];
	const struct ma_slab *prev = NULL;

	for (struct ma_slab *s = avail ? bin->avail : bin->full; s != NULL; s = s->next) {
		uintptr_t owner = atomic_load(ma_slab_owner(s));
		const char *broken;

		if (s->prev != prev || s->is_avail != avail || s->class_idx != class_idx)
			return "H1 a slab is on the list that it says";
		if (owner != (uintptr_t)heap)
			return "H4 the owner is the heap whose list the slab is on";
		if (++*n > bin->nslabs)
			return "H3 nslabs counts the slabs of the bin";
		if (ma_slab_has_free(s) != avail && prev != NULL)
			return "H2 slabs in avail have free slots, those in full none";
		if (!avail && ma_slab_has_free(s))
			return "H2 slabs in full have no free slot";
		if (s->used == 0 && prev != NULL)
			return "H3 an empty slab is kept only as the first of avail";
		broken = ma_slab_check(s);
		if (broken != NULL)
			return broken;
		prev = s;
	}
	return NULL;
}

const char *ma_heap_check(struct ma_heap *heap)
{
	const char *broken = NULL;

	for (unsigned i = 0; i < MA_NCLASSES && broken == NULL; i++) {
		size_t n = 0;

		broken = check_list(heap, i, true, &n);
		if (broken == NULL)
			broken = check_list(heap, i, false, &n);
		if (broken == NULL && n != heap->bin[i].nslabs)
			broken = "H3 nslabs counts the slabs of the bin";
	}
	if (broken == NULL)
		broken = ma_remote_check(heap);
	if (broken == NULL)
		broken = ma_quarantine_check(&heap->quarantine);
	for (unsigned i = 0; i < MA_NCLASSES && broken == NULL; i++)
		if (heap->stock[i] != &ma_stock_none)
			broken = ma_stock_check(heap->stock[i]);
	return broken;
}

/*
 * Large objects can be resized by their owners meanwhile: their facts change under the pool lock or
 * not at all.
 */
static const char *check_large(struct ma_instance *inst)
{
	const char *broken = NULL;

	ma_lock(&inst->pool.lock);
	for (struct ma_block *b = inst->pool.blocks; b != NULL && broken == NULL; b = b->next)
		if (b->kind == MA_BLOCK_LARGE)
			broken = ma_large_check(b);
	ma_unlock(&inst->pool.lock);
	return broken;
}

const char *ma_instance_check(struct ma_instance *inst, struct ma_heap *heap)
{
	const char *broken = ma_meta_check(&inst->meta);

	if (broken == NULL)
		broken = ma_pool_check(&inst->pool);
	if (broken == NULL)
		broken = check_large(inst);
	if (broken == NULL)
		broken = ma_waitlist_check(&inst->waitlist);
	ma_lock(&inst->shared_lock);
	if (broken == NULL)
		broken = ma_heap_check(&inst->shared);
	ma_unlock(&inst->shared_lock);
	if (broken == NULL && heap != NULL)
		broken = ma_heap_check(heap);
	return broken;
}
