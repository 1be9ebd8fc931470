/*
 * Property: wherever the program writes into memory that it can write to, live or freed, and
 * whatever it hands in then, each call returns or reports; what the allocator knows stays valid but
 * for the rules about contents (S5, S6, A3); and when all is freed and given back, nothing is left.
 * And whatever number in a descriptor is wrong, which no program can reach, the validators tell or
 * find nothing: they neither fault nor loop.
 *
 * The first operation of misuse ends the part where all is right: what is written before is the
 * world's and the model's (world.h), what comes after knows places only. An operation that has a
 * number changes a descriptor (flip.h), and is the last. README.md has the table.
 */
#include <stdio.h>
#include <string.h>

#include "decay.h"
#include "flip.h"
#include "os_fake.h"
#include "report.h"
#include "stats.h"
#include "steps.h"
#include "sweep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct object {
	void *ptr; /* NULL: none */
	unsigned inst;
};

struct image {
	struct world w;
	bool hostile; /* something was written that nobody asked for */
	struct object object[MODEL_NOBJECTS];
};

/* ---- places ---------------------------------------------------------------------------------- */

/* The block of either instance that an address lies in; NULL: of none. */
static struct ma_block *block_at(const struct image *m, uintptr_t at)
{
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++)
		for (struct ma_block *b = m->w.exists[i] ? m->w.instance[i].pool.blocks : NULL;
		     b != NULL; b = b->next)
			if (at - ma_block_addr(b) < b->size)
				return b;
	return NULL;
}

/* Guards are where the program would fault: in front of an object, behind it, or behind slots. */
static bool is_guard(const struct ma_block *block, uintptr_t at)
{
	size_t page = ma_pool_of(block)->page;

	if (!block->guarded)
		return false;
	if (block->kind == MA_BLOCK_SLAB)
		return ma_block_end(block) - at <= page;
	if (block->kind != MA_BLOCK_LARGE)
		return true;
	return at < ma_block_addr(block) +
			       ma_large_of((struct ma_block *)(uintptr_t)block)->offset ||
	       ma_block_end(block) - at <= page;
}

static void write_at(struct image *m, uintptr_t at, size_t n, unsigned value)
{
	SAY("write %zu bytes of %02x at %#zx\n", n, value & 0xff, (size_t)at);
	for (size_t i = 0; i < n; i++) {
		const struct ma_block *block = block_at(m, at + i);

		if (block != NULL && !is_guard(block, at + i))
			*(unsigned char *)(at + i) ^= (unsigned char)(value >> 8 * (i & 1));
	}
	m->hostile = true;
}

/* Any address in any region: 16 bits of @where are a part of it, the others bytes. */
static uintptr_t anywhere(const struct image *m, const struct seq_op *op)
{
	const struct ma_region_set *set = &m->w.instance[op->slot % 2 && m->w.exists[1]]
						   .pool.regions;
	const struct ma_region *region;

	if (set->nregions == 0)
		return 0;
	region = set->table[op->slot / 2 % set->nregions];
	return ma_region_addr(region) + (op->arg * region->size >> 16) / 16 * 16 + op->how % 32;
}

