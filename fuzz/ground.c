#include <string.h>

#include "ground.h"
#include "model.h"
#include "os.h"
#include "os_fake.h"

/* Regions that one operation can bring: the OS has no more bytes. */
#define NFRESH 16

/* Bytes that descriptors of a region may take, and a leaf of the pagemap. */
#define DESCRIBED ((size_t)640 << 10)
#define LEAF (sizeof(struct ma_pagemap_leaf) + ((size_t)256 << 10))

/* Pages that are looked at, of a free block that reads as zero. */
#define NZERO ((size_t)256)

void ground_must(bool holds, const char *rule)
{
	if (!holds)
		model_fail("pool", rule);
}

void ground_before(struct ground *g)
{
	g->plain.now = ma_os_now_ms();
	g->plain.os.calls = os_fake_calls();
	g->nrefused = os_fake_refused();
}

bool ground_refused(const struct ground *g)
{
	return os_fake_refused() != g->nrefused;
}

static bool was_ordered(const struct ground *g)
{
	const struct plain_os *os = &g->plain.os;
	size_t now = os_fake_calls();

	return now >= os->from || (os->at > os->calls && os->at <= now);
}

bool ground_had_room(const struct ground *g, size_t size)
{
	const struct ma_pagemap_leaf *leaf = atomic_load(&g->pagemap.leaves);
	bool has_leaves = leaf != NULL && (leaf->next != NULL || !g->across);
	size_t mapped = os_fake_mapped() + DESCRIBED + (has_leaves ? 0 : LEAF);

	return !was_ordered(g) && size <= OS_FAKE_ARENA && mapped + size <= g->os_bytes &&
	       (OS_FAKE_ARENA / 2 - mapped) / (os_fake_nmappings() + 1) >= size;
}

void ground_silent(const struct ground *g)
{
	ground_must(os_fake_calls() == g->plain.os.calls, "G9 the OS is asked as often as must be");
}

size_t ground_nspare(const struct ground *g)
{
	size_t n = 0;

	for (const struct ma_block *b = g->pool.spare; b != NULL; b = b->next)
		n++;
	return n;
}

/* ---- growth ---------------------------------------------------------------------------------- */

/* Regions the account does not have yet, the largest first, and of equal ones the lowest. */
struct fresh {
	struct {
		uintptr_t addr;
		size_t size;
	} region[NFRESH];
	size_t n;
	size_t next; /* the first that is not yet in the account */
};

static bool is_known(const struct plain_pool *plain, uintptr_t addr)
{
	for (size_t i = 0; i < plain->nblocks; i++)
		if (plain->block[i].starts && plain->block[i].addr == addr)
			return true;
	return false;
}

static void add_fresh(struct fresh *fresh, uintptr_t addr, size_t size)
{
	size_t at = fresh->n++;

	for (; at > 0 && fresh->region[at - 1].size < size; at--)
		fresh->region[at] = fresh->region[at - 1];
	fresh->region[at].addr = addr;
	fresh->region[at].size = size;
}

static void find_fresh(const struct ground *g, struct fresh *fresh)
{
	const struct ma_region_set *set = &g->pool.regions;

	fresh->n = fresh->next = 0;
	for (size_t i = 0; i < set->nregions; i++) {
		uintptr_t addr = ma_region_addr(set->table[i]);

		if (is_known(&g->plain, addr))
			continue;
		ground_must(fresh->n < NFRESH, "G7 the pool grows by a few regions");
		add_fresh(fresh, addr, set->table[i]->size);
	}
}

static bool is_vacant(const struct plain_pool *plain, uintptr_t addr, size_t size)
{
	for (size_t i = 0; i < plain->nblocks; i++)
		if (plain->block[i].addr < addr + size &&
		    addr < plain->block[i].addr + plain->block[i].size)
			return false;
	return true;
}

/* The lowest place from where regions go upwards, or the end of one above it, that is vacant. */
static uintptr_t wanted_place(const struct ground *g, size_t size)
{
	const struct plain_pool *plain = &g->plain;
	uintptr_t lowest = is_vacant(plain, g->place, size) ? g->place : UINTPTR_MAX;

	for (size_t i = 0; i < plain->nblocks; i++) {
		uintptr_t end = plain->block[i].addr + plain->block[i].size;

		if (end > g->place && end < lowest && is_vacant(plain, end, size))
			lowest = end;
	}
	return lowest;
}

static void adopt(struct ground *g, struct fresh *fresh)
{
	struct plain_pool *plain = &g->plain;
	size_t size = fresh->region[fresh->next].size;

	if (g->place != 0 && fresh->next + 1 == fresh->n && !ground_refused(g))
		ground_must(os_fake_wish() == wanted_place(g, size),
			    "G7 regions are wanted one above the other");
	(void)plain_add_region(plain, fresh->region[fresh->next].addr, size, false);
	plain->next = ma_min(ma_max(plain->next, size) * 2, MA_REGION_MAX);
	fresh->next++;
}

void ground_learn_stranded(struct ground *g)
{
	if (ground_refused(g) && g->pool.counts.stranded > g->plain.stranded)
		g->plain.stranded = g->pool.counts.stranded;
}

static bool reserve(struct ground *g, struct fresh *fresh, size_t bytes)
{
	const struct plain_pool *plain = &g->plain;

	while (plain_sum(plain, true) < bytes) {
		size_t lacking = ma_align_up(bytes - plain_sum(plain, true), plain->page);
		size_t size = ma_min(lacking, MA_REGION_MAX);

		if (size > plain_room(plain))
			return false;
		if (fresh->next == fresh->n) {
			ground_must(ground_refused(g) && !ground_had_room(g, size),
				    "G8 a refusal has a reason");
			return false;
		}
		ground_must(fresh->region[fresh->next].size == size,
			    "G7 the pool grows by what is lacking");
		adopt(g, fresh);
	}
	return true;
}

