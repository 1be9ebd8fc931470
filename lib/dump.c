#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "os.h"
#include "report.h"
#include "stats.h"
#include "text.h"

#define STDOUT 1
#define STDERR 2

struct slots {
	uint32_t live;
	uint32_t retired;
	uint32_t free;
	size_t bytes; /* requested, of live ones */
};

/* The state is read once: other threads may change it meanwhile. False: not live. */
static bool live_slot(const struct ma_slab *slab, uint32_t idx, struct ma_slot *slot)
{
	slot->idx = idx;
	slot->state = ma_slab_load(slab, idx);
	if (!ma_slot_is_live(slot->state))
		return false;
	slot->slack = ma_slab_slack(slab, idx, slot->state);
	return true;
}

static struct slots count_slots(const struct ma_slab *slab)
{
	struct slots n = {0, 0, 0, 0};

	for (uint32_t i = 0; i < slab->nslots; i++) {
		struct ma_slot slot;

		if (live_slot(slab, i, &slot)) {
			n.live++;
			n.bytes += ma_slot_size(slab, slot);
		} else if (ma_slab_state(slab, i) == 'f') {
			n.free++;
		} else {
			n.retired++;
		}
	}
	return n;
}

/* ---- list ------------------------------------------------------------------------------------ */

static void count_word(struct ma_text *text, size_t n, const char *word)
{
	ma_text_str(text, " ");
	ma_text_dec(text, n);
	ma_text_str(text, word);
}

static void slab_words(struct ma_text *text, const struct ma_slab *slab)
{
	struct slots n = count_slots(slab);

	ma_text_str(text, "slab of");
	count_word(text, slab->slot, "-byte slots:");
	count_word(text, n.live, " live,");
	count_word(text, n.retired, " retired,");
	count_word(text, n.free, " free");
}

static void state_words(struct ma_text *text, struct ma_block *block)
{
	if (block->kind == MA_BLOCK_SLAB && ma_slab_is_set_up(block)) {
		slab_words(text, ma_slab_of(block));
	} else if (block->kind == MA_BLOCK_LARGE) {
		ma_text_str(text, block->region->direct ? "huge:" : "large:");
		count_word(text, ma_large_of(block)->requested, " bytes requested");
	} else if (block->free) {
		ma_text_str(text, block->zero ? "free, not resident" : "free");
	} else if (block->kind == MA_BLOCK_RETIRED) {
		ma_text_str(text, "retired");
	} else {
		ma_text_str(text, "busy");
	}
}

static void block_line(struct ma_text *text, struct ma_block *block)
{
	ma_text_str(text, "  region ");
	ma_text_dec(text, block->region->idx);
	ma_text_str(text, "  ");
	ma_text_hex(text, ma_block_addr(block));
	ma_text_str(text, "  ");
	ma_text_dec(text, block->size);
	ma_text_str(text, "  ");
	state_words(text, block);
	ma_text_str(text, "\n");
}

void ma_dump_list(struct ma_instance *inst, int fd)
{
	struct ma_pool *pool = &inst->pool;
	char buf[2048];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), fd);
	ma_text_str(&text, "memory pool: region, address, bytes, state\n");
	ma_lock(&pool->lock);
	for (struct ma_block *b = pool->blocks; b != NULL; b = b->next)
		block_line(&text, b);
	ma_text_str(&text, "total:");
	count_word(&text, pool->counts.nblocks, " blocks,");
	count_word(&text, pool->counts.nfree, " free,");
	count_word(&text, pool->regions.mapped, " bytes mapped,");
	count_word(&text, pool->counts.free_bytes, " bytes free\n");
	ma_unlock(&pool->lock);
	ma_text_flush(&text);
}

/* What the program has printed so far comes first. */
ma_export void print_free_list(void)
{
	(void)fflush(stdout);
	if (ma_global_ready())
		ma_dump_list(&ma_global.instance, STDOUT);
}

/* ---- walk ------------------------------------------------------------------------------------ */

typedef int visitor(const struct memalloc_object *object, void *arg);

static int walk_slab(const struct ma_slab *slab, visitor *visit, void *arg)
{
	for (uint32_t i = 0; i < slab->nslots; i++) {
		struct memalloc_object object = {ma_slab_slot_ptr(slab, i), 0, slab->slot};
		struct ma_slot slot;
		int stop;

		if (!live_slot(slab, i, &slot))
			continue;
		object.size = ma_slot_size(slab, slot);
		stop = visit(&object, arg);
		if (stop != 0)
			return stop;
	}
	return 0;
}

