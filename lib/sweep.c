#include "sweep.h"
#include "os.h"

static bool any_was_used(const struct ma_slab *slab, uint32_t from, uint32_t to)
{
	while (from < to && !ma_slot_was_used(ma_slab_load(slab, from)))
		from++;
	return from < to;
}

/* The first slot that starts in a later page than this one does. */
static uint32_t next_page(const struct ma_slab *slab, uint32_t idx)
{
	uintptr_t base = (uintptr_t)ma_slab_base(slab);
	uintptr_t end = ma_align_down(base + (size_t)idx * slab->slot, MA_GRANULE) + MA_GRANULE;

	return (uint32_t)ma_min((end - base + slab->slot - 1) / slab->slot, slab->nslots);
}

/*
 * Unless all are to be seen, those that nobody ever had are left out where they fill a page and
 * what is beside it: it may never have been touched, and to look at many such pages costs a program
 * that ends more than all the rest.
 */
static bool look_at_slab(struct ma_block *block, bool all, struct ma_damage *damage)
{
	const struct ma_slab *slab = ma_slab_of(block);
	uint32_t i = 0;

	if (!ma_slab_is_set_up(block))
		return false;
	while (i < slab->nslots) {
		uint32_t end = next_page(slab, i);
		uint32_t from = i > 0 ? i - 1 : 0;

		if (!all && !any_was_used(slab, from, (uint32_t)ma_min(end + 1, slab->nslots)))
			i = end;
		for (; i < end; i++) {
			damage->proof = ma_slab_verify(slab, i, &damage->slot);
			if (ma_unlikely(damage->proof != MA_PROOF_OK))
				return true;
		}
	}
	return false;
}

static bool look_at_large(struct ma_block *block, struct ma_damage *damage)
{
	damage->proof = MA_PROOF_OVERRUN;
	return atomic_load(&ma_large_of(block)->sealed) && !ma_large_intact(block);
}

static bool look_at(struct ma_block *block, bool all, struct ma_damage *damage)
{
	if (block->kind == MA_BLOCK_SLAB)
		return look_at_slab(block, all, damage);
	return block->kind == MA_BLOCK_LARGE && look_at_large(block, damage);
}

/* Milliseconds to wait for a lock whose holder may be this very thread, under a signal handler. */
#define PATIENCE 20

bool ma_sweep_lock(struct ma_lock *lock, uint64_t ms)
{
	if (ms == 0) {
		ma_lock(lock);
		return true;
	}
	for (int i = 0; i < PATIENCE; i++) {
		if (ma_trylock(lock))
			return true;
		ma_os_sleep_ms(1);
	}
	return false;
}

struct ma_damage ma_sweep(struct ma_instance *inst, uint64_t ms)
{
	uint64_t end = ms > 0 ? ma_os_now_ms() + ms : UINT64_MAX;
	struct ma_damage damage = {.block = NULL};
	bool all = ms == 0 || inst->config.slab.shuffled;

	if (!ma_sweep_lock(&inst->pool.lock, ms))
		return damage;
	for (struct ma_block *b = inst->pool.blocks; b != NULL; b = b->next) {
		if (look_at(b, all, &damage)) {
			damage.block = b;
			break;
		}
		if (end != UINT64_MAX && ma_os_now_ms() >= end)
			break;
	}
	ma_unlock(&inst->pool.lock);
	return damage;
}

static void tell(const struct ma_damage *damage)
{
	struct ma_block *block = damage->block;

	if (block->kind == MA_BLOCK_LARGE)
		ma_large_overrun(block);
	else if (damage->proof == MA_PROOF_WRITTEN)
		ma_slab_damaged(ma_slab_of(block), damage->slot.idx);
	else
		ma_slab_overrun(ma_slab_of(block), damage->slot);
}

void ma_sweep_report(struct ma_instance *inst, struct ma_heap *heap)
{
	struct ma_damage damage = ma_sweep(inst, 0);
	struct ma_violation v = {
		.kind = MA_BAD_METADATA,
		.ptr = inst,
		.requested = SIZE_MAX,
	};

	if (damage.block != NULL) {
		tell(&damage);
		return;
	}
	v.why = ma_instance_check(inst, heap);
	if (v.why != NULL)
		ma_report(&v);
}

void ma_sweep_at_exit(struct ma_instance *inst, uint64_t ms)
{
	struct ma_damage damage = ma_sweep(inst, ms);

	if (damage.block != NULL)
		tell(&damage);
}
