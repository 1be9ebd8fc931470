/*
 * Property: small objects lead the lives that the headers of slab, stock, quarantine, supply and
 * bins say, to the slot. Whatever is allocated, resized and freed, and waits for however long:
 * after every single step each slot of each slab is in the state that a plain account has it in, at
 * its place in the order in which slots will be handed out, with the canary of its life or zeroed;
 * and the next object is where the account says.
 *
 * The account is plain_slots.h, what is compared is in slots_match.c. README.md has the bytes of
 * the configuration and the operations that are this target's own.
 *
 * Rules:
 *   L1  An object is where it must be; a slab comes when none of the heap's has a free slot.
 *   L2  Slabs with free slots are in the order in which they serve; empty ones go.
 *   L3  Stocks have at hand what they should, in order, and say so.
 *   L4  What is in quarantine waits in order, no longer than it should, and is counted.
 *   L5  Each state, count and bit is what became of the slot.
 *   L6  A live slot has its canary and zeros behind it; what holds nothing is zero.
 *   L7  Addresses and damage are taken for what they are.
 *   L8  When all is freed and nothing waits any more, there is no slab.
 */
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "os.h"
#include "os_fake.h"
#include "pagemap.h"
#include "plain_slots.h"
#include "seq.h"
#include "steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Operations of this target: "other 0 arg" in text. */
enum {
	OP_PROBE = SEQ_NUMBERED, /* byte arg of the slabs: what is it taken for? */
	OP_DAMAGE,               /* object arg % 256: byte arg / 256 behind it is not what it was */
	OP_DAMAGE_FREE, /* the same of slot arg % 65536 of the slabs, if it holds nothing */
};

static struct fuzz_slab {
	struct seq seq;
	struct ma_pagemap pagemap;
	struct ma_instance inst;
	struct ma_heap *heap;
	struct model model;
	struct plain_slots plain;
} world;

/* ---- beginning ------------------------------------------------------------------------------- */

/* Bytes 0 and 1 of an input; README.md has the table. */
static struct ma_instance_config read_config(struct seq *seq)
{
	static const size_t caps[4] = {0, 3, 16, 40};
	static const size_t most[4] = {SIZE_MAX, 4096, 500, 100000};
	static const size_t entries[4] = {0, MA_STOCK, 5, 16};
	static const size_t bytes[4] = {8192, 256, 65536, 2048};
	static const size_t quiet[4] = {0, 2, 32, 8};
	static const size_t fills[4] = {MA_FILL_MAX, 0, MA_FILL_MAX, 4096};
	static const size_t pages[4] = {4096, 4096, 16384, 65536};
	unsigned a = seq_byte(seq);
	unsigned b = seq_byte(seq);

	os_fake_fast(true);
	os_fake_reset();
	os_fake_set_page_size(pages[b >> 4 & 3]);
	return (struct ma_instance_config){
		.pool = {.fit = b & 0x40 ? MA_FIT_BEST : MA_FIT_FIRST, .age_ms = 1000},
		.slab = {.fill_max = fills[a >> 6], .redzone = a & 0x80 ? 16 : 0},
		.quarantine = {.cap = caps[a & 3], .bytes = most[a >> 2 & 3]},
		.stock = {entries[a >> 4 & 3], bytes[b & 3], quiet[b >> 2 & 3]},
		.wait = b & 0x80 ? 65536 : 0,
		.seed = 1,
	};
}

