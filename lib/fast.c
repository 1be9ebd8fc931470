#include "fast.h"

#define ONE UINT64_MAX
#define SEVEN ONE, ONE, ONE, ONE, ONE, ONE, ONE
#define EIGHT SEVEN, ONE
#define THIRTY_TWO EIGHT, EIGHT, EIGHT, EIGHT

const uint64_t ma_fast_tail[MA_SLOT_WIDE] = {
	0,
	(uint64_t)0xff << 56,
	(uint64_t)0xffff << 48,
	(uint64_t)0xffffff << 40,
	(uint64_t)0xffffffff << 32,
	UINT64_MAX << 24,
	UINT64_MAX << 16,
	UINT64_MAX << 8,
	THIRTY_TWO,
	THIRTY_TWO,
	THIRTY_TWO,
	THIRTY_TWO,
	THIRTY_TWO,
	THIRTY_TWO,
	THIRTY_TWO,
	EIGHT,
};

static_assert(MA_SLOT_WIDE == 8 + 7 * 32 + 8, "the table is complete");
