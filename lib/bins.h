/*
 * bins - a heap's slabs by class: the lists and who is on them.
 *
 * What and why: the part of a heap that moves slabs between "has free slots" and "full". Slow paths
 * only; the fast ones are in fast.h.
 *
 * Rules: H1 to H4 (heap.h).
 * Locks: the heap is the caller's.
 */
#ifndef MA_BINS_H
#define MA_BINS_H

#include "heap.h"

/** ma_bins_join() - a slab that is on no list becomes the heap's. */
void ma_bins_join(struct ma_heap *heap, struct ma_slab *slab);

/** ma_bins_part() - the heap's slab is on no list any more. */
void ma_bins_part(struct ma_heap *heap, struct ma_slab *slab);

/** ma_bins_drop() - a slab without used slots goes back to the pool. */
void ma_bins_drop(struct ma_heap *heap, struct ma_slab *slab);

/** ma_bins_next() - the heap's slab that serves the class, NULL when none has a free slot. */
struct ma_slab *ma_bins_next(struct ma_heap *heap, unsigned class_idx);

/**
 * ma_bins_settle() - slots of @slab became free: put the slab where it belongs, or drop it when
 * empty.
 */
void ma_bins_settle(struct ma_heap *heap, struct ma_slab *slab);

/** ma_bins_decay() - give free pages back if some have come of age. The caller holds no lock. */
void ma_bins_decay(struct ma_instance *inst);

#endif
