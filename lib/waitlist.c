#include <string.h>

#include "direct.h"
#include "fill.h"
#include "guard.h"
#include "os.h"
#include "pool_internal.h"
#include "report.h"
#include "waitlist.h"

/* Bytes that wait as they are. */
#define RESIDENT ((size_t)256 * 1024)

void ma_waitlist_init(struct ma_waitlist *list, struct ma_pool *pool, size_t max, bool sealed)
{
	memset(list, 0, sizeof(*list));
	ma_lock_init(&list->lock);
	list->pool = pool;
	list->max = max;
	list->sealed = sealed;
}

static struct ma_block *take_at_locked(struct ma_waitlist *list, uint32_t i)
{
	struct ma_block *block = list->entry[i].block;

	list->n--;
	list->bytes -= block->size;
	memmove(&list->entry[i], &list->entry[i + 1], (list->n - i) * sizeof(*list->entry));
	return block;
}

static ma_cold void report_written(struct ma_block *block)
{
	const char *ptr = ma_block_ptr(block);
	struct ma_violation v = {
		.kind = MA_WRITE_AFTER_FREE,
		.why = "was written after its object was freed",
		.requested = SIZE_MAX,
		.slot = block->size,
		.state = "retired",
	};

	while (*ptr == 0)
		ptr++;
	v.ptr = ptr;
	ma_report(&v);
}

/* Large objects that were zeroed when they were freed leave as they came. */
static void verify(const struct ma_waitlist *list, struct ma_block *block)
{
	if (list->sealed && block->zero && block->purpose > MA_WAIT_TIGHT &&
	    block->size <= MA_WAIT_ZEROED &&
	    !ma_fill_bytes_are_zero(ma_block_ptr(block), block->size))
		report_written(block);
}

/* A block whose guards the OS does not lift stays as it is, retired, for good. */
static bool release(struct ma_waitlist *list, struct ma_block *block)
{
	if (!ma_guard_lift(block))
		return false;
	verify(list, block);
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
	return take_at_locked(list, 0);
}

static void append_locked(struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	list->entry[list->n++] = (struct ma_waiting){block, purpose};
	list->bytes += block->size;
}

/*
 * Beyond the first few, blocks of slabs of many slots wait without their pages: those that come
 * back are as good as new.
 */
static void drop_pages(const struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	if (purpose < list->nsmall && !list->sealed && !block->guarded && list->bytes > RESIDENT &&
	    ma_os_purge(ma_block_ptr(block), block->size))
		block->zero = true;
}

static bool is_sealed(const struct ma_waitlist *list, const struct ma_block *block,
		      unsigned purpose)
{
	return purpose == MA_WAIT_TIGHT ||
	       (list->sealed && purpose > MA_WAIT_TIGHT && block->size > MA_WAIT_ZEROED);
}

/*
 * Under the pool's lock somebody may be looking at what was there: from then on nobody does.
 * Return: whether free pages have come of age.
 */
static bool mark(struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	uint64_t now = ma_os_now_ms();
	bool due;

	ma_lock(&list->pool->lock);
	due = ma_pool_is_due_locked(list->pool, now);
	block->kind = MA_BLOCK_RETIRED;
	block->purpose = purpose;
	ma_unlock(&list->pool->lock);
	return due;
}

bool ma_waitlist_put(struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	bool due = mark(list, block, purpose);
	struct ma_block *old;

	if (block->size > list->max)
		return release(list, block) || due;
	if (is_sealed(list, block, purpose) && ma_guard_all(block))
		block->zero = true;
	drop_pages(list, block, purpose);
	do {
		ma_lock(&list->lock);
		old = make_room_locked(list, block->size);
		if (old == NULL)
			append_locked(list, block, purpose);
		ma_unlock(&list->lock);
		due |= old != NULL && release(list, old);
	} while (old != NULL);
	return due;
}

static struct ma_block *find_locked(struct ma_waitlist *list, unsigned purpose, size_t size,
				    size_t spare)
{
	for (uint32_t i = 0; i + 1 < list->n; i++)
		if (list->entry[i].purpose == purpose && list->entry[i].block->size - size <= spare)
			return take_at_locked(list, i);
	return NULL;
}

struct ma_block *ma_waitlist_take(struct ma_waitlist *list, unsigned purpose, size_t size,
				  size_t spare)
{
	struct ma_block *block;

	if (list->max == 0)
		return NULL;
	ma_lock(&list->lock);
	block = find_locked(list, purpose, size, spare);
	ma_unlock(&list->lock);
	if (block == NULL)
		return NULL;
	if (!is_sealed(list, block, purpose) || !block->guarded)
		return block;
	if (!ma_guard_lift(block)) {
		(void)release(list, block);
		return NULL;
	}
	return block;
}

void ma_waitlist_flush(struct ma_waitlist *list)
{
	struct ma_block *block;

	do {
		ma_lock(&list->lock);
		block = list->n > 0 ? take_at_locked(list, 0) : NULL;
		ma_unlock(&list->lock);
		if (block != NULL)
			(void)release(list, block);
	} while (block != NULL);
}
