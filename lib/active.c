#include <dlfcn.h>

#include "active.h"
#include "annotate.h"
#include "instance.h"
#include "memalloc.h"
#include "report.h"

typedef void *malloc_function(size_t size);
typedef void free_function(void *ptr);

/* As the program has it: a call from here might be bound to this library. */
static void *find(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

static bool is_ours(const void *ptr)
{
	return ma_global_ready() && ma_pagemap_get(&ma_global.pagemap, (uintptr_t)ptr) != NULL;
}

ma_export int memalloc_is_active(void)
{
	union {
		void *symbol;
		malloc_function *call;
	} allocate = {find("malloc")};
	union {
		void *symbol;
		free_function *call;
	} release = {find("free")};
	void *ptr;
	bool ours;

	if (allocate.symbol == NULL || release.symbol == NULL)
		return 0;
	ptr = allocate.call(1);
	ours = is_ours(ptr);
	release.call(ptr);
	return ours;
}

static const char *tool(void)
{
	if (ma_annotate_has_sanitizer())
		return "a sanitizer that the program was built with";
	if (ma_annotate_is_under_valgrind())
		return "Valgrind";
	return "another library";
}

static const char *cure(void)
{
	if (ma_annotate_has_sanitizer())
		return " does; use a program that was built without it";
	if (ma_annotate_is_under_valgrind())
		return " does; --soname-synonyms=somalloc=nouserintercepts leaves it to memalloc";
	return " does";
}

void ma_active_start(void)
{
	bool wanted = ma_global.options.verbosity > 0;

	if (!wanted && !ma_annotate_has_sanitizer())
		return;
	if (!memalloc_is_active())
		ma_warn("does not serve malloc: ", tool(), cure());
	else if (wanted)
		ma_warn("serves malloc", NULL, NULL);
}
