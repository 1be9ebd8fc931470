/*
 * Eight threads allocate, resize, hand over and free at random while others end and are replaced.
 *
 * Every object is filled with a token made of its address, its size and the thread that wrote it: a
 * small one as a whole, a large one at its head, its tail and in strides. The token is proven
 * before each resize and each free, wherever that happens, and the heap is checked after each burst
 * and, now and then, in a forked child. Choices depend on the seed alone; how threads interleave
 * does not.
 *
 *      stress_threads [seconds [seed]]
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "memalloc.h"

#define NTHREADS 8
#define NOBJECTS 384
#define NMAIL 64
#define BURST 4000
#define LIFE_MAX 4
#define WHOLE ((size_t)2048)
#define EDGE ((size_t)128)

struct object {
	unsigned char *ptr; /* NULL: none */
	size_t size;        /* bytes requested */
	uint64_t token;     /* what it is filled with */
};

struct mailbox {
	pthread_mutex_t lock;
	struct object mail[NMAIL];
	size_t n;
};

/* Outlives its threads: each one takes over what the one before left. */
struct worker {
	unsigned id;
	unsigned life; /* threads that were this worker */
	uint64_t random;
	struct object objects[NOBJECTS];
	pthread_t thread;
	uint64_t nops, nforks;
};

static struct worker workers[NTHREADS];
static struct mailbox mailboxes[NTHREADS];
static uint64_t deadline_ms;

