/*
 * supply - where a heap's slots come from when none is at hand, and go to when too many are.
 *
 * What and why: a heap that runs dry collects what others freed, takes its next partly used slab,
 * adopts one of a thread that has ended, or makes a new one, in this order. The other way round,
 * its stocks and quarantine give slots back to slabs, and it its slabs to the pool or, in the end,
 * to the shared heap.
 *
 * Rules: H1 to H4 (heap.h), K1 and K2 (stock.h).
 * Locks: the heap is the caller's; the shared lock is taken where said.
 */
#ifndef MA_SUPPLY_H
#define MA_SUPPLY_H

#include "heap.h"

/** ma_supply_refill() - a slab of the class with a free slot, first in avail; NULL without memory.
 * Takes the shared lock. */
struct ma_slab *ma_supply_refill(struct ma_heap *heap, unsigned class_idx) ma_must_check;

/** ma_supply_idx() - which slot of its slab. */
uint32_t ma_supply_idx(const struct ma_heap *heap, struct ma_stocked slot);

/** ma_supply_stock() - the stock of a class, ma_stock_none without memory. */
struct ma_stock *ma_supply_stock(struct ma_heap *heap, unsigned class_idx);

/**
 * ma_supply_stock_up() - slots come from slabs until some are ready
 *
 * Return: whether one can be taken: without memory, of the quiet ones.
 */
bool ma_supply_stock_up(struct ma_heap *heap, struct ma_stock *stock) ma_must_check;

/** ma_supply_stock_put() - a retired slot joins the stock. Return: false when there is no stock. */
bool ma_supply_stock_put(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx);

/** ma_supply_relieve() - slots leave the quarantine until no more bytes wait than may. */
void ma_supply_relieve(struct ma_heap *heap);

/** ma_supply_flush() - empty quarantine and stocks. */
void ma_supply_flush(struct ma_heap *heap);

/** ma_supply_drop_empty() - destroy all slabs without used slots. */
void ma_supply_drop_empty(struct ma_heap *heap);

/** ma_supply_hand_over() - all slabs of @heap go to @to, whose lock the caller holds. */
void ma_supply_hand_over(struct ma_heap *heap, struct ma_heap *to);

/** ma_supply_forked() - no other thread exists: nothing stays at hand, all is told. */
void ma_supply_forked(struct ma_heap *heap);

#endif
