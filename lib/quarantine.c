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

/* Where to begin to look: what has waited longest, or anywhere. */
static uint32_t first_of(const struct ma_quarantine *q)
{
	if (q->shuffled)
		return (uint32_t)ma_random_below(q->random, q->cap);
	return (q->next + q->skip) % q->cap;
}

struct ma_retired ma_quarantine_take(struct ma_quarantine *q)
{
	const struct ma_retired none = {NULL, 0, 0};
	uint32_t first = q->bytes > 0 ? first_of(q) : 0;

	for (uint32_t i = 0; i < q->cap && q->bytes > 0; i++) {
		uint32_t at = first + i < q->cap ? first + i : first + i - q->cap;
		struct ma_retired out = q->entry[at];

		if (out.slab == NULL)
			continue;
		q->entry[at] = none;
		q->bytes -= out.size;
		q->skip = (at + 1 + q->cap - q->next) % q->cap;
		return out;
	}
	return none;
}
