#include <string.h>

#include "depot.h"

static const char *check_chunks(const struct ma_depot *depot)
{
	size_t nchunks = depot->nchunks;

	if (nchunks > MA_DEPOT_CHUNKS_MAX)
		return "D1 there are at most MA_DEPOT_CHUNKS_MAX chunks";
	for (size_t i = 0; i < MA_DEPOT_CHUNKS_MAX; i++)
		if ((depot->chunk[i] != NULL) != (i < nchunks))
			return "D1 chunks below nchunks are mapped, the others NULL";
	if (depot->used > ma_max(nchunks * MA_DEPOT_CHUNK, MA_DEPOT_UNIT) ||
	    depot->used % MA_DEPOT_UNIT != 0)
		return "D1 used bytes are units in chunks";
	return NULL;
}

static size_t record_size(const struct ma_depot_record *record)
{
	return sizeof(*record) + record->n * sizeof(*record->pc);
}

static size_t chunk_left(uint32_t id)
{
	return MA_DEPOT_CHUNK - (size_t)id * MA_DEPOT_UNIT % MA_DEPOT_CHUNK;
}

/* The number behind a record, or at the next chunk's start; a chunk's rest is zero. */
static uint32_t next_number(const struct ma_depot *depot, uint32_t id)
{
	const struct ma_depot_record *record = ma_depot_record(depot, id);

	if (record == NULL || record->n == 0)
		return (uint32_t)(id + chunk_left(id) / MA_DEPOT_UNIT);
	return (uint32_t)(id + record_size(record) / MA_DEPOT_UNIT);
}

static const char *check_children(const struct ma_depot *depot,
				  const struct ma_depot_record *record, uint32_t id,
				  size_t *nchildren)
{
	for (size_t i = 0; i < MA_DEPOT_FAN; i++) {
		uint32_t child = record->child[i];

		if (child == 0)
			continue;
		if (child <= id || child * MA_DEPOT_UNIT >= depot->used)
			return "D3 a child has a higher number than its parent";
		(*nchildren)++;
	}
	return NULL;
}

static bool equal(const struct ma_depot_record *a, const struct ma_depot_record *b)
{
	return a->n == b->n && memcmp(a->pc, b->pc, a->n * sizeof(*a->pc)) == 0;
}

/* Before any that is equal. Once the rules before hold, every way ends. */
static bool is_found(const struct ma_depot *depot, const struct ma_depot_record *wanted)
{
	const struct ma_depot_record *record = ma_depot_record(depot, depot->root);
	uint64_t way = ma_depot_hash(wanted->pc, wanted->n);

	while (record != NULL && !equal(record, wanted)) {
		record = ma_depot_record(depot, record->child[way % MA_DEPOT_FAN]);
		way /= MA_DEPOT_FAN;
	}
	return record == wanted;
}

static const char *check_record(const struct ma_depot *depot, uint32_t id, size_t *nchildren)
{
	const struct ma_depot_record *record = ma_depot_record(depot, id);

	if (record->n > MA_DEPOT_LEN_MAX)
		return "D2 a record has at most MA_DEPOT_LEN_MAX return addresses";
	if (record_size(record) > chunk_left(id) ||
	    id * MA_DEPOT_UNIT + record_size(record) > depot->used)
		return "D1 a record lies in the used bytes of one chunk";
	if (record->hash != (uint32_t)(ma_depot_hash(record->pc, record->n) >> 32))
		return "D2 a record has the hash of its return addresses";
	return check_children(depot, record, id, nchildren);
}

static const char *check_records(const struct ma_depot *depot)
{
	size_t nrecords = 0;
	size_t nchildren = depot->root != 0;
	const char *broken = NULL;

	if (nchildren > 0 && depot->root != 1)
		return "D3 the first record is the root";
	for (uint32_t id = 1; id * MA_DEPOT_UNIT < depot->used; id = next_number(depot, id)) {
		const struct ma_depot_record *record = ma_depot_record(depot, id);

		if (record == NULL || record->n == 0)
			continue;
		broken = check_record(depot, id, &nchildren);
		if (broken != NULL)
			return broken;
		nrecords++;
	}
	if (nrecords != depot->nrecords || nchildren != nrecords)
		return "D4 each record is the child of one, and counted";
	return NULL;
}

static const char *check_ways(const struct ma_depot *depot)
{
	for (uint32_t id = 1; id * MA_DEPOT_UNIT < depot->used; id = next_number(depot, id)) {
		const struct ma_depot_record *record = ma_depot_record(depot, id);

		if (record != NULL && record->n != 0 && !is_found(depot, record))
			return "D5 a record is where its hash leads";
	}
	return NULL;
}

const char *ma_depot_check(struct ma_depot *depot)
{
	const char *broken;

	ma_lock(&depot->lock);
	broken = check_chunks(depot);
	if (broken == NULL)
		broken = check_records(depot);
	if (broken == NULL)
		broken = check_ways(depot);
	ma_unlock(&depot->lock);
	return broken;
}
