/*
 * Property: explicit pools are apart. Whatever is done to one, by whichever call of memalloc.h, all
 * others and the heap stay valid with their objects as they were; a pool serves what its limit and
 * the OS leave it, ends with all it has, and is what it was made as; what is given to the wrong
 * pool, or to one that has ended, is told, and nothing else comes of it.
 *
 * The calls are those of lib/pools.c and lib/dump.c, on the fake OS; what must hold is in estate.h.
 * Two bytes of configuration, and the operations that are this target's own: README.md has both.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "decay.h"
#include "estate.h"
#include "os.h"
#include "os_fake.h"
#include "report.h"
#include "steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ODD 4711
#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* Operations of this target: "other 0 arg" in text. */
enum {
	OP_PLACE = SEQ_NUMBERED, /* place arg acts */
	OP_CREATE,               /* a pool, in the place that acts; arg: its options */
	OP_DEAD,                 /* a handle that is dead or NULL, to an entry */
	OP_LIST,                 /* all that lists and counts */
	OP_OVERFLOW,             /* an array of too many elements */
	OP_UNALIGNED,            /* an alignment that is none */
	OP_SWEEP,
	OP_RESET,
};

/* ---- reports --------------------------------------------------------------------------------- */

/* NULL: nothing may have been told; else that, once. */
static void expect(const char *kind)
{
	const char *text = os_fake_written();
	const char *told = strstr(text, "memalloc: ");

	SAY("%s", text);
	if (kind == NULL && told != NULL)
		estate_fail("M1 nothing is told where nothing is wrong");
	if (kind != NULL && (told == NULL || strncmp(told + 10, kind, strlen(kind)) != 0))
		estate_fail("M2 what is wrong is told by its name");
	if (kind != NULL && strstr(told + 10, kind) != NULL &&
	    strstr(strstr(told + 10, kind) + 1, kind) != NULL)
		estate_fail("M3 what is wrong is told once");
	os_fake_forget();
}

/* ---- objects --------------------------------------------------------------------------------- */

/* More than enough for a request. */
static size_t enough_for(const struct estate *e, const struct seq_op *op)
{
	size_t align = ma_max(op->align, e->seq.page);

	return 5 * (ma_min(op->size, 64 * KIB) + ma_min(align, 64 * KIB)) + op->size +
	       op->size / 16 + 2 * align + 16 * e->seq.page + 256 * KIB;
}

/* Without a refusal of the OS: only at the limit, or beyond any size. */
static bool may_refuse(struct estate *e, unsigned place, const struct seq_op *op)
{
	const struct ma_pool *pool = &estate_of(e, place)->pool;
	size_t limit = pool->config.limit;
	size_t room = limit > pool->regions.mapped ? limit - pool->regions.mapped : 0;

	if (op->size > MA_REQUEST_MAX / 2 || op->align > MA_REQUEST_MAX / 2)
		return true;
	return limit > 0 && room < enough_for(e, op);
}

static void check_answer(struct estate *e, unsigned place, const struct seq_op *op, void *ptr,
			 size_t refused)
{
	expect(NULL);
	if (ptr != NULL && errno != ODD)
		estate_fail("E2 what succeeds leaves errno alone");
	if (ptr != NULL)
		return;
	SAY("  refused\n");
	if (place > 0 && errno != ENOMEM)
		estate_fail("E2 what is refused is refused with ENOMEM");
	if (os_fake_refused() == refused && !may_refuse(e, place, op))
		estate_fail("E2 a request is refused only for a reason");
}

/* Elements of an array of @size bytes. */
static size_t count_of(size_t size)
{
	return size % 3 == 0 ? 3 : 1;
}

static void *call(struct estate *e, unsigned place, const struct seq_op *op)
{
	const struct ma_request req = {op->size, op->align, op->kind == SEQ_CALLOC};
	struct memalloc_pool *pool = e->pool[place];
	struct ma_heap *heap = estate_heap(e, place);

	if (place == 0)
		return heap != NULL ? ma_heap_alloc_request(heap, &req) : NULL;
	if (op->kind == SEQ_CALLOC)
		return memalloc_pool_calloc(pool, count_of(op->size),
					    op->size / count_of(op->size));
	if (op->kind == SEQ_ALIGNED)
		return memalloc_pool_aligned_alloc(pool, op->align, op->size);
	if (op->kind == SEQ_REALLOC)
		return memalloc_pool_realloc(pool, NULL, op->size);
	return memalloc_pool_malloc(pool, op->size);
}

