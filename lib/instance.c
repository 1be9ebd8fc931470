#include "instance.h"
#include "annotate.h"

/* Blocks wait in bytes as many times what the slots of one thread may take. */
#define WAIT_FACTOR 8

/* The slots of one class at hand are one in so many of the bytes that may wait. */
#define STOCK_FACTOR 32

/* Bytes between objects: memcheck takes what is nearer for a part of the object beside. */
#define REDZONE_WATCHED ((size_t)16)

/* Slots that wait at least where a memory checker looks on. */
#define QUARANTINE_WATCHED ((size_t)4096)
#define QUARANTINE_WATCHED_BYTES ((size_t)4 << 20)

/* A long quarantine, or one in random order, is one for all classes. */
static bool is_stocked(const struct ma_options *options)
{
	return !options->shuffle && options->quarantine <= MA_STOCK / 2;
}

static struct ma_instance_config chosen(const struct ma_options *options)
{
	return (struct ma_instance_config){
		.pool =
			{
				.fit = options->fit == 0 ? MA_FIT_FIRST : MA_FIT_BEST,
				.first = options->init,
				.limit = options->limit,
				.retain = options->retain,
				.age_ms = options->purge_ms,
				.place = ma_global.place,
			},
		.slab =
			{
				.fill_max = options->fill,
				.redzone = options->redzone,
				.traced = options->stacks > 0,
				.guarded = options->guards == MA_OPTION_GUARDS_ALL,
				.shuffled = options->shuffle,
			},
		.quarantine =
			{
				.cap = options->quarantine,
				.bytes = options->quarantine_size,
				.shuffled = options->shuffle,
			},
		.stock =
			{
				.entries = is_stocked(options) ? MA_STOCK : 0,
				.bytes = options->quarantine_size / STOCK_FACTOR,
				.quiet = options->quarantine,
			},
		.watched = options->alloc_dealloc_mismatch || options->record[0] != '\0',
		.wait = options->quarantine_size * WAIT_FACTOR,
		.wait_sealed = options->profile == MA_OPTION_PROFILE_STRICT,
		.guard_large = options->guards != MA_OPTION_GUARDS_NONE,
		.guard_sparing = options->guards == MA_OPTION_GUARDS_LARGE,
		.sample = options->sample,
		.check = options->check,
		.depot = options->stacks > 0 || options->sample > 0 ? &ma_global.depot : NULL,
		.deep = options->stacks == MA_OPTION_STACKS_FULL,
		.seed = ma_global.seed,
		.renewed = options->seed == 0,
	};
}

/*
 * A memory checker is told of every object, guards all that is none, and speaks of the newest
 * object in a place: so what was freed stays away for long. A sample would be one more way to
 * guard, in its place.
 */
static void be_watched(struct ma_instance_config *config)
{
	config->watched = true;
	config->sample = 0;
	config->slab.guarded = false;
	config->slab.redzone = ma_max(config->slab.redzone, REDZONE_WATCHED);
	config->guard_large = false;
	config->wait_sealed = false;
	config->quarantine.cap = ma_max(config->quarantine.cap, QUARANTINE_WATCHED);
	config->quarantine.bytes = ma_max(config->quarantine.bytes, QUARANTINE_WATCHED_BYTES);
	/* AddressSanitizer has no stacks for memory that others have poisoned. */
	if (ma_tools.asan) {
		config->slab.traced = true;
		config->deep = true;
		config->depot = &ma_global.depot;
	}
}

struct ma_instance_config ma_global_config(void)
{
	struct ma_instance_config config = chosen(&ma_global.options);

	if (ma_tools.any)
		be_watched(&config);
	return config;
}
