#include <stdatomic.h>

#include "memalloc.h"
#include "violations.h"

static memalloc_violation_handler *_Atomic handler;
static void *_Atomic arg;

/* A handler never gets what is meant for another one. */
void memalloc_set_violation_handler(memalloc_violation_handler *new_handler, void *new_arg)
{
	atomic_store(&handler, NULL);
	atomic_store(&arg, new_arg);
	atomic_store(&handler, new_handler);
}

void ma_violations_tell(const struct ma_violation *v, const char *report)
{
	memalloc_violation_handler *call = atomic_load(&handler);
	void *with = atomic_load(&arg);
	const struct memalloc_violation violation = {
		.kind = ma_report_kind(v->kind),
		.pointer = v->ptr,
		.object = v->object,
		.size = v->requested,
		.report = report,
	};

	if (call != NULL && call == atomic_load(&handler))
		call(&violation, with);
}