static bool begin(struct fuzz_slab *w, const uint8_t *data, size_t size)
{
	struct ma_instance_config config;

	seq_init(&w->seq, data, size);
	config = read_config(&w->seq);
	ma_canary_init(0x0123456789abcdef);
	if (!ma_pagemap_init(&w->pagemap))
		return false;
	ma_instance_init(&w->inst, &config, &w->pagemap);
	w->heap = ma_heap_acquire(&w->inst);
	plain_must(w->heap != NULL, "the fake OS starts");
	w->seq.page = ma_os_page_size();
	model_init(&w->model);
	plain_slots_init(&w->plain, &config, w->heap, w->seq.page);
	return true;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* What does not get a slot is made smaller. */
static struct ma_request request_of(const struct fuzz_slab *w, const struct seq_op *op)
{
	size_t limit = w->heap->small_max;
	struct ma_request req = {.size = op->size % (limit + 1), .zero = op->kind == SEQ_CALLOC};

	if (op->kind != SEQ_ALIGNED)
		return req;
	req.align = ma_min(op->align, w->seq.page);
	req.zero = op->zero;
	if (req.size > limit - ma_min(req.align, limit))
		req.size = limit - ma_min(req.align, limit);
	return req;
}

static void take(struct fuzz_slab *w, unsigned slot, const struct seq_op *op)
{
	struct ma_request req = request_of(w, op);
	struct model_object object = {.size = req.size, .align = ma_max(req.align, 1)};

	if (op->kind == SEQ_MALLOC || op->kind == SEQ_REALLOC)
		object.ptr = ma_heap_alloc(w->heap, req.size);
	else
		object.ptr = ma_heap_alloc_request(w->heap, &req);
	SAY("%u: %zu bytes at %p\n", slot, req.size, (void *)object.ptr);
	plain_must((char *)object.ptr == plain_slots_alloc(&w->plain, req.size, req.align),
		   "L1 an object is where it must be");
	model_add(&w->model, slot, &object, req.zero);
}

static void drop(struct fuzz_slab *w, unsigned slot)
{
	void *ptr = w->model.object[slot].ptr;

	if (ptr == NULL)
		return;
	SAY("%u: free %p\n", slot, ptr);
	model_remove(&w->model, slot);
	ma_heap_free(&w->inst, w->heap, ptr);
	plain_slots_free(&w->plain, ptr);
}

static void resize(struct fuzz_slab *w, unsigned slot, const struct seq_op *op)
{
	size_t size = request_of(w, op).size;
	char *old = (char *)w->model.object[slot].ptr;
	char *ptr, *expected = old;

	model_check(&w->model, slot);
	ptr = ma_heap_realloc(w->heap, old, size);
	SAY("%u: %p becomes %zu bytes at %p\n", slot, (void *)old, size, (void *)ptr);
	if (!plain_slots_resize(&w->plain, old, size)) {
		expected = plain_slots_alloc(&w->plain, size, 1);
		plain_slots_free(&w->plain, old);
	}
	plain_must(ptr == expected, "L1 an object that was resized is where it must be");
	model_moved(&w->model, slot, ptr, size);
}

/* ---- what is looked at ----------------------------------------------------------------------- */

/* Slab after slab, as they are in the account. */
static char *byte_of(struct fuzz_slab *w, uint64_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < PLAIN_NSLABS; i++)
		if (w->plain.slab[i].real != NULL)
			sum += w->plain.slab[i].nslots * w->plain.slab[i].slot;
	for (size_t i = 0; sum > 0; i++) {
		const struct plain_slab *slab = &w->plain.slab[i];
		size_t size = slab->nslots * slab->slot;

		if (slab->real == NULL)
			continue;
		if (n % sum < size)
			return slab->base + n % sum;
		n = n % sum - size;
		sum -= size;
	}
	return NULL;
}

static void probe(struct fuzz_slab *w, uint64_t n)
{
	char *ptr = byte_of(w, n);
	size_t idx;
	const struct plain_slab *slab = ptr != NULL ? plain_slots_find(&w->plain, ptr, &idx) : NULL;

	if (slab == NULL)
		return;
	slots_match_proof(&w->plain, ptr);
	slots_match_proof(&w->plain, slab->base + idx * slab->slot);
}

/* Whether a byte of the tail is among those that are looked at, by anybody or by each proof. */
static bool is_seen(const struct plain_slab *slab, size_t byte, size_t canary, bool by_all)
{
	if (byte < canary + MA_CANARY || byte + 8 >= slab->slot)
		return true;
	return slab->filled && (slab->close || !by_all);
}

static void damage(struct fuzz_slab *w, uint64_t arg)
{
	const struct model_object *o = &w->model.object[arg % MODEL_NOBJECTS];
	struct ma_slot found;
	struct plain_slab *slab;
	size_t idx, byte;

	if (o->ptr == NULL)
		return;
	slab = plain_slots_find(&w->plain, (char *)o->ptr, &idx);
	byte = o->size + arg / MODEL_NOBJECTS % (slab->slot - o->size);
	o->ptr[byte] ^= 0x5a;
	plain_must((ma_slab_prove(slab->real, o->ptr, &found) == MA_PROOF_OVERRUN) ==
			   is_seen(slab, byte, o->size, true),
		   "L7 a proof sees what it looks at");
	plain_must((ma_slab_verify(slab->real, (uint32_t)idx, &found) == MA_PROOF_OVERRUN) ==
			   is_seen(slab, byte, o->size, false),
		   "L7 who verifies sees more");
	o->ptr[byte] ^= 0x5a;
}

