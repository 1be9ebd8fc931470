#include "canary.h"

uint64_t ma_canary_key = 1;

void ma_canary_init(uint64_t key)
{
	ma_canary_key = key | 1;
}
