/*
 * Property: whatever the program does wrong with its memory is told at once and by its name, once,
 * and nothing else comes of it: what was right before stays so, and what is done right is never
 * told. The model knows what each misuse is; a verdict that is missing, late or another one fails.
 *
 * Reports return here (on_violation=report). Inputs are those of fuzz_heap, with misuse; of the
 * world's operations, those that could make a verdict uncertain are left out.
 */
#include <stdio.h>
#include <string.h>

#include "os_fake.h"
#include "report.h"
#include "steps.h"
#include "sweep.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NSTALE 16

/* A pointer whose object has been freed. */
struct stale {
	char *ptr;
	size_t size;
	unsigned inst;
	bool fresh; /* nothing was done since */
};

struct misuse {
	struct world w;
	struct stale stale[NSTALE]; /* the youngest last */
};

/* ---- entries that take a pointer ------------------------------------------------------------- */

enum entry { FREE, REALLOC, USABLE, NENTRIES };

static const char *const rejects[NENTRIES] = {"invalid free", "bad realloc", "bad usable size"};

/* Return: what realloc gave. */
static void *give(struct misuse *m, enum entry entry, unsigned inst, void *ptr)
{
	struct world *w = &m->w;

	SAY("entry %u of instance %u: %p\n", (unsigned)entry, inst, ptr);
	if (entry == FREE)
		ma_heap_free(&w->instance[inst], w->heap[inst][w->thread], ptr);
	else if (entry == USABLE)
		(void)ma_heap_usable_size(&w->instance[inst], ptr);
	else if (world_heap(w, inst) != NULL)
		return ma_heap_realloc(w->heap[inst][w->thread], ptr, 100);
	return NULL;
}

/* A pointer that starts no live object of the instance. Without a heap nobody can call realloc. */
static void give_bad(struct misuse *m, enum entry entry, unsigned inst, void *ptr,
		     struct verdict due)
{
	if (entry == REALLOC && world_heap(&m->w, inst) == NULL)
		return;
	os_fake_forget();
	if (give(m, entry, inst, ptr) != NULL)
		model_fail("misuse", "M5 nothing comes of what is wrong");
	verdict_expect(due);
}

static enum entry entry_of(const struct seq_op *op)
{
	return (enum entry)(op->how % NENTRIES);
}

/* ---- pointers -------------------------------------------------------------------------------- */

/* The live object that holds an address, its canary included; NULL: none does. */
static const struct model_object *holder(const struct misuse *m, const char *at)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		const struct model_object *o = &m->w.model.object[i];

		if (o->ptr != NULL && (uintptr_t)at - (uintptr_t)o->ptr < o->size + MA_CANARY)
			return o;
	}
	return NULL;
}

/* NULL: the slot is empty. */
static struct model_object *object_of(struct misuse *m, const struct seq_op *op)
{
	struct model_object *o = &m->w.model.object[steps_slot(op, 0)];

	return o->ptr != NULL ? o : NULL;
}

/* The last slot is the pointer that was freed last. */
static const struct stale *stale_of(const struct misuse *m, const struct seq_op *op)
{
	return &m->stale[op->slot % NSTALE];
}

static void note_stale(struct misuse *m, const struct model_object *was)
{
	memmove(&m->stale[0], &m->stale[1], (NSTALE - 1) * sizeof(*m->stale));
	m->stale[NSTALE - 1] = (struct stale){(char *)was->ptr, was->size, was->owner, true};
}

/* Nothing has come of the memory of what was freed, which the OS has not got back either. */
static bool is_certain(const struct misuse *m, const struct stale *s)
{
	const struct ma_block *block = ma_pagemap_get(&m->w.pagemap, (uintptr_t)s->ptr);

	return s->fresh && block != NULL && !(block->free && block->zero);
}

static void do_stale(struct misuse *m, const struct seq_op *op)
{
	const struct stale *s = stale_of(m, op);
	enum entry entry = entry_of(op);
	bool certain = is_certain(m, s);
	struct verdict due = {rejects[entry], NULL};

	if (s->ptr == NULL || !m->w.exists[s->inst] || holder(m, s->ptr) != NULL)
		return;
	if (entry == FREE)
		due = (struct verdict){"double free", certain ? NULL : "invalid free"};
	give_bad(m, entry, s->inst, s->ptr, due);
}

