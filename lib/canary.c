#include "canary.h"

uint64_t ma_canary_secret;

void ma_canary_init(uint64_t secret)
{
	ma_canary_secret = secret;
}
