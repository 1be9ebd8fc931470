/* What is done to single blocks of a pool and its account, and what must come of it. */
#include <stdio.h>
#include <string.h>

#include "direct.h"
#include "ground.h"
#include "guard.h"
#include "steps.h"

/* ---- one block ------------------------------------------------------------------------------- */

static size_t index_of(const struct ground *g, unsigned slot)
{
	return plain_at(&g->plain, g->object[slot].addr);
}

static enum ma_block_kind kind_of(unsigned slot)
{
	return slot % 2 == 0 ? MA_BLOCK_LARGE : MA_BLOCK_SLAB;
}

/* Nothing of an owner before is left. */
static void check_handed_out(const struct ma_block *block, unsigned slot)
{
	static const unsigned char none[MA_BLOCK_RIDER];

	ground_must(block->kind == kind_of(slot) && block->purpose == MA_BLOCK_NEW,
		    "G1 a block is of the kind that was asked for");
	ground_must(memcmp(block->rider, none, sizeof(none)) == 0, "G10 a rider is zero");
}

static void hold(struct ground *g, unsigned slot, struct ma_block *block)
{
	check_handed_out(block, slot);
	if (block->zero)
		ground_check_zero(g, ma_block_addr(block), block->size);
	g->object[slot].block = block;
	g->object[slot].addr = ma_block_addr(block);
	ground_paint(g, slot);
}

/* Blocks are cut in front, behind, or both, and each cut takes a descriptor. */
static size_t ncuts(const struct plain_block *block, size_t size, size_t align)
{
	size_t front = (size_t)(-block->addr % align);

	return (size_t)(front > 0) + (block->size > front + size);
}

static void check_taken(struct ground *g, const struct ma_pool_request *req,
			const struct ma_block *block, size_t nspare)
{
	struct plain_pool *plain = &g->plain;
	size_t i = plain_choose(plain, req->size, req->align);

	if (i != PLAIN_NONE && block == NULL) {
		ground_must(ground_refused(g) &&
				    ncuts(&plain->block[i], req->size, req->align) > nspare,
			    "G8 a refusal has a reason");
		return;
	}
	ground_must((i == PLAIN_NONE) == (block == NULL), "G8 what nothing holds is refused");
	if (block == NULL)
		return;
	i = plain_take(plain, i, req->size, req->align);
	ground_must(ma_block_addr(block) == plain->block[i].addr &&
			    block->size == plain->block[i].size,
		    "G3 a request is served from the block that the policy chooses");
}

void ground_take(struct ground *g, unsigned slot, size_t size, size_t align)
{
	struct ma_pool_request req = {.size = size, .align = align, .kind = kind_of(slot)};
	size_t nspare = ground_nspare(g);
	struct ma_block *block;

	ground_before(g);
	block = ma_pool_alloc(&g->pool, &req);
	SAY("take %u: %zu bytes, align %zu: %p\n", slot, size, align,
	    block != NULL ? ma_block_ptr(block) : NULL);
	if (size == 0 || size > MA_REGION_MAX || align > MA_REGION_MAX) {
		ground_must(block == NULL, "G8 what no region holds is refused");
		ground_not_grown(g);
		return;
	}
	req.size = ma_align_up(size, g->plain.page);
	req.align = ma_max(align, g->plain.page);
	if (plain_choose(&g->plain, req.size, req.align) == PLAIN_NONE) {
		ground_grown(g, req.size + req.align - g->plain.page);
		nspare = 0;
	} else {
		ground_not_grown(g);
	}
	check_taken(g, &req, block, nspare);
	if (block != NULL)
		hold(g, slot, block);
}

void ground_take_direct(struct ground *g, unsigned slot, size_t size)
{
	size_t room = plain_room(&g->plain);
	struct ma_block *block;

	ground_before(g);
	block = ma_direct_alloc(&g->pool, size, kind_of(slot));
	SAY("direct %u: %zu bytes: %p\n", slot, size, block != NULL ? ma_block_ptr(block) : NULL);
	ground_learn_stranded(g);
	if (size == 0 || size > MA_REQUEST_MAX || ma_align_up(size, g->plain.page) > room) {
		ground_must(block == NULL, "G8 what is beyond the limit is refused");
		return;
	}
	if (block == NULL) {
		ground_must(ground_refused(g) && !ground_had_room(g, size),
			    "G8 a refusal has a reason");
		return;
	}
	(void)plain_add_region(&g->plain, ma_block_addr(block), ma_align_up(size, g->plain.page),
			       true);
	hold(g, slot, block);
}

/* Guards have no contents any more; what was between them does. */
bool ground_lift(struct ground *g, unsigned slot)
{
	struct ground_object *o = &g->object[slot];
	bool done;

	ground_before(g);
	done = ma_guard_lift(o->block);
	ground_must(done == plain_lift(&g->plain, index_of(g, slot)),
		    "G9 guards are lifted unless the OS refuses");
	ground_silent(g);
	ground_check_paint(g, slot, o->block->size);
	if (done)
		ground_paint(g, slot);
	return done;
}

