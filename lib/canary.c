#include "canary.h"

struct ma_canary_page ma_canary = {.key = 1};

void ma_canary_init(uint64_t key)
{
	ma_canary.key = key | 1;
}