/* Somewhere in a live object, or right behind it, in its canary. */
static void do_interior(struct misuse *m, const struct seq_op *op)
{
	const struct model_object *o = object_of(m, op);
	enum entry entry = entry_of(op);
	size_t at = op->arg;

	if (o == NULL)
		return;
	at = 1 + at % (o->size + MA_CANARY - 1);
	give_bad(m, entry, o->owner, o->ptr + at, (struct verdict){rejects[entry], NULL});
}

/* Not memory of the allocator's. */
static void do_foreign(struct misuse *m, const struct seq_op *op)
{
	static char data[64];
	char local[64];
	enum entry entry = entry_of(op);
	const struct model_object *o = object_of(m, op);
	uintptr_t places[8] = {(uintptr_t)data,  (uintptr_t)local,   1, 4096, (uintptr_t)m + 128,
			       UINTPTR_MAX - 15, (uintptr_t)1 << 47, 0};

	places[7] = (o != NULL ? (uintptr_t)o->ptr : 16) ^ (uintptr_t)1 << 60;
	give_bad(m, entry, m->w.inst, (void *)places[op->arg % 8],
		 (struct verdict){rejects[entry], NULL});
}

/* To the other instance. */
static void do_wrong_pool(struct misuse *m, const struct seq_op *op)
{
	const struct model_object *o = object_of(m, op);
	enum entry entry = entry_of(op);

	if (o != NULL && m->w.exists[1])
		give_bad(m, entry, 1 - o->owner, o->ptr, (struct verdict){"wrong pool", NULL});
}

/* ---- writes ---------------------------------------------------------------------------------- */

/* Bytes behind an object that are its canary's: of a tight one, as many as there is place for. */
static size_t canary_bytes(const struct misuse *m, const struct model_object *o)
{
	struct ma_block *block = ma_pagemap_get(&m->w.pagemap, (uintptr_t)o->ptr);

	if (block->kind == MA_BLOCK_LARGE && ma_large_of(block)->tight)
		return (size_t)(-(uintptr_t)(o->ptr + o->size) & (MA_ALIGN - 1));
	return MA_CANARY;
}

/* Behind the requested bytes; told by whatever comes next, even by a look at all. */
static void do_overflow(struct misuse *m, const struct seq_op *op)
{
	struct model_object *o = object_of(m, op);
	unsigned how = op->how;
	unsigned bits = (op->arg & 0xff) | 1u << (how & 7);
	size_t n = o != NULL ? canary_bytes(m, o) : 0;
	size_t at = n > 0 ? (how >> 3 & 7) % n : 0;
	struct verdict due = {"heap overflow", at > 0 ? "heap underflow" : NULL};

	if (n == 0)
		return;
	os_fake_forget();
	SAY("byte %zu behind %p, %zu bytes\n", at, (void *)o->ptr, o->size);
	o->ptr[o->size + at] ^= (unsigned char)bits;
	if (how >> 6 == 0)
		ma_sweep_report(&m->w.instance[o->owner], m->w.heap[o->owner][m->w.thread]);
	else
		(void)give(m, USABLE, o->owner, o->ptr);
	verdict_expect(due);
}

/*
 * What stands right in front of an object and is somebody's canary or tail: its own, if it is
 * tight, or that of the live slot before it, whose start is *whose. False: nothing that tells.
 */
static bool is_told_before(const struct misuse *m, const struct model_object *o, void **whose)
{
	struct ma_block *block = ma_pagemap_get(&m->w.pagemap, (uintptr_t)o->ptr);
	const struct ma_slab *slab = ma_slab_of(block);
	uint32_t idx;

	*whose = o->ptr;
	if (block->kind == MA_BLOCK_LARGE)
		return ma_large_of(block)->tight &&
		       (uintptr_t)o->ptr % steps_page(&m->w) >= MA_CANARY;
	idx = (uint32_t)((size_t)((const char *)o->ptr - ma_slab_base(slab)) / slab->slot);
	if (idx == 0 || !ma_slot_is_live(ma_slab_load(slab, idx - 1)))
		return false;
	*whose = o->ptr - slab->slot;
	return true;
}

