/*
 * rooms - what the tests of the pool's rooms share: a store, a map and a pool, on a fresh fake OS.
 *
 * What and why: each test states its rules with assert_valid(), after every step, and ends with
 * rooms_close(), which shows that nothing stays mapped.
 */
#ifndef TESTS_ROOMS_H
#define TESTS_ROOMS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decay.h"
#include "direct.h"
#include "os.h"
#include "os_fake.h"
#include "pool.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

struct rooms {
	struct ma_meta meta;
	struct ma_pagemap map;
	struct ma_pool pool;
};

/** assert_valid() - a validator answers NULL; else its text is the failure. */
#define assert_valid(check)                             \
	do {                                            \
		const char *valid_ = (check);           \
		if (valid_ != NULL)                     \
			fail_msg("broken: %s", valid_); \
	} while (0)

/** assert_breaks() - a validator's answer starts with @rule. */
#define assert_breaks(rule, check)                                                \
	do {                                                                      \
		const char *breaks_ = (check);                                    \
		if (breaks_ == NULL || strncmp(breaks_, rule, strlen(rule)) != 0) \
			fail_msg("expected \"%s\", not: %s", rule,                \
				 breaks_ != NULL ? breaks_ : "all is well");      \
	} while (0)

/** assert_corrupt() - with @field set to @value, @check answers @rule; the field is restored. */
#define assert_corrupt(rule, field, value, check)        \
	do {                                             \
		__typeof__(field) corrupt_ = (field);    \
		(field) = (__typeof__(corrupt_))(value); \
		assert_breaks(rule, check);              \
		(field) = corrupt_;                      \
		assert_valid(check);                     \
	} while (0)

/** rooms_valid() - all the validators of the rooms. */
static inline const char *rooms_valid(struct rooms *rooms)
{
	const char *broken = ma_pool_check(&rooms->pool);

	if (broken == NULL)
		broken = ma_pagemap_check(&rooms->map);
	return broken != NULL ? broken : ma_meta_check(&rooms->meta);
}

/** rooms_open() - an empty pool, in a fake OS that was reset before. */
static inline void rooms_open(struct rooms *rooms, const struct ma_pool_config *config)
{
	ma_meta_init(&rooms->meta);
	assert_true(ma_pagemap_init(&rooms->map));
	ma_pool_init(&rooms->pool, config, &rooms->meta, &rooms->map);
	assert_valid(rooms_valid(rooms));
}

/** rooms_open_policy() - the same, by policy, with a first region of 256 KiB, or of four pages. */
static inline void rooms_open_policy(struct rooms *rooms, enum ma_fit_policy fit)
{
	const struct ma_pool_config config = {
		.fit = fit,
		.first = ma_max(256 * KIB, 4 * ma_os_page_size()),
		.age_ms = 1000,
	};

	rooms_open(rooms, &config);
}

/** rooms_close() - everything ends; nothing stays mapped but what an unmap was refused for. */
static inline void rooms_close(struct rooms *rooms)
{
	assert_valid(rooms_valid(rooms));
	ma_pool_fini(&rooms->pool);
	assert_valid(rooms_valid(rooms));
	ma_pagemap_fini(&rooms->map);
	ma_meta_fini(&rooms->meta);
	if (os_fake_refused() == 0)
		assert_int_equal(os_fake_mapped(), 0);
}

/** rooms_alloc() - a large block of @size bytes at a multiple of @align. */
static inline struct ma_block *rooms_alloc(struct rooms *rooms, size_t size, size_t align)
{
	const struct ma_pool_request req = {.size = size, .align = align, .kind = MA_BLOCK_LARGE};

	return ma_pool_alloc(&rooms->pool, &req);
}

/** rooms_pages() - a large block of @npages pages, which must be there. */
static inline struct ma_block *rooms_pages(struct rooms *rooms, size_t npages)
{
	size_t page = rooms->pool.page;
	struct ma_block *block = rooms_alloc(rooms, npages * page, page);

	assert_non_null(block);
	return block;
}

/** rooms_random() - the next number of a sequence (xorshift); @state > 0. */
static inline uint64_t rooms_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/** rooms_below() - a number below @n. */
static inline size_t rooms_below(uint64_t *state, size_t n)
{
	return (size_t)(rooms_random(state) >> 16) % n;
}

/* What a test writes into its blocks, at both ends of each page. */
static inline uint64_t rooms_token(uint64_t seed, size_t offset)
{
	return (seed + 1) * 0x9e3779b97f4a7c15u ^ offset;
}

/** rooms_fill() - write to both ends of each page of a block. */
static inline void rooms_fill(const struct rooms *rooms, struct ma_block *block, uint64_t seed)
{
	char *ptr = ma_block_ptr(block);

	for (size_t i = 0; i < block->size; i += rooms->pool.page) {
		uint64_t first = rooms_token(seed, i);
		uint64_t last = ~first;

		memcpy(ptr + i, &first, sizeof(first));
		memcpy(ptr + i + rooms->pool.page - sizeof(last), &last, sizeof(last));
	}
}

/** rooms_intact() - whether the first @size bytes of a block hold what was written. */
static inline bool rooms_intact(const struct rooms *rooms, const struct ma_block *block,
				uint64_t seed, size_t size)
{
	const char *ptr = ma_block_ptr(block);

	for (size_t i = 0; i < size; i += rooms->pool.page) {
		uint64_t first = rooms_token(seed, i);
		uint64_t last = ~first;

		if (memcmp(ptr + i, &first, sizeof(first)) != 0 ||
		    memcmp(ptr + i + rooms->pool.page - sizeof(last), &last, sizeof(last)) != 0)
			return false;
	}
	return true;
}

/** rooms_reads_zero() - whether all of [ptr, ptr + size) is zero. */
static inline bool rooms_reads_zero(const void *ptr, size_t size)
{
	const unsigned char *bytes = ptr;

	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/** rooms_fresh() - a cmocka setup function: a fresh fake OS. */
static inline int rooms_fresh(void **state)
{
	(void)state;
	os_fake_reset();
	return 0;
}

#endif