/* @part is of those that are tried, halves of @size, down to @need; none before it had room. */
static bool is_largest_part(const struct ground *g, size_t size, size_t need, size_t part)
{
	while (size > need && size != part) {
		if (ground_had_room(g, size))
			return false;
		size = ma_max(ma_align_up(size / 2, g->plain.page), need);
	}
	return size == part || (part == 0 && !ground_had_room(g, size));
}

static void grow(struct ground *g, struct fresh *fresh, size_t need)
{
	struct plain_pool *plain = &g->plain;
	size_t most = ma_min(plain_room(plain), MA_REGION_MAX);
	size_t wanted = plain->next;
	bool first = plain->nblocks == 0;
	size_t size = ma_min(ma_max(ma_align_up(wanted, plain->page), need), most);
	size_t got = fresh->n > 0 ? fresh->region[0].size : 0;

	if (need > most)
		return;
	if (fresh->n == 0) {
		ground_must(ground_refused(g) && is_largest_part(g, size, need, 0),
			    "G8 a refusal has a reason");
		return;
	}
	/* Which of them came first is not known. */
	while (fresh->n > 1 && ground_refused(g) && fresh->next < fresh->n)
		adopt(g, fresh);
	if (fresh->next == fresh->n)
		return;
	ground_must(got == size || (ground_refused(g) && is_largest_part(g, size, need, got)),
		    "G7 the pool grows by the size that is next");
	adopt(g, fresh);
	if (first && wanted > MA_REGION_MAX)
		(void)reserve(g, fresh, wanted);
}

void ground_grown(struct ground *g, size_t need)
{
	struct fresh fresh;

	find_fresh(g, &fresh);
	grow(g, &fresh, need);
	ground_must(fresh.next == fresh.n, "G7 the pool grows only when it must");
	ground_learn_stranded(g);
}

void ground_not_grown(const struct ground *g)
{
	struct fresh fresh;

	find_fresh(g, &fresh);
	ground_must(fresh.n == 0, "G7 the pool grows only when it must");
}

bool ground_reserved(struct ground *g, size_t bytes)
{
	struct fresh fresh;
	bool done = true;

	if (bytes > MA_RESERVE_MAX)
		return false;
	if (g->plain.nblocks == 0) {
		g->plain.next = bytes;
		return true;
	}
	find_fresh(g, &fresh);
	done = reserve(g, &fresh, bytes);
	ground_must(fresh.next == fresh.n, "G7 the pool grows only when it must");
	ground_learn_stranded(g);
	return done;
}

/* ---- contents -------------------------------------------------------------------------------- */

static uint64_t word_of(unsigned slot, size_t page)
{
	return (slot + 1) * UINT64_C(0x9e3779b97f4a7c15) + page;
}

static uint64_t *first_word(uintptr_t addr)
{
	return (uint64_t *)addr;
}

static uint64_t *last_word(const struct ground *g, uintptr_t addr)
{
	return (uint64_t *)(addr + g->plain.page) - 1;
}

/* The pages in the middle are left out. */
static bool is_painted(const struct ground_object *o, size_t page, size_t npages)
{
	return o->block != NULL && (page < GROUND_NPAINTED || page + GROUND_NPAINTED >= npages);
}

void ground_paint(struct ground *g, unsigned slot)
{
	struct ground_object *o = &g->object[slot];
	size_t npages = o->block->size / g->plain.page;

	for (size_t page = 0; page < npages; page++) {
		uintptr_t addr = o->addr + page * g->plain.page;

		if (!is_painted(o, page, npages))
			continue;
		*first_word(addr) = word_of(slot, page);
		*last_word(g, addr) = ~word_of(slot, page);
	}
	memset(o->block->rider, (int)(slot | 1), sizeof(o->block->rider));
	o->front = o->back = 0;
}

static void check_page(const struct ground *g, unsigned slot, size_t page)
{
	uintptr_t addr = g->object[slot].addr + page * g->plain.page;

	ground_must(*first_word(addr) == word_of(slot, page) &&
			    *last_word(g, addr) == ~word_of(slot, page),
		    "G10 contents of a block are as written");
}

static void check_rider(const struct ground_object *o, unsigned slot)
{
	for (size_t i = 0; i < sizeof(o->block->rider); i++)
		ground_must(o->block->rider[i] == (slot | 1),
			    "G10 the rider of a block is as written");
}

void ground_check_paint(const struct ground *g, unsigned slot, size_t size)
{
	const struct ground_object *o = &g->object[slot];
	size_t npages = o->block->size / g->plain.page;
	size_t end = ma_min(size, o->block->size - o->back) / g->plain.page;

	check_rider(o, slot);
	for (size_t page = o->front / g->plain.page; page < end; page++)
		if (is_painted(o, page, npages))
			check_page(g, slot, page);
}

void ground_check_zero(const struct ground *g, uintptr_t addr, size_t size)
{
	size_t npages = ma_min(size / g->plain.page, NZERO);

	for (size_t page = 0; page < npages; page++, addr += g->plain.page)
		ground_must(*first_word(addr) == 0 && *last_word(g, addr) == 0,
			    "G10 what is said to be zero reads as zero");
}

void ground_check_contents(const struct ground *g)
{
	for (unsigned slot = 0; slot < GROUND_NSLOTS; slot++)
		if (g->object[slot].block != NULL)
			ground_check_paint(g, slot, g->object[slot].block->size);
	for (size_t i = 0; i < g->plain.nblocks; i++) {
		const struct plain_block *b = &g->plain.block[i];

		if (b->state == PLAIN_FREE && b->zero)
			ground_check_zero(g, b->addr, b->size);
	}
}
