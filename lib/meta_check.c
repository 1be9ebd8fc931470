#include "meta.h"
#include "os.h"

/*
 * Which chunk holds the piece, NULL for none. Does not prove that nobody else holds the piece too.
 */
static const struct ma_meta_chunk *chunk_of(const struct ma_meta *meta, const void *ptr,
					    size_t size)
{
	uintptr_t addr = (uintptr_t)ptr;

	for (const struct ma_meta_chunk *c = meta->chunks; c != NULL; c = c->next) {
		uintptr_t start = (uintptr_t)c;

		if (addr >= start + MA_CACHE_LINE && addr + size <= start + c->size)
			return c;
	}
	return NULL;
}

static const char *check_list(const struct ma_meta *meta, const struct ma_meta_piece *piece,
			      size_t size, size_t *budget)
{
	for (; piece != NULL; piece = piece->next) {
		if ((uintptr_t)piece % MA_CACHE_LINE != 0)
			return "E1 pieces start on cache lines";
		if (chunk_of(meta, piece, size) == NULL)
			return "E3 returned pieces lie in chunks";
		if (*budget < size)
			return "E4 pieces handed out and returned fit into what is mapped";
		*budget -= size;
	}
	return NULL;
}

static const char *check_locked(const struct ma_meta *meta)
{
	size_t mapped = 0;
	size_t beside = 0; /* headers and guards */
	size_t budget;
	const char *broken = NULL;

	for (const struct ma_meta_chunk *c = meta->chunks; c != NULL; c = c->next) {
		mapped += ma_os_guarded_size(c->size);
		beside += ma_os_guarded_size(MA_CACHE_LINE);
	}
	if (mapped != meta->mapped)
		return "E4 mapped is the sum of the chunks";
	if (meta->in_use + meta->left + beside > mapped)
		return "E4 in_use is at most mapped";
	budget = mapped - meta->in_use - meta->left - beside;
	for (size_t i = 0; i < MA_META_NFINE && broken == NULL; i++)
		broken = check_list(meta, meta->fine[i], i * MA_CACHE_LINE, &budget);
	for (size_t i = 0; i < MA_META_NCOARSE && broken == NULL; i++)
		broken = check_list(meta, meta->coarse[i], MA_META_FINE << (i + 1), &budget);
	return broken;
}

const char *ma_meta_check(struct ma_meta *meta)
{
	const char *broken;

	ma_lock(&meta->lock);
	broken = check_locked(meta);
	ma_unlock(&meta->lock);
	return broken;
}
