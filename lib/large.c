#include "large.h"
#include "annotate.h"
#include "canary.h"
#include "direct.h"
#include "fill.h"
#include "guard.h"

/*
 * Beyond this, a mapping of its own: the system call no longer matters, resizing without copying
 * does.
 */
#define DIRECT_MIN (MA_REGION_MAX / 2)

/* One in so many bytes. */
#define SPARE 4

/* Where guards are spared: larger objects have them, and one in a few others. */
#define VERY_LARGE ((size_t)1024 * 1024)
#define ONE_IN 64

/* How the pages of a block are used. */
struct plan {
	size_t front; /* bytes in front of the first page of the object, whole pages */
	size_t back;  /* bytes behind its last page */
	size_t align; /* of the block */
	size_t size;  /* of the block */
	bool direct;
	bool bare; /* no guards, though others have them */
};

void *ma_large_ptr(struct ma_block *block)
{
	return (char *)ma_block_ptr(block) + ma_large_of(block)->offset;
}

static char *end_of(struct ma_block *block)
{
	return (char *)ma_large_ptr(block) + ma_large_of(block)->requested;
}

/* Bytes behind a tight object, up to the guard. */
static size_t gap_of(struct ma_block *block)
{
	return (size_t)(-(uintptr_t)end_of(block) & (MA_ALIGN - 1));
}

/* ---- canaries -------------------------------------------------------------------------------- */

/* A tight object: as much canary as there is place for, twice if need be. */
ma_touches void put_gap(struct ma_block *block, char *end, uint64_t canary)
{
	for (size_t i = 0; i < gap_of(block); i++)
		end[i] = (char)(canary >> (i % sizeof(canary) * 8));
}

ma_touches bool gap_intact(struct ma_block *block, const char *end, uint64_t canary)
{
	for (size_t i = 0; i < gap_of(block); i++)
		if (end[i] != (char)(canary >> (i % sizeof(canary) * 8)))
			return false;
	return true;
}

/* Where a tight object's front canary stands; NULL: the object starts at its page. */
static char *front_of(struct ma_block *block)
{
	char *ptr = ma_large_ptr(block);

	if ((uintptr_t)ptr % ma_pool_of(block)->page < MA_CANARY)
		return NULL;
	return ptr - MA_CANARY;
}

static void put_canaries(struct ma_block *block)
{
	const struct ma_large *large = ma_large_of(block);
	char *end = end_of(block);

	if (!large->tight) {
		ma_canary_put(end, large->secret);
		return;
	}
	put_gap(block, end, ma_canary_at(end, large->secret));
	if (front_of(block) != NULL)
		ma_canary_put(front_of(block), large->secret);
}

static bool front_intact(struct ma_block *block)
{
	return !ma_large_of(block)->tight || front_of(block) == NULL ||
	       ma_canary_intact(front_of(block), ma_large_of(block)->secret);
}

bool ma_large_intact(struct ma_block *block)
{
	const struct ma_large *large = ma_large_of(block);

	if (!large->tight)
		return ma_canary_intact(end_of(block), large->secret);
	return gap_intact(block, end_of(block), ma_canary_at(end_of(block), large->secret)) &&
	       front_intact(block);
}

/* Facts and canary change together under the lock, so that a check sees both or none. */
static void seal(struct ma_block *block, size_t size, uint64_t secret)
{
	struct ma_pool *pool = ma_pool_of(block);
	struct ma_large *large = ma_large_of(block);

	ma_lock(&pool->lock);
	large->requested = size;
	large->secret = secret;
	put_canaries(block);
	atomic_store(&large->sealed, true);
	ma_unlock(&pool->lock);
}

static void unseal(struct ma_block *block)
{
	struct ma_pool *pool = ma_pool_of(block);

	ma_lock(&pool->lock);
	atomic_store(&ma_large_of(block)->sealed, false);
	ma_unlock(&pool->lock);
}

static ma_cold void report_twice(struct ma_block *block)
{
	struct ma_violation v = {
		.kind = MA_DOUBLE_FREE,
		.ptr = ma_large_ptr(block),
		.why = "was freed by two threads at once",
	};

	ma_large_describe(block, &v);
	ma_report(&v);
}

