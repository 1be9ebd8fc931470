/*
 * Property: what a program may rely on does not depend on how the heap is configured. One sequence,
 * carried out by two instances side by side that differ in policy, hardening, threads, limits: what
 * one serves the other serves unless it has a reason not to, with the same usable sizes, contents
 * and alignment; both count the same live objects and bytes, and count all that is mapped.
 *
 * Bytes 0 to 2 are the first instance's configuration, as fuzz_heap's; byte 3 tells how the second
 * one differs, and README.md has its table. Slots of the second are those of the first and HALF.
 */
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "os_fake.h"
#include "stats.h"
#include "ways.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HALF (MODEL_NOBJECTS / 2)
#define NTWINS WORLD_NINSTANCES

struct twins {
	struct world w;
	bool alone;     /* the second has the heap of one thread only */
	bool unlimited; /* neither has a limit of its own */
	unsigned first; /* that acts */
};

static void broken(const char *rule)
{
	model_fail("diff", rule);
}

/* ---- how they differ ------------------------------------------------------------------------- */

/* As the profile fast: nothing that is not in the fixed part. */
static void harden_nothing(struct ma_instance_config *config)
{
	config->slab = (struct ma_slab_policy){.fill_max = 0};
	config->quarantine = (struct ma_quarantine_config){.bytes = SIZE_MAX};
	config->stock = (struct ma_stock_config){0};
	config->wait = 0;
	config->wait_sealed = false;
	config->guard_large = false;
	config->sample = 0;
}

/* As the profile strict. */
static void harden_all(struct ma_instance_config *config)
{
	harden_nothing(config);
	config->slab.fill_max = 32768;
	config->slab.shuffled = config->quarantine.shuffled = true;
	config->slab.guarded = true;
	config->slab.traced = true;
	config->quarantine.cap = 64;
	config->wait = 300000;
	config->wait_sealed = true;
	config->guard_large = true;
	config->sample = 5;
}

/* Slots at hand, many of each size. */
static void use_stocks(struct ma_instance_config *config)
{
	harden_nothing(config);
	config->stock = (struct ma_stock_config){.entries = MA_STOCK, .bytes = 65536, .quiet = 4};
}

static void quarantine_only(struct ma_instance_config *config)
{
	harden_nothing(config);
	config->quarantine.cap = 32;
	config->quarantine.bytes = 2000;
}

static void harden(struct ma_instance_config *config, unsigned how)
{
	config->seed += how;
	if (how == 1)
		harden_nothing(config);
	else if (how == 2)
		harden_all(config);
	else if (how == 3)
		use_stocks(config);
	else if (how == 4)
		quarantine_only(config);
	else if (how == 5)
		config->guard_large = !config->guard_large;
	else if (how == 6)
		config->wait = config->wait > 0 ? 0 : 100000;
	else if (how == 7)
		config->sample = config->sample > 0 ? 0 : 3;
}

static void read_difference(struct twins *t)
{
	unsigned how = seq_byte(&t->w.seq);
	struct ma_instance_config *config = &t->w.config[1];

	*config = t->w.config[0];
	harden(config, how & 7);
	if (how & 0x08)
		config->pool.fit = config->pool.fit == MA_FIT_BEST ? MA_FIT_FIRST : MA_FIT_BEST;
	t->alone = how & 0x10;
	if (how & 0x20)
		config->pool.first = config->pool.first == 65536 ? 0 : 65536;
	if (how & 0x40)
		config->pool.limit = 0;
	if (how & 0x80) {
		config->pool.retain = config->pool.retain > 0 ? 0 : 131072;
		config->pool.age_ms = config->pool.age_ms > 0 ? 0 : 100;
	}
	t->unlimited = config->pool.limit == 0 && t->w.config[0].pool.limit == 0;
}

/* ---- what is the same ------------------------------------------------------------------------ */

static const struct model_object *object_of(const struct twins *t, unsigned slot, unsigned twin)
{
	return &t->w.model.object[slot + twin * HALF];
}

/* Both have served it, or both have not; what a step has written tells whether it was this one. */
static bool is_alike(const struct twins *t, unsigned slot)
{
	const struct model_object *a = object_of(t, slot, 0);
	const struct model_object *b = object_of(t, slot, 1);

	if (a->ptr == NULL || b->ptr == NULL)
		return a->ptr == b->ptr;
	return a->size == b->size && a->fill == b->fill;
}

static void compare_contents(const struct model_object *a, const struct model_object *b)
{
	if (a->size <= MODEL_WHOLE && memcmp(a->ptr, b->ptr, a->size) != 0)
		broken("T3 contents are the same");
}

static void compare(struct twins *t, unsigned slot)
{
	const struct model_object *a = object_of(t, slot, 0);
	const struct model_object *b = object_of(t, slot, 1);

	if (!is_alike(t, slot))
		broken("T1 what one serves the other serves");
	if (a->ptr == NULL)
		return;
	if (ma_heap_usable_size(&t->w.instance[0], a->ptr) !=
	    ma_heap_usable_size(&t->w.instance[1], b->ptr))
		broken("T2 usable sizes are the same");
	compare_contents(a, b);
}