void ground_free(struct ground *g, unsigned slot)
{
	struct ground_object *o = &g->object[slot];
	struct ma_block *block = o->block;
	size_t i;
	bool due;

	if (block == NULL || !ground_lift(g, slot))
		return;
	SAY("free %u: %p, %zu bytes\n", slot, ma_block_ptr(block), block->size);
	ground_before(g);
	i = index_of(g, slot);
	o->block = NULL;
	if (g->plain.block[i].state == PLAIN_DIRECT) {
		ma_direct_free(&g->pool, block);
		plain_free_direct(&g->plain, i);
		ground_silent(g);
		return;
	}
	due = ma_pool_free(&g->pool, block);
	g->plain.block[i].since = g->plain.now;
	plain_free(&g->plain, i, false);
	ground_must(due == plain_is_due(&g->plain), "G9 it is told when pages have come of age");
	ground_silent(g);
}

/* ---- a block that changes its size ----------------------------------------------------------- */

static void shrink(struct ground *g, unsigned slot, size_t size)
{
	struct ma_block *block = g->object[slot].block;
	size_t less = block->size - ma_align_up(size, g->plain.page);
	size_t nspare = ground_nspare(g);
	size_t given = ma_pool_shrink(&g->pool, block, size);

	ground_not_grown(g);
	if (given == 0 && less > 0) {
		ground_must(ground_refused(g) && nspare == 0, "G8 a refusal has a reason");
		return;
	}
	ground_must(given == less, "G9 bytes given back are told");
	if (less > 0)
		plain_shrink(&g->plain, index_of(g, slot), block->size);
}

static void extend(struct ground *g, unsigned slot, size_t size)
{
	bool done = ma_pool_extend(&g->pool, g->object[slot].block, size);
	bool must = size <= MA_REGION_MAX &&
		    plain_extend(&g->plain, index_of(g, slot), ma_align_up(size, g->plain.page));

	ground_must(done == must, "G8 a block grows if its neighbour is free and large enough");
	ground_silent(g);
}

/* Two slots of four. */
static bool may_move(unsigned slot)
{
	return slot % 4 < 2;
}

/* Whether the pagemap has no place for what begins there. */
static bool is_beyond_map(uintptr_t addr, size_t size)
{
	return size > ((uintptr_t)1 << MA_PAGEMAP_ADDR_BITS) - addr;
}

/* What the limit allows is refused only by the OS: to grow in place, and to move. */
static void check_not_resized(const struct ground *g, unsigned slot, size_t size)
{
	const struct ma_block *block = g->object[slot].block;

	ground_must(ground_refused(g) || is_beyond_map(ma_block_addr(block), size),
		    "G8 a refusal has a reason");
	ground_must(!may_move(slot) || size <= block->size || !ground_had_room(g, size),
		    "G8 a mapping that cannot grow moves");
}

static void check_moved(const struct ground *g, unsigned slot, size_t old)
{
	const struct ground_object *o = &g->object[slot];

	if (ma_block_addr(o->block) == o->addr)
		return;
	ground_must(may_move(slot) && o->block->size > old && ground_refused(g),
		    "G1 a mapping moves only when it cannot grow");
	for (size_t at = 0; at < old; at += MA_GRANULE)
		ground_must(ma_pagemap_get(&g->pagemap, o->addr + at) == NULL,
			    "G1 what has moved is not entered where it was");
}

static void resize_direct(struct ground *g, unsigned slot, size_t size)
{
	struct ground_object *o = &g->object[slot];
	size_t old = o->block->size;
	bool done = ma_direct_resize(&g->pool, o->block, size, may_move(slot));
	bool legal = size <= MA_REQUEST_MAX &&
		     (size <= old ||
		      ma_align_up(size, g->plain.page) - old <= plain_room(&g->plain));

	ground_learn_stranded(g);
	ground_must(!done || legal, "G8 what is beyond the limit is refused");
	if (!done && legal)
		check_not_resized(g, slot, size);
	if (!done)
		return;
	check_moved(g, slot, old);
	plain_move_region(&g->plain, index_of(g, slot), ma_block_addr(o->block),
			  ma_align_up(size, g->plain.page));
	o->addr = ma_block_addr(o->block);
}

void ground_resize(struct ground *g, unsigned slot, size_t size)
{
	struct ground_object *o = &g->object[slot];
	size_t old = o->block->size;

	if (!ground_lift(g, slot))
		return;
	SAY("resize %u: %zu bytes to %zu\n", slot, old, size);
	ground_before(g);
	if (o->block->region->direct)
		resize_direct(g, slot, size);
	else if (size <= old)
		shrink(g, slot, size);
	else
		extend(g, slot, size);
	ground_check_paint(g, slot,
			   ma_min(ma_min(old, o->block->size), GROUND_NPAINTED * g->plain.page));
	ground_paint(g, slot);
}

/* ---- guards ---------------------------------------------------------------------------------- */

void ground_guard(struct ground *g, unsigned slot, size_t front, size_t back)
{
	struct ground_object *o = &g->object[slot];

	if (o->block == NULL || o->block->guarded || front + back > o->block->size)
		return;
	SAY("guard %u: %zu and %zu bytes\n", slot, front, back);
	ground_before(g);
	ma_guard_ends(o->block, front, back);
	plain_guard(&g->plain, index_of(g, slot), front, back);
	o->front = front;
	o->back = back;
	ground_silent(g);
}

void ground_guard_all(struct ground *g, unsigned slot)
{
	struct ground_object *o = &g->object[slot];

	if (o->block == NULL || o->block->nguards == UINT8_MAX)
		return;
	ground_before(g);
	ground_must(ma_guard_all(o->block) == plain_guard_all(&g->plain, index_of(g, slot)),
		    "G9 guards are put up unless the OS refuses");
	o->front = o->block->size;
	ground_silent(g);
}
