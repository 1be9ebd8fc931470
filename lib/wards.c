#include "wards.h"
#include "below.h"
#include "os.h"
#include "stack.h"

#define FEWEST ((size_t)256) /* places; a page of them */

static size_t home_of(const struct ma_wards *wards, uintptr_t inverted)
{
	return (size_t)(inverted * 0x9e3779b97f4a7c15u >> 20) & (wards->nplaces - 1);
}

/* Where it stands, or the free place where it would. */
static size_t place_of(const struct ma_wards *wards, uintptr_t inverted)
{
	size_t i = home_of(wards, inverted);

	while (wards->place[i].inverted != 0 && wards->place[i].inverted != inverted)
		i = (i + 1) & (wards->nplaces - 1);
	return i;
}

static void let_go(const struct ma_wards *wards)
{
	if (wards->place != NULL &&
	    !ma_os_unmap(wards->place, wards->nplaces * sizeof(struct ma_ward)))
		(void)ma_os_purge(wards->place, wards->nplaces * sizeof(struct ma_ward));
}

static bool grow(struct ma_wards *wards)
{
	struct ma_wards more = *wards;

	more.nplaces = ma_max(2 * wards->nplaces, FEWEST * (ma_os_page_size() / MA_GRANULE));
	more.place = ma_os_map(more.nplaces * sizeof(*more.place));
	if (more.place == NULL)
		return false;
	for (size_t i = 0; i < wards->nplaces; i++)
		if (wards->place[i].inverted != 0)
			more.place[place_of(&more, wards->place[i].inverted)] = wards->place[i];
	let_go(wards);
	*wards = more;
	return true;
}

bool ma_wards_reserve(struct ma_wards *wards, size_t size)
{
	if (2 * (wards->n + 1) > wards->nplaces && !grow(wards))
		return false;
	wards->n++;
	wards->bytes += size;
	return true;
}

void ma_wards_put(struct ma_wards *wards, const void *ptr, size_t size)
{
	uintptr_t inverted = ~(uintptr_t)ptr;

	wards->place[place_of(wards, inverted)] = (struct ma_ward){inverted, size};
}

void ma_wards_cancel(struct ma_wards *wards, size_t size)
{
	wards->n--;
	wards->bytes -= size;
}

const struct ma_ward *ma_wards_find(const struct ma_wards *wards, const void *ptr)
{
	const struct ma_ward *ward;

	if (wards->n == 0)
		return NULL;
	ward = &wards->place[place_of(wards, ~(uintptr_t)ptr)];
	return ward->inverted != 0 ? ward : NULL;
}

/* What stands behind and had to make way comes nearer (E2). */
static void close_gap(struct ma_wards *wards, size_t gap)
{
	size_t mask = wards->nplaces - 1;

	for (size_t i = (gap + 1) & mask; wards->place[i].inverted != 0; i = (i + 1) & mask) {
		size_t home = home_of(wards, wards->place[i].inverted);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		wards->place[gap] = wards->place[i];
		gap = i;
	}
	wards->place[gap] = (struct ma_ward){0, 0};
}

void ma_wards_leave(struct ma_wards *wards, const void *ptr)
{
	close_gap(wards, place_of(wards, ~(uintptr_t)ptr));
}

bool ma_wards_remove(struct ma_wards *wards, const void *ptr)
{
	const struct ma_ward *ward = ma_wards_find(wards, ptr);

	if (ward == NULL)
		return false;
	ma_wards_cancel(wards, ward->size);
	ma_wards_leave(wards, ptr);
	return true;
}

void ma_wards_free_all(struct ma_wards *wards)
{
	ma_stack_keep_frame();
	for (size_t i = 0; i < wards->nplaces; i++)
		if (wards->place[i].inverted != 0)
			ma_below_free((void *)~wards->place[i].inverted);
	let_go(wards);
	*wards = (struct ma_wards){0};
}
