#include <string.h>

#include "quarantine.h"

void ma_quarantine_init(struct ma_quarantine *q, const struct ma_quarantine_config *config,
			struct ma_meta *meta, struct ma_random *random)
{
	memset(q, 0, sizeof(*q));
	q->random = random;
	q->max = config->bytes;
	q->shuffled = config->shuffled;
	if (config->cap > MA_QUARANTINE_INLINE)
		q->entry = ma_meta_alloc(meta, config->cap * sizeof(*q->entry));
	q->cap = (uint32_t)config->cap;
	if (q->entry == NULL) {
		q->entry = q->few;
		q->cap = (uint32_t)ma_min(config->cap, MA_QUARANTINE_INLINE);
	}
}

struct ma_retired ma_quarantine_take(struct ma_quarantine *q)
{
	const struct ma_retired none = {NULL, 0, 0};

	for (uint32_t i = 0; i < q->cap && q->bytes > 0; i++) {
		uint32_t at = q->next + i < q->cap ? q->next + i : q->next + i - q->cap;
		struct ma_retired out = q->entry[at];

		if (out.slab == NULL)
			continue;
		q->entry[at] = none;
		q->bytes -= out.size;
		return out;
	}
	return none;
}
