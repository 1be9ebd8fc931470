#include "quarantine.h"

/* Entries that are compared with each other; beyond, the cost would be that of all pairs. */
#define DISTINCT_MAX 256

static bool is_repeated(const struct ma_quarantine *q, uint32_t i)
{
	for (uint32_t k = i > DISTINCT_MAX ? i - DISTINCT_MAX : 0; k < i; k++)
		if (q->entry[k].slab == q->entry[i].slab && q->entry[k].idx == q->entry[i].idx)
			return true;
	return false;
}

const char *ma_quarantine_check(const struct ma_quarantine *q)
{
	size_t bytes = 0;

	if ((q->entry == q->few && q->cap > MA_QUARANTINE_INLINE) ||
	    (q->cap > 0 && q->next >= q->cap))
		return "Q1 entries are within the capacity";
	for (uint32_t i = 0; i < q->cap; i++) {
		const struct ma_retired *e = &q->entry[i];

		if (e->slab == NULL)
			continue;
		if (ma_slot_phase(ma_slab_load(e->slab, e->idx)) != MA_SLOT_RETIRED)
			return "Q1 entries are retired slots";
		if (is_repeated(q, i))
			return "Q1 entries are distinct";
		bytes += e->size;
	}
	if (bytes != q->bytes)
		return "Q2 bytes is the sum of the slots";
	return NULL;
}
