/* What a plain account says of memory that goes back to the OS, and of guards. */
#include "os_fake.h"
#include "plain_pool.h"

/* The block is aside, and the only one of its region: unmap that. */
static size_t give_region(struct plain_pool *plain, size_t i)
{
	struct plain_block *block = &plain->block[i];
	size_t size = block->size;
	bool purged;

	if (!plain_refuses(plain, OS_FAKE_UNMAP)) {
		plain_remove_region(plain, i);
		plain->shrunk++;
		return size;
	}
	purged = !block->zero && !plain_refuses(plain, OS_FAKE_PURGE);
	block->since = plain->now;
	plain_free(plain, i, purged || block->zero);
	return purged ? size : 0;
}

/* The block is aside, and the last one of its region: unmap its end, purge the rest. */
static size_t give_end(struct plain_pool *plain, size_t i, size_t keep)
{
	struct plain_block *block = &plain->block[i];
	size_t cut = block->size - keep;
	bool unmapped = !plain_refuses(plain, OS_FAKE_UNMAP);
	bool purged = !block->zero && !plain_refuses(plain, OS_FAKE_PURGE);

	block->size = unmapped ? keep : block->size;
	block->since = plain->now;
	plain->shrunk += unmapped;
	plain->purged += purged;
	plain_free(plain, i, purged || block->zero);
	return (unmapped || purged ? cut : 0) + (purged ? keep : 0);
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
	bool ends = plain_ends(plain, i);
	bool whole = ends && plain->block[i].starts && (keep == 0 || !is_only_region(plain));

	plain_take_aside(plain, i);
	if (whole)
		return give_region(plain, i);
	if (ends && plain->block[i].size > stay(plain, keep))
		return give_end(plain, i, stay(plain, keep));
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

/* From the highest region down. */
size_t plain_give_all(struct plain_pool *plain, size_t keep)
{
	size_t given = give_dirty(plain, keep);

	for (size_t i = plain->nblocks; i-- > 0;)
		if (plain_ends(plain, i) && plain->block[i].state == PLAIN_FREE &&
		    plain->block[i].size > stay(plain, keep))
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
