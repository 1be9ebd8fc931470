#include <string.h>

#include "direct.h"
#include "guard.h"
#include "waitlist.h"

void ma_waitlist_init(struct ma_waitlist *list, struct ma_pool *pool, size_t max, bool sealed)
{
	memset(list, 0, sizeof(*list));
	ma_lock_init(&list->lock);
	list->pool = pool;
	list->max = max;
	list->sealed = sealed;
}

static const struct ma_waiting none = {NULL, 0, false};

static struct ma_waiting take_at_locked(struct ma_waitlist *list, uint32_t i)
{
	struct ma_waiting out = list->entry[i];

	list->n--;
	list->bytes -= out.block->size;
	memmove(&list->entry[i], &list->entry[i + 1], (list->n - i) * sizeof(*list->entry));
	return out;
}

/* Under the pool's lock somebody may be looking at what was there: from then on nobody does. */
static void set_retired(struct ma_waitlist *list, struct ma_block *block)
{
	ma_lock(&list->pool->lock);
	block->kind = MA_BLOCK_RETIRED;
	ma_unlock(&list->pool->lock);
}

/*
 * A block whose guards the OS does not lift stays as it is, for good. Its region has it still, so
 * it is not stranded.
 */
static bool release(struct ma_waitlist *list, struct ma_block *block)
{
	if (!ma_guard_lift(block)) {
		set_retired(list, block);
		return false;
	}
	if (!block->region->direct)
		return ma_pool_free(list->pool, block);
	ma_direct_free(list->pool, block);
	return false;
}

/* The oldest, if @more bytes would not fit beside it. */
static struct ma_block *make_room_locked(struct ma_waitlist *list, size_t more)
{
	if (list->n == 0 || (list->n < MA_WAITLIST && list->bytes + more <= list->max))
		return NULL;
	return take_at_locked(list, 0).block;
}

static void append_locked(struct ma_waitlist *list, struct ma_waiting waiting)
{
	list->entry[list->n++] = waiting;
	list->bytes += waiting.block->size;
}

/* Return: whether it is sealed. */
static bool retire(struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	set_retired(list, block);
	return (list->sealed || purpose == MA_WAIT_TIGHT) && ma_guard_all(block);
}

bool ma_waitlist_put(struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	struct ma_waiting waiting = {block, purpose, false};
	struct ma_block *old;
	bool due = false;

	if (block->size > list->max)
		return release(list, block);
	waiting.sealed = retire(list, block, purpose);
	do {
		ma_lock(&list->lock);
		old = make_room_locked(list, block->size);
		if (old == NULL)
			append_locked(list, waiting);
		ma_unlock(&list->lock);
		due |= old != NULL && release(list, old);
	} while (old != NULL);
	return due;
}

static struct ma_waiting find_locked(struct ma_waitlist *list, unsigned purpose, size_t size,
				     size_t spare)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->entry[i].purpose == purpose && list->entry[i].block->size - size <= spare)
			return take_at_locked(list, i);
	return none;
}

struct ma_block *ma_waitlist_take(struct ma_waitlist *list, unsigned purpose, size_t size,
				  size_t spare)
{
	struct ma_waiting found;

	if (list->max == 0)
		return NULL;
	ma_lock(&list->lock);
	found = find_locked(list, purpose, size, spare);
	ma_unlock(&list->lock);
	if (!found.sealed)
		return found.block;
	if (!ma_guard_lift(found.block)) {
		(void)release(list, found.block);
		return NULL;
	}
	found.block->zero = true;
	return found.block;
}

void ma_waitlist_flush(struct ma_waitlist *list)
{
	struct ma_block *block;

	do {
		ma_lock(&list->lock);
		block = list->n > 0 ? take_at_locked(list, 0).block : NULL;
		ma_unlock(&list->lock);
		if (block != NULL)
			(void)release(list, block);
	} while (block != NULL);
}