static struct object *object_of(struct image *m, const struct seq_op *op)
{
	return &m->object[steps_slot(op, 0)];
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct ma_heap *heap_of(struct image *m, unsigned inst)
{
	return m->w.heap[inst][m->w.thread];
}

enum entry { FREE, REALLOC, USABLE, FREE_SIZED, NENTRIES };

/* Return: where the object is now, NULL: it is no more, or never was. */
static void *give(struct image *m, enum entry entry, unsigned inst, void *ptr, size_t size)
{
	const struct ma_request claim = {.size = size, .align = (size & 0xff) + 1};
	struct ma_instance *instance = &m->w.instance[inst];

	if (ptr == NULL || (entry == REALLOC && world_heap(&m->w, inst) == NULL))
		return ptr;
	SAY("entry %u of instance %u: %p, %zu\n", (unsigned)entry, inst, ptr, size);
	if (entry == REALLOC)
		return ma_heap_realloc(heap_of(m, inst), ptr, size);
	if (entry == USABLE)
		(void)ma_heap_usable_size(instance, ptr);
	else if (entry == FREE)
		ma_heap_free(instance, heap_of(m, inst), ptr);
	else
		ma_heap_free_sized(instance, heap_of(m, inst), ptr, &claim);
	return entry == USABLE ? ptr : NULL;
}

/* A resize that fails leaves the object where it was. */
static void resize(struct image *m, struct object *o, size_t size)
{
	void *ptr = give(m, REALLOC, o->inst, o->ptr, size);

	if (ptr != NULL)
		o->ptr = ptr;
}

static void drop(struct image *m, struct object *o)
{
	(void)give(m, FREE, o->inst, o->ptr, 0);
	o->ptr = NULL;
}

static void make(struct image *m, struct object *o, const struct seq_op *op)
{
	const struct ma_request req = {op->size, op->kind == SEQ_ALIGNED ? op->align : 0,
				       op->kind == SEQ_CALLOC || op->zero};
	struct ma_heap *heap = world_heap(&m->w, m->w.inst);

	drop(m, o);
	o->inst = m->w.inst;
	o->ptr = heap != NULL ? ma_heap_alloc_request(heap, &req) : NULL;
	SAY("%zu bytes, alignment %zu: %p\n", req.size, req.align, o->ptr);
}

/* Operations on objects, of which only the places are known. */
static void do_object(struct image *m, const struct seq_op *op)
{
	m->w.thread = op->thread % WORLD_NTHREADS;
	for (unsigned i = 0; i < op->count; i++) {
		struct object *o = &m->object[steps_slot(op, i)];

		if (op->kind == SEQ_FREE && seq_selects(op, i))
			drop(m, o);
		else if (op->kind == SEQ_REALLOC && o->ptr != NULL)
			resize(m, o, op->size);
		else if (op->kind != SEQ_FREE)
			make(m, o, op);
	}
}

/* ---- misuse ---------------------------------------------------------------------------------- */

/* It was an object's address, by chance or not, and is no more. */
static void forget(struct image *m, unsigned inst, const void *ptr)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		if (m->object[i].ptr == ptr && m->object[i].inst == inst)
			m->object[i].ptr = NULL;
}

static void give_any(struct image *m, enum entry entry, unsigned inst, uintptr_t at, size_t size)
{
	void *moved = give(m, entry, inst, (void *)at, size);

	if (entry == FREE || entry == FREE_SIZED || (entry == REALLOC && moved != NULL))
		forget(m, inst, (void *)at);
	if (entry == REALLOC && moved != NULL)
		(void)give(m, FREE, inst, moved, 0);
}

/* All who look at everything. */
static void look(struct image *m, unsigned inst)
{
	struct ma_stats stats;

	(void)ma_sweep(&m->w.instance[inst], 0);
	(void)ma_stats_count(&m->w.instance[inst], &stats, 0);
	ma_sweep_report(&m->w.instance[inst], heap_of(m, inst));
}

/* Up to where writes behind an object go: its slot's end, or that of what was asked for. */
static size_t bytes_of(const struct image *m, uintptr_t at)
{
	struct ma_block *block = block_at(m, at);

	if (block == NULL)
		return 0;
	return block->kind == MA_BLOCK_SLAB ? ma_slab_of(block)->slot
					    : ma_large_of(block)->requested;
}

static void do_misuse(struct image *m, const struct seq_op *op)
{
	struct object *o = object_of(m, op);
	uintptr_t at = (uintptr_t)o->ptr;
	size_t size = bytes_of(m, at);
	unsigned value = (unsigned)op->arg | 1;

	if (op->code == SEQ_WRITE_STALE)
		write_at(m, anywhere(m, op), 1 + op->how / 32u * 8, value);
	else if (op->code == SEQ_GIVE_STALE)
		give_any(m, (enum entry)(op->how / 64), op->slot & 1 && m->w.exists[1],
			 anywhere(m, op), op->arg);
	else if (op->code == SEQ_GIVE_FOREIGN)
		look(m, m->w.inst);
	else if (at == 0)
		return;
	else if (op->code == SEQ_WRITE_BEHIND)
		write_at(m, at + size - MA_CANARY * 2 + op->how % 64, 1 + op->how / 64u * 12,
			 value);
	else if (op->code == SEQ_WRITE_BEFORE)
		write_at(m, at - 1 - op->how % 64, 1 + op->how / 64u * 12, value);
	else if (op->code == SEQ_GIVE_INTERIOR)
		give_any(m, (enum entry)(op->how % NENTRIES), o->inst, at + op->arg % 512 - 256,
			 op->how);
	else if (op->code == SEQ_GIVE_WRONG_POOL && m->w.exists[1])
		give_any(m, (enum entry)(op->how % NENTRIES), 1 - o->inst, at, op->arg);
	else if (op->code == SEQ_CLAIM_WRONG)
		give_any(m, FREE_SIZED, o->inst, at, op->arg);
}

