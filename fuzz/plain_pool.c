#include <string.h>

#include "model.h"
#include "plain_pool.h"

void plain_init(struct plain_pool *plain, const struct ma_pool_config *config, size_t page)
{
	plain->config = *config;
	plain->page = page;
	plain->nblocks = plain->nqueue = 0;
	plain->nentered = 0;
	plain->grown = plain->shrunk = plain->purged = 0;
	plain->stranded = 0;
	plain->guarded = plain->unguarded = 0;
	plain->meanwhile = NULL;
}

/* Three regions, or what is cut off twice. */
bool plain_has_room(const struct plain_pool *plain)
{
	return plain->nblocks + 3 <= PLAIN_NBLOCKS;
}

bool plain_refuses(struct plain_pool *plain, unsigned kind)
{
	struct plain_os *os = &plain->os;

	if ((os->mask & kind) == 0)
		return false;
	os->calls++;
	return os->calls == os->at || os->calls >= os->from;
}

/* ---- the array ------------------------------------------------------------------------------- */

size_t plain_at(const struct plain_pool *plain, uintptr_t addr)
{
	size_t low = 0;
	size_t high = plain->nblocks;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (plain->block[mid].addr == addr)
			return mid;
		if (plain->block[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	model_fail("pool", "G1 blocks are where they should be");
}

bool plain_ends(const struct plain_pool *plain, size_t i)
{
	return i + 1 == plain->nblocks || plain->block[i + 1].starts;
}

static void insert(struct plain_pool *plain, size_t i, const struct plain_block *block)
{
	if (plain->nblocks == PLAIN_NBLOCKS)
		model_fail("pool", "the plain account is full");
	memmove(&plain->block[i + 1], &plain->block[i],
		(plain->nblocks - i) * sizeof(*plain->block));
	plain->block[i] = *block;
	plain->nblocks++;
}

static void drop(struct plain_pool *plain, size_t i)
{
	plain->nblocks--;
	memmove(&plain->block[i], &plain->block[i + 1],
		(plain->nblocks - i) * sizeof(*plain->block));
}

size_t plain_sum(const struct plain_pool *plain, bool only_free)
{
	size_t sum = 0;

	for (size_t i = 0; i < plain->nblocks; i++)
		if (!only_free || plain->block[i].state == PLAIN_FREE)
			sum += plain->block[i].size;
	return sum;
}

size_t plain_room(const struct plain_pool *plain)
{
	size_t mapped = plain_sum(plain, false);

	if (plain->config.limit == 0)
		return SIZE_MAX / 2;
	if (plain->config.limit <= mapped)
		return 0;
	return (plain->config.limit - mapped) / plain->page * plain->page;
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void queue_up(struct plain_pool *plain, const struct plain_block *block)
{
	size_t at = plain->nqueue;

	while (at > 0 && plain->nqueue - at < PLAIN_OVERTAKES &&
	       plain->block[plain_at(plain, plain->queue[at - 1])].since > block->since)
		at--;
	memmove(&plain->queue[at + 1], &plain->queue[at],
		(plain->nqueue - at) * sizeof(*plain->queue));
	plain->queue[at] = block->addr;
	plain->nqueue++;
}

static void leave_queue(struct plain_pool *plain, const struct plain_block *block)
{
	for (size_t at = 0; at < plain->nqueue; at++) {
		if (plain->queue[at] != block->addr)
			continue;
		plain->nqueue--;
		memmove(&plain->queue[at], &plain->queue[at + 1],
			(plain->nqueue - at) * sizeof(*plain->queue));
		return;
	}
}

bool plain_is_due(const struct plain_pool *plain)
{
	const struct plain_block *oldest;

	if (plain->nqueue == 0)
		return false;
	oldest = &plain->block[plain_at(plain, plain->queue[0])];
	return plain->now >= oldest->since && plain->now - oldest->since >= plain->config.age_ms;
}

/* ---- free and taken -------------------------------------------------------------------------- */

static void enter(struct plain_pool *plain, size_t i)
{
	struct plain_block *block = &plain->block[i];

	block->state = PLAIN_FREE;
	block->entered = ++plain->nentered;
	if (!block->zero)
		queue_up(plain, block);
}

void plain_take_aside(struct plain_pool *plain, size_t i)
{
	leave_queue(plain, &plain->block[i]);
	plain->block[i].state = PLAIN_TAKEN;
}

/* [ i ------ ] => [ i ][ i + 1 ]; neither is among the free ones. */
static void split(struct plain_pool *plain, size_t i, size_t size)
{
	struct plain_block *block = &plain->block[i];
	struct plain_block rest = *block;

	rest.addr += size;
	rest.size -= size;
	rest.starts = false;
	rest.nguarded = 0;
	block->size = size;
	block->nstale = ma_min(block->nstale, size / plain->page);
	rest.nstale -= block->nstale;
	insert(plain, i + 1, &rest);
}

static bool is_free(const struct plain_pool *plain, size_t i)
{
	return plain->block[i].state == PLAIN_FREE;
}

/* [ i ][ i + 1 ] => [ i ------ ] */
static void merge(struct plain_pool *plain, size_t i)
{
	struct plain_block *block = &plain->block[i];
	const struct plain_block *right = block + 1;

	block->size += right->size;
	block->zero = block->zero && right->zero;
	if (right->nstale > block->nstale)
		block->since = right->since;
	block->nstale += right->nstale;
	drop(plain, i + 1);
}

void plain_free(struct plain_pool *plain, size_t i, bool zero)
{
	struct plain_block *block = &plain->block[i];
	size_t npages = block->size / plain->page;

	block->zero = zero;
	block->nstale = zero ? 0 : npages - ma_min(npages, block->nguarded);
	block->nguarded = 0;
	if (!plain_ends(plain, i) && is_free(plain, i + 1)) {
		plain_take_aside(plain, i + 1);
		merge(plain, i);
	}
	if (!block->starts && is_free(plain, i - 1)) {
		plain_take_aside(plain, --i);
		merge(plain, i);
	}
	enter(plain, i);
}

static bool holds(const struct plain_block *block, size_t size, size_t align)
{
	size_t front = (size_t)(-block->addr % align);

	return block->state == PLAIN_FREE && front < block->size && block->size - front >= size;
}

size_t plain_choose(const struct plain_pool *plain, size_t size, size_t align)
{
	size_t best = PLAIN_NONE;

	for (size_t i = 0; i < plain->nblocks; i++) {
		const struct plain_block *b = &plain->block[i];

		if (!holds(b, size, align))
			continue;
		if (plain->config.fit == MA_FIT_FIRST)
			return i;
		if (best == PLAIN_NONE || b->size < plain->block[best].size ||
		    (b->size == plain->block[best].size && b->entered > plain->block[best].entered))
			best = i;
	}
	return best;
}

size_t plain_take(struct plain_pool *plain, size_t i, size_t size, size_t align)
{
	size_t front = (size_t)(-plain->block[i].addr % align);

	plain_take_aside(plain, i);
	if (front > 0) {
		split(plain, i, front);
		enter(plain, i++);
	}
	if (plain->block[i].size > size) {
		split(plain, i, size);
		enter(plain, i + 1);
	}
	return i;
}

static size_t insert_in_order(struct plain_pool *plain, const struct plain_block *block)
{
	size_t i = 0;

	while (i < plain->nblocks && plain->block[i].addr < block->addr)
		i++;
	insert(plain, i, block);
	return i;
}

size_t plain_add_region(struct plain_pool *plain, uintptr_t addr, size_t size, bool direct)
{
	struct plain_block block = {.addr = addr, .size = size, .born = size};
	size_t i;

	block.zero = block.starts = true;
	block.state = PLAIN_DIRECT;
	i = insert_in_order(plain, &block);
	plain->grown++;
	if (!direct)
		enter(plain, i);
	return i;
}

void plain_remove_region(struct plain_pool *plain, size_t i)
{
	drop(plain, i);
}

void plain_move_region(struct plain_pool *plain, size_t i, uintptr_t addr, size_t size)
{
	struct plain_block block = plain->block[i];

	drop(plain, i);
	block.addr = addr;
	block.size = size;
	(void)insert_in_order(plain, &block);
}

void plain_shrink(struct plain_pool *plain, size_t i, size_t size)
{
	split(plain, i, size);
	plain->block[i + 1].since = plain->now;
	plain_free(plain, i + 1, false);
}

bool plain_extend(struct plain_pool *plain, size_t i, size_t size)
{
	struct plain_block *block = &plain->block[i];
	struct plain_block *right = block + 1;
	size_t more = size - block->size;

	if (plain_ends(plain, i) || !is_free(plain, i + 1) || right->size < more)
		return false;
	plain_take_aside(plain, i + 1);
	block->size = size;
	if (right->size == more) {
		drop(plain, i + 1);
		return true;
	}
	right->addr += more;
	right->size -= more;
	right->nstale -= ma_min(right->nstale, more / plain->page);
	enter(plain, i + 1);
	return true;
}
