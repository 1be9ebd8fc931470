#include <stdlib.h>

#include "heap_fixture.h"

struct rooms rooms;

struct ma_instance_config rooms_config(void)
{
	const struct ma_instance_config config = {
		.pool = {.retain = (size_t)256 * 1024, .age_ms = 1000},
		.slab = {.fill_max = MA_FILL_MAX},
		.quarantine = {.bytes = SIZE_MAX},
		.seed = 1,
	};

	return config;
}

void rooms_start(const struct ma_instance_config *config)
{
	ma_canary_init(0x0123456789abcdef);
	assert_true(ma_pagemap_init(&rooms.map));
	ma_instance_init(&rooms.inst, config, &rooms.map);
	rooms.a = ma_heap_acquire(&rooms.inst);
	rooms.b = ma_heap_acquire(&rooms.inst);
	assert_non_null(rooms.a);
	assert_non_null(rooms.b);
}

void rooms_end(void)
{
	size_t stranded = rooms.inst.pool.counts.stranded;

	ma_instance_fini(&rooms.inst);
	ma_pagemap_fini(&rooms.map);
	rooms.a = NULL;
	rooms.b = NULL;
	assert_int_equal(os_fake_mapped(), stranded);
}

const char *rooms_check(void)
{
	const char *broken = ma_pagemap_check(&rooms.map);

	if (broken == NULL)
		broken = ma_instance_check(&rooms.inst, rooms.a);
	if (broken == NULL && rooms.b != NULL)
		broken = ma_heap_check(rooms.b);
	return broken;
}

int rooms_setup(void **state)
{
	const struct ma_instance_config config = rooms_config();

	(void)fixture_reset(state);
	rooms_start(&config);
	return 0;
}

int rooms_teardown(void **state)
{
	const char *broken = rooms_check();

	if (broken != NULL) {
		print_error("%s\n", broken);
		return -1;
	}
	if (os_fake_written()[0] != '\0') {
		print_error("%s", os_fake_written());
		return -1;
	}
	(void)state;
	rooms_end();
	return 0;
}

struct ma_block *block_of(const void *ptr)
{
	struct ma_block *block = ma_pagemap_get(&rooms.map, (uintptr_t)ptr);

	assert_non_null(block);
	return block;
}

struct ma_slab *slab_of(const void *ptr)
{
	struct ma_block *block = block_of(ptr);

	if (block == NULL)
		abort();
	assert_int_equal(block->kind, MA_BLOCK_SLAB);
	return ma_slab_of(block);
}

uint32_t slot_of(const void *ptr)
{
	const struct ma_slab *slab = slab_of(ptr);
	size_t offset = (size_t)((const char *)ptr - ma_slab_base(slab));

	assert_int_equal(offset % slab->slot, 0);
	return (uint32_t)(offset / slab->slot);
}

bool is_filled(const void *ptr, size_t size, unsigned char value)
{
	const unsigned char *bytes = ptr;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != value)
			return false;
	return true;
}
