/*
 * Threads put the same stacks at the same time, each in an order of its own: all get the same
 * numbers, and read what was put the moment they have one.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "depot.h"

#define NTHREADS 4
#define NSTACKS 8192 /* a power of two */
#define LEN 8

static struct ma_depot depot;
static pthread_barrier_t barrier;

struct worker {
	pthread_t thread;
	size_t stride; /* odd */
	size_t nwrong;
	uint32_t id[NSTACKS];
};

static void make(size_t i, uintptr_t *pc)
{
	for (size_t k = 0; k < LEN; k++)
		pc[k] = (i + 1) * (k + 0x1000);
}

static void *work(void *arg)
{
	struct worker *worker = arg;

	(void)pthread_barrier_wait(&barrier);
	for (size_t step = 0; step < NSTACKS; step++) {
		size_t i = step * worker->stride % NSTACKS;
		uintptr_t pc[LEN], got[LEN];

		make(i, pc);
		worker->id[i] = ma_depot_put(&depot, pc, LEN);
		if (ma_depot_get(&depot, worker->id[i], got, LEN) != LEN ||
		    memcmp(pc, got, sizeof(pc)) != 0)
			worker->nwrong++;
	}
	return NULL;
}

static void test_threads(void **state)
{
	static struct worker workers[NTHREADS];

	(void)state;
	ma_depot_init(&depot);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, NTHREADS), 0);
	for (size_t t = 0; t < NTHREADS; t++) {
		workers[t].stride = t < 2 ? 1 : 2 * t + 1;
		assert_int_equal(pthread_create(&workers[t].thread, NULL, work, &workers[t]), 0);
	}
	for (size_t t = 0; t < NTHREADS; t++)
		assert_int_equal(pthread_join(workers[t].thread, NULL), 0);
	assert_null(ma_depot_check(&depot));
	assert_int_equal(depot.nrecords, NSTACKS);
	for (size_t t = 0; t < NTHREADS; t++) {
		assert_int_equal(workers[t].nwrong, 0);
		assert_memory_equal(workers[t].id, workers[0].id, sizeof(workers[0].id));
	}
	ma_depot_fini(&depot);
	(void)pthread_barrier_destroy(&barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("depot, threads", tests, NULL, NULL);
}
