#include <string.h>

#include "model.h"
#include "pagemap.h"
#include "plain_slots.h"

void plain_must(bool holds, const char *rule)
{
	if (!holds)
		model_fail("slab", rule);
}

/* ---- queues and lists ------------------------------------------------------------------------ */

static void queue_insert(struct plain_queue *q, size_t at, struct plain_waiting one)
{
	plain_must(q->n < PLAIN_NWAITING, "L4 no more slots wait than may");
	memmove(&q->entry[at + 1], &q->entry[at], (q->n - at) * sizeof(one));
	q->entry[at] = one;
	q->n++;
}

static struct plain_waiting queue_take(struct plain_queue *q)
{
	struct plain_waiting one = q->entry[0];

	q->n--;
	memmove(&q->entry[0], &q->entry[1], q->n * sizeof(one));
	return one;
}

static size_t list_find(const struct plain_list *list, const struct plain_slab *slab)
{
	size_t i = 0;

	while (i < list->n && list->slab[i] != slab)
		i++;
	return i;
}

static void list_insert(struct plain_list *list, size_t at, struct plain_slab *slab)
{
	memmove(&list->slab[at + 1], &list->slab[at], (list->n - at) * sizeof(slab));
	list->slab[at] = slab;
	list->n++;
}

static bool list_remove(struct plain_list *list, const struct plain_slab *slab)
{
	size_t at = list_find(list, slab);

	if (at == list->n)
		return false;
	list->n--;
	memmove(&list->slab[at], &list->slab[at + 1], (list->n - at) * sizeof(slab));
	return true;
}

/* ---- slabs ----------------------------------------------------------------------------------- */

static size_t slot_bytes(unsigned class_idx)
{
	size_t slot = 0;

	/* Steps of an eighth of each doubling, of 16 bytes at least. */
	for (unsigned i = 0; i <= class_idx; i++)
		slot += i < 8 ? 16 : (size_t)16 << (i - 8) / 8;
	return slot;
}

unsigned plain_slots_class(const struct plain_slots *p, size_t size, size_t align)
{
	size_t need = ma_align_up(size + p->behind, ma_max(align, 1));
	unsigned class_idx = 0;

	while (slot_bytes(class_idx) < need)
		class_idx++;
	return class_idx;
}

static size_t slab_bytes(const struct plain_slots *p, size_t slot, size_t nslabs)
{
	size_t size = nslabs == 0 ? 16384 : nslabs == 1 ? 32768 : 65536;

	size = ma_align_up(ma_max(size, 4 * slot), p->page);
	while (size % slot > size / 16)
		size += p->page;
	return size;
}

static bool is_known(const struct plain_slots *p, const struct ma_slab *real)
{
	for (size_t i = 0; i < PLAIN_NSLABS; i++)
		if (p->slab[i].real == real)
			return true;
	return false;
}

/* The heap has it already. */
static struct ma_slab *new_slab(const struct plain_slots *p, unsigned class_idx)
{
	const struct ma_bin *bin = &p->heap->bin[class_idx];
	struct ma_slab *slab;

	for (slab = bin->avail; slab != NULL; slab = slab->next)
		if (!is_known(p, slab))
			return slab;
	for (slab = bin->full; slab != NULL; slab = slab->next)
		if (!is_known(p, slab))
			return slab;
	plain_must(false, "L1 a slab comes when no slot is free");
	return NULL;
}

