#include <signal.h>
#include <string.h>

#include "fault.h"
#include "os.h"

static struct sigaction old_segv, old_bus;

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
	if (block->purpose >= MA_WAIT_TIGHT)
		ma_large_describe(block, v);
}

static void explain_slab(struct ma_block *block, bool write, struct ma_violation *v)
{
	const struct ma_slab *slab = ma_slab_of(block);

	v->kind = write ? MA_HEAP_OVERFLOW : MA_BAD_ACCESS;
	v->why = write ? "behind the last object of a slab was to be written"
		       : "behind the last object of a slab was to be read";
	ma_slab_describe(slab, slab->nslots - 1, v);
}

/* False: the address is none of ours, or it is not clear why it faults. */
static bool explain(const char *at, bool write, struct ma_violation *v)
{
	struct ma_block *block = ma_pagemap_get(&ma_global.pagemap, (uintptr_t)at);

	v->ptr = at;
	v->requested = SIZE_MAX;
	if (block == NULL || !block->guarded)
		return false;
	if (block->kind == MA_BLOCK_RETIRED)
		explain_retired(block, write, v);
	else if (block->kind == MA_BLOCK_LARGE)
		explain_large(block, at, write, v);
	else if (block->kind == MA_BLOCK_SLAB && ma_slab_is_set_up(block))
		explain_slab(block, write, v);
	else
		return false;
	return true;
}

/* T1: the instruction is run again, under the handler that was there before. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	struct ma_violation v = {.kind = MA_BAD_ACCESS};

	(void)sigaction(sig, sig == SIGSEGV ? &old_segv : &old_bus, NULL);
	if (info->si_code > 0 && explain(info->si_addr, ma_os_fault_is_write(context), &v))
		ma_report(&v);
}

void ma_fault_start(void)
{
	struct sigaction action;

	if (!ma_global.options.handle_segv)
		return;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGSEGV, &action, &old_segv);
	(void)sigaction(SIGBUS, &action, &old_bus);
}
