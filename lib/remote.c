#include <sched.h>

#include "bins.h"
#include "remote.h"
#include "report.h"

/* Of larger slots, none waits to be told. */
#define LARGE ((size_t)1024)

/* Empty batches that a heap keeps for its own use. */
#define SPARE 4

#define IDX_BITS 16

static struct ma_batch closed;

static uint64_t pack(const struct ma_slab *slab, uint32_t idx)
{
	return (uint64_t)(uintptr_t)slab << IDX_BITS | idx;
}

static struct ma_slab *slab_of(uint64_t slot)
{
	return (struct ma_slab *)(uintptr_t)(slot >> IDX_BITS);
}

static uint32_t idx_of(uint64_t slot)
{
	return (uint32_t)slot & ((1u << IDX_BITS) - 1);
}

static struct ma_heap *owner_of(struct ma_slab *slab)
{
	return (struct ma_heap *)atomic_load_explicit(ma_slab_owner(slab), memory_order_acquire);
}

static struct ma_meta *meta_of(struct ma_slab *slab)
{
	return ma_pool_of(ma_slab_block(slab))->meta;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* False: the heap has no thread. */
static bool push(struct ma_heap *to, struct ma_batch *batch)
{
	struct ma_batch *head = atomic_load_explicit(&to->inbox, memory_order_relaxed);

	do {
		if (head == &closed)
			return false;
		batch->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&to->inbox, &head, batch, memory_order_release, memory_order_relaxed));
	return true;
}

/*
 * To the owner of the first slot: of others, it tells theirs. A heap that has just been closed has
 * its slabs handed over at this moment.
 */
static void deliver(struct ma_batch *batch)
{
	while (!push(owner_of(slab_of(batch->slot[0])), batch))
		(void)sched_yield();
}

/* No memory for a batch: the owner has to look for itself. */
static ma_cold void overlook(struct ma_slab *slab, uint32_t idx)
{
	struct ma_heap *owner;

	ma_slab_set_phase(slab, idx, MA_SLOT_LOST);
	do {
		owner = owner_of(slab);
		if (owner == NULL) /* found already, and the slab is gone */
			return;
		atomic_store(&owner->overlooked, true);
	} while (owner_of(slab) != owner);
}

static struct ma_batch *new_batch(struct ma_heap *heap, struct ma_meta *meta)
{
	struct ma_batch *batch;

	if (heap == NULL || heap->spare == NULL)
		return ma_meta_alloc(meta, sizeof(*batch));
	batch = heap->spare;
	heap->spare = batch->next;
	heap->nspare--;
	return batch;
}

static void send_one(struct ma_slab *slab, uint32_t idx)
{
	struct ma_batch *batch = new_batch(NULL, meta_of(slab));

	if (batch == NULL) {
		overlook(slab, idx);
		return;
	}
	batch->n = 1;
	batch->slot[0] = pack(slab, idx);
	deliver(batch);
}

static void deliver_out(struct ma_outbox *out)
{
	if (out->batch != NULL)
		deliver(out->batch);
	out->batch = NULL;
}

/* Where the shared heap lies, which is in no memory of ours, is not to matter. */
static struct ma_outbox *outbox_of(struct ma_heap *heap, const struct ma_heap *to)
{
	bool shared = to == &heap->instance->shared;

	return &heap->out[shared ? 0 : (uintptr_t)to / MA_GRANULE % MA_OUTBOXES];
}

static void send(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx)
{
	struct ma_heap *to = owner_of(slab);
	struct ma_outbox *out = outbox_of(heap, to);

	if (out->to != to)
		deliver_out(out);
	if (out->batch == NULL) {
		out->batch = new_batch(heap, meta_of(slab));
		if (out->batch == NULL) {
			overlook(slab, idx);
			return;
		}
		out->batch->n = 0;
		out->to = to;
	}
	out->batch->slot[out->batch->n++] = pack(slab, idx);
	if (out->batch->n == MA_BATCH || slab->slot > LARGE)
		deliver_out(out);
}

bool ma_remote_free(struct ma_heap *heap, struct ma_slab *slab, struct ma_slot slot)
{
	unsigned life = slot.state & ~0xffu;
	uint16_t expected = (uint16_t)slot.state;
	uint16_t leaving = (uint16_t)(life | MA_SLOT_LEAVING);

	if (ma_unlikely(
		    !atomic_compare_exchange_strong(&slab->states[slot.idx], &expected, leaving)))
		return false;
	atomic_thread_fence(memory_order_release);
	ma_slab_zero(slab, slot.idx);
	/* Its owner, who stores without asking, may have freed it meanwhile: then it has it. */
	if (ma_unlikely(!atomic_compare_exchange_strong(&slab->states[slot.idx], &leaving,
							(uint16_t)(life | MA_SLOT_REMOTE))))
		return false;
	if (ma_likely(heap != NULL))
		send(heap, slab, slot.idx);
	else
		send_one(slab, slot.idx);
	return true;
}

