/*
 * Property: the memory pool does what its header says, to the block. Whatever is taken, freed,
 * resized, guarded and given back, by either policy, whatever the OS and the limit refuse and
 * whatever the clock says: after every single step its blocks, its index, what goes back next and
 * its totals are those of a plain account, which knows none of its structures.
 *
 * The account is plain_pool.h, what is compared is in pool_match.h and ground.h. README.md has the
 * bytes of the configuration and the operations that are this target's own.
 */
#include <stdio.h>
#include <string.h>

#include "decay.h"
#include "direct.h"
#include "ground.h"
#include "guard.h"
#include "os.h"
#include "os_fake.h"
#include "pool_match.h"
#include "steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Operations of this target: "other 0 arg" in text. */
enum {
	OP_CLOCK_BACK = SEQ_NUMBERED, /* another thread looked at the clock, arg ms ago */
	OP_GUARD,                     /* both ends of block arg % 256, by up to three pages each */
	OP_GUARD_ALL,                 /* all of block arg */
	OP_LIFT,                      /* of block arg */
	OP_OTHER,                     /* somebody else maps pages, or unmaps them */
};

#define OS_BYTES ((size_t)384 << 20)
#define OS_FEW_BYTES ((size_t)8 << 20)

static struct ground ground;

/* ---- beginning ------------------------------------------------------------------------------- */

/* Bytes 0 to 2 of an input; README.md has the table. */
static void read_config(struct ground *g, struct ma_pool_config *config)
{
	static const size_t pages[4] = {4096, 4096, 16384, 65536};
	static const uint64_t ages[4] = {0, 40, 100, 1000};
	static const size_t firsts[4] = {65536, 0, 16384, 262144};
	static const size_t limits[8] = {0, 0, 0, 262144, 1048576, 8388608, 83886080, 1000000};
	unsigned a = seq_byte(&g->seq);
	unsigned b = seq_byte(&g->seq);
	void *probe;

	os_fake_fast(true);
	os_fake_reset();
	os_fake_set_page_size(pages[a >> 1 & 3]);
	probe = ma_os_map(ma_os_page_size());
	ground_must(probe != NULL && ma_os_unmap(probe, ma_os_page_size()), "the fake OS starts");
	g->place = a & 0x20 ? (uintptr_t)probe + ((size_t)2 << 20) : 0;
	os_fake_set_place(g->place);
	os_fake_set_limit(b & 0x40 ? OS_FEW_BYTES : OS_BYTES);
	config->fit = a & 1 ? MA_FIT_BEST : MA_FIT_FIRST;
	config->age_ms = ages[a >> 3 & 3];
	config->retain = a & 0x40 ? 131072 : 0;
	config->first = firsts[b & 3];
	config->limit = limits[b >> 2 & 7];
	if (b & 0x80)
		os_fake_fail_at(1);
}

static void reset_refusals(struct ground *g)
{
	g->plain.os.mask = OS_FAKE_ALL;
	g->plain.os.at = g->plain.os.from = SIZE_MAX;
}

static bool begin(struct ground *g, const uint8_t *data, size_t size)
{
	struct ma_pool_config config = {0};

	memset(&g->object, 0, sizeof(g->object));
	memset(&g->other, 0, sizeof(g->other));
	g->went_back = false;
	seq_init(&g->seq, data, size);
	read_config(g, &config);
	if (!ma_pagemap_init(&g->pagemap))
		return false;
	ma_meta_init(&g->meta);
	ma_pool_init(&g->pool, &config, &g->meta, &g->pagemap);
	g->seq.page = ma_os_page_size();
	g->plain.lost = 0;
	reset_refusals(g);
	plain_init(&g->plain, &config, g->seq.page);
	g->plain.next = g->pool.next;
	return true;
}

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

static void take(struct ground *g, unsigned slot, size_t size, size_t align)
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

static void learn_stranded(struct ground *g)
{
	if (ground_refused(g) && g->pool.counts.stranded > g->plain.stranded)
		g->plain.stranded = g->pool.counts.stranded;
}

