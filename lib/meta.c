#include <string.h>

#include "meta.h"
#include "os.h"

#define CHUNK_MIN ((size_t)64 * 1024)
#define CHUNK_MAX ((size_t)1024 * 1024)

static_assert(sizeof(struct ma_meta_chunk) <= MA_CACHE_LINE, "the header takes one line (E1)");

static size_t piece_size(size_t size)
{
	if (size <= MA_META_FINE)
		return ma_align_up(size, MA_CACHE_LINE);
	return (size_t)1 << (ma_log2(size - 1) + 1);
}

static struct ma_meta_piece **piece_list(struct ma_meta *meta, size_t size)
{
	if (size <= MA_META_FINE)
		return &meta->fine[size / MA_CACHE_LINE];
	return &meta->coarse[ma_log2(size / MA_META_FINE) - 1];
}

void ma_meta_init(struct ma_meta *meta)
{
	memset(meta, 0, sizeof(*meta));
	ma_lock_init(&meta->lock);
}

void ma_meta_fini(struct ma_meta *meta)
{
	struct ma_meta_chunk *chunk = meta->chunks;

	while (chunk != NULL) {
		struct ma_meta_chunk *next = chunk->next;

		/*
		 * A chunk was mapped alone; should the OS refuse, its addresses stay ours for good.
		 */
		ma_os_discard_guarded(chunk, chunk->size);
		chunk = next;
	}
	ma_meta_init(meta);
}

/* What is left of the old chunk serves later requests of that size. */
static void keep_rest(struct ma_meta *meta)
{
	size_t rest = ma_min(ma_align_down(meta->left, MA_CACHE_LINE), MA_META_FINE);
	struct ma_meta_piece *piece;

	if (rest == 0)
		return;
	piece = (struct ma_meta_piece *)(void *)meta->bump;
	piece->next = meta->fine[rest / MA_CACHE_LINE];
	meta->fine[rest / MA_CACHE_LINE] = piece;
	meta->left = 0;
}

static bool add_chunk(struct ma_meta *meta, size_t need)
{
	size_t guards = ma_os_guarded_size(0);
	size_t least = ma_align_up(need + MA_CACHE_LINE, ma_os_page_size());
	size_t size = ma_align_up(ma_min(ma_max(meta->mapped, CHUNK_MIN), CHUNK_MAX),
				  ma_os_page_size());
	struct ma_meta_chunk *chunk;

	size = size > guards ? ma_max(size - guards, least) : least;
	chunk = ma_os_map_guarded(size);
	if (chunk == NULL && size > least) {
		size = least;
		chunk = ma_os_map_guarded(size);
	}
	if (chunk == NULL)
		return false;
	keep_rest(meta);
	chunk->next = meta->chunks;
	chunk->size = size;
	meta->chunks = chunk;
	meta->mapped += size + guards;
	meta->bump = (unsigned char *)chunk + MA_CACHE_LINE;
	meta->left = size - MA_CACHE_LINE;
	return true;
}

static void *take(struct ma_meta *meta, size_t size)
{
	struct ma_meta_piece **list = piece_list(meta, size);
	struct ma_meta_piece *piece = *list;

	if (piece != NULL) {
		*list = piece->next;
		memset(piece, 0, size);
		return piece;
	}
	if (meta->left < size && !add_chunk(meta, size))
		return NULL;
	piece = (struct ma_meta_piece *)(void *)meta->bump;
	meta->bump += size;
	meta->left -= size;
	return piece;
}

void *ma_meta_alloc(struct ma_meta *meta, size_t size)
{
	void *ptr;

	MA_ASSERT(size > 0 && size <= MA_META_MAX);
	size = piece_size(size);
	ma_lock(&meta->lock);
	ptr = take(meta, size);
	if (ptr != NULL)
		meta->in_use += size;
	ma_unlock(&meta->lock);
	return ptr;
}

void ma_meta_free(struct ma_meta *meta, void *ptr, size_t size)
{
	struct ma_meta_piece *piece = ptr;
	struct ma_meta_piece **list;

	if (ptr == NULL)
		return;
	size = piece_size(size);
	ma_lock(&meta->lock);
	MA_ASSERT(meta->in_use >= size);
	list = piece_list(meta, size);
	piece->next = *list;
	*list = piece;
	meta->in_use -= size;
	ma_unlock(&meta->lock);
}
