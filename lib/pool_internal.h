/*
 * pool_internal - the list, the pagemap and the index of a pool, kept in step.
 *
 * What pool shares with decay and direct, the rooms that change its regions: descriptors, becoming
 * free and ceasing to be, splitting, merging.
 *
 * A block taken aside is neither free nor anybody's: its neighbours do not merge with it and no
 * request is served from it, so the lock can be dropped while the OS works on its pages.
 */
#ifndef MA_POOL_INTERNAL_H
#define MA_POOL_INTERNAL_H

#include "pool.h"

/** ma_pool_new_descriptor_locked() - a blank descriptor, owner 0. Return: NULL without memory. */
struct ma_block *ma_pool_new_descriptor_locked(struct ma_pool *pool) ma_must_check;

/**
 * ma_pool_split_locked() - [ block ------ ] => [ block ][ rest ]; @rest is blank; neither is free.
 */
void ma_pool_split_locked(struct ma_pool *pool, struct ma_block *block, size_t size,
			  struct ma_block *rest);

/** ma_pool_remove_after_locked() - the block after @prev, in its region, leaves the list. */
void ma_pool_remove_after_locked(struct ma_pool *pool, struct ma_block *prev);

/**
 * ma_pool_cut_stale_locked() - share out what may be physical (P10)
 * @block:  as large as it is to be, nstale is that of both
 * @rest:   what was cut from its end
 */
void ma_pool_cut_stale_locked(const struct ma_pool *pool, struct ma_block *block,
			      struct ma_block *rest);

/** ma_pool_right_of() - the right neighbour in the region, or NULL. */
struct ma_block *ma_pool_right_of(const struct ma_block *block);

/** ma_pool_map_ends_locked() - enter @to, or none, for the first and last granule of @block. */
void ma_pool_map_ends_locked(struct ma_pool *pool, struct ma_block *block, struct ma_block *to);

/**
 * ma_pool_enter_free_locked() - a block taken aside becomes free as it stands; no neighbour is
 * free.
 */
void ma_pool_enter_free_locked(struct ma_pool *pool, struct ma_block *block);

/** ma_pool_take_aside_locked() - a free block leaves the index and the dirty list. */
void ma_pool_take_aside_locked(struct ma_pool *pool, struct ma_block *block);

/**
 * ma_pool_put_back_locked() - a block becomes free; merged with its neighbours
 * @zero:  its contents read as zero and take no physical pages
 */
void ma_pool_put_back_locked(struct ma_pool *pool, struct ma_block *block, bool zero);

/**
 * ma_pool_unlink_region_locked() - a region whose only block is aside leaves list, table and
 * pagemap.
 */
void ma_pool_unlink_region_locked(struct ma_pool *pool, struct ma_region *region);

/** ma_pool_relink_region_locked() - the reverse. Return: false without memory for its place. */
bool ma_pool_relink_region_locked(struct ma_pool *pool, struct ma_region *region) ma_must_check;

/**
 * ma_pool_move_region_locked() - a direct region's pages are now at @addr, @size bytes; its block
 * follows.
 */
void ma_pool_move_region_locked(struct ma_pool *pool, struct ma_region *region, uintptr_t addr,
				size_t size);

/**
 * ma_pool_map_region_locked() - a fresh mapping as a region of one block, taken aside. Return: NULL
 * without memory.
 */
struct ma_block *ma_pool_map_region_locked(struct ma_pool *pool, size_t size,
					   bool direct) ma_must_check;

/** ma_pool_hand_out_locked() - a block taken aside becomes allocated. */
void ma_pool_hand_out_locked(struct ma_pool *pool, struct ma_block *block, enum ma_block_kind kind);

/**
 * ma_pool_drop_descriptor_locked() - the descriptor of a block that is gone is kept for another
 * one.
 */
void ma_pool_drop_descriptor_locked(struct ma_pool *pool, struct ma_block *block);

/** ma_pool_map_block_locked() - enter @to, or none, for all of @block in the pagemap. */
void ma_pool_map_block_locked(struct ma_pool *pool, const struct ma_block *block,
			      struct ma_block *to);

/** ma_pool_is_due_locked() - whether the oldest dirty block has come of age. */
bool ma_pool_is_due_locked(const struct ma_pool *pool, uint64_t now);

/** ma_pool_room_locked() - bytes that may still be mapped below the limit. */
size_t ma_pool_room_locked(const struct ma_pool *pool);

#endif
