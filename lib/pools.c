#include <errno.h>
#include <string.h>

#include "below.h"
#include "decay.h"
#include "os.h"
#include "pools.h"
#include "report.h"
#include "stack.h"
#include "sweep.h"
#include "tell.h"

#define MAGIC 0x6d656d616c6c6f63u
#define INITIAL ((size_t)64 * 1024)

static struct ma_lock table_lock = MA_LOCK_INIT;
static struct memalloc_pool *table;
static _Atomic uint64_t nmade; /* pools ever made: each makes other choices */

/* ---- handles --------------------------------------------------------------------------------- */

static ma_cold void bad_pool(const struct memalloc_pool *pool)
{
	struct ma_violation v = {
		.kind = MA_BAD_POOL,
		.ptr = pool,
		.why = "is not a live pool",
		.requested = SIZE_MAX,
	};

	ma_report(&v);
}

/* False: it is no pool, and the report returned. */
static bool enter(struct memalloc_pool *pool)
{
	if (pool == NULL || pool->magic != MAGIC) {
		bad_pool(pool);
		return false;
	}
	ma_lock(&pool->lock);
	return true;
}

static void leave(struct memalloc_pool *pool)
{
	ma_unlock(&pool->lock);
}

static void table_add(struct memalloc_pool *pool)
{
	ma_lock(&table_lock);
	pool->next = table;
	if (table != NULL)
		table->prev = pool;
	table = pool;
	ma_unlock(&table_lock);
}

static void table_remove(struct memalloc_pool *pool)
{
	ma_lock(&table_lock);
	if (pool->next != NULL)
		pool->next->prev = pool->prev;
	if (pool->prev != NULL)
		pool->prev->next = pool->next;
	else
		table = pool->next;
	ma_unlock(&table_lock);
}

void ma_pools_lock(void)
{
	ma_lock(&table_lock);
	for (struct memalloc_pool *p = table; p != NULL; p = p->next) {
		ma_lock(&p->lock);
		ma_instance_lock(&p->instance);
	}
}

void ma_pools_forked(void)
{
	for (struct memalloc_pool *p = table; p != NULL; p = p->next)
		ma_instance_forked(&p->instance, &p->heap);
}

void ma_pools_unlock(void)
{
	for (struct memalloc_pool *p = table; p != NULL; p = p->next) {
		ma_instance_unlock(&p->instance);
		ma_unlock(&p->lock);
	}
	ma_unlock(&table_lock);
}

/* A pool that somebody is at work on is left alone. */
static void sweep(struct memalloc_pool *pool, uint64_t ms)
{
	if (!ma_trylock(&pool->lock))
		return;
	ma_sweep_at_exit(&pool->instance, ms);
	ma_unlock(&pool->lock);
}

void ma_pools_sweep(uint64_t ms)
{
	if (!ma_sweep_lock(&table_lock, ms))
		return;
	for (struct memalloc_pool *p = table; p != NULL; p = p->next)
		sweep(p, ms);
	ma_unlock(&table_lock);
}

/* ---- making and ending ----------------------------------------------------------------------- */

static struct ma_instance_config config_of(const struct memalloc_pool_options *options)
{
	struct ma_instance_config config = ma_global_config();

	config.pool.fit = options->fit == MEMALLOC_FIT_BEST ? MA_FIT_BEST : MA_FIT_FIRST;
	config.pool.first = options->initial > 0 ? options->initial : INITIAL;
	config.pool.limit = options->limit;
	config.seed += atomic_fetch_add(&nmade, 1) + 1;
	return config;
}

static bool is_valid(const struct memalloc_pool_options *options)
{
	if (options->fit != MEMALLOC_FIT_FIRST && options->fit != MEMALLOC_FIT_BEST)
		return false;
	for (size_t i = 0; i < sizeof(options->reserved) / sizeof(*options->reserved); i++)
		if (options->reserved[i] != 0)
			return false;
	return options->initial <= MA_RESERVE_MAX;
}

static void name_pool(struct memalloc_pool *pool, const char *name)
{
	size_t len = name != NULL ? strnlen(name, sizeof(pool->name) - 1) : 0;

	if (len > 0)
		memcpy(pool->name, name, len);
}

