#include "decay.h"
#include "instance.h"
#include "memalloc.h"

ma_export void init_pool(size_t size)
{
	if (size > 0 && ma_global_ready())
		(void)ma_pool_reserve(&ma_global.instance.pool, size);
}

ma_export const char *memalloc_check(void)
{
	const char *broken;

	if (!ma_global_ready())
		return NULL;
	ma_annotate_enter();
	broken = ma_pagemap_check(&ma_global.pagemap);
	if (broken == NULL)
		broken = ma_instance_check(&ma_global.instance, ma_global_own_heap());
	ma_annotate_leave();
	return broken;
}

ma_export int memalloc_trim(size_t keep)
{
	if (!ma_global_ready())
		return 0;
	ma_heap_compact(&ma_global.instance, ma_global_own_heap());
	return ma_decay_all(&ma_global.instance.pool, ma_min(keep, MA_REGION_MAX)) > 0;
}

ma_export size_t memalloc_compact(void)
{
	if (!ma_global_ready())
		return 0;
	ma_heap_compact(&ma_global.instance, ma_global_own_heap());
	return ma_decay_all(&ma_global.instance.pool, 0);
}