static void damage_free(struct fuzz_slab *w, uint64_t arg)
{
	char *ptr = byte_of(w, arg);
	struct ma_slot found;
	const struct plain_slab *slab;
	bool seen;
	size_t idx, byte;

	if (ptr == NULL)
		return;
	slab = plain_slots_find(&w->plain, ptr, &idx);
	byte = (size_t)(ptr - slab->base) % slab->slot;
	seen = slab->filled || byte < MA_ALIGN || byte + MA_ALIGN >= slab->slot;
	if (slab->at[idx].fresh || slab->at[idx].phase == PLAIN_LIVE)
		return;
	*ptr ^= 0x5a;
	plain_must(ma_slab_verify(slab->real, (uint32_t)idx, &found) ==
			   (seen && (slab->at[idx].used || slab->real->zero) ? MA_PROOF_WRITTEN
									     : MA_PROOF_OK),
		   "L7 a write to what is free is seen");
	*ptr ^= 0x5a;
}

/* ---- operations ------------------------------------------------------------------------------ */

static void do_other(struct fuzz_slab *w, const struct seq_op *op)
{
	switch (op->code) {
	case SEQ_COMPACT:
	case SEQ_GIVE_ALL:
		SAY("nothing waits any more\n");
		ma_heap_compact(&w->inst, w->heap);
		plain_slots_flush(&w->plain, true);
		plain_slots_drop_empty(&w->plain);
		return;
	case SEQ_FORK:
		SAY("a fork\n");
		ma_instance_forked(&w->inst, w->heap);
		plain_slots_flush(&w->plain, false);
		return;
	case SEQ_COMPARE:
		model_check_all(&w->model);
		slots_match_all(&w->plain);
		return;
	case OP_PROBE:
		probe(w, op->arg);
		return;
	case OP_DAMAGE:
		damage(w, op->arg);
		return;
	case OP_DAMAGE_FREE:
		damage_free(w, op->arg);
		return;
	default:
		return;
	}
}

static void do_slot(struct fuzz_slab *w, const struct seq_op *op, unsigned slot)
{
	bool is_empty = w->model.object[slot].ptr == NULL;

	if (op->kind == SEQ_REALLOC && !is_empty && op->size > 0) {
		resize(w, slot, op);
		return;
	}
	drop(w, slot);
	if (op->kind != SEQ_FREE && (op->kind != SEQ_REALLOC || op->size > 0))
		take(w, slot, op);
}

static void check(struct fuzz_slab *w)
{
	const char *broken = ma_heap_check(w->heap);

	plain_must(broken == NULL, broken);
	slots_match(&w->plain, w->heap);
}

static void do_op(struct fuzz_slab *w, const struct seq_op *op)
{
	if (op->kind == SEQ_OTHER)
		do_other(w, op);
	for (unsigned i = 0; i < op->count && op->kind != SEQ_OTHER; i++) {
		if (op->kind == SEQ_FREE && !seq_selects(op, i))
			continue;
		if (!plain_slots_room(&w->plain))
			return;
		do_slot(w, op, (op->slot + i) % MODEL_NOBJECTS);
		slots_match(&w->plain, w->heap);
	}
	check(w);
}

/* Upwards, downwards, every other one first. */
static void end(struct fuzz_slab *w, unsigned how)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		unsigned down = MODEL_NOBJECTS - 1 - i;
		unsigned other = i * 2 % MODEL_NOBJECTS + i / (MODEL_NOBJECTS / 2);

		drop(w, how % 3 == 0 ? i : how % 3 == 1 ? down : other);
		slots_match(&w->plain, w->heap);
	}
	check(w);
	slots_match_all(&w->plain);
	ma_heap_compact(&w->inst, w->heap);
	plain_slots_flush(&w->plain, true);
	plain_slots_drop_empty(&w->plain);
	check(w);
	for (size_t i = 0; i < PLAIN_NSLABS; i++)
		plain_must(w->plain.slab[i].real == NULL, "L8 no slab stays when all is freed");
	ma_instance_fini(&w->inst);
	ma_pagemap_fini(&w->pagemap);
	plain_must(os_fake_mapped() == 0, "L8 nothing is mapped after the end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_slab *w = &world;
	struct seq_op op;
	unsigned how;

	if (!begin(w, data, size))
		return 0;
	how = seq_byte(&w->seq);
	check(w);
	while (plain_slots_room(&w->plain) && seq_next(&w->seq, &op))
		do_op(w, &op);
	end(w, how);
	return 0;
}
