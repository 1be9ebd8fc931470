/*
 * slab_fixture - slabs without a heap: what the tests of slabs and of what holds slots share.
 *
 * What and why: the test is the owner. It makes slabs by a policy of its own, and takes and frees
 * slots in the way the heap does.
 */
#ifndef TESTS_SLAB_FIXTURE_H
#define TESTS_SLAB_FIXTURE_H

#include "heap_fixture.h"
#include "slab.h"

static struct ma_random slab_random;
static struct ma_slab_policy slab_policy;
static const struct ma_slab_source slab_source = {
	.pool = &rooms.inst.pool,
	.waitlist = &rooms.inst.waitlist,
	.policy = &slab_policy,
	.random = &slab_random,
};

/** slab_setup() - a cmocka setup function: rooms_setup(), and the policy of its instance. */
static inline int slab_setup(void **state)
{
	ma_random_init(&slab_random, 7);
	slab_policy = rooms_config().slab;
	return rooms_setup(state);
}

/** make() - a slab with slots of exactly @slot bytes. */
static inline struct ma_slab *make(size_t slot)
{
	struct ma_slab *slab = ma_slab_create(&slab_source, ma_class_of(slot), 0);

	assert_non_null(slab);
	assert_int_equal(slab->slot, slot);
	return slab;
}

/** arm() - a live object of @size bytes. */
static inline void *arm(struct ma_slab *slab, size_t size)
{
	return ma_slab_arm(slab, ma_slab_take(slab), size);
}

/** proven() - the slot of a live, undamaged object. */
static inline struct ma_slot proven(const struct ma_slab *slab, const void *ptr)
{
	struct ma_slot slot = {0, 0, 0};

	assert_int_equal(ma_slab_prove(slab, ptr, &slot), MA_PROOF_OK);
	return slot;
}

/** retire() - a live object is freed, and its slot waits. */
static inline void retire(struct ma_slab *slab, const void *ptr)
{
	uint32_t idx = slot_of(ptr);

	ma_slab_retire(slab, idx, ma_slab_load(slab, idx));
}

/** put() - a live object is freed, as the owner does without quarantine. */
static inline void put(struct ma_slab *slab, const void *ptr)
{
	retire(slab, ptr);
	ma_slab_put(slab, slot_of(ptr));
}

/** destroy() - the end of a slab that has no slot in use. */
static inline void destroy(struct ma_slab *slab)
{
	assert_sound(ma_slab_check(slab));
	(void)ma_slab_destroy(slab, &rooms.inst.waitlist);
}

#endif
