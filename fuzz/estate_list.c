#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "estate.h"
#include "os_fake.h"

#define STDERR 2

static unsigned long number_before(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	while (at != NULL && at > text && at[-1] >= '0' && at[-1] <= '9')
		at--;
	return at != NULL ? strtoul(at, NULL, 10) : 0;
}

/* A line per block; live slots and large blocks are the program's objects. */
static void check_list(struct estate *e, unsigned place)
{
	struct ma_instance *inst = estate_of(e, place);
	const char *text = os_fake_written();
	size_t nlines = 0;
	size_t nlive = 0;
	size_t bytes;

	os_fake_forget();
	ma_dump_list(inst, STDERR);
	if (strstr(text, "total: ") == NULL)
		return;
	for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1, nlines++) {
		char copy[256];

		(void)snprintf(copy, sizeof(copy), "%.*s", (int)(strchr(line, '\n') - line), line);
		nlive += number_before(copy, " live,");
		nlive += strstr(copy, " bytes requested") != NULL;
	}
	if (nlines != inst->pool.counts.nblocks + 2)
		estate_fail("E8 a list has a line for each block");
	if (nlive != model_count(&e->model, place, &bytes))
		estate_fail("E8 a list tells of each live object");
	text = strstr(text, "total: ");
	if (number_before(text, " blocks,") != inst->pool.counts.nblocks ||
	    number_before(text, " bytes mapped,") != inst->pool.regions.mapped)
		estate_fail("E8 a list has the totals");
	os_fake_forget();
}

/* Of the heap, each object once. */
static int visit(const struct memalloc_object *object, void *arg)
{
	struct estate *e = arg;

	for (unsigned i = 0; i < MODEL_NOBJECTS; i++) {
		const struct model_object *o = &e->model.object[i];

		if (o->ptr == object->ptr && o->owner == 0)
			return o->size == object->size && object->footprint >= o->size ? 0 : 1;
	}
	return 1;
}

void estate_list(struct estate *e)
{
	char json[4096];
	size_t n = memalloc_stats_json(NULL, 0);

	for (unsigned i = 0; i < ESTATE_NPLACES; i++)
		if (estate_of(e, i) != NULL)
			check_list(e, i);
	if (memalloc_walk(visit, e) != 0)
		estate_fail("E8 a walk tells of live objects, and their sizes");
	if (memalloc_stats_json(json, sizeof(json)) != n || strlen(json) != n)
		estate_fail("E8 statistics are as long as they say");
	memalloc_print_stats();
	os_fake_forget();
}
