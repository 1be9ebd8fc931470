#include "quarantine.h"

const char *ma_quarantine_check(const struct ma_quarantine *q)
{
	if (q->cap > MA_QUARANTINE_MAX || (q->cap > 0 && q->next >= q->cap))
		return "Q1 entries are within the capacity";
	for (uint32_t i = 0; i < MA_QUARANTINE_MAX; i++) {
		const struct ma_retired *e = &q->entry[i];

		if (e->slab == NULL)
			continue;
		if (i >= q->cap)
			return "Q1 entries are within the capacity";
		if (atomic_load(&e->slab->states[e->idx]) != MA_SLOT_RETIRED)
			return "Q1 entries are retired slots";
		for (uint32_t k = 0; k < i; k++)
			if (q->entry[k].slab == e->slab && q->entry[k].idx == e->idx)
				return "Q1 entries are distinct";
	}
	return NULL;
}