/* In front of an object: what stands there tells, whether it is asked or looked at. */
static void do_underflow(struct misuse *m, const struct seq_op *op)
{
	struct model_object *o = object_of(m, op);
	unsigned how = op->how;
	unsigned bits = (op->arg & 0xff) | 1u << (how & 7);
	unsigned char *at;
	void *whose;

	if (o == NULL || !is_told_before(m, o, &whose))
		return;
	os_fake_forget();
	at = o->ptr - 1 - (how >> 3 & 7);
	SAY("byte %p in front of %p\n", (void *)at, (void *)o->ptr);
	*at ^= (unsigned char)bits;
	if (how >> 6 == 0)
		ma_sweep_report(&m->w.instance[o->owner], m->w.heap[o->owner][m->w.thread]);
	else
		(void)give(m, USABLE, o->owner, whose);
	verdict_expect((struct verdict){"heap overflow", "heap underflow"});
}

/* Whether byte @at of what was freed must stay zero until it is used again. */
static bool must_stay_zero(const struct misuse *m, const struct stale *s, size_t at)
{
	const struct ma_block *block = ma_pagemap_get(&m->w.pagemap, (uintptr_t)s->ptr);
	const struct ma_slab *slab;
	size_t offset, in_slot, end = MA_ALIGN;
	unsigned state;

	if (block == NULL || block->kind != MA_BLOCK_SLAB)
		return false;
	slab = ma_slab_of((struct ma_block *)(uintptr_t)block);
	offset = (size_t)(s->ptr + at - ma_slab_base(slab));
	in_slot = offset % slab->slot;
	if (offset / slab->slot >= slab->nslots)
		return false;
	state = ma_slab_load(slab, (uint32_t)(offset / slab->slot));
	/* What was never handed out holds what was there before. */
	if (!slab->zero && !ma_slot_was_used(state))
		return false;
	/* It may be another one's by now: behind its canary. */
	if (ma_slot_is_live(state))
		end = sizeof(uint64_t);
	return slab->slot <= m->w.config[s->inst].slab.fill_max ||
	       (in_slot < MA_ALIGN && !ma_slot_is_live(state)) || in_slot >= slab->slot - end;
}

/* Into memory that was freed: a look at all tells. */
/* A large object that was zeroed, and waits: it is looked at when its block leaves. */
static bool waits_zeroed(const struct misuse *m, const struct stale *s)
{
	const struct ma_instance *inst = &m->w.instance[s->inst];
	const struct ma_block *block = ma_pagemap_get(&m->w.pagemap, (uintptr_t)s->ptr);

	return inst->config.wait_sealed && block != NULL && block->kind == MA_BLOCK_RETIRED &&
	       ma_pool_of(block) == &inst->pool && block->zero && block->purpose > MA_WAIT_TIGHT &&
	       block->size <= MA_WAIT_ZEROED;
}

/* Its block goes back to the pool, or (@taken) the next object of its size may get it. */
static void do_large_stale_write(struct misuse *m, const struct stale *s, size_t at, bool taken)
{
	const struct verdict due = {"write after free", NULL}, none = {NULL, NULL};
	struct ma_instance *inst = &m->w.instance[s->inst];
	struct ma_heap *heap = world_heap(&m->w, s->inst);
	void *ptr;

	SAY("byte %zu of %p, freed and large\n", at, (void *)s->ptr);
	s->ptr[at] ^= 0x55;
	os_fake_forget();
	if (!taken || heap == NULL) {
		ma_heap_compact(inst, heap);
		verdict_expect(due);
		return;
	}
	ptr = ma_heap_alloc(heap, s->size);
	verdict_expect(ptr == s->ptr ? due : none);
	if (ptr != s->ptr)
		s->ptr[at] ^= 0x55;
	if (ptr != NULL)
		ma_heap_free(inst, heap, ptr);
}

static void do_stale_write(struct misuse *m, const struct seq_op *op)
{
	const struct stale *s = stale_of(m, op);
	size_t at = op->arg;
	struct ma_damage damage;

	if (s->ptr == NULL || s->size == 0 || !m->w.exists[s->inst])
		return;
	at %= s->size;
	if (waits_zeroed(m, s)) {
		do_large_stale_write(m, s, at, op->how & 1);
		return;
	}
	if (holder(m, s->ptr + at) != NULL || !must_stay_zero(m, s, at))
		return;
	SAY("byte %zu of %p, freed\n", at, (void *)s->ptr);
	s->ptr[at] ^= 0x55;
	damage = ma_sweep(&m->w.instance[s->inst], 0);
	if (damage.block == NULL && m->w.exists[1 - s->inst])
		damage = ma_sweep(&m->w.instance[1 - s->inst], 0);
	if (damage.block == NULL)
		model_fail("misuse", "M2 what is wrong is told at once");
	s->ptr[at] ^= 0x55;
}