static void fill_in(struct plain_slab *slab, struct plain_slots *p, size_t nslabs)
{
	const struct ma_slab *real = slab->real;
	/* Of the slot that comes last: the first may be live. */
	uint32_t last = (real->start > 0 ? real->start : real->nslots) - 1;
	unsigned life = ma_slab_load(real, last) & MA_SLOT_LIVES;

	slab->base = ma_slab_base(real);
	slab->class_idx = real->class_idx;
	slab->slot = slot_bytes(slab->class_idx);
	slab->nslots = slab_bytes(p, slab->slot, nslabs) / slab->slot;
	slab->start = real->start;
	slab->nfresh = slab->nslots;
	slab->nvacant = 0;
	slab->touched = true;
	slab->filled = slab->slot <= p->config.slab.fill_max;
	slab->close = p->config.slab.redzone > 0;
	plain_must(real->slot == slab->slot && real->nslots == slab->nslots,
		   "L1 a slab has the slots that it should have");
	plain_must(slab->start == ma_random_below(&p->random, slab->nslots) &&
			   real->where >> 48 == ma_random_below(&p->random, 1024),
		   "L1 the first slot is any, and the secret");
	plain_must((ma_random_next(&p->random) & MA_SLOT_LIVES) == life, "L1 and the first life");
	plain_must((real->wide != NULL) == (slab->slot - MA_CANARY >= MA_SLOT_WIDE),
		   "L1 slack is noted beside where a byte is too short");
	for (size_t i = 0; i < slab->nslots; i++)
		slab->at[i] = (struct plain_slot){.fresh = true, .life = life};
}

static struct plain_slab *create(struct plain_slots *p, unsigned class_idx)
{
	struct plain_bin *bin = &p->bin[class_idx];
	struct plain_slab *slab = &p->scrap;

	for (size_t i = PLAIN_NSLABS; i-- > 0;)
		if (p->slab[i].real == NULL)
			slab = &p->slab[i];
	slab->real = new_slab(p, class_idx);
	fill_in(slab, p, bin->avail.n + bin->full.n);
	list_insert(&bin->avail, 0, slab);
	return slab;
}

static void drop(struct plain_slots *p, struct plain_slab *slab)
{
	struct plain_bin *bin = &p->bin[slab->class_idx];

	if (!list_remove(&bin->avail, slab))
		(void)list_remove(&bin->full, slab);
	slab->real = NULL;
}

static size_t count_used(const struct plain_slab *slab)
{
	return slab->nslots - slab->nfresh - slab->nvacant;
}

static struct plain_slab *refill(struct plain_slots *p, unsigned class_idx)
{
	struct plain_bin *bin = &p->bin[class_idx];

	while (bin->avail.n > 0) {
		struct plain_slab *slab = bin->avail.slab[0];

		if (slab->nvacant + slab->nfresh > 0)
			return slab;
		(void)list_remove(&bin->avail, slab);
		list_insert(&bin->full, 0, slab);
	}
	return create(p, class_idx);
}

static size_t take_vacant(struct plain_slab *slab)
{
	size_t idx = 0;

	while (slab->at[idx].fresh || slab->at[idx].phase != PLAIN_VACANT)
		idx++;
	slab->nvacant--;
	slab->at[idx].phase = PLAIN_RETIRED;
	slab->touched = true;
	return idx;
}

static size_t take_fresh(struct plain_slab *slab)
{
	size_t idx = (slab->start + slab->nslots - slab->nfresh) % slab->nslots;

	slab->nfresh--;
	slab->at[idx].fresh = false;
	slab->at[idx].phase = PLAIN_RETIRED;
	slab->touched = true;
	return idx;
}

static void settle(struct plain_slots *p, struct plain_slab *slab)
{
	struct plain_bin *bin = &p->bin[slab->class_idx];
	bool kept = slab->slot <= MA_FAST_SLOT || p->config.quarantine.cap == 0;

	if (slab->nvacant > 0 && list_remove(&bin->full, slab))
		list_insert(&bin->avail, ma_min(bin->avail.n, 1), slab);
	if (count_used(slab) == 0 && !(kept && bin->avail.n > 0 && bin->avail.slab[0] == slab))
		drop(p, slab);
}

static void put(struct plain_slots *p, struct plain_waiting one)
{
	one.slab->at[one.idx].phase = PLAIN_VACANT;
	one.slab->nvacant++;
	one.slab->touched = true;
	settle(p, one.slab);
}

/* ---- stocks ---------------------------------------------------------------------------------- */