/* ---- making ---------------------------------------------------------------------------------- */

/* False: beyond any size. */
static bool make_plan(const struct ma_larges *larges, const struct ma_large_request *req,
		      struct plan *plan)
{
	size_t page = larges->pool->page;
	bool guarded = (larges->guarded && !plan->bare) || req->tight;
	size_t need;

	if (req->size > MA_REQUEST_MAX - 4 * page || req->align > MA_REQUEST_MAX / 2)
		return false;
	need = ma_align_up(req->size + (req->tight ? MA_ALIGN : MA_CANARY), page);
	plan->align = ma_max(req->align, page);
	plan->front = guarded ? plan->align : 0;
	plan->back = guarded ? page : 0;
	/* What is in front counts: no region has place for more, and its alignment beside. */
	plan->direct = plan->front + need + plan->back > DIRECT_MIN || plan->align > DIRECT_MIN;
	if (plan->align > page && plan->direct)
		plan->front = plan->align;
	plan->size = plan->front + need + plan->back;
	return plan->front <= MA_REQUEST_MAX / 2 && plan->size <= MA_REQUEST_MAX;
}

/*
 * Pages that a guarded block may have to spare: moving a guard costs more than those are worth.
 */
static size_t spare_of(size_t size)
{
	return size / SPARE;
}

/* The pages between the guards. */
static char *inner(struct ma_block *block, size_t *size)
{
	size_t page = ma_pool_of(block)->page;
	size_t front = ma_align_down(ma_large_of(block)->offset, page);

	*size = block->size - front - (block->guarded ? page : 0);
	return (char *)ma_block_ptr(block) + front;
}

/* All that can be reached: where the OS refused a guard, what would be one holds anything. */
static void clean(struct ma_block *block)
{
	size_t size = block->size;
	char *ptr = ma_block_ptr(block);

	if (block->guarded)
		ptr = inner(block, &size);
	if (block->nguards == 1)
		size += ma_pool_of(block)->page;
	ma_annotate_open(ptr, size);
	memset(ptr, 0, size);
	ma_annotate_close(ptr, size);
	block->zero = true;
}

/* What was zeroed when its object was freed, and has waited since, must still be zero. */
static ma_unchecked void verify(struct ma_block *block)
{
	struct ma_violation v = {
		.kind = MA_WRITE_AFTER_FREE,
		.why = "was written after its object was freed",
	};
	size_t size, at = 0;
	const char *ptr = inner(block, &size);

	if (ma_likely(ma_fill_bytes_are_zero(ptr, size)))
		return;
	while (ptr[at] == 0)
		at++;
	v.ptr = ptr + at;
	v.damage = ptr + ma_min(at, size - sizeof(v.found));
	v.found = ma_canary_found(v.damage);
	ma_large_describe(block, &v);
	ma_report(&v);
	block->zero = false;
}

static struct ma_wanted wanted_of(const struct plan *plan)
{
	return (struct ma_wanted){plan->bare ? MA_WAIT_BARE : MA_WAIT_LARGE, plan->size,
				  spare_of(plan->size)};
}

/* A block that has waited, as one of @n plans wants it: *@which. */
static struct ma_block *take_waiting(struct ma_larges *larges, const struct plan *plans, size_t n,
				     size_t *which)
{
	const struct ma_wanted wanted[2] = {wanted_of(&plans[0]), wanted_of(&plans[n - 1])};
	struct ma_block *block;

	if (plans->align != larges->pool->page)
		return NULL;
	block = ma_waitlist_take(larges->waitlist, wanted, n, which);
	if (block == NULL)
		return NULL;
	if (larges->cleaned && block->zero && block->size <= MA_WAIT_ZEROED)
		verify(block);
	memset(block->rider, 0, sizeof(block->rider));
	ma_block_become(block, MA_BLOCK_LARGE);
	return block;
}

static struct ma_block *take_new(struct ma_larges *larges, const struct plan *plan)
{
	const struct ma_pool_request req = {plan->size, plan->align, MA_BLOCK_LARGE};

