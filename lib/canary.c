#include "canary.h"

struct ma_canary_page ma_canary = {.key = 1, .stride = MA_CANARY_STRIDE};

/*
 * Odd, so that all lives come in turn. From the old one it differs by 2 modulo 4, so that parent
 * and child are in the same life of a slot as late as can be.
 */
void ma_canary_forked(uint64_t secret)
{
	ma_canary.stride += (2 + 4 * (unsigned)(secret >> 32)) * MA_CANARY_STRIDE;
}

void ma_canary_init(uint64_t secret)
{
	ma_canary.key = secret | 1;
	ma_canary.stride = ((unsigned)(secret >> 32) | 1) * MA_CANARY_STRIDE;
}
