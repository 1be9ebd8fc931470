#include "seq_places.h"

#include <stdlib.h>

/* Slots as they come. */
struct list {
	uint64_t *slots;
	size_t n, room;
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

static bool add(struct list *list, uint64_t slot)
{
	size_t room = list->room > 0 ? 2 * list->room : 1024;
	uint64_t *slots;

	if (list->n == list->room) {
		slots = realloc(list->slots, room * sizeof(*slots));
		if (slots == NULL)
			return false;
		list->slots = slots;
		list->room = room;
	}
	list->slots[list->n++] = slot;
	return true;
}

/* Each slot once. */
static void sort(struct list *list)
{
	size_t n = 0;

	if (list->n == 0)
		return;
	qsort(list->slots, list->n, sizeof(*list->slots), compare);
	for (size_t i = 1; i < list->n; i++)
		if (list->slots[i] != list->slots[n])
			list->slots[++n] = list->slots[i];
	list->n = n + 1;
}

static bool collect(struct list *list, struct seq *seq)
{
	struct seq_op op;

	while (seq_next(seq, &op)) {
		if (op.kind == SEQ_OTHER && seq_operand_of(op.code) != SEQ_SLOT_HOW_SHORT)
			continue;
		for (unsigned i = 0; i < op.count; i++)
			if (!add(list, (uint64_t)op.slot + i))
				return false;
	}
	return true;
}

bool seq_places_init(struct seq_places *places, struct seq seq, size_t most)
{
	struct list list = {0};

	if (!collect(&list, &seq)) {
		free(list.slots);
		return false;
	}
	sort(&list);
	*places = (struct seq_places){list.slots, list.n};
	if (list.n == 0 || list.slots[list.n - 1] - (list.n - 1) > most)
		return true;
	places->nplaces = (size_t)list.slots[list.n - 1] + 1;
	places->slots = NULL;
	free(list.slots);
	return true;
}

void seq_places_fini(struct seq_places *places)
{
	free(places->slots);
	places->slots = NULL;
}

size_t seq_place(const struct seq_places *places, uint64_t slot)
{
	const uint64_t *found;

	if (places->slots == NULL)
		return (size_t)slot;
	found = bsearch(&slot, places->slots, places->nplaces, sizeof(slot), compare);
	return (size_t)(found - places->slots);
}