static void fail(const char *what, const void *ptr, size_t size)
{
	(void)fprintf(stderr, "stress_threads: %s: %p, %zu bytes\n", what, ptr, size);
	abort();
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t below(struct worker *w, size_t n)
{
	return next(&w->random) % n;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static uint64_t token_of(const struct worker *w, const void *ptr, size_t size)
{
	uint64_t state = (uintptr_t)ptr ^ (size << 20) ^ ((uint64_t)w->id << 60);

	return next(&state);
}

static unsigned char byte_at(uint64_t token, size_t i)
{
	return (unsigned char)(token >> (i % 8 * 8) ^ i / 8);
}

/* The next byte that is written or proven: all of a small object, some of a large one. */
static size_t step(size_t i, size_t size)
{
	if (size <= WHOLE || i + 1 < EDGE || i + 1 >= size - EDGE)
		return i + 1;
	i += size < 1024 * 1024 ? 1021 : 65521;
	return i < size - EDGE ? i : size - EDGE;
}

static void fill(struct worker *w, struct object *object)
{
	object->token = token_of(w, object->ptr, object->size);
	for (size_t i = 0; i < object->size; i = step(i, object->size))
		object->ptr[i] = byte_at(object->token, i);
}

/* @ptr holds what @object held, up to @limit bytes. */
static void prove(const struct object *object, const unsigned char *ptr, size_t limit)
{
	for (size_t i = 0; i < object->size && i < limit; i = step(i, object->size))
		if (ptr[i] != byte_at(object->token, i))
			fail("contents changed", ptr + i, object->size);
}

static void prove_zero(const struct object *object)
{
	for (size_t i = 0; i < object->size; i = step(i, object->size))
		if (object->ptr[i] != 0)
			fail("calloc gave a byte that is not zero", object->ptr, object->size);
}

/* ---- operations ------------------------------------------------------------------------------ */

static size_t random_size(struct worker *w)
{
	size_t dice = below(w, 1000);

	if (dice < 900)
		return below(w, 512);
	if (dice < 980)
		return below(w, 32 * 1024);
	if (dice < 998)
		return below(w, 1024 * 1024);
	return below(w, 48 * 1024 * 1024);
}

static void prove_pointer(const struct object *object, size_t align)
{
	if (object->ptr == NULL)
		fail("no memory", NULL, object->size);
	if ((uintptr_t)object->ptr % align != 0)
		fail("misaligned", object->ptr, object->size);
	if (custom_usable_size(object->ptr) != object->size)
		fail("usable size differs", object->ptr, object->size);
}

static void make(struct worker *w, struct object *object)
{
	size_t align = (size_t)16 << below(w, below(w, 8) == 0 ? 12 : 4);
	bool zero = below(w, 4) == 0;

	object->size = random_size(w);
	if (zero)
		object->ptr = custom_calloc(1, object->size);
	else if (align > 16)
		object->ptr = custom_aligned_alloc(align, object->size);
	else
		object->ptr = custom_malloc(object->size);
	prove_pointer(object, zero ? 16 : align);
	if (zero)
		prove_zero(object);
	fill(w, object);
}

static void end(struct object *object)
{
	if (object->ptr == NULL)
		return;
	prove(object, object->ptr, object->size);
	custom_free(object->ptr);
	object->ptr = NULL;
}

static void resize(struct worker *w, struct object *object)
{
	size_t size = 1 + (below(w, 4) == 0 ? random_size(w) : below(w, object->size + 64));
	struct object before = *object;

	prove(object, object->ptr, object->size);
	object->ptr = custom_realloc(object->ptr, size);
	object->size = size;
	prove_pointer(object, 16);
	prove(&before, object->ptr, size);
	fill(w, object);
}

static void hand_over(struct worker *w, struct object *object)
{
	struct mailbox *box = &mailboxes[below(w, NTHREADS)];

	(void)pthread_mutex_lock(&box->lock);
	if (box->n < NMAIL) {
		box->mail[box->n++] = *object;
		object->ptr = NULL;
	}
	(void)pthread_mutex_unlock(&box->lock);
}

static void take_mail(struct mailbox *box, struct object *mail, size_t *n)
{
	(void)pthread_mutex_lock(&box->lock);
	*n = box->n;
	memcpy(mail, box->mail, *n * sizeof(*mail));
	box->n = 0;
	(void)pthread_mutex_unlock(&box->lock);
}

/* Some is kept, to be resized here later; the rest is freed. */
static void open_mail(struct worker *w)
{
	struct object mail[NMAIL];
	size_t n;

	take_mail(&mailboxes[w->id], mail, &n);
	for (size_t i = 0; i < n; i++) {
		struct object *object = &w->objects[below(w, NOBJECTS)];

		if (object->ptr == NULL)
			*object = mail[i];
		else
			end(&mail[i]);
	}
}

static void operate(struct worker *w)
{
	struct object *object = &w->objects[below(w, NOBJECTS)];
	size_t dice = below(w, 16);

	w->nops++;
	if (object->ptr == NULL)
		make(w, object);
	else if (dice < 8)
		end(object);
	else if (dice < 11)
		resize(w, object);
	else
		hand_over(w, object);
	if (dice == 15)
		open_mail(w);
}

/* ---- bursts ---------------------------------------------------------------------------------- */

static void check(void)
{
	const char *broken = memalloc_check();

	if (broken != NULL)
		fail(broken, NULL, 0);
}

static int child(struct worker *w)
{
	check();
	for (size_t i = 0; i < NOBJECTS; i += 2)
		end(&w->objects[i]);
	for (int i = 0; i < 1000; i++)
		operate(w);
	(void)memalloc_compact();
	check();
	return 0;
}

/* The others go on meanwhile; mailboxes are held so that the child finds their locks in order. */
static void fork_and_check(struct worker *w)
{
	int status = 0;
	pid_t pid;

	for (int i = 0; i < NTHREADS; i++)
		(void)pthread_mutex_lock(&mailboxes[i].lock);
	pid = fork();
	for (int i = 0; i < NTHREADS; i++)
		(void)pthread_mutex_unlock(&mailboxes[i].lock);
	if (pid == 0) {
		(void)alarm(30);
		_exit(child(w));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		fail("a forked child failed", NULL, (size_t)status);
	w->nforks++;
}

static void look_around(struct worker *w)
{
	struct memalloc_statistics stats;

	memalloc_stats(&stats);
	if (stats.mapped < stats.free || stats.mapped == 0)
		fail("statistics make no sense", NULL, stats.mapped);
	if (below(w, 4) == 0)
		(void)memalloc_trim(0);
	if (below(w, 4) == 0)
		(void)memalloc_compact();
}

static void *live(void *arg)
{
	struct worker *w = arg;
	size_t nbursts = 1 + below(w, LIFE_MAX);

	for (size_t i = 0; i < nbursts && now_ms() < deadline_ms; i++) {
		for (int k = 0; k < BURST; k++)
			operate(w);
		check();
		if (below(w, 4) == 0)
			look_around(w);
		if (below(w, 24) == 0)
			fork_and_check(w);
	}
	return NULL;
}

static void start(struct worker *w)
{
	w->life++;
	if (pthread_create(&w->thread, NULL, live, w) != 0)
		fail("no thread", NULL, 0);
}

static void init(uint64_t seed)
{
	for (unsigned i = 0; i < NTHREADS; i++) {
		workers[i].id = i;
		workers[i].random = seed + i;
		(void)pthread_mutex_init(&mailboxes[i].lock, NULL);
	}
}

/* Nothing is left: every slot came back, whoever freed it. */
static void finish(void)
{
	struct memalloc_statistics stats;

	for (unsigned i = 0; i < NTHREADS; i++) {
		open_mail(&workers[i]);
		for (size_t k = 0; k < NOBJECTS; k++)
			end(&workers[i].objects[k]);
	}
	(void)memalloc_compact();
	check();
	memalloc_stats(&stats);
	if (stats.live_objects != 0 || stats.slabs != 0 || stats.large != 0)
		fail("something is left", NULL, stats.slabs + stats.large);
}

static void summary(uint64_t seed)
{
	uint64_t nops = 0, nforks = 0, lives = 0;

	for (unsigned i = 0; i < NTHREADS; i++) {
		nops += workers[i].nops;
		nforks += workers[i].nforks;
		lives += workers[i].life;
	}
	(void)printf("%llu operations, %llu threads, %llu forks, seed %llu: ok\n",
		     (unsigned long long)nops, (unsigned long long)lives,
		     (unsigned long long)nforks, (unsigned long long)seed);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 10;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	init(seed);
	deadline_ms = now_ms() + seconds * 1000;
	for (unsigned i = 0; i < NTHREADS; i++)
		start(&workers[i]);
	/* Joined in turn, not as they end: some workers pause meanwhile, their mail piles up. */
	for (unsigned i = 0; now_ms() < deadline_ms; i = (i + 1) % NTHREADS) {
		(void)pthread_join(workers[i].thread, NULL);
		start(&workers[i]);
	}
	for (unsigned i = 0; i < NTHREADS; i++)
		(void)pthread_join(workers[i].thread, NULL);
	finish();
	summary(seed);
	return 0;
}
