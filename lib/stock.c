#include "stock.h"

/* However small the bytes: one that is ready, one that waits, and room for another. */
#define LEAST 3

/* Entries that come first. */
#define FEW 2

const struct ma_stock ma_stock_none;

static void set_bound(struct ma_stock *stock)
{
	if (stock->quiet == stock->quiet_max)
		stock->bound = stock->head + (int64_t)(stock->room * sizeof(struct ma_stocked));
	else
		stock->bound = MA_STOCK_FAR;
}

void ma_stock_settle(struct ma_stock *stock)
{
	if (stock->quiet == stock->quiet_max)
		return;
	stock->quiet++;
	stock->limit -= (int64_t)sizeof(struct ma_stocked);
	set_bound(stock);
}

void ma_stock_init(struct ma_stock *stock, const struct ma_stock_config *config, unsigned class_idx,
		   const struct ma_slab_policy *policy)
{
	size_t slot = ma_class_slot(class_idx);
	size_t entries = ma_min(ma_max(config->bytes / slot, LEAST),
				ma_min(config->entries, MA_STOCK));
	size_t part = ma_max(entries / 4, 1);

	stock->room = (uint16_t)entries;
	stock->batch = (uint16_t)ma_min(part, FEW);
	stock->batch_max = (uint16_t)part;
	stock->quiet_max = (uint16_t)ma_min(config->quiet, ma_max(entries / 2, 1));
	set_bound(stock);
	stock->last = (uint32_t)(slot - MA_CANARY);
	stock->fill = ma_fill_of(slot, slot <= policy->fill_max);
	stock->class_idx = (uint8_t)class_idx;
}