static void take_direct(struct ground *g, unsigned slot, size_t size)
{
	size_t room = plain_room(&g->plain);
	struct ma_block *block;

	ground_before(g);
	block = ma_direct_alloc(&g->pool, size, kind_of(slot));
	SAY("direct %u: %zu bytes: %p\n", slot, size, block != NULL ? ma_block_ptr(block) : NULL);
	learn_stranded(g);
	if (size == 0 || size > MA_REQUEST_MAX || ma_align_up(size, g->plain.page) > room) {
		ground_must(block == NULL, "G8 what is beyond the limit is refused");
		return;
	}
	if (block == NULL) {
		ground_must(ground_refused(g), "G8 a refusal has a reason");
		return;
	}
	(void)plain_add_region(&g->plain, ma_block_addr(block), ma_align_up(size, g->plain.page),
			       true);
	hold(g, slot, block);
}

/* Guards have no contents any more; what was between them does. */
static bool lift(struct ground *g, unsigned slot)
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

static void free_slot(struct ground *g, unsigned slot)
{
	struct ground_object *o = &g->object[slot];
	struct ma_block *block = o->block;
	size_t i;
	bool due;

	if (block == NULL || !lift(g, slot))
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

static void resize_direct(struct ground *g, unsigned slot, size_t size)
{
	struct ground_object *o = &g->object[slot];
	size_t old = o->block->size;
	bool may_move = slot % 4 < 2;
	bool done = ma_direct_resize(&g->pool, o->block, size, may_move);
	bool legal = size <= MA_REQUEST_MAX &&
		     (size <= old ||
		      ma_align_up(size, g->plain.page) - old <= plain_room(&g->plain));

	learn_stranded(g);
	ground_must(!done || legal, "G8 what is beyond the limit is refused");
	ground_must(done || !legal || ground_refused(g), "G8 a refusal has a reason");
	if (!done)
		return;
	ground_must(ma_block_addr(o->block) == o->addr ||
			    (may_move && size > old && ground_refused(g)),
		    "G1 a mapping moves only when it cannot grow");
	plain_move_region(&g->plain, index_of(g, slot), ma_block_addr(o->block),
			  ma_align_up(size, g->plain.page));
	o->addr = ma_block_addr(o->block);
}

static void resize(struct ground *g, unsigned slot, size_t size)
{
	struct ground_object *o = &g->object[slot];
	size_t old = o->block->size;

	if (!lift(g, slot))
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

/* ---- what goes back -------------------------------------------------------------------------- */

static void step(struct ground *g)
{
	size_t given;

	ground_before(g);
	given = ma_decay_step(&g->pool);
	SAY("step: %zu bytes given back\n", given);
	ground_must(given == plain_step(&g->plain),
		    "G9 what has come of age goes back, and nothing else");
	ground_silent(g);
	ground_check_contents(g);
}

/* This at least must be so, whatever the account says. */
static void check_given(const struct ground *g, size_t keep)
{
	const struct ma_region_set *set = &g->pool.regions;
	size_t most = ma_align_up(ma_max(keep, 1), g->plain.page);
	size_t nfree = 0;

	ground_must(g->pool.counts.dirty == 0, "G9 no page stays");
	for (size_t i = 0; i < set->nregions; i++) {
		const struct ma_block *last = set->table[i]->last;

		ground_must(!last->free || last->size <= most, "G9 no end of a region stays");
		nfree += last->free && last == set->table[i]->first && !last->zero;
	}
	ground_must(nfree == 0, "G9 no page of a free region stays");
}

static void give(struct ground *g, size_t keep)
{
	size_t given;

	ground_before(g);
	given = ma_decay_all(&g->pool, keep);
	SAY("give back all but %zu bytes: %zu\n", keep, given);
	ground_must(given == plain_give_all(&g->plain, keep), "G9 bytes given back are told");
	ground_silent(g);
	if (!ground_refused(g) && !g->went_back)
		check_given(g, keep);
	ground_check_contents(g);
}

/* Descriptors go with the pool; as regions, each piece of them stays if the OS refuses. */
static void end_meta(struct ground *g)
{
	for (const struct ma_meta_chunk *c = g->meta.chunks; c != NULL; c = c->next) {
		if (!plain_refuses(&g->plain, OS_FAKE_UNMAP))
			continue;
		(void)plain_refuses(&g->plain, OS_FAKE_PURGE);
		g->plain.lost += ma_os_guarded_size(c->size);
	}
	ma_meta_fini(&g->meta);
}

static void end_pool(struct ground *g)
{
	SAY("the pool ends\n");
	ground_before(g);
	ground_check_contents(g);
	memset(&g->object, 0, sizeof(g->object));
	ma_pool_fini(&g->pool);
	for (size_t i = 0; i < g->plain.nblocks; i++)
		for (size_t at = 0; at < g->plain.block[i].size; at += MA_GRANULE)
			ground_must(ma_pagemap_get(&g->pagemap, g->plain.block[i].addr + at) ==
					    NULL,
				    "G11 the pagemap has no entry for what has ended");
	plain_end(&g->plain);
	end_meta(g);
	ground_silent(g);
	g->plain.next = g->pool.next;
}

/* ---- the world around ------------------------------------------------------------------------ */

static void refuse(struct ground *g, const struct seq_op *op, unsigned kinds, bool once)
{
	size_t n = op->arg % 32 + 1;

	SAY("the OS refuses %s call %zu, of kinds %x\n", once ? "only" : "from", n, kinds);
	os_fake_lift();
	os_fake_fail_mask(kinds);
	reset_refusals(g);
	g->plain.os.mask = kinds;
	if (once)
		os_fake_fail_at(n);
	else
		os_fake_fail_from(n);
	*(once ? &g->plain.os.at : &g->plain.os.from) = os_fake_calls() + n;
}

static void advance(struct ground *g, uint64_t ms, bool back)
{
	uint64_t now = ma_os_now_ms();

	SAY("the clock goes %s by %zu ms\n", back ? "back" : "on", (size_t)ms);
	os_fake_set_now(back ? now - ma_min(now, ms) : now + ms);
	g->went_back = g->went_back || back;
}

/* n: which of them, in the lower three bits; how many pages, in the next six. */
static void map_other(struct ground *g, uint64_t n)
{
	size_t size = (n / GROUND_NOTHERS % 64 + 1) * g->plain.page;
	unsigned i = n % GROUND_NOTHERS;

	if (g->other[i] == NULL) {
		g->other[i] = ma_os_map(size);
		g->other_size[i] = g->other[i] != NULL ? size : 0;
		g->plain.lost += g->other_size[i];
		return;
	}
	if (!ma_os_unmap(g->other[i], g->other_size[i]))
		return;
	g->other[i] = NULL;
	g->plain.lost -= g->other_size[i];
}

static void reserve(struct ground *g, size_t size)
{
	bool done;

	ground_before(g);
	done = ma_pool_reserve(&g->pool, size);
	SAY("reserve %zu bytes: %d\n", size, done);
	ground_must(done == ground_reserved(g, size), "G8 what was reserved is free");
}

static void guard(struct ground *g, unsigned slot, size_t front, size_t back)
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

static void guard_all(struct ground *g, unsigned slot)
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

/* ---- operations ------------------------------------------------------------------------------ */

static void do_own(struct ground *g, const struct seq_op *op)
{
	unsigned slot = op->arg % GROUND_NSLOTS;
	uint64_t more = op->arg / GROUND_NSLOTS;

	switch (op->code) {
	case OP_CLOCK_BACK:
		advance(g, op->arg, true);
		return;
	case OP_GUARD:
		guard(g, slot, more % 4 * g->plain.page, more / 4 % 4 * g->plain.page);
		return;
	case OP_GUARD_ALL:
		guard_all(g, slot);
		return;
	case OP_LIFT:
		if (g->object[slot].block != NULL)
			(void)lift(g, slot);
		return;
	case OP_OTHER:
		map_other(g, op->arg);
		return;
	default:
		return;
	}
}

static void do_refusals(struct ground *g, const struct seq_op *op)
{
	switch (op->code) {
	case SEQ_REFUSE_AT:
		refuse(g, op, OS_FAKE_ALL, true);
		return;
	case SEQ_REFUSE_FROM:
		refuse(g, op, OS_FAKE_ALL, false);
		return;
	case SEQ_REFUSE_UNMAP:
		refuse(g, op, OS_FAKE_UNMAP, false);
		return;
	case SEQ_REFUSE_RESIZE_AT:
		refuse(g, op, OS_FAKE_RESIZE, true);
		return;
	case SEQ_REFUSE_MOVE:
		refuse(g, op, OS_FAKE_MOVE, false);
		return;
	case SEQ_REFUSE_PURGE_AT:
		refuse(g, op, OS_FAKE_PURGE, true);
		return;
	case SEQ_LIFT:
		os_fake_lift();
		g->plain.os.at = g->plain.os.from = SIZE_MAX;
		return;
	default:
		do_own(g, op);
	}
}

static void do_other(struct ground *g, const struct seq_op *op)
{
	switch (op->code) {
	case SEQ_TRIM:
		give(g, op->arg * g->plain.page / 2);
		return;
	case SEQ_GIVE:
	case SEQ_GIVE_ALL:
		give(g, op->arg * g->plain.page);
		return;
	case SEQ_CLOCK:
	case SEQ_DECAY:
		advance(g, op->arg * 4, false);
		if (op->code == SEQ_DECAY)
			step(g);
		return;
	case SEQ_RESERVE:
		reserve(g, op->size);
		return;
	case SEQ_END_INSTANCE:
		end_pool(g);
		return;
	case SEQ_COMPARE:
		ground_check_contents(g);
		return;
	default:
		do_refusals(g, op);
	}
}

static void do_slot(struct ground *g, const struct seq_op *op, unsigned slot)
{
	bool is_empty = g->object[slot].block == NULL;

	if (op->kind == SEQ_REALLOC && !is_empty && op->size > 0) {
		resize(g, slot, op->size);
		return;
	}
	free_slot(g, slot);
	if (g->object[slot].block != NULL || op->kind == SEQ_FREE)
		return;
	pool_match(&g->plain, &g->pool);
	if (op->kind == SEQ_CALLOC)
		take_direct(g, slot, op->size);
	else if (op->size > 0 || op->kind != SEQ_REALLOC)
		take(g, slot, op->size, op->kind == SEQ_ALIGNED ? op->align : 1);
}

static void do_op(struct ground *g, const struct seq_op *op)
{
	if (op->kind == SEQ_OTHER) {
		do_other(g, op);
		return;
	}
	for (unsigned i = 0; i < op->count; i++) {
		if (op->kind == SEQ_FREE && !seq_selects(op, i))
			continue;
		do_slot(g, op, (op->slot + i) % GROUND_NSLOTS);
		pool_match(&g->plain, &g->pool);
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Upwards, downwards, or every other one first. */
static void free_all(struct ground *g, unsigned order)
{
	for (unsigned i = 0; i < GROUND_NSLOTS; i++) {
		unsigned slot = order == 1 ? GROUND_NSLOTS - 1 - i : i;

		free_slot(g, order == 2 ? slot * 2 % 256 + slot / 128 : slot);
	}
	pool_match(&g->plain, &g->pool);
	for (size_t i = 0; i < g->plain.nblocks; i++)
		ground_must(g->plain.block[i].starts,
			    "G11 a region of which all is free is a block");
	advance(g, (uint64_t)1 << 40, false);
	give(g, 0);
	pool_match(&g->plain, &g->pool);
	for (const struct ma_block *b = g->pool.blocks; b != NULL; b = b->next)
		ground_must(b->zero && b->region->size == g->plain.page,
			    "G11 nothing is mapped when all is given back, but pages never used");
}

static void unmap_others(struct ground *g)
{
	for (unsigned i = 0; i < GROUND_NOTHERS; i++)
		if (g->other[i] != NULL)
			map_other(g, i);
}

static void end(struct ground *g, unsigned how)
{
	os_fake_lift();
	reset_refusals(g);
	os_fake_fail_mask(OS_FAKE_ALL);
	unmap_others(g);
	if (how % 4 < 3)
		free_all(g, how % 4);
	end_pool(g);
	ma_pagemap_fini(&g->pagemap);
	ground_must(os_fake_mapped() == g->plain.lost, "G11 nothing is mapped after the end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ground *g = &ground;
	struct seq_op op;
	unsigned how;

	if (!begin(g, data, size))
		return 0;
	how = seq_byte(&g->seq);
	pool_match(&g->plain, &g->pool);
	while (plain_has_room(&g->plain) && seq_next(&g->seq, &op)) {
		do_op(g, &op);
		pool_match(&g->plain, &g->pool);
		pool_match_choice(&g->plain, &g->pool, g->plain.page, g->plain.page);
	}
	end(g, how);
	return 0;
}