	if (plan->direct)
		return ma_direct_alloc(larges->pool, plan->size, MA_BLOCK_LARGE);
	return ma_pool_alloc(larges->pool, &req);
}

/* Whether an object does without guards, unless a block that has them waits. */
static bool is_spared(const struct ma_larges *larges, const struct ma_large_request *req)
{
	if (!larges->guarded || !larges->sparing || req->tight || req->size >= VERY_LARGE)
		return false;
	return atomic_load_explicit(&larges->nmade, memory_order_relaxed) >= MA_LARGE_GUARDED &&
	       ma_random_below(req->random, ONE_IN) != 0;
}

static void count_made(struct ma_larges *larges, const struct plan *plan)
{
	atomic_fetch_add_explicit(&larges->nmade, 1, memory_order_relaxed);
	if (plan->bare)
		atomic_fetch_add_explicit(&larges->pool->unguarded, 1, memory_order_relaxed);
}

/* *plan is how its pages are to be used. */
static struct ma_block *take_block(struct ma_larges *larges, const struct ma_large_request *req,
				   struct plan *plan)
{
	struct plan plans[2] = {{.bare = false}, {.bare = true}};
	size_t n = is_spared(larges, req) ? 2 : 1;
	struct ma_block *block;
	size_t which = n - 1;

	if (!make_plan(larges, req, &plans[0]) || !make_plan(larges, req, &plans[n - 1]))
		return NULL;
	block = take_waiting(larges, plans, n, &which);
	*plan = plans[which];
	if (block != NULL)
		return block;
	count_made(larges, plan);
	return take_new(larges, plan);
}

/* Where the object starts: a direct block is not aligned by itself. */
static size_t place(struct ma_block *block, const struct plan *plan,
		    const struct ma_large_request *req)
{
	size_t page = ma_pool_of(block)->page;
	uintptr_t first = ma_block_addr(block) + plan->front;

	if (req->tight) {
		first = ma_block_end(block) - plan->back - req->size;
		return ma_align_down(first, ma_max(req->align, MA_ALIGN)) - ma_block_addr(block);
	}
	if (!plan->direct || plan->align == page)
		return plan->front;
	first = ma_align_down(first, plan->align);
	return first - ma_block_addr(block);
}

/* The pages around the object; a direct one that is aligned may have several in front. */
static void put_guards(struct ma_block *block, size_t back)
{
	size_t page = ma_pool_of(block)->page;

	if (back > 0 && !block->guarded)
		ma_guard_ends(block, ma_align_down(ma_large_of(block)->offset, page), back);
}

void *ma_large_alloc(struct ma_larges *larges, const struct ma_large_request *req)
{
	struct plan plan;
	struct ma_block *block = take_block(larges, req, &plan);
	struct ma_large *large;

	if (block == NULL)
		return NULL;
	large = ma_large_of(block);
	large->offset = place(block, &plan, req);
	large->tight = req->tight;
	large->bare = plan.bare;
	large->plain = !req->tight && plan.align == larges->pool->page;
	put_guards(block, plan.back);
	if (!block->zero && (req->zero || req->tight)) {
		ma_annotate_open(ma_large_ptr(block), req->size);
		memset(ma_large_ptr(block), 0, req->size);
	}
	seal(block, req->size, ma_random_next(req->random));
	return ma_large_ptr(block);
}

/* ---- resizing -------------------------------------------------------------------------------- */

/* The block can hold @need bytes from its start, by whatever means short of copying. */
static bool fit_block(struct ma_block *block, size_t need)
{
	struct ma_pool *pool = ma_pool_of(block);

	if (block->region->direct)
		return ma_direct_resize(pool, block, need, ma_large_of(block)->plain);
	if (need > DIRECT_MIN)
		return false;
	if (need > block->size)
		return ma_pool_extend(pool, block, need);
	(void)ma_pool_shrink(pool, block, need);
	return true;
}

