#include <errno.h>
#include <pthread.h>

#include "annotate.h"
#include "below.h"
#include "canary.h"
#include "config.h"
#include "decay.h"
#include "dump.h"
#include "explain.h"
#include "fast.h"
#include "fault.h"
#include "instance.h"
#include "memalloc.h"
#include "os.h"
#include "pools.h"
#include "report.h"
#include "sweep.h"
#include "violations.h"
#include "watch.h"
#include "worker.h"

#define STDERR 2

struct ma_global ma_global;

static _Thread_local struct ma_heap *mine ma_tls_initial_exec;

/* ---- once per process ------------------------------------------------------------------------ */

static struct ma_lock init_lock = MA_LOCK_INIT;
static _Atomic bool ready;
static _Atomic bool has_key;
static pthread_key_t exit_key;

static void read_options(void)
{
	struct ma_options *options = &ma_global.options;
	size_t nbad = ma_config_read(options);

	if (options->help)
		ma_options_help(options, STDERR);
	if (nbad > 0 && options->strict_options) {
		ma_warn("strict_options=1 and a bad option: giving up", NULL, NULL);
		ma_os_abort();
	}
}

/* A checker has to look on that has a malloc() of its own. */
static bool may_pass(void)
{
	const char *reason = NULL;

	if (ma_global.options.mode != MA_OPTION_MODE_PASSTHROUGH)
		return false;
	if (!ma_tools.any)
		reason = "no memory checker looks on";
	else if (!ma_below_is_there())
		reason = "there is no malloc below the drop-in library";
	if (reason != NULL)
		ma_warn("mode=passthrough has no effect: ", reason, NULL);
	return reason == NULL;
}

/* One number that a report can tell, and that repeats the run. */
static uint64_t choose_seed(const struct ma_options *options)
{
	struct ma_random random;

	if (options->seed != 0)
		return options->seed;
	ma_random_init(&random, 0);
	return ma_random_next(&random) | 1;
}

/* Addresses tell it, so it must not tell what else is made from the seed. */
static uint64_t choose_place(const struct ma_options *options)
{
	struct ma_random random;

	ma_random_init(&random, options->seed != 0 ? ~options->seed : 0);
	return ma_random_next(&random);
}

static void init_instance(void)
{
	const struct ma_options *options = &ma_global.options;
	struct ma_instance_config config;
	struct ma_random random;

	ma_global.seed = choose_seed(options);
	ma_global.place = choose_place(options);
	config = ma_global_config();
	ma_random_init(&random, config.seed);
	ma_canary_init(ma_random_next(&random));
	ma_depot_init(&ma_global.depot);
	ma_instance_init(&ma_global.instance, &config, &ma_global.pagemap);
	ma_global.watched = config.watched || config.depot != NULL || config.check > 0 ||
			    ma_global.passing;
}

static size_t recorded(uint32_t id, uintptr_t *pc, size_t max)
{
	return ma_depot_get(&ma_global.depot, id, pc, max);
}

static size_t here(uintptr_t *pc, size_t max)
{
	return ma_stack_full(pc, max, NULL, NULL);
}

static_assert((int)MA_OPTION_ON_VIOLATION_EXIT == (int)MA_ON_EXIT &&
		      (int)MA_OPTION_ON_VIOLATION_REPORT == (int)MA_ON_REPORT,
	      "the words of the option are in the order of the actions");

static void configure_reports(void)
{
	static const char *const profiles[] = {"fast", "default", "strict"};
	const struct ma_options *options = &ma_global.options;
	const struct ma_report_config config = {
		.action = (enum ma_report_action)options->on_violation,
		.exitcode = (int)options->exitcode,
		.json = options->report == MA_OPTION_REPORT_JSON,
		.log_path = options->log_path,
		.seed = ma_global.seed,
		.profile = profiles[options->profile],
		.stack = recorded,
		.here = here,
		.handler = ma_violations_tell,
	};

	ma_report_configure(&config);
}

/* What an attacker would like to change. A system with larger pages does without. */
static void seal(void)
{
	(void)ma_os_seal(&ma_global, offsetof(struct ma_global, pagemap));
	(void)ma_os_seal(&ma_canary, sizeof(ma_canary));
}

static void thread_exit(void *heap)
{
	mine = NULL;
	ma_heap_release(heap);
}

static void fork_prepare(void)
{
	ma_pools_lock();
	ma_instance_lock(&ma_global.instance);
	ma_lock(&ma_global.depot.lock);
	ma_record_lock();
}

static void fork_parent(void)
{
	ma_record_unlock();
	ma_unlock(&ma_global.depot.lock);
	ma_instance_unlock(&ma_global.instance);
	ma_pools_unlock();
}