/* All parts of what is mapped, by the statistics. */
static size_t sum_of(const struct ma_stats *s)
{
	return s->live + s->slack + s->used + s->fresh + s->quarantine + s->tails + s->guards +
	       s->waiting + s->aside + s->free;
}

static struct ma_stats count(struct twins *t, unsigned twin)
{
	struct ma_stats stats;
	size_t bytes;
	size_t n = model_count(&t->w.model, twin, &bytes);

	if (!ma_stats_count(&t->w.instance[twin], &stats, 0))
		broken("T4 what is live can be counted");
	if (stats.objects != n || stats.live != bytes)
		broken("T4 live objects and bytes are those of the program");
	if (sum_of(&stats) != stats.mapped)
		broken("T5 the parts that are counted are all that is mapped");
	if (stats.resident > stats.mapped + stats.metadata || stats.stale > stats.free)
		broken("T5 no more is resident than is mapped");
	return stats;
}

static void compare_counts(struct twins *t)
{
	struct ma_stats a = count(t, 0);
	struct ma_stats b = count(t, 1);

	if (a.objects != b.objects || a.live != b.live)
		broken("T4 both count the same");
}

static void compare_all(struct twins *t)
{
	model_check_all(&t->w.model);
	for (unsigned slot = 0; slot < HALF; slot++)
		compare(t, slot);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Where one of them has a reason to refuse, both go on without the object. */
static void reconcile(struct twins *t, unsigned slot)
{
	if (is_alike(t, slot))
		return;
	SAY("only one has served it\n");
	ways_free(&t->w, slot, t->w.thread);
	ways_free(&t->w, slot + HALF, t->alone ? 0 : t->w.thread);
}

static void act(struct twins *t, const struct seq_op *op, unsigned twin)
{
	struct seq_op one = *op;

	one.slot += twin * HALF;
	if (twin == 1 && t->alone)
		one.thread = 0;
	t->w.inst = twin;
	(void)steps_object(&t->w, &one);
}

/* The same pattern is written to both, if it is. */
static void do_slot(struct twins *t, const struct seq_op *op)
{
	size_t refused = os_fake_refused();
	uint8_t fill = t->w.model.next_fill;

	act(t, op, t->first);
	t->w.model.next_fill = fill;
	act(t, op, 1 - t->first);
	t->w.model.next_fill = (uint8_t)(fill + 1);
	if (!t->unlimited || os_fake_refused() != refused)
		reconcile(t, op->slot);
	compare(t, op->slot);
	if (op->kind != SEQ_FREE && op->size > PTRDIFF_MAX && op->size != 0 &&
	    op->kind != SEQ_REALLOC && object_of(t, op->slot, 0)->ptr != NULL)
		broken("T1 no object is larger than half of all addresses");
}

static void do_objects(struct twins *t, const struct seq_op *op)
{
	struct seq_op one = *op;

	one.count = 1;
	one.mask = SEQ_MASK_ALL;
	for (unsigned i = 0; i < op->count; i++) {
		one.slot = (op->slot + i) % HALF;
		if (seq_selects(op, i))
			do_slot(t, &one);
	}
}

/* To end an instance is to free all that it has. */
static void end_second(struct twins *t)
{
	world_reset(&t->w);
	world_open(&t->w);
	for (unsigned slot = 0; slot < HALF; slot++)
		ways_free(&t->w, slot, t->w.thread);
}

static void do_twin(struct twins *t, const struct seq_op *op, unsigned twin)
{
	bool alone = twin == 1 && t->alone;

	t->w.inst = twin;
	t->w.thread = alone ? 0 : op->thread % WORLD_NTHREADS;
	if (op->code != SEQ_EXIT_THREAD || !alone)
		ways_world(&t->w, op);
}

static void do_other(struct twins *t, const struct seq_op *op)
{
	if (op->code == SEQ_SWITCH_INSTANCE) {
		t->first = 1 - t->first;
		return;
	}
	if (op->code == SEQ_END_INSTANCE) {
		end_second(t);
		return;
	}
	if (op->code == SEQ_COMPARE)
		compare_all(t);
	if (op->code == SEQ_CLOCK || op->code == SEQ_DECAY)
		os_fake_set_now(ma_os_now_ms() + op->arg * 4);
	for (unsigned twin = 0; twin < NTWINS; twin++)
		do_twin(t, op, twin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct twins t;
	struct seq_op op;

	memset(&t, 0, sizeof(t));
	if (!world_init(&t.w, data, size))
		return 0;
	read_difference(&t);
	world_open(&t.w);
	while (seq_next(&t.w.seq, &op)) {
		if (op.kind == SEQ_OTHER)
			do_other(&t, &op);
		else
			do_objects(&t, &op);
		world_check(&t.w);
		compare_counts(&t);
	}
	compare_all(&t);
	world_fini(&t.w);
	return 0;
}
