#include <string.h>

#include "depot.h"
#include "os.h"

#define FAN_BITS 2
#define LEN_BYTES_MAX (MA_DEPOT_LEN_MAX * sizeof(uintptr_t))

static_assert(MA_DEPOT_FAN == 1 << FAN_BITS, "so many bits of the hash choose a child");
static_assert(sizeof(struct ma_depot_record) % MA_DEPOT_UNIT == 0, "numbers count units (D1)");
static_assert(sizeof(struct ma_depot_record) + LEN_BYTES_MAX <= MA_DEPOT_CHUNK - MA_DEPOT_UNIT,
	      "every record fits into the first chunk (D1)");
static_assert(MA_DEPOT_CHUNK / MA_DEPOT_UNIT * MA_DEPOT_CHUNKS_MAX <= UINT32_MAX,
	      "every place has a number");
static_assert(MA_DEPOT_CHUNK % 65536 == 0, "chunks are whole pages, whatever their size");

void ma_depot_init(struct ma_depot *depot)
{
	memset(depot, 0, sizeof(*depot));
	ma_lock_init(&depot->lock);
	atomic_store(&depot->used, MA_DEPOT_UNIT);
}

void ma_depot_fini(struct ma_depot *depot)
{
	for (size_t i = 0; i < MA_DEPOT_CHUNKS_MAX && depot->chunk[i] != NULL; i++)
		(void)ma_os_discard(depot->chunk[i], MA_DEPOT_CHUNK);
	ma_depot_init(depot);
}

uint64_t ma_depot_hash(const uintptr_t *pc, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ pc[i]) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	return hash;
}

static size_t offset_of(uint32_t id)
{
	return (size_t)id * MA_DEPOT_UNIT % MA_DEPOT_CHUNK;
}

const struct ma_depot_record *ma_depot_record(const struct ma_depot *depot, uint32_t id)
{
	size_t i = (size_t)id * MA_DEPOT_UNIT / MA_DEPOT_CHUNK;
	const unsigned char *chunk;

	if (id == 0 || i >= MA_DEPOT_CHUNKS_MAX)
		return NULL;
	if (offset_of(id) > MA_DEPOT_CHUNK - sizeof(struct ma_depot_record))
		return NULL;
	chunk = atomic_load_explicit(&depot->chunk[i], memory_order_acquire);
	if (chunk == NULL)
		return NULL;
	return (const struct ma_depot_record *)(const void *)(chunk + offset_of(id));
}

/* Bounded by the chunk, whatever is read: the number may be none. */
size_t ma_depot_get(const struct ma_depot *depot, uint32_t id, uintptr_t *pc, size_t max)
{
	const struct ma_depot_record *record = ma_depot_record(depot, id);
	size_t n;

	if (record == NULL)
		return 0;
	n = atomic_load_explicit(&record->n, memory_order_acquire);
	if (n > (MA_DEPOT_CHUNK - offset_of(id) - sizeof(*record)) / sizeof(*pc))
		return 0;
	n = ma_min(n, max);
	memcpy(pc, record->pc, n * sizeof(*pc));
	return n;
}

size_t ma_depot_mapped(const struct ma_depot *depot)
{
	return atomic_load_explicit(&depot->nchunks, memory_order_relaxed) * MA_DEPOT_CHUNK;
}

/* ---- looking up ------------------------------------------------------------------------------ */

struct query {
	const uintptr_t *pc;
	size_t n;
	uint32_t hash;         /* as it is kept in the record */
	uint64_t way;          /* the hash, shifted by the children already chosen */
	_Atomic uint32_t *end; /* where the way has come to */
};

static bool matches(const struct ma_depot_record *record, const struct query *query)
{
	return record->hash == query->hash && record->n == query->n &&
	       memcmp(record->pc, query->pc, query->n * sizeof(*query->pc)) == 0;
}

/* On the way from where it has come to: the number, or 0 and the place where it is missing. */
static uint32_t find(const struct ma_depot *depot, struct query *query)
{
	uint32_t id;

	while ((id = atomic_load_explicit(query->end, memory_order_acquire)) != 0) {
		struct ma_depot_record *record = (struct ma_depot_record *)ma_depot_record(depot,
											   id);

		if (matches(record, query))
			return id;
		query->end = &record->child[query->way % MA_DEPOT_FAN];
		query->way >>= FAN_BITS;
	}
	return 0;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static bool add_chunk(struct ma_depot *depot)
{
	size_t i = depot->nchunks;
	unsigned char *chunk = i < MA_DEPOT_CHUNKS_MAX ? ma_os_map(MA_DEPOT_CHUNK) : NULL;

	if (chunk == NULL)
		return false;
	atomic_store_explicit(&depot->chunk[i], chunk, memory_order_release);
	atomic_store_explicit(&depot->nchunks, i + 1, memory_order_relaxed);
	return true;
}

/* A place for @size bytes within one chunk; 0 when there is none. */
static uint32_t place(struct ma_depot *depot, size_t size)
{
	size_t start = depot->used;
	size_t left = depot->nchunks * MA_DEPOT_CHUNK;

	left = left > start ? left - start : 0;
	if (left < size) {
		start = ma_max(depot->nchunks * MA_DEPOT_CHUNK, MA_DEPOT_UNIT);
		if (!add_chunk(depot))
			return 0;
	}
	atomic_store_explicit(&depot->used, start + size, memory_order_relaxed);
	return (uint32_t)(start / MA_DEPOT_UNIT);
}

static uint32_t add_locked(struct ma_depot *depot, const struct query *query)
{
	size_t size = sizeof(struct ma_depot_record) + query->n * sizeof(*query->pc);
	uint32_t id = place(depot, size);
	struct ma_depot_record *record = (struct ma_depot_record *)ma_depot_record(depot, id);

	if (record == NULL)
		return 0;
	record->hash = query->hash;
	memcpy(record->pc, query->pc, query->n * sizeof(*query->pc));
	atomic_store_explicit(&record->n, (uint32_t)query->n, memory_order_release);
	atomic_store_explicit(query->end, id, memory_order_release);
	atomic_store_explicit(&depot->nrecords, depot->nrecords + 1, memory_order_relaxed);
	return id;
}

/* Somebody else may have added it since it was missed. */
static ma_noinline uint32_t add(struct ma_depot *depot, struct query *query)
{
	uint32_t id;

	ma_lock(&depot->lock);
	id = find(depot, query);
	if (id == 0)
		id = add_locked(depot, query);
	ma_unlock(&depot->lock);
	if (id == 0)
		(void)atomic_fetch_add_explicit(&depot->lost, 1, memory_order_relaxed);
	return id;
}

uint32_t ma_depot_put(struct ma_depot *depot, const uintptr_t *pc, size_t n)
{
	struct query query = {.pc = pc, .n = ma_min(n, MA_DEPOT_LEN_MAX), .end = &depot->root};
	uint32_t id;

	if (n == 0)
		return 0;
	query.way = ma_depot_hash(pc, query.n);
	query.hash = (uint32_t)(query.way >> 32);
	id = find(depot, &query);
	return id != 0 ? id : add(depot, &query);
}