/* Where pages are larger than what is sealed, nothing was: it can be written all the same. */
static void renew_secrets(void)
{
	struct ma_random random;
	bool sealed = MA_SEALED % ma_os_page_size() == 0;

	if (ma_global.options.seed != 0)
		return;
	ma_random_init(&random, 0);
	if (sealed && !ma_os_unseal(&ma_canary, sizeof(ma_canary)))
		return;
	ma_canary_forked(ma_random_next(&random));
	(void)ma_os_seal(&ma_canary, sizeof(ma_canary));
}

static void fork_child(void)
{
	ma_record_unlock();
	ma_unlock(&ma_global.depot.lock);
	ma_instance_unlock(&ma_global.instance);
	ma_pools_unlock();
	ma_instance_forked(&ma_global.instance, mine);
	ma_pools_forked();
	renew_secrets();
	ma_report_forget();
	ma_worker_start();
	ma_record_forked();
}

/* What may allocate by itself comes after the heap can serve it. */
static void register_hooks(void)
{
	if (pthread_key_create(&exit_key, thread_exit) == 0)
		atomic_store(&has_key, true);
	(void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static bool init_locked(void)
{
	if (atomic_load(&ready))
		return true;
	ma_annotate_start();
	ma_annotate_private(&ma_global, sizeof(ma_global));
	ma_annotate_private(&ma_canary, sizeof(ma_canary));
	if (!ma_pagemap_init(&ma_global.pagemap))
		return false;
	read_options();
	ma_global.passing = may_pass();
	if (!ma_global.options.annotate || ma_global.passing)
		ma_annotate_stop();
	init_instance();
	configure_reports();
	seal();
	return true;
}

static ma_cold bool init(void)
{
	bool first;
	bool done;

	ma_lock(&init_lock);
	first = !atomic_load(&ready);
	done = init_locked();
	atomic_store_explicit(&ready, done, memory_order_release);
	ma_unlock(&init_lock);
	if (first && done)
		register_hooks();
	return done;
}

/* When the library is loaded; nothing of the pool is mapped yet. */
__attribute__((constructor)) static void loaded(void)
{
	const struct ma_options *options = &ma_global.options;

	if (!ma_global_ready())
		return;
	ma_explain_start();
	ma_fault_start();
	ma_worker_start();
	if (options->record[0] != '\0')
		ma_record_start(options->record, options->record_events);
}

/* Nobody will free what is live now: what was written past its end shows here or never. */
__attribute__((destructor)) static void unloaded(void)
{
	uint64_t ms = ma_global.options.exit_check_ms;

	ma_record_stop();
	/* A handler that ends the process has been told of what is wrong. */
	if (!atomic_load(&ready) || ma_report_is_mine())
		return;
	if (ma_global.options.stats)
		ma_dump_at_exit(&ma_global.instance);
	if (ms == 0)
		return;
	ma_annotate_enter();
	ma_sweep_at_exit(&ma_global.instance, ms);
	ma_pools_sweep(ms);
	ma_annotate_leave();
}

bool ma_global_ready(void)
{
	return ma_likely(atomic_load_explicit(&ready, memory_order_acquire)) || init();
}

/* ---- the calling thread ---------------------------------------------------------------------- */

/* The thread's first call. */
static ma_cold struct ma_heap *acquire(void)
{
	if (!ma_global_ready())
		return NULL;
	if (mine != NULL)
		return mine;
	mine = ma_heap_acquire(&ma_global.instance);
	if (mine != NULL && atomic_load(&has_key))
		(void)pthread_setspecific(exit_key, mine);
	return mine;
}

ma_inline struct ma_heap *my_heap(void)
{
	struct ma_heap *heap = mine;

	return ma_likely(heap != NULL) ? heap : acquire();
}

struct ma_heap *ma_global_heap(void)
{
	return my_heap();
}

struct ma_heap *ma_global_own_heap(void)
{
	return mine;
}

static ma_cold void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void *realloc_at(struct ma_heap *heap, void *ptr, size_t size)
{
	void *resized = heap != NULL ? ma_heap_realloc(heap, ptr, size) : NULL;

	return ma_likely(resized != NULL) ? resized : no_memory();
}

/* ---- the heap -------------------------------------------------------------------------------- */

/* The first call finds out. */
ma_inline bool is_watched(void)
{
	return my_heap() != NULL && ma_global.watched;
}

/* Apart from those who may jump to watch (W1): nothing of theirs is on the stack. */
static ma_noinline void *alloc_unwatched(size_t size, size_t align, bool zero)
{
	const struct ma_request req = {.size = size, .align = align, .zero = zero};
	struct ma_heap *heap = my_heap();
	void *ptr = heap != NULL ? ma_heap_alloc_request(heap, &req) : NULL;

	return ma_likely(ptr != NULL) ? ptr : no_memory();
}

static ma_noinline void *malloc_long(size_t size)
{
	if (is_watched())
		return ma_watched_alloc(size, 0, MA_RECORD_MALLOC);
	return alloc_unwatched(size, 0, false);
}

/* The stock that has a slot of that size ready; NULL: the long way is to be taken. */
ma_inline struct ma_stock *ready_stock(const struct ma_heap *heap, size_t size)
{
	struct ma_stock *stock;

	if (ma_unlikely(heap == NULL || size > MA_FAST_MAX))
		return NULL;
	stock = ma_fast_stock(heap, size);
	return ma_likely(ma_stock_is_ready(stock)) ? stock : NULL;
}

ma_export void *custom_malloc(size_t size)
{
	struct ma_heap *heap = mine;
	struct ma_stock *stock = ready_stock(heap, size);

	if (ma_unlikely(stock == NULL))
		return malloc_long(size);
	return ma_fast_alloc(heap, stock, size);
}

static ma_noinline void *calloc_long(size_t size)
{
	if (ma_unlikely(is_watched()))
		return ma_watched_alloc(size, 0, MA_RECORD_CALLOC);
	return alloc_unwatched(size, 0, true);
}

ma_export void *custom_calloc(size_t count, size_t size)
{
	struct ma_heap *heap = mine;
	struct ma_stock *stock;
	size_t total;
	void *ptr;

	if (ma_unlikely(__builtin_mul_overflow(count, size, &total)))
		return no_memory();
	stock = ready_stock(heap, total);
	if (ma_unlikely(stock == NULL))
		return calloc_long(total);
	ptr = ma_fast_alloc(heap, stock, total);
	/* A slot that is filled was found to be zero. */
	return stock->fill.size > 0 ? ptr : memset(ptr, 0, total);
}

ma_inline void *aligned_alloc_by(size_t alignment, size_t size, enum ma_record_op op)
{
	if (!ma_is_pow2(alignment)) {
		errno = EINVAL;
		return NULL;
	}
	if (ma_unlikely(is_watched()))
		return ma_watched_alloc(size, alignment, op);
	return alloc_unwatched(size, alignment, false);
}

ma_export void *custom_aligned_alloc(size_t alignment, size_t size)
{
	return aligned_alloc_by(alignment, size, MA_RECORD_ALIGNED_ALLOC);
}

void *ma_aligned_alloc(size_t align, size_t size, enum ma_record_op op)
{
	return aligned_alloc_by(align, size, op);
}

/* A thread that only frees needs a heap, too: it tells of many at a time. */
ma_noinline void ma_free_long(void *ptr, unsigned how)
{
	if (ptr == NULL || !ma_global_ready())
		return;
	if (ma_unlikely(ma_global.watched))
		ma_watched_free(ptr, 0, 0, how);
	else
		ma_heap_free(&ma_global.instance, my_heap(), ptr);
}

ma_inline bool free_fast(void *ptr)
{
	struct ma_heap *heap = mine;

	return heap != NULL && ma_fast_free(&ma_global.pagemap, heap, ptr);
}

ma_export void custom_free(void *ptr)
{
	if (ma_unlikely(!free_fast(ptr)))
		ma_free_long(ptr, MA_FROM_ANY);
}

void ma_malloc_free(void *ptr)
{
	if (ma_unlikely(!free_fast(ptr)))
		ma_free_long(ptr, MA_FROM_MALLOC);
}

ma_export void *custom_realloc(void *ptr, size_t size)
{
	if (ptr == NULL)
		return custom_malloc(size);
	if (size == 0) {
		custom_free(ptr);
		return NULL;
	}
	if (ma_unlikely(is_watched()))
		return ma_watched_resize(ptr, size, MA_RECORD_REALLOC);
	return realloc_at(my_heap(), ptr, size);
}

ma_export void *custom_reallocarray(void *ptr, size_t count, size_t size)
{
	size_t total;

	if (ma_unlikely(__builtin_mul_overflow(count, size, &total)))
		return no_memory();
	return custom_realloc(ptr, total);
}

ma_export size_t custom_usable_size(const void *ptr)
{
	struct ma_fast_object o;

	if (ma_likely(mine != NULL) && ma_fast_find(&ma_global.pagemap, mine, ptr, &o))
		return ma_fast_size(&o);
	if (ptr == NULL || !ma_global_ready())
		return 0;
	return ma_watched_size(ptr);
}

void ma_free_sized(void *ptr, size_t size, size_t align)
{
	const struct ma_request claim = {.size = size, .align = align};
	struct ma_fast_object o;

	if (ma_likely(mine != NULL) && ma_fast_prove(&ma_global.pagemap, mine, ptr, &o) &&
	    ma_fast_is(&o, ptr, &claim))
		ma_fast_end(&o, ptr);
	else if (ptr != NULL && ma_global_ready())
		ma_heap_free_sized(&ma_global.instance, my_heap(), ptr, &claim);
}