static void free_slot(struct estate *e, unsigned slot)
{
	const struct model_object o = e->model.object[slot];

	if (o.ptr == NULL)
		return;
	SAY("free %u: %p of place %u\n", slot, (void *)o.ptr, o.owner);
	model_remove(&e->model, slot);
	errno = ODD;
	if (o.owner == 0)
		ma_heap_free(&ma_global.instance, e->heap, o.ptr);
	else
		memalloc_pool_free(e->pool[o.owner], o.ptr);
	expect(NULL);
	if (errno != ODD)
		estate_fail("E2 what succeeds leaves errno alone");
}

static void check_size(struct estate *e, unsigned place, const void *ptr, size_t size)
{
	if (ma_heap_usable_size(estate_of(e, place), ptr) != size)
		estate_fail("W3 the usable size is the requested size");
}

/* What was to be mapped first is there from the first object on, as far as the limit goes. */
static void check_first(struct estate *e, unsigned place, const struct seq_op *op)
{
	const struct ma_pool *pool = &estate_of(e, place)->pool;
	size_t least = pool->config.first;

	if (pool->config.limit > 0 && pool->config.limit < least)
		least = pool->config.limit / e->seq.page * e->seq.page;
	if (place > 0 && op->size < MIB && op->align < MIB && pool->regions.mapped < least)
		estate_fail("E2 the first region is no smaller than asked for");
}

static void alloc_slot(struct estate *e, unsigned slot, const struct seq_op *op)
{
	struct model_object object = {NULL, op->size, ma_max(op->align, MA_ALIGN), e->at, 0};
	size_t refused = os_fake_refused();
	bool first = estate_of(e, e->at)->pool.regions.nregions == 0;

	free_slot(e, slot);
	SAY("alloc %u: %zu bytes, alignment %zu, in place %u\n", slot, op->size, op->align, e->at);
	errno = ODD;
	object.ptr = call(e, e->at, op);
	check_answer(e, e->at, op, object.ptr, refused);
	if (object.ptr == NULL)
		return;
	SAY("  %p\n", (void *)object.ptr);
	model_add(&e->model, slot, &object, op->kind == SEQ_CALLOC);
	check_size(e, e->at, object.ptr, op->size);
	if (first && os_fake_refused() == refused)
		check_first(e, e->at, op);
}

/* In the pool that the object is of, whichever acts. */
static void resize_slot(struct estate *e, unsigned slot, const struct seq_op *op)
{
	struct model_object *o = &e->model.object[slot];
	unsigned place = o->owner;
	size_t refused = os_fake_refused();
	void *ptr;

	SAY("resize %u: %p of place %u to %zu bytes\n", slot, (void *)o->ptr, place, op->size);
	model_check(&e->model, slot);
	errno = ODD;
	if (place == 0)
		ptr = ma_heap_realloc(e->heap, o->ptr, op->size);
	else
		ptr = memalloc_pool_realloc(e->pool[place], o->ptr, op->size);
	if (op->size == 0 && place > 0) {
		if (ptr != NULL || errno != ODD)
			estate_fail("E2 a resize to nothing frees");
		o->ptr = NULL;
		e->model.nlive--;
		return;
	}
	check_answer(e, place, op, ptr, refused);
	if (ptr == NULL) {
		model_check(&e->model, slot);
		return;
	}
	model_moved(&e->model, slot, ptr, op->size);
	check_size(e, place, ptr, op->size);
}

static void do_slot(struct estate *e, unsigned slot, const struct seq_op *op)
{
	if (op->kind == SEQ_FREE)
		free_slot(e, slot);
	else if (op->kind == SEQ_REALLOC && e->model.object[slot].ptr != NULL)
		resize_slot(e, slot, op);
	else if (estate_of(e, e->at) != NULL)
		alloc_slot(e, slot, op);
}

static void do_objects(struct estate *e, const struct seq_op *op)
{
	for (unsigned i = 0; i < op->count; i++)
		if (seq_selects(op, i))
			do_slot(e, steps_slot(op, i), op);
}

/* ---- pools ----------------------------------------------------------------------------------- */

