#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "canary.h"
#include "decay.h"
#include "dump.h"
#include "estate.h"
#include "os.h"
#include "os_fake.h"
#include "stats.h"

#define ARENA_LIMIT ((size_t)384 << 20)
#define ARENA_SMALL ((size_t)8 << 20)
#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define INITIAL ((size_t)64 * 1024) /* of a pool that was not told */
#define NAME_MAX_LEN 31
#define ODD 4711 /* errno stays as it is on success */

/* ---- what is global -------------------------------------------------------------------------- */

struct ma_global ma_global;

static bool is_ready;
static uint64_t nmade; /* pools ever made in this process */

bool ma_global_ready(void)
{
	return is_ready;
}

void estate_fail(const char *rule)
{
	model_fail("pools", rule);
}

/* Byte 0: profile, page size, little memory. Byte 1: seed. */
static void start_global(struct estate *e)
{
	static const size_t pages[4] = {4096, 4096, 16384, 65536};
	struct ma_options *options = &ma_global.options;
	unsigned how = seq_byte(&e->seq);
	unsigned seed = seq_byte(&e->seq) + 1u;

	os_fake_fast(true);
	os_fake_reset();
	os_fake_set_page_size(pages[how >> 2 & 3]);
	os_fake_set_limit(how & 0x10 ? ARENA_SMALL : ARENA_LIMIT);
	memset(&ma_global, 0, sizeof(ma_global));
	ma_options_init(options, (enum ma_option_profile)((how & 3) % 3));
	options->fit = how >> 5 & 1;
	options->retain = how & 0x40 ? options->retain : 0;
	/* Stacks, recorded of what is sampled, too, are not the same everywhere. */
	options->stacks = 0;
	options->sample = 0;
	ma_global.seed = seed - nmade;
	ma_canary_init(0x5eed5eed5eed5eedu + seed);
	ma_depot_init(&ma_global.depot);
}

bool estate_init(struct estate *e, const uint8_t *data, size_t size)
{
	struct ma_instance_config config;

	memset(e, 0, sizeof(*e));
	seq_init(&e->seq, data, size);
	start_global(e);
	model_init(&e->model);
	if (!ma_pagemap_init(&ma_global.pagemap))
		return false;
	config = ma_global_config();
	config.seed = 1;
	ma_instance_init(&ma_global.instance, &config, &ma_global.pagemap);
	e->seq.page = ma_global.instance.pool.page;
	is_ready = true;
	return true;
}

struct ma_instance *estate_of(struct estate *e, unsigned place)
{
	if (place == 0)
		return &ma_global.instance;
	return e->pool[place] != NULL ? &e->pool[place]->instance : NULL;
}

struct ma_heap *estate_heap(struct estate *e, unsigned place)
{
	if (place > 0)
		return e->pool[place] != NULL ? &e->pool[place]->heap : NULL;
	if (e->heap == NULL)
		e->heap = ma_heap_acquire(&ma_global.instance);
	return e->heap;
}

/* ---- what holds after each step -------------------------------------------------------------- */

static void must_hold(const char *broken)
{
	if (broken != NULL)
		model_fail("validator", broken);
}

/* E1: from one of them to the first on the table, then along it. */
static void check_table(struct estate *e)
{
	const struct memalloc_pool *p = NULL;
	unsigned nlive = 0;
	unsigned n = 0;

	for (unsigned i = 1; i < ESTATE_NPLACES; i++)
		if (e->pool[i] != NULL) {
			p = e->pool[i];
			nlive++;
		}
	while (p != NULL && p->prev != NULL && n++ < ESTATE_NPLACES)
		p = p->prev;
	for (n = 0; p != NULL && n <= nlive; p = p->next, n++)
		if (p->next != NULL && p->next->prev != p)
			estate_fail("E1 the table links pools both ways");
	if (n != nlive)
		estate_fail("E1 every live pool is on the table, and no other");
}

static void check_wish(struct estate *e, unsigned place)
{
	const struct memalloc_pool *pool = e->pool[place];
	const struct estate_wish *wish = &e->wish[place];
	const struct ma_pool_config *config = &pool->instance.pool.config;
	size_t len = strlen(wish->name) < NAME_MAX_LEN ? strlen(wish->name) : NAME_MAX_LEN;

	if (strlen(pool->name) != len || memcmp(pool->name, wish->name, len) != 0)
		estate_fail("E2 a pool has its name");
	if (config->limit != wish->limit ||
	    config->fit != (wish->fit == MEMALLOC_FIT_BEST ? MA_FIT_BEST : MA_FIT_FIRST))
		estate_fail("E2 a pool has the limit and the policy that were asked for");
	if (config->first != (wish->initial > 0 ? wish->initial : INITIAL))
		estate_fail("E2 a pool begins with what was asked for");
	if (wish->limit > 0 && pool->instance.pool.regions.mapped > wish->limit)
		estate_fail("E3 a pool maps no more than its limit");
}

static void check_counts(struct estate *e, unsigned place)
{
	struct memalloc_statistics s;
	size_t bytes;
	size_t n = model_count(&e->model, place, &bytes);

	if (place == 0)
		memalloc_stats(&s);
	else if (!ma_dump_stats(&e->pool[place]->instance, &s, 0))
		estate_fail("E4 what is live can be counted");
	if (s.live_objects != n || s.live != bytes)
		estate_fail("E4 live objects and bytes are those of the program");
	if (s.live + s.slack + s.free_used + s.free_fresh + s.quarantine + s.tails + s.guards +
		    s.waiting + s.aside + s.free !=
	    s.mapped)
		estate_fail("E4 the parts that are counted are all that is mapped");
}

