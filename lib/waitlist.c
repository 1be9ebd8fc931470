#include <string.h>

#include "direct.h"
#include "fill.h"
#include "guard.h"
#include "os.h"
#include "pool_internal.h"
#include "report.h"
#include "waitlist.h"

/* One in so many bytes of the heap waits at most, and LEAST in a small one. */
#define PART 16
#define LEAST ((size_t)128 * 1024)

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

/* In a small heap not as much waits as may in a large one. */
static size_t most_of(const struct ma_waitlist *list)
{
	return list->sealed ? list->max : ma_min(list->max, ma_max(LEAST, list->mapped / PART));
}

/* The oldest large object. NULL: none waits. */
static struct ma_block *take_large_locked(struct ma_waitlist *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->entry[i].purpose >= MA_WAIT_TIGHT)
			return take_at_locked(list, i);
	return NULL;
}

/*
 * The oldest, if one more would not fit beside it. One that is more than may wait all by itself
 * drives out other large ones only.
 */
static struct ma_block *make_room_locked(struct ma_waitlist *list, const struct ma_waiting *more)
{
	size_t size = more->block->size;
	size_t most = most_of(list);

	if (list->n == 0)
		return NULL;
	if (list->n == MA_WAITLIST || list->bytes + size > list->max)
		return take_at_locked(list, 0);
	if (list->bytes + size <= most)
		return NULL;
	return size <= most ? take_at_locked(list, 0) : take_large_locked(list);
}

static void append_locked(struct ma_waitlist *list, const struct ma_waiting *more)
{
	list->entry[list->n++] = *more;
	list->bytes += more->block->size;
}

static bool is_sealed(const struct ma_waitlist *list, const struct ma_block *block,
		      unsigned purpose)
{
	return purpose == MA_WAIT_TIGHT ||
	       (list->sealed && purpose > MA_WAIT_TIGHT && block->size > MA_WAIT_ZEROED);
}

bool ma_waitlist_retire_locked(struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	list->mapped = list->pool->regions.mapped;
	ma_block_become(block, MA_BLOCK_RETIRED);
	block->purpose = purpose;
	return list->pool->oldest != NULL && ma_pool_is_due_locked(list->pool, ma_os_now_ms());
}

bool ma_waitlist_add(struct ma_waitlist *list, struct ma_block *block)
{
	const struct ma_waiting more = {block, block->purpose};
	struct ma_block *old;
	bool due = false;

	if (block->size > list->max)
		return release(list, block);
	if (is_sealed(list, block, block->purpose) && ma_guard_all(block))
		block->zero = true;
	do {
		ma_lock(&list->lock);
		old = make_room_locked(list, &more);
		if (old == NULL)
			append_locked(list, &more);
		ma_unlock(&list->lock);
		due |= old != NULL && release(list, old);
	} while (old != NULL);
	return due;
}

bool ma_waitlist_put(struct ma_waitlist *list, struct ma_block *block, unsigned purpose)
{
	bool due;

	ma_lock(&list->pool->lock);
	due = ma_waitlist_retire_locked(list, block, purpose);
	ma_unlock(&list->pool->lock);
	return ma_waitlist_add(list, block) || due;
}

static bool is_wanted(const struct ma_waiting *waiting, const struct ma_wanted *wanted)
{
	return waiting->purpose == wanted->purpose &&
	       waiting->block->size - wanted->size <= wanted->spare;
}

/* The first purpose is preferred, whoever has waited longer. */
static struct ma_block *find_locked(struct ma_waitlist *list, const struct ma_wanted *wanted,
				    size_t n, size_t *which)
{
	for (*which = 0; *which < n; (*which)++)
		for (uint32_t i = 0; i + 1 < list->n; i++)
			if (is_wanted(&list->entry[i], &wanted[*which]))
				return take_at_locked(list, i);
	return NULL;
}

struct ma_block *ma_waitlist_take(struct ma_waitlist *list, const struct ma_wanted *wanted,
				  size_t n, size_t *which)
{
	struct ma_block *block;
	size_t found;

	if (list->max == 0)
		return NULL;
	ma_lock(&list->lock);
	block = find_locked(list, wanted, n, &found);
	ma_unlock(&list->lock);
	if (block == NULL)
		return NULL;
	if (is_sealed(list, block, wanted[found].purpose) && !ma_guard_lift(block)) {
		(void)release(list, block);
		return NULL;
	}
	*which = found;
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
