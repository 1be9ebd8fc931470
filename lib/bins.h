/*
 * bins - a heap's slabs by class: the lists and who is on them.
 *
 * What and why: the part of a heap that moves slabs between "has free slots" and "full", takes new
 * ones from the pool, adopts those of ended threads, and collects what other threads freed. Slow
 * paths only; the fast ones are in heap.c.
 *
 * Rules: H1 to H5 (heap.h).
 * Locks: the heap is the caller's; the shared lock is taken where said.
 */
#ifndef MA_BINS_H
#define MA_BINS_H

#include "heap.h"

/** ma_bins_refill() - a slab of the class with a free slot, first in avail; NULL without memory. */
struct ma_slab *ma_bins_refill(struct ma_heap *heap, unsigned class_idx) ma_must_check;

/**
 * ma_bins_settle() - a slot of @slab became free: put the slab where it belongs, or destroy it when
 * empty.
 */
void ma_bins_settle(struct ma_heap *heap, struct ma_slab *slab);

/** ma_bins_idx() - which slot of its slab. */
uint32_t ma_bins_idx(const struct ma_heap *heap, struct ma_stocked slot);

/** ma_bins_stock() - the stock of a class, ma_stock_none without memory. */
struct ma_stock *ma_bins_stock(struct ma_heap *heap, unsigned class_idx);

/**
 * ma_bins_stock_up() - slots come from slabs until some are ready
 *
 * Return: whether one can be taken: without memory, of the quiet ones.
 */
bool ma_bins_stock_up(struct ma_heap *heap, struct ma_stock *stock) ma_must_check;

/** ma_bins_stock_put() - a retired slot joins the stock. Return: false when there is no stock. */
bool ma_bins_stock_put(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx);

/** ma_bins_relieve() - slots leave the quarantine until no more bytes wait than may. */
void ma_bins_relieve(struct ma_heap *heap);

/** ma_bins_flush() - empty quarantine and stocks. */
void ma_bins_flush(struct ma_heap *heap);

/** ma_bins_drop_empty() - destroy all slabs without used slots. */
void ma_bins_drop_empty(struct ma_heap *heap);

/** ma_bins_hand_over() - all slabs of @heap go to @to, whose lock the caller holds. */
void ma_bins_hand_over(struct ma_heap *heap, struct ma_heap *to);

/** ma_bins_decay() - give free pages back if some have come of age. The caller holds no lock. */
void ma_bins_decay(struct ma_instance *inst);

/** ma_bins_forked() - no other thread exists: collect everything, whatever the lists say. */
void ma_bins_forked(struct ma_heap *heap);

#endif
