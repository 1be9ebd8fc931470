/*
 * Two threads that allocate for each other: what one makes goes through a ring to the other, which
 * frees it, in both directions at once. So every free is of another thread's object, and memory
 * must find its way back. Of more threads, each sends to the next one, the last to the first. Rings
 * have one writer and one reader, no lock, and are filled and emptied in batches; a thread that can
 * do neither lets others run.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bench.h"

#define NOBJECTS ((size_t)7000000) /* of all threads */
#define NTHREADS_MAX 64
#define NRING ((size_t)4096)
#define BATCH ((size_t)256)
#define SIZE_MIN ((size_t)16)
#define SIZE_LARGEST ((size_t)256)
#define LINE 128

/* Both counts only grow; each has cache lines of its own. */
struct ring {
	_Alignas(LINE) atomic_size_t nput;
	_Alignas(LINE) atomic_size_t ntaken;
	_Alignas(LINE) void *objects[NRING];
};

struct side {
	struct ring *out, *in;
	struct bench_random random;
	size_t nobjects; /* to send, and to receive */
	size_t nsent, nreceived;
};

static struct ring rings[NTHREADS_MAX];
static struct side sides[NTHREADS_MAX];

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* As many as there is room for, at most a batch. Only this thread changes nput. */
static size_t send_batch(struct side *side)
{
	struct ring *ring = side->out;
	size_t nput = atomic_load_explicit(&ring->nput, memory_order_relaxed);
	size_t room = NRING - (nput - atomic_load_explicit(&ring->ntaken, memory_order_acquire));
	size_t n = least(least(room, BATCH), side->nobjects - side->nsent);

	for (size_t i = 0; i < n; i++) {
		void *ptr = bench_malloc(bench_between(&side->random, SIZE_MIN, SIZE_LARGEST));

		bench_mark(ptr, side->nsent + i);
		ring->objects[(nput + i) % NRING] = ptr;
	}
	atomic_store_explicit(&ring->nput, nput + n, memory_order_release);
	side->nsent += n;
	return n;
}

/* As many as there are, at most a batch. Only this thread changes ntaken. */
static size_t receive_batch(struct side *side)
{
	struct ring *ring = side->in;
	size_t ntaken = atomic_load_explicit(&ring->ntaken, memory_order_relaxed);
	size_t there = atomic_load_explicit(&ring->nput, memory_order_acquire) - ntaken;
	size_t n = least(there, BATCH);

	for (size_t i = 0; i < n; i++)
		bench_free(ring->objects[(ntaken + i) % NRING], side->nreceived + i);
	atomic_store_explicit(&ring->ntaken, ntaken + n, memory_order_release);
	side->nreceived += n;
	return n;
}

static bool is_done(const struct side *side)
{
	return side->nsent == side->nobjects && side->nreceived == side->nobjects;
}

static void *run(void *with)
{
	struct side *side = with;

	while (!is_done(side)) {
		size_t n = send_batch(side);

		n += receive_batch(side);
		if (n == 0)
			(void)sched_yield();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct bench_option nthreads = {"THREADS", 2, 2, NTHREADS_MAX};
	size_t nobjects = bench_scaled_with(argc, argv, NOBJECTS, &nthreads);
	size_t n = nthreads.value;
	pthread_t threads[NTHREADS_MAX];

	for (size_t t = 0; t < n; t++)
		sides[t] = (struct side){.out = &rings[t],
					 .in = &rings[(t + n - 1) % n],
					 .random = bench_seeded(t + 1),
					 .nobjects = bench_share(nobjects, n)};
	for (size_t t = 0; t < n; t++)
		threads[t] = bench_start(run, &sides[t]);
	for (size_t t = 0; t < n; t++)
		bench_join(threads[t]);
	return 0;
}
