#include "stock.h"

static const struct ma_stocked *entry_of(const struct ma_stock *stock, uint32_t i)
{
	return ma_stock_at(stock, stock->head + (int64_t)(i * sizeof(struct ma_stocked)));
}

static bool is_repeated(const struct ma_stock *stock, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (entry_of(stock, k)->ptr == entry_of(stock, i)->ptr)
			return true;
	return false;
}

const char *ma_stock_check(const struct ma_stock *stock)
{
	uint32_t n = ma_stock_count(stock);

	if (stock->tail < stock->head || stock->tail > stock->bound ||
	    (size_t)(stock->bound - stock->head) > sizeof(stock->entry) ||
	    stock->tail - stock->limit != (int64_t)(stock->quiet * sizeof(struct ma_stocked)))
		return "K2 the places of a stock are as far apart as they should be";
	for (uint32_t i = 0; i < n; i++) {
		unsigned state = atomic_load(ma_slot_state_at(entry_of(stock, i)->secret));

		if (ma_slot_phase(state) != MA_SLOT_RETIRED)
			return "K1 what is in stock is retired";
		if (is_repeated(stock, i))
			return "K1 what is in stock is there once";
	}
	return NULL;
}
