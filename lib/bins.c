#include "bins.h"
#include "decay.h"

static bool is_shared(const struct ma_heap *heap)
{
	return heap == &heap->instance->shared;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void link_slab(struct ma_slab **list, struct ma_slab *slab)
{
	slab->prev = NULL;
	slab->next = *list;
	if (*list != NULL)
		(*list)->prev = slab;
	*list = slab;
}

static void unlink_slab(struct ma_slab **list, struct ma_slab *slab)
{
	if (slab->next != NULL)
		slab->next->prev = slab->prev;
	if (slab->prev != NULL)
		slab->prev->next = slab->next;
	else
		*list = slab->next;
}

static struct ma_bin *bin_of(struct ma_heap *heap, const struct ma_slab *slab)
{
	return &heap->bin[slab->class_idx];
}

static void set_owner(struct ma_slab *slab, const struct ma_heap *heap)
{
	atomic_store_explicit(ma_slab_owner(slab), (uintptr_t)heap, memory_order_release);
}

void ma_bins_join(struct ma_heap *heap, struct ma_slab *slab)
{
	struct ma_bin *bin = bin_of(heap, slab);

	set_owner(slab, heap);
	slab->is_avail = ma_slab_has_free(slab);
	link_slab(slab->is_avail ? &bin->avail : &bin->full, slab);
	slab->stock = heap->stock[slab->class_idx];
	bin->nslabs++;
	if (is_shared(heap))
		atomic_fetch_add_explicit(&heap->instance->nshared, 1, memory_order_relaxed);
}

void ma_bins_part(struct ma_heap *heap, struct ma_slab *slab)
{
	struct ma_bin *bin = bin_of(heap, slab);

	unlink_slab(slab->is_avail ? &bin->avail : &bin->full, slab);
	bin->nslabs--;
	if (is_shared(heap))
		atomic_fetch_sub_explicit(&heap->instance->nshared, 1, memory_order_relaxed);
}

/* ---- slabs come and go ----------------------------------------------------------------------- */

void ma_bins_drop(struct ma_heap *heap, struct ma_slab *slab)
{
	set_owner(slab, NULL);
	ma_bins_part(heap, slab);
	if (ma_slab_destroy(slab, &heap->instance->waitlist))
		atomic_store_explicit(&heap->instance->due, true, memory_order_relaxed);
}

void ma_bins_decay(struct ma_instance *inst)
{
	if (ma_likely(!atomic_load_explicit(&inst->due, memory_order_relaxed)))
		return;
	atomic_store_explicit(&inst->due, false, memory_order_relaxed);
	(void)ma_decay_step(&inst->pool);
}

/*
 * Whether the slab that serves the next requests stays when it is empty: a small one, or any where
 * freed slots do not wait, and a lone object that comes and goes would take its slab with it.
 */
static bool is_kept(const struct ma_heap *heap, const struct ma_slab *slab)
{
	return !is_shared(heap) && (slab->slot <= MA_FAST_SLOT || heap->quarantine.cap == 0);
}

void ma_bins_settle(struct ma_heap *heap, struct ma_slab *slab)
{
	struct ma_bin *bin = bin_of(heap, slab);

	if (!slab->is_avail && slab->nvacant > 0) {
		unlink_slab(&bin->full, slab);
		slab->is_avail = true;
		/* Behind the first: that one may be in the middle of its slots. */
		if (bin->avail != NULL) {
			slab->prev = bin->avail;
			slab->next = bin->avail->next;
			if (slab->next != NULL)
				slab->next->prev = slab;
			bin->avail->next = slab;
		} else {
			link_slab(&bin->avail, slab);
		}
	}
	if (slab->used == 0 && (bin->avail != slab || !is_kept(heap, slab)))
		ma_bins_drop(heap, slab);
}

struct ma_slab *ma_bins_next(struct ma_heap *heap, unsigned class_idx)
{
	struct ma_bin *bin = &heap->bin[class_idx];
	struct ma_slab *slab = bin->avail;

	while (slab != NULL && !ma_slab_has_free(slab)) {
		unlink_slab(&bin->avail, slab);
		slab->is_avail = false;
		link_slab(&bin->full, slab);
		slab = bin->avail;
	}
	return slab;
}
