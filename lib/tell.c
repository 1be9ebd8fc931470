#include "tell.h"
#include "pagemap.h"

static size_t room_of_slot(struct ma_block *block, const void *ptr, size_t *size)
{
	const struct ma_slab *slab = ma_slab_of(block);
	struct ma_slot slot;
	enum ma_proof proof = ma_slab_prove(slab, ptr, &slot);

	if (proof != MA_PROOF_OK && proof != MA_PROOF_OVERRUN)
		return 0;
	*size = ma_slot_size(slab, slot);
	return slab->slot;
}

static size_t room_of_large(struct ma_block *block, const void *ptr, size_t *size)
{
	if (ptr != ma_large_ptr(block) || !atomic_load(&ma_large_of(block)->sealed))
		return 0;
	*size = ma_large_of(block)->requested;
	return ma_block_end(block) - (uintptr_t)ptr;
}

size_t ma_tell_room(const struct ma_teller *t, const void *ptr, size_t *size)
{
	struct ma_block *block = ma_pagemap_get(t->inst->pagemap, (uintptr_t)ptr);

	if (block == NULL || ma_pool_of(block) != &t->inst->pool)
		return 0;
	if (block->kind == MA_BLOCK_SLAB)
		return room_of_slot(block, ptr, size);
	return block->kind == MA_BLOCK_LARGE ? room_of_large(block, ptr, size) : 0;
}
