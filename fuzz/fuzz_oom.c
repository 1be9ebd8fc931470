/*
 * Property: whichever call of the OS is refused, alone or with all that follow, and whatever little
 * memory the OS has, a sequence leaves the heap valid after each step and every object as it was; a
 * request is served or refused; and once nothing is refused any more, what was is served, all
 * objects are those of an undisturbed run, and when they are freed nothing is left.
 *
 * Bytes 0 to 2 are the configuration of fuzz_heap, byte 3 the kinds of calls that are refused in a
 * second round, byte 4 where the places begin that are tried, if there are too many for all. One
 * run is undisturbed: it counts the calls and tells what must be there in the end. Then the same
 * sequence runs once for each way to refuse.
 */
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "os_fake.h"
#include "ways.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of all runs of an input together; the first and the last place are always tried. */
#define NSTEPS_MAX 3000
#define NRUNS_MIN 4

/* Of the OS, when nothing is refused any more. */
#define PLENTY ((size_t)384 << 20)

/* How much the OS has, in so many parts of what an undisturbed run takes. */
#define NPARTS 12

/* What a request may take beside a block: metadata; the pagemap's first leaf; bins for best fit. */
#define BESIDE ((size_t)128 << 10)
#define LEAF ((size_t)2 << 20)
#define BINS (2 * sizeof(struct ma_fit_bins))

/* What refuses. */
struct way {
	unsigned kinds; /* of calls */
	size_t at;      /* the call that is refused, 1 is the first; 0: none */
	bool from;      /* and all behind it */
	size_t least;   /* bytes that the OS has, beside those of the beginning; 0: plenty */
};

/* What an undisturbed run tells. */
struct plain {
	struct model model;        /* in the end */
	size_t calls[OS_FAKE_ALL]; /* by kinds, less one; those that were asked for */
	size_t most;               /* bytes mapped at any time, beside those of the beginning */
	size_t nsteps;
	bool calm; /* neither the OS nor a limit has refused anything, nor could */
};

struct run {
	struct world w;
	struct way way;
	size_t start; /* bytes mapped at the beginning */
	size_t most;  /* since, beside those */
	size_t nsteps;
	size_t nrefused; /* requests */
};

struct oom {
	const uint8_t *data;
	size_t size;
	unsigned kinds; /* of the second round */
	size_t first;   /* place */
	struct plain plain;
	struct run run;
};

static void broken(const char *rule)
{
	model_fail("oom", rule);
}

/* ---- what must be served --------------------------------------------------------------------- */

static bool is_served(const struct world *w, const struct seq_op *op)
{
	const struct model_object *o = &w->model.object[steps_slot(op, 0)];

	if (op->kind == SEQ_FREE || (op->kind == SEQ_REALLOC && op->size == 0))
		return true;
	return o->ptr != NULL && o->size == op->size;
}

/* The instance that has refused; what is not moved stays where it is. */
static unsigned inst_of(const struct world *w, const struct seq_op *op)
{
	const struct model_object *o = &w->model.object[steps_slot(op, 0)];

	return o->ptr != NULL ? o->owner : w->inst;
}

/* More than enough for a request, whatever else must be made for it. */
static size_t enough_for(const struct world *w, const struct seq_op *op)
{
	const struct ma_pool *pool = &w->instance[inst_of(w, op)].pool;
	size_t page = steps_page(w);
	size_t align = ma_max(op->align, page);
	size_t once = atomic_load(&w->pagemap.leaves) == NULL ? LEAF + 4 * page : 0;

	if (pool->config.fit == MA_FIT_BEST && pool->fit.bins == NULL)
		once += BINS;

	return 5 * (ma_min(op->size, 65536) + ma_min(align, 65536)) + op->size + op->size / 16 +
	       2 * align + 16 * page + BESIDE + once;
}

static bool is_claimed(const struct world *w, const struct seq_op *op)
{
	size_t most = (size_t)64 << 20;

	return w->config[inst_of(w, op)].pool.limit == 0 && op->size < most && op->align < most;
}

