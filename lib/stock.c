#include "stock.h"

/* Of large slots, too, so many are at hand. */
#define LEAST 4

const struct ma_stock ma_stock_none;

void ma_stock_init(struct ma_stock *stock, const struct ma_stock_config *config, unsigned class_idx,
		   const struct ma_slab_policy *policy)
{
	size_t slot = ma_class_slot(class_idx);
	size_t entries = ma_min(ma_max(config->bytes / slot, LEAST), ma_min(config->entries, MA_STOCK));

	stock->quiet = (int32_t)ma_min(config->quiet, entries / 2);
	stock->ready = -stock->quiet;
	stock->room = (int32_t)entries;
	stock->slot = (uint32_t)slot;
	stock->fill = slot <= policy->fill_max ? (uint32_t)slot : 0;
	stock->stacked = config->quiet == 0;
	stock->class_idx = (uint8_t)class_idx;
}