static int walk_block(struct ma_block *block, visitor *visit, void *arg)
{
	struct memalloc_object object = {NULL, 0, block->size};

	if (block->kind == MA_BLOCK_SLAB && ma_slab_is_set_up(block))
		return walk_slab(ma_slab_of(block), visit, arg);
	if (block->kind != MA_BLOCK_LARGE || !ma_large_of(block)->sealed)
		return 0;
	object.ptr = ma_large_ptr(block);
	object.size = ma_large_of(block)->requested;
	return visit(&object, arg);
}

ma_export int memalloc_walk(int (*visit)(const struct memalloc_object *object, void *arg),
			    void *arg)
{
	struct ma_pool *pool = &ma_global.instance.pool;
	int stop = 0;

	if (!ma_global_ready())
		return 0;
	ma_lock(&pool->lock);
	for (struct ma_block *b = pool->blocks; b != NULL && stop == 0; b = b->next)
		stop = walk_block(b, visit, arg);
	ma_unlock(&pool->lock);
	return stop;
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void set_sums(struct memalloc_statistics *to, const struct ma_stats *from)
{
	to->mapped = from->mapped;
	to->metadata = from->metadata;
	to->free = from->free;
	to->slabs = from->slabs;
	to->large = from->large;
	to->live = from->live;
	to->waiting = from->waiting;
	to->slack = from->slack;
	to->free_used = from->used;
	to->free_fresh = from->fresh;
	to->quarantine = from->quarantine;
	to->tails = from->tails;
	to->guards = from->guards;
	to->aside = from->aside;
	to->stale = from->stale;
	to->direct = from->direct;
	to->metadata_used = from->metadata_used;
	to->metadata_resident = from->metadata_resident;
	to->resident = from->resident;
}

static void set_counts(struct memalloc_statistics *to, const struct ma_stats *from)
{
	to->live_objects = from->objects;
	to->retired = from->retired_slots;
	to->free_slots = from->free_slots;
	to->slab_blocks = from->nslabs;
	to->large_blocks = from->nlarge;
	to->direct_blocks = from->ndirect;
	to->heaps = from->nheaps;
	to->guarded = from->guarded;
	to->unguarded = from->unguarded;
	to->dirty = from->pool.dirty;
	to->regions = from->pool.nregions;
	to->blocks = from->pool.nblocks;
	to->free_blocks = from->pool.nfree;
	to->stranded = from->pool.stranded;
	to->grown = from->pool.grown;
	to->shrunk = from->pool.shrunk;
	to->purged = from->pool.purged;
}

bool ma_dump_stats(struct ma_instance *inst, struct memalloc_statistics *stats, uint64_t ms)
{
	struct ma_stats counted;
	bool done = ma_stats_count(inst, &counted, ms);

	memset(stats, 0, sizeof(*stats));
	set_sums(stats, &counted);
	set_counts(stats, &counted);
	return done;
}

ma_export void memalloc_stats(struct memalloc_statistics *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (ma_global_ready())
		(void)ma_dump_stats(&ma_global.instance, stats, 0);
}

#define FIELD(name)                                               \
	{                                                         \
#name, offsetof(struct memalloc_statistics, name) \
	}

static_assert(sizeof(size_t) == sizeof(uint64_t), "all fields are read alike");

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
	FIELD(mapped),
	FIELD(metadata),
	FIELD(free),
	FIELD(dirty),
	FIELD(slabs),
	FIELD(large),
	FIELD(live),
	FIELD(live_objects),
	FIELD(retired),
	FIELD(free_slots),
	FIELD(regions),
	FIELD(blocks),
	FIELD(free_blocks),
	FIELD(heaps),
	FIELD(stranded),
	FIELD(waiting),
	FIELD(guarded),
	FIELD(unguarded),
	FIELD(grown),
	FIELD(shrunk),
	FIELD(purged),
	FIELD(slack),
	FIELD(free_used),
	FIELD(free_fresh),
	FIELD(quarantine),
	FIELD(tails),
	FIELD(guards),
	FIELD(aside),
	FIELD(stale),
	FIELD(direct),
	FIELD(slab_blocks),
	FIELD(large_blocks),
	FIELD(direct_blocks),
	FIELD(metadata_used),
	FIELD(metadata_resident),
	FIELD(resident),
};