/* ---- what holds ------------------------------------------------------------------------------ */

static void must_hold(const char *broken)
{
	static const char *const contents[] = {"S5 ", "S6 ", "A3 "};

	for (size_t i = 0; broken != NULL && i < sizeof(contents) / sizeof(*contents); i++)
		if (strncmp(broken, contents[i], strlen(contents[i])) == 0)
			return;
	if (broken != NULL)
		model_fail("image", broken);
}

static void check(struct image *m)
{
	must_hold(ma_pagemap_check(&m->w.pagemap));
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++) {
		if (!m->w.exists[i])
			continue;
		must_hold(ma_pool_check(&m->w.instance[i].pool));
		must_hold(ma_waitlist_check(&m->w.instance[i].waitlist));
		must_hold(ma_instance_check(&m->w.instance[i], NULL));
		for (unsigned t = 0; t < WORLD_NTHREADS; t++)
			if (m->w.heap[i][t] != NULL)
				must_hold(ma_heap_check(m->w.heap[i][t]));
	}
}

/* A validator may say anything of a descriptor that is wrong. */
static void check_flipped(struct image *m)
{
	const char *said = ma_pagemap_check(&m->w.pagemap);

	for (unsigned i = 0; i < WORLD_NINSTANCES && said == NULL; i++)
		if (m->w.exists[i])
			said = ma_instance_check(&m->w.instance[i], heap_of(m, i));
	SAY("%s\n", said != NULL ? said : "nothing is said");
}

/* ---- all ------------------------------------------------------------------------------------- */

static void do_world(struct image *m, const struct seq_op *op)
{
	struct world *w = &m->w;
	struct ma_heap **heap = &w->heap[w->inst][w->thread];

	if (op->code == SEQ_SWITCH_INSTANCE) {
		world_open(w);
		w->inst = 1 - w->inst;
	} else if (op->code == SEQ_EXIT_THREAD && *heap != NULL) {
		ma_heap_release(*heap);
		*heap = NULL;
	} else if (op->code == SEQ_COMPACT) {
		ma_heap_compact(&w->instance[w->inst], *heap);
	} else if (op->code == SEQ_TRIM) {
		(void)ma_decay_all(&w->instance[w->inst].pool, op->arg * steps_page(w));
	}
}

/* From here on only places count. */
static void begin_hostility(struct image *m)
{
	m->hostile = true;
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		m->object[i] = (struct object){m->w.model.object[i].ptr,
					       m->w.model.object[i].owner};
	model_init(&m->w.model);
}

/* False: the descriptors are wrong now. */
static bool step(struct image *m, const struct seq_op *op)
{
	os_fake_forget();
	if (op->code >= SEQ_NUMBERED) {
		SAY("flip %u, %#llx\n", op->code - (unsigned)SEQ_NUMBERED,
		    (unsigned long long)op->arg);
		flip(&m->w, op->code - (unsigned)SEQ_NUMBERED, op->arg);
		check_flipped(m);
		return false;
	}
	if (op->code >= SEQ_GIVE_STALE && !m->hostile)
		begin_hostility(m);
	if (!m->hostile) {
		if (!steps_object(&m->w, op))
			do_world(m, op);
		world_check(&m->w);
		return true;
	}
	if (op->kind != SEQ_OTHER)
		do_object(m, op);
	else if (op->code >= SEQ_GIVE_STALE)
		do_misuse(m, op);
	else
		do_world(m, op);
	SAY("%s", os_fake_written());
	check(m);
	return true;
}

/* By a thread that is still there. */
static void free_all(struct image *m)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		drop(m, &m->object[i]);
}

/* The world's end conditions hold, whatever was written. */
static void end(struct image *m)
{
	free_all(m);
	os_fake_forget();
	/* What was written into slots that nobody had goes with their slabs. */
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++)
		if (m->w.exists[i] && m->hostile)
			world_give_all(&m->w, i, 0);
	world_fini(&m->w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ma_report_config config = {.action = MA_ON_REPORT};
	static struct image m;
	struct seq_op op;

	memset(&m, 0, sizeof(m));
	ma_report_configure(&config);
	if (!world_init(&m.w, data, size))
		return 0;
	while (seq_next(&m.w.seq, &op))
		if (!step(&m, &op))
			return 0;
	end(&m);
	return 0;
}
