#include "canary.h"

struct ma_canary_page ma_canary = {.key = 1, .stride = 1};

void ma_canary_forked(uint64_t secret)
{
	ma_canary.stride = (unsigned)(secret >> 32) | 1;
}

void ma_canary_init(uint64_t secret)
{
	ma_canary.key = secret | 1;
	ma_canary_forked(secret);
}
