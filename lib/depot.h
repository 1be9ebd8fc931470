#ifndef MA_DEPOT_H
#define MA_DEPOT_H
#include "base.h"
struct ma_depot {
	int unused;
};
static inline void ma_depot_init(struct ma_depot *d)
{
	(void)d;
}
static inline uint32_t ma_depot_put(struct ma_depot *d, const uintptr_t *pc, size_t n)
{
	(void)d;
	(void)pc;
	return (uint32_t)n;
}
#endif