static void create_bad(const struct estate_wish *wish, unsigned how)
{
	struct memalloc_pool_options options = {
		.name = wish->name,
		.initial = how == 1 ? ((size_t)1 << 40) + 1 : wish->initial,
		.limit = wish->limit,
		.fit = how == 2 ? (enum memalloc_fit)2 : wish->fit,
	};

	if (how == 3)
		options.reserved[strlen(wish->name) % 4] = 1;
	errno = ODD;
	if (memalloc_pool_create(&options) != NULL || errno != EINVAL)
		estate_fail("E2 options that are out of range are refused with EINVAL");
}

static void do_create(struct estate *e, uint64_t arg)
{
	const struct estate_wish wish = estate_wish(arg);
	unsigned how = arg >> 15 & 3;

	SAY("create in place %u: limit %zu, initial %zu, %s fit, bad: %u\n", e->at, wish.limit,
	    wish.initial, wish.fit == MEMALLOC_FIT_BEST ? "best" : "first", how);
	if (how > 0)
		create_bad(&wish, how);
	else if (e->at > 0 && e->pool[e->at] == NULL)
		estate_create(e, e->at, &wish);
}

static void do_end(struct estate *e, bool destroy)
{
	SAY("%s place %u\n", destroy ? "destroy" : "reset", e->at);
	if (e->at > 0 && e->pool[e->at] != NULL)
		estate_end(e, e->at, destroy);
	else if (destroy)
		memalloc_pool_destroy(NULL);
	expect(NULL);
}