/* A size or an alignment is claimed that is not the object's; it is freed all the same. */
static void do_claim(struct misuse *m, const struct seq_op *op)
{
	struct model_object *o = object_of(m, op);
	unsigned how = op->how;
	size_t more = 1 + op->arg % 256;
	struct ma_request claim = {.size = SIZE_MAX, .align = 1};
	struct verdict due = {"size mismatch", NULL};
	unsigned inst;
	void *ptr;

	if (o == NULL)
		return;
	if (how & 1) {
		claim.size = how & 2 && o->size >= more ? o->size - more : o->size + more;
	} else {
		due.kind = "alignment mismatch";
		claim.align = how & 2 ? more | 3 : ((uintptr_t)o->ptr & -(uintptr_t)o->ptr) * 2;
	}
	ptr = o->ptr;
	inst = o->owner;
	SAY("claim of %zu bytes, alignment %zu: %p\n", claim.size, claim.align, ptr);
	os_fake_forget();
	note_stale(m, o);
	model_remove(&m->w.model, (unsigned)(o - m->w.model.object));
	ma_heap_free_sized(&m->w.instance[inst], m->w.heap[inst][m->w.thread], ptr, &claim);
	verdict_expect(due);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void do_thread_exit(struct world *w)
{
	struct ma_heap **heap = &w->heap[w->inst][w->thread];

	if (*heap != NULL)
		ma_heap_release(*heap);
	*heap = NULL;
}

static void do_world(struct world *w, const struct seq_op *op)
{
	if (op->code == SEQ_SWITCH_INSTANCE) {
		world_open(w);
		w->inst = 1 - w->inst;
	} else if (op->code == SEQ_EXIT_THREAD) {
		do_thread_exit(w);
	} else if (op->code == SEQ_COMPACT) {
		ma_heap_compact(&w->instance[w->inst], w->heap[w->inst][w->thread]);
	}
}

static void do_misuse(struct misuse *m, const struct seq_op *op)
{
	static void (*const ops[])(struct misuse *, const struct seq_op *) = {
		[SEQ_GIVE_STALE - SEQ_GIVE_STALE] = do_stale,
		[SEQ_GIVE_INTERIOR - SEQ_GIVE_STALE] = do_interior,
		[SEQ_GIVE_FOREIGN - SEQ_GIVE_STALE] = do_foreign,
		[SEQ_GIVE_WRONG_POOL - SEQ_GIVE_STALE] = do_wrong_pool,
		[SEQ_WRITE_BEHIND - SEQ_GIVE_STALE] = do_overflow,
		[SEQ_WRITE_BEFORE - SEQ_GIVE_STALE] = do_underflow,
		[SEQ_WRITE_STALE - SEQ_GIVE_STALE] = do_stale_write,
		[SEQ_CLAIM_WRONG - SEQ_GIVE_STALE] = do_claim,
	};
	unsigned which = op->code - (unsigned)SEQ_GIVE_STALE;

	if (which < sizeof(ops) / sizeof(*ops) && ops[which] != NULL)
		ops[which](m, op);
}

/* What is about to be freed becomes stale; what was is not fresh when anything else is done. */
static void note(struct misuse *m, const struct seq_op *op)
{
	if (op->kind != SEQ_FREE) {
		for (unsigned i = 0; i < NSTALE && op->code < SEQ_GIVE_STALE; i++)
			m->stale[i].fresh = false;
		return;
	}
	for (unsigned i = 0; i < op->count; i++) {
		const struct model_object *o = &m->w.model.object[steps_slot(op, i)];

		if (seq_selects(op, i) && o->ptr != NULL)
			note_stale(m, o);
	}
}

static void step(struct misuse *m, const struct seq_op *op)
{
	note(m, op);
	os_fake_forget();
	if (steps_object(&m->w, op))
		verdict_expect((struct verdict){NULL, NULL});
	else if (op->code < SEQ_GIVE_STALE)
		do_world(&m->w, op);
	else
		do_misuse(m, op);
	world_check(&m->w);
	if (verdict_is_due())
		model_fail("misuse", "M1 nothing is told where nothing is wrong");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ma_report_config config = {.action = MA_ON_REPORT};
	static struct misuse m;
	struct seq_op op;

	memset(&m, 0, sizeof(m));
	ma_report_configure(&config);
	if (!world_init(&m.w, data, size))
		return 0;
	while (seq_next(&m.w.seq, &op))
		step(&m, &op);
	world_fini(&m.w);
	return 0;
}
