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
#include "ground.h"
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
	OP_MEANWHILE,                 /* another thread frees block arg when the OS unmaps next */
};

#define OS_BYTES ((size_t)384 << 20)
#define OS_FEW_BYTES ((size_t)8 << 20)

/* Where regions are wanted: behind the first, which lies behind the root of the pagemap. */
#define PLACE ((size_t)5 << 20)

/* So far in front of where another leaf of the pagemap begins; its root lies there first. */
#define BEFORE_LEAF ((size_t)8 << 20)

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
	g->across = a & 0x80;
	if (g->across)
		os_fake_set_offset((OS_FAKE_ARENA / 2 - BEFORE_LEAF) / ma_os_page_size());
	probe = ma_os_map(ma_os_page_size());
	ground_must(probe != NULL && ma_os_unmap(probe, ma_os_page_size()), "the fake OS starts");
	g->place = a & 0x20 ? (uintptr_t)probe + PLACE : 0;
	os_fake_set_place(g->place);
	g->os_bytes = b & 0x40 ? OS_FEW_BYTES : OS_BYTES;
	os_fake_set_limit(g->os_bytes);
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
	g->meanwhile = 0;
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

/* ---- what goes back -------------------------------------------------------------------------- */

/* The lock is not held while the OS unmaps: another thread may free. */
static void free_meanwhile(void)
{
	struct ground *g = &ground;
	struct ground_object *o = &g->object[g->meanwhile - 1];

	if (o->block == NULL || o->block->guarded || o->block->region->direct)
		return;
	ground_check_paint(g, g->meanwhile - 1, o->block->size);
	SAY("another thread frees %u: %p\n", g->meanwhile - 1, ma_block_ptr(o->block));
	(void)ma_pool_free(&g->pool, o->block);
	g->freed_meanwhile = o->addr;
	o->block = NULL;
}

static void freed_meanwhile(struct plain_pool *plain)
{
	size_t i = plain_at(plain, ground.freed_meanwhile);

	plain->block[i].since = plain->now;
	plain_free(plain, i, false);
}

static void before_giving(struct ground *g)
{
	ground_before(g);
	g->freed_meanwhile = 0;
	os_fake_on_unmap(g->meanwhile != 0 ? free_meanwhile : NULL);
}

/* The account is about to give back the same. */
static void after_giving(struct ground *g)
{
	os_fake_on_unmap(NULL);
	g->meanwhile = 0;
	g->plain.meanwhile = g->freed_meanwhile != 0 ? freed_meanwhile : NULL;
}

static void step(struct ground *g)
{
	size_t given;

	before_giving(g);
	given = ma_decay_step(&g->pool);
	after_giving(g);
	SAY("step: %zu bytes given back\n", given);
	ground_must(given == plain_step(&g->plain),
		    "G9 what has come of age goes back, and nothing else");
	ground_silent(g);
	pool_match(&g->plain, &g->pool);
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

	before_giving(g);
	given = ma_decay_all(&g->pool, keep);
	after_giving(g);
	SAY("give back all but %zu bytes: %zu\n", keep, given);
	ground_must(given == plain_give_all(&g->plain, keep), "G9 bytes given back are told");
	ground_silent(g);
	if (!ground_refused(g) && !g->went_back && g->freed_meanwhile == 0)
		check_given(g, keep);
	pool_match(&g->plain, &g->pool);
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
		ground_guard(g, slot, more % 4 * g->plain.page, more / 4 % 4 * g->plain.page);
		return;
	case OP_GUARD_ALL:
		ground_guard_all(g, slot);
		return;
	case OP_LIFT:
		if (g->object[slot].block != NULL)
			(void)ground_lift(g, slot);
		return;
	case OP_OTHER:
		map_other(g, op->arg);
		return;
	case OP_MEANWHILE:
		g->meanwhile = slot + 1;
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
		ground_resize(g, slot, op->size);
		return;
	}
	ground_free(g, slot);
	if (g->object[slot].block != NULL || op->kind == SEQ_FREE)
		return;
	if (!is_empty)
		pool_match(&g->plain, &g->pool);
	if (op->kind == SEQ_CALLOC)
		ground_take_direct(g, slot, op->size);
	else if (op->size > 0 || op->kind != SEQ_REALLOC)
		ground_take(g, slot, op->size, op->kind == SEQ_ALIGNED ? op->align : 1);
}

static void do_op(struct ground *g, const struct seq_op *op)
{
	if (op->kind == SEQ_OTHER) {
		do_other(g, op);
		pool_match(&g->plain, &g->pool);
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

		ground_free(g, order == 2 ? slot * 2 % 256 + slot / 128 : slot);
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
		pool_match_choice(&g->plain, &g->pool, g->plain.page, g->plain.page);
	}
	end(g, how);
	return 0;
}
