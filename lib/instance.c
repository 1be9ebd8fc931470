#include "instance.h"

/* Blocks wait in bytes as many times what the slots of one thread may take. */
#define WAIT_FACTOR 8

struct ma_instance_config ma_global_config(void)
{
	const struct ma_options *options = &ma_global.options;

	return (struct ma_instance_config){
		.pool =
			{
				.fit = options->fit == 0 ? MA_FIT_FIRST : MA_FIT_BEST,
				.first = options->init,
				.limit = options->limit,
				.retain = options->retain,
				.age_ms = options->purge_ms,
			},
		.slab =
			{
				.fill_max = options->fill,
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
		.wait = options->quarantine > 0 ? options->quarantine_size * WAIT_FACTOR : 0,
		.wait_sealed = options->profile == MA_OPTION_PROFILE_STRICT,
		.guard_large = options->guards != MA_OPTION_GUARDS_NONE,
		.sample = options->sample,
		.check = options->check,
		.depot = options->stacks > 0 || options->sample > 0 ? &ma_global.depot : NULL,
		.deep = options->stacks == MA_OPTION_STACKS_FULL,
		.seed = ma_global.seed,
		.renewed = options->seed == 0,
	};
}