static void start(struct memalloc_pool *pool, const struct ma_instance_config *config)
{
	ma_instance_init(&pool->instance, config, &ma_global.pagemap);
	ma_heap_init(&pool->heap, &pool->instance, 1);
}

ma_export memalloc_pool *memalloc_pool_create(const struct memalloc_pool_options *options)
{
	const struct memalloc_pool_options defaults = {0};
	struct ma_instance_config config;
	struct memalloc_pool *pool;

	if (options == NULL)
		options = &defaults;
	if (!is_valid(options)) {
		errno = EINVAL;
		return NULL;
	}
	pool = ma_global_ready() ? ma_meta_alloc(&ma_global.instance.meta, sizeof(*pool)) : NULL;
	if (pool == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	config = config_of(options);
	ma_lock_init(&pool->lock);
	name_pool(pool, options->name);
	start(pool, &config);
	pool->magic = MAGIC;
	ma_annotate_pool(pool);
	table_add(pool);
	return pool;
}

ma_export void memalloc_pool_reset(memalloc_pool *pool)
{
	struct ma_instance_config config;
	struct ma_wards wards;

	ma_stack_keep_frame();
	if (!enter(pool))
		return;
	config = pool->instance.config;
	wards = pool->wards;
	pool->wards = (struct ma_wards){0};
	ma_annotate_pool_reset(pool);
	ma_instance_fini(&pool->instance);
	start(pool, &config);
	leave(pool);
	ma_wards_free_all(&wards);
}

ma_export void memalloc_pool_destroy(memalloc_pool *pool)
{
	ma_stack_keep_frame();
	if (pool == NULL || !enter(pool))
		return;
	pool->magic = 0;
	leave(pool);
	table_remove(pool);
	ma_wards_free_all(&pool->wards);
	ma_annotate_pool_end(pool);
	ma_instance_fini(&pool->instance);
	ma_meta_free(&ma_global.instance.meta, pool, sizeof(*pool));
}

/* ---- objects of a checker's malloc() (below.h) ----------------------------------------------- */

static bool has_room(const memalloc_pool *pool, size_t size)
{
	size_t limit = pool->instance.config.pool.limit;

	return limit == 0 || (size <= limit && pool->wards.bytes <= limit - size);
}

/* @pool is locked, and is not any more. */
ma_inline void *pass_alloc(memalloc_pool *pool, const struct ma_request *req)
{
	bool fits = has_room(pool, req->size) && ma_wards_reserve(&pool->wards, req->size);
	void *ptr;

	leave(pool);
	if (!fits)
		return NULL;
	ptr = ma_below_alloc(req->size, req->align, req->zero);
	ma_lock(&pool->lock);
	if (ptr != NULL)
		ma_wards_put(&pool->wards, ptr, req->size);
	else
		ma_wards_cancel(&pool->wards, req->size);
	leave(pool);
	return ptr;
}

/* One that is in no pool is the checker's to judge; of a pool's own there is one owner. */
static bool is_in_a_pool(const void *ptr)
{
	bool found = false;

	ma_lock(&table_lock);
	for (struct memalloc_pool *p = table; p != NULL && !found; p = p->next) {
		ma_lock(&p->lock);
		found = ma_wards_find(&p->wards, ptr) != NULL;
		ma_unlock(&p->lock);
	}
	ma_unlock(&table_lock);
	return found;
}

static ma_cold void wrong_pool(const void *ptr)
{
	struct ma_violation v = {
		.kind = MA_WRONG_POOL,
		.ptr = ptr,
		.why = "belongs to another pool",
		.requested = SIZE_MAX,
	};

	ma_report(&v);
}

/* The same. */
ma_inline void pass_free(memalloc_pool *pool, void *ptr)
{
	bool was_ours = ma_wards_remove(&pool->wards, ptr);

	leave(pool);
	if (!was_ours && is_in_a_pool(ptr))
		wrong_pool(ptr);
	else
		ma_below_free(ptr);
}

/* The same. */
ma_inline void *resize_ours(memalloc_pool *pool, void *ptr, size_t old, size_t size)
{
	void *resized;

	ma_wards_leave(&pool->wards, ptr);
	pool->wards.bytes += size - old;
	leave(pool);
	resized = ma_below_realloc(ptr, size);
	ma_lock(&pool->lock);
	if (resized == NULL)
		pool->wards.bytes -= size - old;
	ma_wards_put(&pool->wards, resized != NULL ? resized : ptr, resized != NULL ? size : old);
	leave(pool);
	return resized;
}

/* The same. */
ma_inline void *pass_realloc(memalloc_pool *pool, void *ptr, size_t size)
{
	const struct ma_ward *ward = ma_wards_find(&pool->wards, ptr);

	if (ward != NULL && (size <= ward->size || has_room(pool, size - ward->size)))
		return resize_ours(pool, ptr, ward->size, size);
	leave(pool);
	if (ward != NULL)
		return NULL;
	if (!is_in_a_pool(ptr))
		return ma_below_realloc(ptr, size);
	wrong_pool(ptr);
	return NULL;
}

/* ---- objects --------------------------------------------------------------------------------- */

static void *result(void *ptr)
{
	if (ptr == NULL)
		errno = ENOMEM;
	return ptr;
}

static struct ma_teller teller(memalloc_pool *pool)
{
	return (struct ma_teller){.heap = &pool->heap, .inst = &pool->instance, .pool = pool};
}

ma_inline void *alloc(memalloc_pool *pool, const struct ma_request *req)
{
	struct ma_teller t;
	void *ptr;

	if (!enter(pool))
		return NULL;
	if (ma_global.passing)
		return result(pass_alloc(pool, req));
	t = teller(pool);
	ptr = ma_tools.any ? ma_tell_alloc(&t, req) : ma_heap_alloc_request(&pool->heap, req);
	leave(pool);
	return result(ptr);
}

ma_export void *memalloc_pool_malloc(memalloc_pool *pool, size_t size)
{
	ma_stack_keep_frame();
	return alloc(pool, &(struct ma_request){.size = size});
}

ma_export void *memalloc_pool_calloc(memalloc_pool *pool, size_t count, size_t size)
{
	struct ma_request req = {.zero = true};

	ma_stack_keep_frame();
	if (__builtin_mul_overflow(count, size, &req.size))
		return result(NULL);
	return alloc(pool, &req);
}

ma_export void *memalloc_pool_aligned_alloc(memalloc_pool *pool, size_t alignment, size_t size)
{
	ma_stack_keep_frame();
	if (!ma_is_pow2(alignment)) {
		errno = EINVAL;
		return NULL;
	}
	return alloc(pool, &(struct ma_request){.size = size, .align = alignment});
}

ma_export void memalloc_pool_free(memalloc_pool *pool, void *ptr)
{
	struct ma_teller t;

	ma_stack_keep_frame();
	if (!enter(pool))
		return;
	if (ptr != NULL && ma_global.passing) {
		pass_free(pool, ptr);
		return;
	}
	if (ptr != NULL) {
		t = teller(pool);
		if (ma_tools.any)
			ma_tell_end(&t, ptr);
		else
			ma_heap_free(&pool->instance, &pool->heap, ptr);
	}
	leave(pool);
}

ma_export void *memalloc_pool_realloc(memalloc_pool *pool, void *ptr, size_t size)
{
	struct ma_teller t;
	void *resized;

	ma_stack_keep_frame();
	if (ptr == NULL)
		return memalloc_pool_malloc(pool, size);
	if (size == 0) {
		memalloc_pool_free(pool, ptr);
		return NULL;
	}
	if (!enter(pool))
		return NULL;
	if (ma_global.passing)
		return result(pass_realloc(pool, ptr, size));
	t = teller(pool);
	resized = ma_tools.any ? ma_tell_realloc(&t, ptr, size)
			       : ma_heap_realloc(&pool->heap, ptr, size);
	leave(pool);
	return result(resized);
}

ma_export const char *memalloc_pool_check(memalloc_pool *pool)
{
	const char *broken;

	if (!enter(pool))
		return NULL;
	ma_annotate_enter();
	broken = ma_instance_check(&pool->instance, &pool->heap);
	ma_annotate_leave();
	leave(pool);
	return broken;
}