static void next_place(struct estate *e, uint64_t place)
{
	e->at = (unsigned)(place % ESTATE_NPLACES);
	SAY("place %u\n", e->at);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

/* No pool: NULL, or one that has ended and whose handle has not become another's. */
static bool is_dead(const struct estate *e, const struct memalloc_pool *pool)
{
	for (unsigned i = 1; i < ESTATE_NPLACES; i++)
		if (pool != NULL && pool == e->pool[i])
			return false;
	return true;
}

static const void *enter_dead(struct memalloc_pool *pool, unsigned entry, void *ptr)
{
	switch (entry) {
	case 0:
		return memalloc_pool_malloc(pool, 1);
	case 1:
		return memalloc_pool_calloc(pool, 2, 3);
	case 2:
		return memalloc_pool_aligned_alloc(pool, 64, 1);
	case 3:
		return memalloc_pool_realloc(pool, ptr, 9);
	case 4:
		return memalloc_pool_check(pool);
	case 5:
		memalloc_pool_free(pool, ptr);
		return NULL;
	case 6:
		memalloc_pool_reset(pool);
		return NULL;
	default:
		memalloc_pool_destroy(pool);
		return NULL;
	}
}

/* arg: [ handle (4) | entry (3) ]. */
static void do_dead(struct estate *e, uint64_t arg)
{
	unsigned entry = arg & 7;
	unsigned which = arg >> 3 & 15;
	struct memalloc_pool *pool = which < ESTATE_NDEAD ? e->dead[which] : NULL;
	void *ptr = e->model.object[0].ptr;

	if (!is_dead(e, pool))
		return;
	SAY("dead handle %p to entry %u\n", (void *)pool, entry);
	if (enter_dead(pool, entry, ptr) != NULL)
		estate_fail("M5 nothing comes of what is wrong");
	expect(pool == NULL && entry == 7 ? NULL : "bad pool");
}

/* how: free or realloc; arg: to whom. */
static void do_wrong_pool(struct estate *e, const struct seq_op *op)
{
	unsigned slot = steps_slot(op, 0);
	const struct model_object *o = &e->model.object[slot];
	unsigned to = (unsigned)(op->arg % ESTATE_NPLACES);
	struct ma_heap *heap = estate_heap(e, to);
	void *ptr = NULL;

	if (o->ptr == NULL || to == o->owner || heap == NULL)
		return;
	SAY("%p of place %u to place %u, %u\n", (void *)o->ptr, o->owner, to, op->how & 1u);
	os_fake_forget();
	if (to == 0 && op->how & 1)
		ptr = ma_heap_realloc(heap, o->ptr, 100);
	else if (to == 0)
		ma_heap_free(&ma_global.instance, heap, o->ptr);
	else if (op->how & 1)
		ptr = memalloc_pool_realloc(e->pool[to], o->ptr, 100);
	else
		memalloc_pool_free(e->pool[to], o->ptr);
	if (ptr != NULL)
		estate_fail("M5 nothing comes of what is wrong");
	expect("wrong pool");
	model_check(&e->model, slot);
}

/* ---- all ------------------------------------------------------------------------------------- */

/* What a pool cannot be asked for. */
static void do_absurd(struct estate *e, const struct seq_op *op)
{
	struct memalloc_pool *pool = e->pool[e->at];
	volatile size_t half = SIZE_MAX / 2 + 1;
	bool product = op->code == OP_OVERFLOW;
	void *ptr;

	if (pool == NULL || (!product && ma_is_pow2(op->arg)))
		return;
	errno = ODD;
	if (product)
		ptr = memalloc_pool_calloc(pool, half, 2 + op->arg % 1000);
	else
		ptr = memalloc_pool_aligned_alloc(pool, op->arg, 1);
	if (ptr != NULL || errno != (product ? ENOMEM : EINVAL))
		estate_fail("E2 what nobody can serve is refused as memalloc.h says");
}

/* What a fork does, in the parent and then as the child does it. */
static void do_fork(struct estate *e)
{
	ma_pools_lock();
	ma_instance_lock(&ma_global.instance);
	ma_instance_unlock(&ma_global.instance);
	ma_pools_unlock();
	ma_instance_forked(&ma_global.instance, e->heap);
	ma_pools_forked();
}

static void do_refuse(const struct seq_op *op)
{
	os_fake_lift();
	if (op->code == SEQ_REFUSE_AT)
		os_fake_fail_at(op->arg % 32 + 1);
	else if (op->code == SEQ_REFUSE_FROM)
		os_fake_fail_from(op->arg % 32 + 1);
}

static void do_give(struct estate *e, const struct seq_op *op)
{
	struct ma_instance *inst = estate_of(e, e->at);

	if (inst == NULL)
		return;
	if (op->code == SEQ_COMPACT || op->code == SEQ_GIVE_ALL)
		ma_heap_compact(inst, estate_heap(e, e->at));
	if (op->code == SEQ_DECAY)
		(void)ma_decay_step(&inst->pool);
	else if (op->code == SEQ_TRIM || op->code == SEQ_GIVE_ALL)
		(void)ma_decay_all(&inst->pool, op->arg * e->seq.page / 2);
}

static void do_numbered(struct estate *e, const struct seq_op *op)
{
	switch (op->code) {
	case OP_PLACE:
		next_place(e, op->arg);
		return;
	case OP_CREATE:
		do_create(e, op->arg);
		return;
	case OP_DEAD:
		do_dead(e, op->arg);
		return;
	case OP_LIST:
		estate_list(e);
		return;
	case OP_OVERFLOW:
	case OP_UNALIGNED:
		do_absurd(e, op);
		return;
	case OP_SWEEP:
		ma_pools_sweep(op->arg % 4);
		return;
	case OP_RESET:
		do_end(e, false);
		return;
	default:
		return;
	}
}

static void do_other(struct estate *e, const struct seq_op *op)
{
	switch (op->code) {
	case SEQ_SWITCH_INSTANCE:
		next_place(e, e->at + 1);
		if (e->at > 0 && e->pool[e->at] == NULL)
			estate_create(e, e->at, NULL);
		return;
	case SEQ_END_INSTANCE:
		do_end(e, true);
		return;
	case SEQ_GIVE_WRONG_POOL:
		do_wrong_pool(e, op);
		return;
	case SEQ_FORK:
		do_fork(e);
		return;
	case SEQ_REFUSE_AT:
	case SEQ_REFUSE_FROM:
	case SEQ_LIFT:
		do_refuse(op);
		return;
	case SEQ_COMPARE:
		model_check_all(&e->model);
		return;
	case SEQ_CLOCK:
	case SEQ_DECAY:
		os_fake_set_now(ma_os_now_ms() + op->arg * 4);
		break;
	default:
		break;
	}
	do_give(e, op);
	do_numbered(e, op);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ma_report_config config = {.action = MA_ON_REPORT};
	static struct estate e;
	struct seq_op op;

	ma_report_configure(&config);
	if (!estate_init(&e, data, size))
		return 0;
	while (seq_next(&e.seq, &op)) {
		if (op.kind == SEQ_OTHER)
			do_other(&e, &op);
		else
			do_objects(&e, &op);
		estate_check(&e);
		expect(NULL);
	}
	estate_fini(&e);
	return 0;
}
