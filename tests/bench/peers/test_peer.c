/*
 * test_peer - calls every function of the allocator that is preloaded: test_peer LIBRARY
 *
 * What and why: a lower bound that is wrong would still look fast. Objects must be aligned, lie
 * apart from each other, hold what was written to them until they are freed, and through
 * realloc(); what calloc() gives is zero even where memory was used before. Threads free what
 * others allocated. LIBRARY is the end of the path malloc() must come from: a test of the C
 * library would prove nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOBJECTS 2000
#define NTHREADS 4
#define NROUNDS 20000

struct object {
	unsigned char *bytes;
	size_t size;
	unsigned char mark;
};

static _Atomic(unsigned char *) shared[NTHREADS];

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(bool holds, const char *what, int line)
{
	if (holds)
		return;
	(void)fprintf(stderr, "test_peer: line %d: %s\n", line, what);
	_Exit(1);
}

static uint32_t draw(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*state >> 33);
}

/* Small ones mostly, now and then up to a few MiB. */
static size_t random_size(uint64_t *state)
{
	size_t most = (size_t)1 << draw(state) % (draw(state) % 50 == 0 ? 23 : 11);

	return draw(state) % most;
}

static bool all_are(const unsigned char *bytes, size_t size, unsigned char value)
{
	return size == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static bool is_aligned(const void *ptr, size_t alignment)
{
	return ptr != NULL && (uintptr_t)ptr % alignment == 0;
}

static void *call_posix_memalign(size_t alignment, size_t size)
{
	void *ptr = NULL;

	CHECK(posix_memalign(&ptr, alignment, size) == 0);
	return ptr;
}

/* Of the calls that take an alignment one in turn. */
static void *allocate_aligned(uint64_t *state, size_t size)
{
	size_t alignment = (size_t)8 << draw(state) % 14;
	unsigned which = draw(state) % 4;
	void *ptr;

	if (which == 0)
		ptr = call_posix_memalign(alignment, size);
	else if (which == 1)
		ptr = aligned_alloc(alignment, size);
	else if (which == 2)
		ptr = memalign(alignment, size);
	else
		ptr = valloc(size);
	CHECK(is_aligned(ptr, which == 3 ? 4096 : alignment));
	return ptr;
}

static unsigned char *allocate(uint64_t *state, size_t size)
{
	unsigned which = draw(state) % 4;
	void *ptr;

	if (which == 0)
		return allocate_aligned(state, size);
	ptr = which == 1 ? calloc(1, size) : which == 2 ? malloc(size) : realloc(NULL, size);
	CHECK(is_aligned(ptr, 16));
	CHECK(which != 1 || all_are(ptr, size, 0));
	return ptr;
}

static void mark(struct object *object, uint64_t *state)
{
	CHECK(malloc_usable_size(object->bytes) >= object->size);
	object->size = malloc_usable_size(object->bytes);
	object->mark = (unsigned char)draw(state);
	memset(object->bytes, object->mark, object->size);
}

static void resize(struct object *object, uint64_t *state)
{
	size_t size = random_size(state) + 1;
	size_t kept = size < object->size ? size : object->size;
	bool plain = draw(state) % 2 != 0;

	object->bytes = plain ? realloc(object->bytes, size) : reallocarray(object->bytes, size, 1);
	CHECK(is_aligned(object->bytes, 8));
	CHECK(all_are(object->bytes, kept, object->mark));
	object->size = size;
	mark(object, state);
}

static void *random_calls(void *argument)
{
	uint64_t state = (uintptr_t)argument;
	struct object *objects = calloc(NOBJECTS, sizeof(*objects));

	for (int i = 0; i < NROUNDS; i++) {
		struct object *object = &objects[draw(&state) % NOBJECTS];

		CHECK(all_are(object->bytes, object->size, object->mark));
		if (object->bytes != NULL && draw(&state) % 3 == 0) {
			resize(object, &state);
			continue;
		}
		free(atomic_exchange(&shared[draw(&state) % NTHREADS], object->bytes));
		object->size = random_size(&state);
		object->bytes = allocate(&state, object->size);
		mark(object, &state);
	}
	for (int i = 0; i < NOBJECTS; i++) {
		CHECK(all_are(objects[i].bytes, objects[i].size, objects[i].mark));
		free(objects[i].bytes);
	}
	free(objects);
	return NULL;
}

/* What is freed has been written to: zero it, also where it is large. */
static void test_zero(void)
{
	for (size_t size = 1; size <= (size_t)4 << 20; size += size / 2 + 1) {
		unsigned char *dirty = malloc(size);

		CHECK(is_aligned(dirty, 16));
		free(memset(dirty, 255, size));
		dirty = calloc(size, 1);
		CHECK(dirty != NULL && all_are(dirty, size, 0));
		free(dirty);
	}
}

/* Byte by byte, then in leaps; what was there stays. */
static void test_realloc(void)
{
	struct object object = {NULL, 0, 7};

	for (size_t size = 1; size <= (size_t)64 << 20; size += size < 5000 ? 1 : size / 3) {
		object.bytes = realloc(object.bytes, size);
		CHECK(is_aligned(object.bytes, 16));
		CHECK(all_are(object.bytes, object.size, object.mark));
		memset(object.bytes, object.mark, size);
		object.size = size;
	}
	object.bytes = realloc(object.bytes, 10);
	CHECK(all_are(object.bytes, 10, object.mark));
	free(object.bytes);
}

static void test_refusals(void)
{
	volatile size_t huge = SIZE_MAX;
	void *ptr = NULL;
	void *volatile kept = malloc(1);

	errno = 0;
	CHECK(malloc(huge) == NULL && errno == ENOMEM);
	CHECK(malloc(huge / 2) == NULL);
	CHECK(calloc(huge / 2, 3) == NULL && calloc(huge, 1) == NULL);
	CHECK(realloc(kept, huge - 30) == NULL);
	CHECK(reallocarray(kept, huge / 2, 3) == NULL);
	CHECK(aligned_alloc(64, huge - 62) == NULL && valloc(huge) == NULL);
	CHECK(memalign(huge / 2 + 1, huge / 2 + 1) == NULL && pvalloc(huge) == NULL);
	errno = 0;
	CHECK(posix_memalign(&ptr, 24, 1) == EINVAL && posix_memalign(&ptr, 4, 1) == EINVAL);
	CHECK(posix_memalign(&ptr, 64, huge) == ENOMEM && ptr == NULL && errno == 0);
	CHECK(malloc_usable_size(NULL) == 0);
	free(NULL);
	free(kept);
}

static void test_origin(const char *library)
{
	Dl_info info;
	size_t length;

	CHECK(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) != 0);
	length = strlen(info.dli_fname);
	CHECK(length >= strlen(library));
	CHECK(strcmp(info.dli_fname + length - strlen(library), library) == 0);
}

int main(int argc, char **argv)
{
	pthread_t threads[NTHREADS];

	CHECK(argc == 2);
	test_origin(argv[1]);
	test_zero();
	test_realloc();
	test_refusals();
	for (uintptr_t i = 0; i < NTHREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, random_calls, (void *)(i + 1)) == 0);
	for (int i = 0; i < NTHREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (int i = 0; i < NTHREADS; i++)
		free(shared[i]);
	return 0;
}
