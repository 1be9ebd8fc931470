#include "stock.h"

/* However small the bytes: one that is ready, one that waits, and room for another. */
#define LEAST 3

const struct ma_stock ma_stock_none;

void ma_stock_init(struct ma_stock *stock, const struct ma_stock_config *config, unsigned class_idx,
		   const struct ma_slab_policy *policy)
{
	size_t slot = ma_class_slot(class_idx);
	size_t entries = ma_min(ma_max(config->bytes / slot, LEAST),
				ma_min(config->entries, MA_STOCK));
	size_t part = ma_max(entries / 4, 1);

	stock->quiet = (uint32_t)ma_min(config->quiet, ma_max(entries / 2, 1));
	stock->batch = (uint32_t)part;
	stock->limit = -(int64_t)(stock->quiet * sizeof(struct ma_stocked));
	stock->bound = (int64_t)(entries * sizeof(struct ma_stocked));
	stock->last = (uint32_t)(slot - MA_CANARY);
	stock->fill = ma_fill_of(slot, slot <= policy->fill_max);
	stock->class_idx = (uint8_t)class_idx;
}