static size_t known_mapped(struct estate *e)
{
	size_t sum = ma_pagemap_size(&ma_global.pagemap) + e->lost;

	for (unsigned i = 0; i < ESTATE_NPLACES; i++) {
		const struct ma_instance *inst = estate_of(e, i);

		if (inst != NULL)
			sum += inst->meta.mapped + inst->pool.regions.mapped +
			       inst->pool.counts.stranded;
	}
	return sum;
}

void estate_check(struct estate *e)
{
	must_hold(ma_pagemap_check(&ma_global.pagemap));
	must_hold(ma_instance_check(&ma_global.instance, e->heap));
	check_counts(e, 0);
	for (unsigned i = 1; i < ESTATE_NPLACES; i++) {
		if (e->pool[i] == NULL)
			continue;
		must_hold(memalloc_pool_check(e->pool[i]));
		check_wish(e, i);
		check_counts(e, i);
	}
	check_table(e);
	if (os_fake_mapped() != known_mapped(e))
		estate_fail("E5 what the OS has mapped is known");
}

/* ---- pools ----------------------------------------------------------------------------------- */

struct estate_wish estate_wish(uint64_t bits)
{
	static const size_t limits[8] = {0, 0, 100, 4096, 65536, 256 * KIB, 1024 * KIB, 8192 * KIB};
	static const size_t initials[8] = {0, 1, 4096, 100000, MIB, 24 * MIB, 100 * MIB, 64 * KIB};
	struct estate_wish wish = {
		.fit = bits & 1 ? MEMALLOC_FIT_BEST : MEMALLOC_FIT_FIRST,
		.limit = limits[bits >> 1 & 7],
		.initial = initials[bits >> 4 & 7],
	};
	size_t len = bits >> 7 & 0xff;

	for (size_t i = 0; i < len; i++)
		wish.name[i] = (char)('a' + (i + len) % 26);
	return wish;
}

/* E6: a handle more, from @before to @after. */
static void note_handle(struct estate *e, size_t before, size_t after)
{
	if (e->handle == 0)
		e->handle = after - before;
	if (after - before != e->handle || e->handle == 0)
		estate_fail("E6 a handle takes the same metadata each time");
}

void estate_create(struct estate *e, unsigned place, const struct estate_wish *wish)
{
	struct memalloc_pool_options options = {0};
	size_t before = ma_global.instance.meta.in_use;
	size_t refused = os_fake_refused();

	memset(&e->wish[place], 0, sizeof(e->wish[place]));
	if (wish != NULL) {
		e->wish[place] = *wish;
		options.name = wish->name[0] != '\0' ? wish->name : NULL;
		options.initial = wish->initial;
		options.limit = wish->limit;
		options.fit = wish->fit;
	}
	errno = ODD;
	e->pool[place] = memalloc_pool_create(wish != NULL ? &options : NULL);
	if (e->pool[place] == NULL) {
		if (os_fake_refused() == refused || errno != ENOMEM)
			estate_fail("E2 a pool is refused only for a reason");
		return;
	}
	nmade++;
	note_handle(e, before, ma_global.instance.meta.in_use);
	if (errno != ODD)
		estate_fail("E2 what succeeds leaves errno alone");
	if (estate_of(e, place)->pool.regions.mapped != 0)
		estate_fail("E2 an empty pool has no region");
}

static void bury(struct estate *e, unsigned place)
{
	e->dead[e->ndead++ % ESTATE_NDEAD] = e->pool[place];
	e->pool[place] = NULL;
}

void estate_end(struct estate *e, unsigned place, bool destroy)
{
	size_t refused = os_fake_refused();
	size_t before = ma_global.instance.meta.in_use;
	size_t known;

	for (unsigned i = 0; i < MODEL_NOBJECTS; i++)
		if (e->model.object[i].ptr != NULL && e->model.object[i].owner == place)
			model_check(&e->model, i);
	e->lost += e->pool[place]->instance.pool.counts.stranded;
	if (destroy) {
		memalloc_pool_destroy(e->pool[place]);
		note_handle(e, ma_global.instance.meta.in_use, before);
		bury(e, place);
	} else {
		memalloc_pool_reset(e->pool[place]);
		if (estate_of(e, place)->pool.regions.mapped != 0)
			estate_fail("E2 an empty pool has no region");
	}
	model_forget(&e->model, place);
	known = known_mapped(e);
	if (os_fake_refused() != refused && os_fake_mapped() > known)
		e->lost += os_fake_mapped() - known;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void free_heap(struct estate *e)
{
	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		void *ptr = e->model.object[i].ptr;

		if (ptr == NULL)
			continue;
		model_remove(&e->model, i);
		ma_heap_free(&ma_global.instance, e->heap, ptr);
	}
	estate_check(e);
}

void estate_fini(struct estate *e)
{
	os_fake_lift();
	for (unsigned i = 1; i < ESTATE_NPLACES; i++)
		if (e->pool[i] != NULL)
			estate_end(e, i, true);
	estate_check(e);
	free_heap(e);
	e->lost += ma_global.instance.pool.counts.stranded;
	ma_instance_fini(&ma_global.instance);
	must_hold(ma_pagemap_check(&ma_global.pagemap));
	ma_pagemap_fini(&ma_global.pagemap);
	is_ready = false;
	if (os_fake_mapped() != e->lost)
		estate_fail("E7 nothing is mapped at the end");
}
