#include <string.h>

#include "quarantine.h"

void ma_quarantine_init(struct ma_quarantine *q, size_t cap)
{
	memset(q, 0, sizeof(*q));
	q->cap = (uint32_t)ma_min(cap, MA_QUARANTINE_MAX);
}

struct ma_retired ma_quarantine_take(struct ma_quarantine *q)
{
	const struct ma_retired none = {NULL, 0};

	for (uint32_t i = 0; i < q->cap; i++) {
		struct ma_retired out = q->entry[i];

		q->entry[i] = none;
		if (out.slab != NULL)
			return out;
	}
	return none;
}
