#include "explain.h"
#include "annotate.h"

static void explain_large(struct ma_block *block, const char *at, bool write,
			  struct ma_violation *v)
{
	const char *object = ma_large_ptr(block);

	ma_large_describe(block, v);
	if (at < object) {
		v->kind = write ? MA_HEAP_UNDERFLOW : MA_BAD_ACCESS;
		v->why = write ? "in front of an object was to be written"
			       : "in front of an object was to be read";
	} else {
		v->kind = write ? MA_HEAP_OVERFLOW : MA_BAD_ACCESS;
		v->why = write ? "behind the end of an object was to be written"
			       : "behind the end of an object was to be read";
	}
}

static void explain_retired(struct ma_block *block, bool write, struct ma_violation *v)
{
	v->kind = write ? MA_WRITE_AFTER_FREE : MA_BAD_ACCESS;
	v->why = write ? "was to be written after its object was freed"
		       : "was to be read after its object was freed";
	if (block->kind == MA_BLOCK_RETIRED && block->purpose >= MA_WAIT_TIGHT)
		ma_large_describe(block, v);
}

/* Behind the last slot there may be a guard, and is nothing. */
static void explain_slot(struct ma_block *block, const char *at, bool write, struct ma_violation *v)
{
	const struct ma_slab *slab = ma_slab_of(block);
	size_t idx = (size_t)(at - ma_slab_base(slab)) / slab->slot;

	if (idx < slab->nslots && !ma_slot_is_live(ma_slab_load(slab, (uint32_t)idx))) {
		explain_retired(block, write, v);
	} else {
		v->kind = write ? MA_HEAP_OVERFLOW : MA_BAD_ACCESS;
		v->why = write ? "behind the end of an object was to be written"
			       : "behind the end of an object was to be read";
	}
	if (idx >= slab->nslots)
		v->why = write ? "behind the last object of a slab was to be written"
			       : "behind the last object of a slab was to be read";
	ma_slab_describe(slab, (uint32_t)ma_min(idx, slab->nslots - 1), v);
}

bool ma_explain(const void *at, bool write, bool guarded, struct ma_violation *v)
{
	struct ma_block *block = ma_pagemap_get(&ma_global.pagemap, (uintptr_t)at);

	*v = (struct ma_violation){.kind = MA_BAD_ACCESS, .ptr = at, .requested = SIZE_MAX};
	if (block == NULL || (guarded && !block->guarded))
		return false;
	if (block->kind == MA_BLOCK_RETIRED || block->free)
		explain_retired(block, write, v);
	else if (block->kind == MA_BLOCK_LARGE)
		explain_large(block, at, write, v);
	else if (block->kind == MA_BLOCK_SLAB && ma_slab_is_set_up(block))
		explain_slot(block, at, write, v);
	else
		return false;
	return true;
}

/* ---- AddressSanitizer ------------------------------------------------------------------------ */

#define WEAK __attribute__((weak))

WEAK void __asan_set_error_report_callback(void (*callback)(const char *));
WEAK void *__asan_get_report_address(void);
WEAK int __asan_get_report_access_type(void);

/* It has said all that it knows: that somebody has poisoned the memory. */
static void add(const char *report)
{
	struct ma_violation v;

	(void)report;
	if (ma_explain(__asan_get_report_address(), __asan_get_report_access_type() == 1, false,
		       &v))
		ma_report_add(&v);
}

void ma_explain_start(void)
{
	if (ma_tools.asan && __asan_set_error_report_callback != NULL &&
	    __asan_get_report_address != NULL && __asan_get_report_access_type != NULL)
		__asan_set_error_report_callback(add);
}