static void stock_begin(struct plain_slots *p, struct plain_stock *stock, size_t slot)
{
	const struct ma_stock_config *config = &p->config.stock;
	size_t n = ma_min(ma_max(config->bytes / slot, PLAIN_STOCK_LEAST), config->entries);

	if (stock->exists)
		return;
	stock->exists = true;
	stock->room = n;
	stock->batch_max = ma_max(n / 4, 1);
	stock->batch = ma_min(stock->batch_max, PLAIN_STOCK_FEW);
	stock->quiet_max = ma_min(config->quiet, ma_max(n / 2, 1));
}

static void stock_put(struct plain_stock *stock, struct plain_slab *slab, size_t idx)
{
	queue_insert(&stock->queue, stock->queue.n, (struct plain_waiting){slab, idx, 0});
	stock->quiet = ma_min(stock->quiet + 1, stock->quiet_max);
}

/* Slots never in use are the next to be taken, in the order in which they lie. */
static void stock_fresh(struct plain_stock *stock, struct plain_slab *slab, size_t n)
{
	for (size_t at = 0; n > 0 && slab->nfresh > 0; n--, at++)
		queue_insert(&stock->queue, at, (struct plain_waiting){slab, take_fresh(slab), 0});
}

static void stock_from(struct plain_stock *stock, struct plain_slab *slab)
{
	size_t n = ma_min(stock->batch, stock->room - stock->queue.n);

	stock->batch = ma_min(stock->batch * 2, stock->batch_max);
	for (; n > 0 && slab->nvacant > 0; n--) {
		size_t idx = take_vacant(slab);

		if (slab->at[idx].used)
			stock_put(stock, slab, idx);
		else
			queue_insert(&stock->queue, 0, (struct plain_waiting){slab, idx, 0});
	}
	stock_fresh(stock, slab, n);
}

static struct plain_waiting stock_take(struct plain_slots *p, unsigned class_idx)
{
	struct plain_stock *stock = &p->bin[class_idx].stock;

	stock_begin(p, stock, slot_bytes(class_idx));
	while (stock->queue.n <= stock->quiet)
		stock_from(stock, refill(p, class_idx));
	return queue_take(&stock->queue);
}

static void give_back(struct plain_slots *p, struct plain_stock *stock, size_t n)
{
	while (n-- > 0)
		put(p, queue_take(&stock->queue));
}

/* ---- the quarantine -------------------------------------------------------------------------- */

static void relieve(struct plain_slots *p)
{
	while (p->bytes > p->config.quarantine.bytes && p->quarantine.n > 0) {
		struct plain_waiting one = queue_take(&p->quarantine);

		p->bytes -= one.slab->slot;
		put(p, one);
	}
}

static void quarantine_put(struct plain_slots *p, struct plain_waiting in)
{
	struct plain_waiting out = {NULL, 0, 0};

	in.number = p->arrived++;
	if (p->quarantine.n > 0 &&
	    in.number - p->quarantine.entry[0].number >= p->config.quarantine.cap) {
		out = queue_take(&p->quarantine);
		p->bytes -= out.slab->slot;
	}
	queue_insert(&p->quarantine, p->quarantine.n, in);
	p->bytes += in.slab->slot;
	relieve(p);
	if (out.slab != NULL)
		put(p, out);
}

/* ---- objects --------------------------------------------------------------------------------- */

static bool has_stock(const struct plain_slots *p, size_t slot)
{
	return p->stocked && slot <= MA_FAST_SLOT;
}

static char *begin_life(struct plain_waiting one, size_t size)
{
	struct plain_slot *slot = &one.slab->at[one.idx];

	slot->phase = PLAIN_LIVE;
	slot->used = true;
	slot->life = (slot->life + ma_canary.stride) & MA_SLOT_LIVES;
	slot->size = size;
	one.slab->touched = true;
	return one.slab->base + one.idx * one.slab->slot;
}

