#include "stock.h"

static const struct ma_stocked *entry_of(const struct ma_stock *stock, uint32_t i)
{
	return ma_stock_at(stock, ma_stock_step(stock->head, i));
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
	int64_t n = (int64_t)stock->ready + stock->quiet;

	if (n < 0 || stock->room < 0 || n + stock->room > MA_STOCK ||
	    stock->head >= sizeof(stock->entry) ||
	    stock->tail != ma_stock_step(stock->head, (uint32_t)n))
		return "K2 the counts of a stock are those of its entries";
	for (uint32_t i = 0; i < (uint32_t)n; i++) {
		unsigned state = atomic_load(ma_slot_state_at(entry_of(stock, i)->where));

		if (ma_slot_phase(state) != MA_SLOT_RETIRED)
			return "K1 what is in stock is retired";
		if (is_repeated(stock, i))
			return "K1 what is in stock is there once";
	}
	return NULL;
}