void ma_remote_deliver(struct ma_heap *heap)
{
	for (size_t i = 0; i < MA_OUTBOXES; i++)
		deliver_out(&heap->out[i]);
}

/* ---- collecting ------------------------------------------------------------------------------ */

static ma_cold void report_twice(const struct ma_slab *slab, uint32_t idx)
{
	struct ma_violation v = {
		.kind = MA_DOUBLE_FREE,
		.ptr = ma_slab_slot_ptr(slab, idx),
		.why = "was freed by two threads at once",
	};

	ma_slab_describe(slab, idx, &v);
	ma_report(&v);
}

static void put(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx)
{
	ma_slab_put(slab, idx);
	if (!slab->is_avail || slab->used == 0)
		ma_bins_settle(heap, slab);
}

/* Its owner may have freed the same slot in the moment before: then it is not remote any more. */
static void receive(struct ma_heap *heap, struct ma_slab *slab, uint32_t idx)
{
	if (ma_unlikely(owner_of(slab) != heap)) {
		if (owner_of(slab) != NULL)
			send_one(slab, idx);
		return;
	}
	if (ma_likely(ma_slot_phase(ma_slab_load(slab, idx)) == MA_SLOT_REMOTE))
		put(heap, slab, idx);
	else
		report_twice(slab, idx);
}

static void keep(struct ma_heap *heap, struct ma_batch *batch)
{
	if (heap->nspare >= SPARE) {
		ma_meta_free(&heap->instance->meta, batch, sizeof(*batch));
		return;
	}
	batch->next = heap->spare;
	heap->spare = batch;
	heap->nspare++;
}

static void receive_all(struct ma_heap *heap, struct ma_batch *batch)
{
	while (batch != NULL) {
		struct ma_batch *next = batch->next;

		for (uint32_t i = 0; i < batch->n; i++)
			receive(heap, slab_of(batch->slot[i]), idx_of(batch->slot[i]));
		keep(heap, batch);
		batch = next;
	}
}

/* What no batch tells of; where nobody else is left, what no batch will tell of either. */
static void search_list(struct ma_heap *heap, struct ma_slab *slab, bool alone)
{
	struct ma_slab *next;

	for (; slab != NULL; slab = next) {
		next = slab->next;
		for (uint32_t i = 0; i < slab->nslots; i++) {
			unsigned phase = ma_slot_phase(ma_slab_load(slab, i));

			if (alone && phase == MA_SLOT_LEAVING)
				ma_slab_zero(slab, i);
			if (phase == MA_SLOT_LOST ||
			    (alone && (phase == MA_SLOT_REMOTE || phase == MA_SLOT_LEAVING)))
				ma_slab_put(slab, i);
		}
		ma_bins_settle(heap, slab);
	}
}

static ma_cold void search(struct ma_heap *heap, bool alone)
{
	for (unsigned i = 0; i < MA_NCLASSES; i++) {
		search_list(heap, heap->bin[i].avail, alone);
		search_list(heap, heap->bin[i].full, alone);
	}
}

bool ma_remote_collect(struct ma_heap *heap)
{
	bool overlooked = atomic_load_explicit(&heap->overlooked, memory_order_relaxed);

	if (ma_likely(!overlooked) &&
	    atomic_load_explicit(&heap->inbox, memory_order_relaxed) == NULL)
		return false;
	receive_all(heap, atomic_exchange_explicit(&heap->inbox, NULL, memory_order_acquire));
	if (overlooked && atomic_exchange(&heap->overlooked, false))
		search(heap, false);
	return true;
}

void ma_remote_open(struct ma_heap *heap)
{
	atomic_store(&heap->inbox, NULL);
}

void ma_remote_close(struct ma_heap *heap)
{
	receive_all(heap, atomic_exchange_explicit(&heap->inbox, &closed, memory_order_acquire));
	if (atomic_exchange(&heap->overlooked, false))
		search(heap, false);
}

void ma_remote_forked(struct ma_heap *heap)
{
	ma_remote_deliver(heap);
	(void)ma_remote_collect(heap);
}

void ma_remote_alone(struct ma_heap *heap)
{
	(void)ma_remote_collect(heap);
	search(heap, true);
}

const char *ma_remote_check(const struct ma_heap *heap)
{
	for (const struct ma_batch *b = atomic_load(&heap->inbox); b != NULL; b = b->next) {
		if (b == &closed)
			return "N2 the inbox of a heap with a thread is open";
		if (b->n == 0 || b->n > MA_BATCH)
			return "N1 a batch tells of at least one slot and at most what it holds";
	}
	for (size_t i = 0; i < MA_OUTBOXES; i++) {
		const struct ma_batch *b = heap->out[i].batch;

		for (uint32_t k = 0; b != NULL && k < b->n; k++)
			if (ma_slot_phase(ma_slab_load(slab_of(b->slot[k]), idx_of(b->slot[k]))) !=
			    MA_SLOT_REMOTE)
				return "N1 what is told of is remote";
	}
	return NULL;
}