/* The guards are lifted for a change of pages, and put up again around what there is then. */
static bool fit_guarded(struct ma_block *block, size_t need)
{
	size_t page = ma_pool_of(block)->page;
	size_t back = block->guarded ? page : 0;
	bool done;

	if (block->size - back - ma_align_up(need, page) <= (back > 0 ? spare_of(need) : 0))
		return true;
	if (!ma_guard_lift(block))
		return false;
	done = fit_block(block, ma_align_up(need, page) + back);
	put_guards(block, back);
	return done;
}

void *ma_large_resize(struct ma_larges *larges, struct ma_block *block, size_t size, size_t limit)
{
	struct ma_large *large = ma_large_of(block);
	bool done;

	/* Also of one with guards of its own, which cannot change: it stays even at a limit. */
	if (size == large->requested)
		return ma_large_ptr(block);
	if (size <= limit || large->tight || size > MA_REQUEST_MAX - 4 * larges->pool->page)
		return NULL;
	if (block->region->direct && size <= DIRECT_MIN / 2)
		return NULL;
	/* It has grown to what has guards: copied once. */
	if (large->bare && size >= VERY_LARGE)
		return NULL;
	unseal(block);
	ma_canary_clear(end_of(block));
	done = fit_guarded(block, large->offset + size + MA_CANARY);
	seal(block, done ? size : large->requested, large->secret);
	return done ? ma_large_ptr(block) : NULL;
}

/* ---- end ------------------------------------------------------------------------------------- */

/* Only plain ones are alike: equal sizes, equal guards. */
static unsigned purpose_of(const struct ma_large *large)
{
	if (large->tight)
		return MA_WAIT_TIGHT;
	if (!large->plain)
		return MA_WAIT_ODD;
	return large->bare ? MA_WAIT_BARE : MA_WAIT_LARGE;
}

/*
 * No check looks at it any more; *@due: as ma_waitlist_retire_locked(). Return: whether it was
 * live: of two threads that end an object at once, one is told so.
 */
static bool retire(struct ma_larges *larges, struct ma_block *block, bool *due)
{
	struct ma_large *large = ma_large_of(block);
	bool was;

	ma_lock(&larges->pool->lock);
	was = atomic_exchange(&large->sealed, false);
	if (was)
		*due = ma_waitlist_retire_locked(larges->waitlist, block, purpose_of(large));
	ma_unlock(&larges->pool->lock);
	return was;
}

bool ma_large_free(struct ma_larges *larges, struct ma_block *block)
{
	bool due;

	if (!retire(larges, block, &due)) {
		report_twice(block);
		return false;
	}
	if (!ma_large_of(block)->tight)
		ma_canary_clear(end_of(block));
	block->zero = false;
	if (larges->cleaned && block->size <= MA_WAIT_ZEROED && !ma_large_of(block)->tight)
		clean(block);
	return ma_waitlist_add(larges->waitlist, block) || due;
}

void ma_large_describe(struct ma_block *block, struct ma_violation *v)
{
	const struct ma_large *large = ma_large_of(block);

	v->object = ma_large_ptr(block);
	v->requested = large->requested;
	v->slot = block->size;
	v->state = block->kind == MA_BLOCK_RETIRED ? "retired" : "live";
	v->allocated = large->allocated;
	v->freed = large->freed;
}

static void report_front(struct ma_block *block)
{
	const char *front = front_of(block);
	struct ma_violation v = {
		.kind = MA_HEAP_UNDERFLOW,
		.ptr = front,
		.why = "in front of an object was overwritten",
		.damage = front,
		.expected = ma_canary_at(front, ma_large_of(block)->secret),
		.found = ma_canary_found(front),
	};

	ma_large_describe(block, &v);
	ma_report(&v);
}

void ma_large_overrun(struct ma_block *block)
{
	const char *end = end_of(block);
	struct ma_violation v = {
		.kind = MA_HEAP_OVERFLOW,
		.ptr = end,
		.why = "behind the end of an object was overwritten",
	};

	if (!front_intact(block)) {
		report_front(block);
		put_canaries(block);
		return;
	}
	if (!ma_large_of(block)->tight) {
		v.damage = end;
		v.expected = ma_canary_at(end, ma_large_of(block)->secret);
		v.found = ma_canary_found(end);
	}
	ma_large_describe(block, &v);
	ma_report(&v);
	put_canaries(block);
}