/* Where only what the OS has decides, more than enough suffices, and all that is free goes back. */
static void check_left(const struct run *r, const struct seq_op *op)
{
	const struct world *w = &r->w;
	unsigned inst = inst_of(w, op);
	size_t has = r->start + r->way.least;
	size_t left = has > os_fake_mapped() ? has - os_fake_mapped() : 0;

	if (r->way.least == 0 || !is_claimed(w, op))
		return;
	if (left >= enough_for(w, op))
		broken("O1 a request is refused only when the OS has too little left");
	if (w->heap[inst][w->thread] != NULL && w->instance[inst].pool.counts.dirty > 0)
		broken("O5 a request is refused after what is free was given back");
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void note_most(struct run *r)
{
	r->most = ma_max(r->most, os_fake_mapped() - r->start);
}

/*
 * What was refused changes no object. What was refused because of one call succeeds when it is
 * asked for again: steps_object() does not let it be refused for nothing.
 */
static void check_refused(struct run *r, const struct seq_op *op)
{
	r->nrefused++;
	check_left(r, op);
	model_check_all(&r->w.model);
	world_check(&r->w);
	if (r->way.at > 0 && !r->way.from)
		(void)steps_object(&r->w, op);
}

static void do_objects(struct run *r, const struct seq_op *op)
{
	struct seq_op one = *op;

	one.count = 1;
	one.mask = SEQ_MASK_ALL;
	for (unsigned i = 0; i < op->count; i++) {
		one.slot = op->slot + i;
		if (!seq_selects(op, i))
			continue;
		(void)steps_object(&r->w, &one);
		if (!is_served(&r->w, &one))
			check_refused(r, &one);
		note_most(r);
	}
}

static void do_other(struct run *r, const struct seq_op *op)
{
	struct world *w = &r->w;

	w->thread = op->thread % WORLD_NTHREADS;
	if (op->code == SEQ_SWITCH_INSTANCE) {
		world_open(w);
		w->inst = 1 - w->inst;
	} else if (op->code == SEQ_END_INSTANCE) {
		world_reset(w);
		w->inst = 0;
	} else if (op->code == SEQ_CLOCK || op->code == SEQ_DECAY) {
		os_fake_set_now(ma_os_now_ms() + op->arg * 4);
	}
	ways_world(w, op);
	note_most(r);
}

static void do_all(struct run *r)
{
	struct seq_op op;

	while (seq_next(&r->w.seq, &op)) {
		if (op.kind == SEQ_OTHER)
			do_other(r, &op);
		else
			do_objects(r, &op);
		world_check(&r->w);
		r->nsteps += op.count;
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

static void lift(void)
{
	os_fake_lift();
	os_fake_set_limit(PLENTY);
}

/* What an undisturbed run has in a slot, whatever was refused before. */
static void complete_slot(struct run *r, unsigned slot, const struct model_object *due)
{
	const struct model_object *o = &r->w.model.object[slot];
	struct seq_op op = {
		.kind = o->ptr != NULL ? SEQ_REALLOC : SEQ_ALIGNED,
		.function = o->ptr != NULL ? SEQ_BY_REALLOC : SEQ_BY_ALIGNED_ALLOC,
		.slot = slot,
		.size = due->size,
		.align = due->align,
		.count = 1,
		.mask = SEQ_MASK_ALL,
	};

	if (o->ptr != NULL && o->size == due->size)
		return;
	if (o->ptr != NULL && due->size == 0)
		ways_free(&r->w, slot, 0);
	r->w.inst = due->owner;
	(void)steps_object(&r->w, &op);
	if (!is_served(&r->w, &op))
		broken("O2 what was refused is served when nothing is refused any more");
}

/* A resize to no bytes frees what is there, and makes an object of none where nothing is. */
static void complete(struct run *r, const struct plain *plain)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		const struct model_object *due = &plain->model.object[i];

		if (due->ptr != NULL)
			complete_slot(r, i, due);
		else if (r->w.model.object[i].ptr != NULL && r->w.model.object[i].size > 0)
			broken("O3 no object is there that an undisturbed run has not");
	}
	world_check(&r->w);
}

static void free_all(struct run *r)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		ways_free(&r->w, i, i % WORLD_NTHREADS);
	world_check(&r->w);
	for (unsigned i = 0; i < WORLD_NINSTANCES; i++)
		if (r->w.exists[i])
			world_give_all(&r->w, i, 0);
	world_check(&r->w);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void place(const struct way *way)
{
	os_fake_fail_mask(way->kinds);
	if (way->at > 0 && way->from)
		os_fake_fail_from(way->at);
	else if (way->at > 0)
		os_fake_fail_at(way->at);
}

/* Return: false when the OS has refused the beginning already. */
static bool begin(struct oom *m, const struct way *way)
{
	struct run *r = &m->run;

	memset(r, 0, sizeof(*r));
	r->way = *way;
	SAY("---- kinds %x, %s call %zu, the OS has %zu bytes\n", way->kinds,
	    way->from ? "from" : "only", way->at, way->least);
	if (!world_init(&r->w, m->data, m->size))
		return false;
	m->kinds = seq_byte(&r->w.seq) % OS_FAKE_ALL;
	m->first = seq_byte(&r->w.seq);
	r->start = os_fake_mapped();
	if (way->least > 0)
		os_fake_set_limit(r->start + way->least);
	place(way);
	return true;
}

static void refuse(struct oom *m, const struct way *way)
{
	struct run *r = &m->run;

	if (!begin(m, way))
		broken("O4 all runs begin alike");
	do_all(r);
	if (r->nsteps != m->plain.nsteps)
		broken("O4 all runs have the same steps");
	/* Every other time all is freed while the OS still refuses. */
	if (!way->from || way->at % 2 == 0) {
		lift();
		if (m->plain.calm)
			complete(r, &m->plain);
	}
	free_all(r);
	world_fini(&r->w);
}

/* The calls of kinds that are asked for are counted in a run of their own. */
static bool run_plain(struct oom *m, unsigned kinds)
{
	const struct way none = {.kinds = kinds};
	struct run *r = &m->run;
	struct plain *plain = &m->plain;
	size_t before;

	if (!begin(m, &none))
		return false;
	before = os_fake_calls();
	do_all(r);
	plain->model = r->w.model;
	plain->nsteps = r->nsteps;
	plain->most = r->most;
	plain->calm = os_fake_refused() == 0 && r->nrefused == 0 && r->most < PLENTY / 4 &&
		      r->w.config[0].pool.limit == 0 && r->w.config[1].pool.limit == 0;
	free_all(r);
	plain->calls[kinds - 1] = os_fake_calls() - before;
	lift();
	world_fini(&r->w);
	return true;
}

/* Every call of these kinds, alone and with all behind it; as many as there is time for. */
static void refuse_calls(struct oom *m, unsigned kinds)
{
	size_t ncalls = m->plain.calls[kinds - 1];
	size_t nruns = ma_max(NSTEPS_MAX / 4 / ma_max(m->plain.nsteps, 1), NRUNS_MIN);
	size_t stride = (ncalls + nruns - 1) / nruns;

	for (size_t at = ncalls > 0 ? 1 + m->first % stride : 1; at <= ncalls; at += stride) {
		refuse(m, &(struct way){.kinds = kinds, .at = at});
		refuse(m, &(struct way){.kinds = kinds, .at = at, .from = true});
	}
}

/* The OS has a part of what is needed, from hardly anything to nearly all. */
static void refuse_bytes(struct oom *m)
{
	for (size_t part = 0; part < NPARTS; part++)
		refuse(m, &(struct way){
				  .kinds = OS_FAKE_ALL,
				  .least = m->plain.most / NPARTS * part + 1 + m->first,
			  });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct oom m;

	memset(&m, 0, sizeof(m));
	m.data = data;
	m.size = size;
	if (!run_plain(&m, OS_FAKE_ALL))
		return 0;
	refuse_calls(&m, OS_FAKE_ALL);
	refuse_bytes(&m);
	if (m.kinds > 0 && run_plain(&m, m.kinds))
		refuse_calls(&m, m.kinds);
	return 0;
}
