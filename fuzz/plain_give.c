/* What a plain account says of memory that goes back to the OS, and of guards. */
#include "os_fake.h"
#include "plain_pool.h"

/* Another thread may act first: blocks are elsewhere in the array then. */
static bool unmaps(struct plain_pool *plain)
{
	void (*meanwhile)(struct plain_pool *) = plain->meanwhile;

	plain->meanwhile = NULL;
	if (meanwhile != NULL)
		meanwhile(plain);
	return !plain_refuses(plain, OS_FAKE_UNMAP);
}

static bool purges(struct plain_pool *plain, uintptr_t addr)
{
	return !plain->block[plain_at(plain, addr)].zero && !plain_refuses(plain, OS_FAKE_PURGE);
}

/* What was aside is among the free ones again. */
static void put_back(struct plain_pool *plain, uintptr_t addr, bool purged)
{
	size_t i = plain_at(plain, addr);

	plain->block[i].since = plain->now;
	plain_free(plain, i, purged || plain->block[i].zero);
}

/* The block is aside, and the only one of its region: unmap that. */
static size_t give_region(struct plain_pool *plain, uintptr_t addr, size_t size)
{
	bool purged;

	if (unmaps(plain)) {
		plain_remove_region(plain, plain_at(plain, addr));
		plain->shrunk++;
		return size;
	}
	purged = purges(plain, addr);
	put_back(plain, addr, purged);
	return purged ? size : 0;
}

/* The block is aside, and the last one of its region: unmap its end, purge the rest. */
static size_t give_end(struct plain_pool *plain, uintptr_t addr, size_t size, size_t keep)
{
	bool unmapped = unmaps(plain);
	bool purged = purges(plain, addr);

	plain->block[plain_at(plain, addr)].size = unmapped ? keep : size;
	plain->shrunk += unmapped;
	plain->purged += purged;
	put_back(plain, addr, purged);
	return (unmapped || purged ? size - keep : 0) + (purged ? keep : 0);
}

static size_t give_contents(struct plain_pool *plain, size_t i)
{
	size_t size = plain->block[i].size;
	bool purged = !plain_refuses(plain, OS_FAKE_PURGE);

	plain->block[i].since = plain->now;
	plain->purged += purged;
	plain_free(plain, i, purged);
	return purged ? size : 0;
}

static bool is_only_region(const struct plain_pool *plain)
{
	size_t nregions = 0;

	for (size_t i = 0; i < plain->nblocks; i++)
		nregions += plain->block[i].starts && plain->block[i].state != PLAIN_DIRECT;
	return nregions == 1;
}

static size_t stay(const struct plain_pool *plain, size_t keep)
{
	return ma_align_up(ma_max(keep, 1), plain->page);
}

static size_t give(struct plain_pool *plain, size_t i, size_t keep)
{
	uintptr_t addr = plain->block[i].addr;
	size_t size = plain->block[i].size;
	bool ends = plain_ends(plain, i);
	bool whole = ends && plain->block[i].starts && (keep == 0 || !is_only_region(plain));

	plain_take_aside(plain, i);
	if (whole)
		return give_region(plain, addr, size);
	if (ends && size > stay(plain, keep))
		return give_end(plain, addr, size, stay(plain, keep));
	return give_contents(plain, i);
}

size_t plain_step(struct plain_pool *plain)
{
	size_t given = 0;

	for (int n = 0; n < PLAIN_STEP && plain_is_due(plain); n++)
		given += give(plain, plain_at(plain, plain->queue[0]), plain->config.retain);
	return given;
}

/* As often as there are free blocks at the beginning. */
static size_t give_dirty(struct plain_pool *plain, size_t keep)
{
	size_t given = 0;
	size_t nfree = 0;

	for (size_t i = 0; i < plain->nblocks; i++)
		nfree += plain->block[i].state == PLAIN_FREE;
	for (; nfree > 0 && plain->nqueue > 0; nfree--) {
		size_t oldest = plain_at(plain, plain->queue[0]);

		if (plain->block[oldest].since > plain->now)
			break;
		given += give(plain, oldest, keep);
	}
	return given;
}

/* The last block of what lies below an address, and where its region begins; or PLAIN_NONE. */
static size_t last_below(const struct plain_pool *plain, uintptr_t *addr)
{
	size_t last = plain->nblocks;
	size_t first;

	while (last > 0 && plain->block[last - 1].addr >= *addr)
		last--;
	if (last == 0)
		return PLAIN_NONE;
	for (first = last - 1; !plain->block[first].starts; first--)
		;
	*addr = plain->block[first].addr;
	return last - 1;
}

/* From the highest region down. */
size_t plain_give_all(struct plain_pool *plain, size_t keep)
{
	size_t given = give_dirty(plain, keep);
	uintptr_t addr = UINTPTR_MAX;
	size_t i;

	while ((i = last_below(plain, &addr)) != PLAIN_NONE)
		if (plain->block[i].state == PLAIN_FREE && plain->block[i].size > stay(plain, keep))
			given += give(plain, i, keep);
	return given;
}

void plain_free_direct(struct plain_pool *plain, size_t i)
{
	plain->shrunk++;
	if (plain_refuses(plain, OS_FAKE_UNMAP)) {
		(void)plain_refuses(plain, OS_FAKE_PURGE);
		plain->stranded += plain->block[i].size;
	}
	plain_remove_region(plain, i);
}

/* ---- guards ---------------------------------------------------------------------------------- */

static bool guard(struct plain_pool *plain, struct plain_block *block, size_t size)
{
	size_t npages = size / plain->page + (block->guarded ? block->nguarded : 0);

	if (plain_refuses(plain, OS_FAKE_GUARD)) {
		plain->unguarded++;
		return false;
	}
	plain->guarded++;
	block->nguarded = ma_min(npages, UINT16_MAX);
	block->guarded = true;
	block->nguards++;
	return true;
}

void plain_guard(struct plain_pool *plain, size_t i, size_t front, size_t back)
{
	bool refused = front > 0 && !guard(plain, &plain->block[i], front);

	if (back == 0)
		return;
	if (refused)
		plain->unguarded++;
	else
		(void)guard(plain, &plain->block[i], back);
}

bool plain_guard_all(struct plain_pool *plain, size_t i)
{
	return guard(plain, &plain->block[i], plain->block[i].size);
}

bool plain_lift(struct plain_pool *plain, size_t i)
{
	struct plain_block *block = &plain->block[i];

	if (block->guarded && plain_refuses(plain, OS_FAKE_GUARD))
		return false;
	block->guarded = false;
	block->nguards = 0;
	return true;
}

/* ---- the end --------------------------------------------------------------------------------- */

void plain_end(struct plain_pool *plain)
{
	size_t nlost = plain->stranded;

	for (size_t i = 0; i < plain->nblocks;) {
		size_t size = plain->block[i].size;

		while (!plain_ends(plain, i))
			size += plain->block[++i].size;
		i++;
		if (!plain_refuses(plain, OS_FAKE_UNMAP))
			continue;
		(void)plain_refuses(plain, OS_FAKE_PURGE);
		nlost += size;
	}
	plain->lost += nlost;
	plain_init(plain, &plain->config, plain->page);
}
