#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "text.h"

#define STDOUT 1

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

static void add_block(struct memalloc_statistics *stats, struct ma_block *block)
{
	struct slots n;

	if (block->kind == MA_BLOCK_RETIRED)
		stats->waiting += block->size;
	if (block->kind == MA_BLOCK_LARGE) {
		stats->large += block->size;
		stats->live += ma_large_of(block)->requested;
		stats->live_objects++;
	}
	if (block->kind != MA_BLOCK_SLAB || !ma_slab_is_set_up(block))
		return;
	n = count_slots(ma_slab_of(block));
	stats->slabs += block->size;
	stats->live += n.bytes;
	stats->live_objects += n.live;
	stats->retired += n.retired;
	stats->free_slots += n.free;
}

static void add_counts(struct memalloc_statistics *stats, const struct ma_pool *pool)
{
	stats->mapped = pool->regions.mapped;
	stats->regions = pool->regions.nregions;
	stats->free = pool->counts.free_bytes;
	stats->dirty = pool->counts.dirty;
	stats->blocks = pool->counts.nblocks;
	stats->free_blocks = pool->counts.nfree;
	stats->stranded = pool->counts.stranded;
	stats->guarded = atomic_load(&pool->guarded);
	stats->unguarded = atomic_load(&pool->unguarded);
	stats->grown = pool->counts.grown;
	stats->shrunk = pool->counts.shrunk;
	stats->purged = pool->counts.purged;
}

void ma_dump_stats(struct ma_instance *inst, struct memalloc_statistics *stats)
{
	struct ma_pool *pool = &inst->pool;

	memset(stats, 0, sizeof(*stats));
	ma_lock(&inst->registry);
	stats->heaps = inst->nheaps;
	ma_unlock(&inst->registry);
	ma_lock(&pool->lock);
	add_counts(stats, pool);
	for (struct ma_block *b = pool->blocks; b != NULL; b = b->next)
		add_block(stats, b);
	ma_unlock(&pool->lock);
	ma_lock(&inst->meta.lock);
	stats->metadata = inst->meta.mapped;
	ma_unlock(&inst->meta.lock);
	stats->metadata += ma_pagemap_size(inst->pagemap);
}

ma_export void memalloc_stats(struct memalloc_statistics *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (ma_global_ready())
		ma_dump_stats(&ma_global.instance, stats);
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
	FIELD(mapped),  FIELD(metadata), FIELD(free),         FIELD(dirty),   FIELD(slabs),
	FIELD(large),   FIELD(live),     FIELD(live_objects), FIELD(retired), FIELD(free_slots),
	FIELD(regions), FIELD(blocks),   FIELD(free_blocks),  FIELD(heaps),   FIELD(stranded),
	FIELD(waiting), FIELD(guarded),  FIELD(unguarded),    FIELD(grown),   FIELD(shrunk),
	FIELD(purged),
};

ma_export size_t memalloc_stats_json(char *buf, size_t size)
{
	struct memalloc_statistics stats;
	char all[1024];
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