ma_export size_t memalloc_stats_json(char *buf, size_t size)
{
	struct memalloc_statistics stats;
	char all[2048];
	struct ma_text text;

	memalloc_stats(&stats);
	ma_text_init(&text, all, sizeof(all), -1);
	ma_text_str(&text, "{\"version\":1");
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		uint64_t value;

		memcpy(&value, (const char *)&stats + fields[i].offset, sizeof(value));
		ma_text_str(&text, ",\"");
		ma_text_str(&text, fields[i].name);
		ma_text_str(&text, "\":");
		ma_text_dec(&text, value);
	}
	ma_text_str(&text, "}");
	if (size > 0) {
		size_t n = ma_min(text.used, size - 1);

		memcpy(buf, all, n);
		buf[n] = '\0';
	}
	return text.used;
}

/* ---- for people ------------------------------------------------------------------------------ */

#define COLUMN 14

/* A number in a column of its own, and what it is. */
static void line(struct ma_text *text, uint64_t n, const char *words)
{
	unsigned width = 1;

	for (uint64_t rest = n; rest > 9; rest /= 10)
		width++;
	for (; width < COLUMN; width++)
		ma_text_str(text, " ");
	ma_text_dec(text, n);
	ma_text_str(text, "  ");
	ma_text_str(text, words);
	ma_text_str(text, "\n");
}

static void parts(struct ma_text *text, const struct memalloc_statistics *stats)
{
	line(text, stats->live, "live: requested bytes");
	line(text, stats->slack, "slack: beside live objects, canaries included");
	line(text, stats->free_used, "free slots, used before");
	line(text, stats->free_fresh, "free slots, never used");
	line(text, stats->quarantine, "quarantine: freed slots that wait");
	line(text, stats->tails, "tails: slabs behind their last slot");
	line(text, stats->guards, "guards");
	line(text, stats->waiting, "waiting: freed blocks");
	line(text, stats->aside, "blocks at work");
	line(text, stats->stale, "free blocks, dirty");
	line(text, stats->free - stats->stale, "free blocks, clean");
	line(text, stats->mapped, "mapped: the sum of these");
}

static void sums(struct ma_text *text, const struct memalloc_statistics *stats, size_t asked)
{
	line(text, stats->metadata, "metadata, mapped");
	line(text, stats->metadata_used, "metadata, used");
	line(text, stats->metadata_resident, "metadata, resident (estimate)");
	line(text, stats->direct, "direct mappings, part of mapped");
	line(text, stats->resident, "resident (estimate)");
	if (asked != SIZE_MAX)
		line(text, asked, "resident (asked from the OS)");
}

static void numbers(struct ma_text *text, const struct memalloc_statistics *stats)
{
	ma_text_str(text, " ");
	count_word(text, stats->live_objects, " objects,");
	count_word(text, stats->free_slots, " free slots,");
	count_word(text, stats->retired, " retired slots,");
	count_word(text, stats->slab_blocks, " slabs,");
	count_word(text, stats->large_blocks, " large blocks,");
	count_word(text, stats->free_blocks, " free blocks,");
	count_word(text, stats->blocks, " blocks,");
	count_word(text, stats->regions, " regions,");
	count_word(text, stats->heaps, " heaps\n");
}

void ma_dump_print(struct ma_instance *inst, int fd, uint64_t ms)
{
	struct memalloc_statistics stats;
	char buf[2048];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), fd);
	ma_text_str(&text, "memory of process ");
	ma_text_dec(&text, ma_os_process_id());
	if (ma_dump_stats(inst, &stats, ms)) {
		ma_text_str(&text, ", bytes:\n");
		parts(&text, &stats);
		sums(&text, &stats, ma_stats_ask(inst, ms));
		numbers(&text, &stats);
	} else {
		ma_text_str(&text, ": not to be had, another thread is at work on it\n");
	}
	ma_text_flush(&text);
}

ma_export void memalloc_print_stats(void)
{
	if (ma_global_ready())
		ma_dump_print(&ma_global.instance, STDERR, 0);
}

void ma_dump_at_exit(struct ma_instance *inst)
{
	int fd = ma_report_open();

	ma_dump_print(inst, fd, 1);
	ma_report_close(fd);
}
