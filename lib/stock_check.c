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
	const int64_t one = (int64_t)sizeof(struct ma_stocked);
	uint32_t n = ma_stock_count(stock);

	if (stock->tail < stock->head || stock->room > MA_STOCK ||
	    stock->tail - stock->head > stock->room * one ||
	    stock->tail - stock->limit != stock->quiet * one)
		return "K2 the places of a stock are as far apart as they should be";
	if (stock->quiet > stock->quiet_max ||
	    (stock->quiet < stock->quiet_max && stock->bound >= 0) ||
	    (stock->quiet == stock->quiet_max && stock->bound != stock->head + stock->room * one))
		return "K3 the short way is open once all quiet ones are there";
	for (uint32_t i = 0; i < n; i++) {
		unsigned state = atomic_load(ma_slot_state_at(entry_of(stock, i)->secret));

		if (ma_slot_phase(state) != MA_SLOT_RETIRED)
			return "K1 what is in stock is retired";
		if (is_repeated(stock, i))
			return "K1 what is in stock is there once";
	}
	return NULL;
}