char *plain_slots_alloc(struct plain_slots *p, size_t size, size_t align)
{
	unsigned class_idx = plain_slots_class(p, size, align);
	const struct plain_list *avail = &p->bin[class_idx].avail;
	struct plain_waiting one = {0};

	if (has_stock(p, slot_bytes(class_idx)))
		return begin_life(stock_take(p, class_idx), size);
	one.slab = avail->n > 0 && avail->slab[0]->nvacant > 0 ? avail->slab[0]
							       : refill(p, class_idx);
	one.idx = one.slab->nvacant > 0 ? take_vacant(one.slab) : take_fresh(one.slab);
	return begin_life(one, size);
}

void plain_slots_free(struct plain_slots *p, const char *ptr)
{
	struct plain_waiting one = {0};
	struct plain_stock *stock;

	one.slab = plain_slots_find(p, ptr, &one.idx);
	plain_must(one.slab != NULL, "L1 what is freed is a slot");
	one.slab->at[one.idx].phase = PLAIN_RETIRED;
	one.slab->touched = true;
	stock = &p->bin[one.slab->class_idx].stock;
	if (has_stock(p, one.slab->slot)) {
		if (stock->queue.n >= stock->room)
			give_back(p, stock, (stock->queue.n + 1) / 2);
		stock_put(stock, one.slab, one.idx);
	} else if (p->config.quarantine.cap > 0) {
		quarantine_put(p, one);
	} else {
		put(p, one);
	}
}

bool plain_slots_resize(struct plain_slots *p, const char *ptr, size_t size)
{
	size_t idx;
	struct plain_slab *slab = plain_slots_find(p, ptr, &idx);

	plain_must(slab != NULL, "L1 what is resized is a slot");
	if (plain_slots_class(p, size, 1) != slab->class_idx)
		return false;
	slab->at[idx].size = size;
	slab->touched = true;
	return true;
}

/* ---- all of them ----------------------------------------------------------------------------- */

void plain_slots_flush(struct plain_slots *p, bool quarantine_too)
{
	while (quarantine_too && p->quarantine.n > 0) {
		struct plain_waiting one = queue_take(&p->quarantine);

		p->bytes -= one.slab->slot;
		put(p, one);
	}
	for (unsigned i = 0; i < MA_NCLASSES; i++)
		give_back(p, &p->bin[i].stock, p->bin[i].stock.queue.n);
}

void plain_slots_drop_empty(struct plain_slots *p)
{
	for (size_t i = 0; i < PLAIN_NSLABS; i++)
		if (p->slab[i].real != NULL && count_used(&p->slab[i]) == 0 &&
		    list_find(&p->bin[p->slab[i].class_idx].avail, &p->slab[i]) <
			    p->bin[p->slab[i].class_idx].avail.n)
			drop(p, &p->slab[i]);
}

struct plain_slab *plain_slots_find(struct plain_slots *p, const char *ptr, size_t *idx)
{
	for (size_t i = 0; i < PLAIN_NSLABS; i++) {
		struct plain_slab *slab = &p->slab[i];

		if (slab->real == NULL || ptr < slab->base ||
		    ptr >= slab->base + slab->nslots * slab->slot)
			continue;
		*idx = (size_t)(ptr - slab->base) / slab->slot;
		return slab;
	}
	return NULL;
}

bool plain_slots_room(const struct plain_slots *p)
{
	size_t n = 0;

	for (size_t i = 0; i < PLAIN_NSLABS; i++)
		n += p->slab[i].real == NULL;
	return n >= 2 && p->scrap.real == NULL;
}

void plain_slots_init(struct plain_slots *p, const struct ma_instance_config *config,
		      struct ma_heap *heap, size_t page)
{
	p->config = *config;
	p->heap = heap;
	p->page = page;
	p->random = heap->random;
	p->behind = MA_CANARY + config->slab.redzone;
	p->stocked = config->stock.entries > 0 && config->slab.redzone == 0;
	p->arrived = p->bytes = p->quarantine.n = 0;
	memset(p->bin, 0, sizeof(p->bin));
	p->scrap.real = NULL;
	for (size_t i = 0; i < PLAIN_NSLABS; i++)
		p->slab[i].real = NULL;
}
