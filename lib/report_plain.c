#include "report_plain.h"
#include "place.h"

#define VARIABLE "MEMALLOC_OPTIONS="

/* ---- the facts ------------------------------------------------------------------------------- */

static void first_line(struct ma_text *text, const struct ma_violation *v)
{
	ma_text_str(text, "memalloc: ");
	ma_text_str(text, ma_report_kind(v->kind));
	ma_text_str(text, ": ");
	ma_text_hex(text, (uintptr_t)v->ptr);
	ma_text_str(text, " ");
	ma_text_str(text, v->why);
}

static void object_line(struct ma_text *text, const struct ma_violation *v)
{
	if (v->object == NULL)
		return;
	ma_text_str(text, "memalloc:   object ");
	ma_text_hex(text, (uintptr_t)v->object);
	if (v->requested != SIZE_MAX) {
		ma_text_str(text, ", ");
		ma_text_dec(text, v->requested);
		ma_text_str(text, " bytes requested");
	}
	if (v->slot != 0) {
		ma_text_str(text, ", in ");
		ma_text_dec(text, v->slot);
		ma_text_str(text, " bytes");
	}
	if (v->state != NULL) {
		ma_text_str(text, ", ");
		ma_text_str(text, v->state);
	}
	ma_text_str(text, "\n");
}

static void damage_line(struct ma_text *text, const struct ma_violation *v)
{
	if (v->damage == NULL)
		return;
	ma_text_str(text, "memalloc:   at ");
	ma_text_hex(text, (uintptr_t)v->damage);
	ma_text_str(text, ": expected ");
	ma_text_hex(text, v->expected);
	ma_text_str(text, ", found ");
	ma_text_hex(text, v->found);
	ma_text_str(text, "\n");
}

/* A line that is there when @clause is. */
static void clause_line(struct ma_text *text, const char *before, const char *clause,
			const char *after)
{
	if (clause[0] == '\0')
		return;
	ma_text_str(text, "memalloc:   ");
	ma_text_str(text, before);
	ma_text_str(text, clause);
	ma_text_str(text, after);
	ma_text_str(text, "\n");
}

static void place_line(struct ma_text *text, const struct ma_facts *facts)
{
	if (facts->place[0] == '\0')
		return;
	ma_text_str(text, "memalloc:   ");
	ma_text_hex(text, (uintptr_t)facts->v->ptr);
	ma_text_str(text, " ");
	ma_text_str(text, facts->place);
	ma_text_str(text, "\n");
}

static void thread_line(struct ma_text *text, const struct ma_facts *facts)
{
	ma_text_str(text, "memalloc:   thread ");
	ma_text_dec(text, facts->thread);
	ma_text_str(text, " of process ");
	ma_text_dec(text, facts->process);
	ma_text_str(text, "\n");
}

void ma_plain_facts(struct ma_text *text, const struct ma_facts *facts)
{
	const struct ma_violation *v = facts->v;

	first_line(text, v);
	ma_text_str(text, "\n");
	object_line(text, v);
	damage_line(text, v);
	clause_line(text, "", facts->guess, "");
	clause_line(text, "around: ", v->around,
		    "  (l live, . free, q retired, ! damaged, # guard)");
	place_line(text, facts);
	thread_line(text, facts);
}

void ma_plain_nested(struct ma_text *text, const struct ma_violation *v)
{
	first_line(text, v);
	ma_text_str(text, "; found while reporting, giving up\n");
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static void frame_line(struct ma_text *text, size_t i, uintptr_t pc)
{
	struct ma_place place;

	ma_text_str(text, "memalloc:     #");
	ma_text_dec(text, i);
	ma_text_str(text, " ");
	ma_text_hex(text, pc);
	if (ma_place_find(&place, pc) && place.module) {
		ma_text_str(text, " ");
		ma_place_module(text, &place);
	}
	ma_text_str(text, "\n");
}

void ma_plain_stack(struct ma_text *text, const char *heading, const uintptr_t *pc, size_t n)
{
	clause_line(text, "", heading, "");
	for (size_t i = 0; i < n; i++)
		frame_line(text, i, pc[i]);
}

/* ---- what would show more -------------------------------------------------------------------- */

static bool lacks_stacks(const struct ma_violation *v)
{
	return v->object != NULL && v->allocated == 0 && v->freed == 0;
}

static bool is_late(enum ma_violation_kind kind)
{
	return kind == MA_HEAP_OVERFLOW || kind == MA_HEAP_UNDERFLOW || kind == MA_WRITE_AFTER_FREE;
}

/* The next of several clauses; @before is said when it is the first. */
static void advise(struct ma_text *text, size_t *n, const char *before, const char *clause)
{
	if ((*n)++ == 0) {
		ma_text_str(text, "options that would show more: ");
		ma_text_str(text, before);
	} else {
		ma_text_str(text, "; ");
	}
	ma_text_str(text, clause);
}

static void advise_all(struct ma_text *text, const struct ma_violation *v)
{
	size_t n = 0;

	if (lacks_stacks(v))
		advise(text, &n, VARIABLE, "stacks=full shows who allocated and freed");
	if (is_late(v->kind))
		advise(text, &n, VARIABLE, "sample=100 makes the access itself fault");
	if (v->hint != NULL)
		advise(text, &n, "", v->hint);
}

void ma_plain_end(struct ma_text *text, const struct ma_violation *v,
		  const struct ma_report_config *config)
{
	bool advice = lacks_stacks(v) || is_late(v->kind) || v->hint != NULL;

	if (!advice && config->profile == NULL)
		return;
	ma_text_str(text, "memalloc:   ");
	if (config->profile != NULL) {
		ma_text_str(text, "seed ");
		ma_text_dec(text, config->seed);
		ma_text_str(text, ", profile ");
		ma_text_str(text, config->profile);
		ma_text_str(text, advice ? "; " : "");
	}
	advise_all(text, v);
	ma_text_str(text, "\n");
}
