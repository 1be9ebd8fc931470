/*
 * growth - how the cost of an operation grows.
 *
 *      growth threads N      N threads, each replaces objects of a table of its own
 *      growth live N         N small objects are live
 *      growth heap BYTES     objects of mixed sizes that sum up to BYTES are live
 *
 * What and why: an allocator may be fast as long as there is little of everything, and search,
 * wait, or miss the processor's caches later. The operation is always the same: an object that is
 * chosen at random is freed, another of a random size is allocated in its place and written to.
 * The number of operations is the same for every N, so that times of different N compare.
 *
 * How: tables are mapped, not allocated. Random numbers begin with the same seed every time. What
 * fills the tables is not timed. The system is asked now and then how much memory it has left, off
 * the clock: a program that it kills prints no number.
 *
 * Prints a line; its first number is the CPU time per operation in nanoseconds, of all threads and
 * of the kernel for them. Exit code: 77 if there is not enough memory, 2 if the command is bad.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define OPERATIONS 2000000
#define HEAP_OPERATIONS 200000 /* which write to new pages more often than not */
#define SLICES 10              /* of the operations; memory is looked at in between */
#define LOOK_BYTES ((size_t)64 << 20)
#define TABLE 1000 /* a thread's objects */
#define THREADS_MOST 1024
#define LIVE_MOST 1000000000
#define HEAP_MOST ((uint64_t)1 << 40)
#define SMALLEST 64 /* of a heap of mixed sizes: ten doublings, up to 64 KiB */
#define NDOUBLINGS 10

enum { BAD_COMMAND = 2, TOO_LITTLE_MEMORY = 77 };

/* Objects, and what chooses the next one. */
struct table {
	unsigned char **objects;
	size_t nobjects;
	uint64_t state;
	size_t (*size)(struct table *table);
};

static pthread_barrier_t barrier;

_Noreturn static void stop(int code, const char *why)
{
	(void)fprintf(stderr, "growth: %s\n", why);
	_exit(code);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* A line of /proc/meminfo in bytes; 0 if it is not there. */
static uint64_t meminfo(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line != NULL ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

/* Leave the system a sixteenth of its memory. */
static void look_at_memory(void)
{
	char text[512] = "";
	int file = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t length = file >= 0 ? read(file, text, sizeof(text) - 1) : -1;
	uint64_t total = meminfo(text, "MemTotal:");

	if (file >= 0)
		(void)close(file);
	if (length > 0 && meminfo(text, "MemAvailable:") < total / 16)
		stop(TOO_LITTLE_MEMORY, "there is too little memory left");
}

static void *mapped(size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (memory == MAP_FAILED)
		stop(TOO_LITTLE_MEMORY, "there is no memory for the table");
	return memory;
}

/* ---- operations ------------------------------------------------------------------------------ */

/* The upper bits of what xorshift64* makes. */
static uint32_t draw(struct table *table)
{
	uint64_t state = table->state;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	table->state = state;
	return (uint32_t)((state * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

static size_t below(struct table *table, size_t bound)
{
	return (size_t)(((uint64_t)draw(table) * bound) >> 32);
}

static size_t small_size(struct table *table)
{
	return 16 + below(table, 49);
}

/* Every doubling is as frequent as the others. */
static size_t mixed_size(struct table *table)
{
	size_t least = (size_t)SMALLEST << below(table, NDOUBLINGS);

	return least + below(table, least + 1);
}

/* Allocate an object, and write to its first and last byte; returns its size. */
static size_t fill(struct table *table, size_t at)
{
	size_t size = table->size(table);
	unsigned char *object = malloc(size);

	if (object == NULL)
		stop(TOO_LITTLE_MEMORY, "malloc() has no more memory");
	object[0] = 1;
	object[size - 1] = 1;
	table->objects[at] = object;
	return size;
}

static void replace(struct table *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = below(table, table->nobjects);

		free(table->objects[at]);
		(void)fill(table, at);
	}
}

/* Fill up to the table's end, or to the sum of sizes; returns the number of objects. */
static size_t fill_up_to(struct table *table, size_t most, uint64_t bytes)
{
	uint64_t sum = 0, look = 0;
	size_t n = 0;

	while (n < most && sum < bytes) {
		if (sum >= look) {
			look_at_memory();
			look += LOOK_BYTES;
		}
		sum += fill(table, n++);
	}
	return n;
}

/* ---- the clock ------------------------------------------------------------------------------- */

static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void print(const char *kind, uint64_t point, uint64_t ns, size_t operations)
{
	printf("%.2f ns of CPU time per operation: %s %llu, %zu operations\n",
	       (double)ns / (double)operations, kind, (unsigned long long)point, operations);
}

/* The time of @operations. */
static uint64_t measure(struct table *table, size_t operations)
{
	uint64_t ns = 0;

	for (int i = 0; i < SLICES; i++) {
		uint64_t start;

		look_at_memory();
		start = cpu_ns();
		replace(table, operations / SLICES);
		ns += cpu_ns() - start;
	}
	return ns;
}

/* ---- the three kinds ------------------------------------------------------------------------- */

static void live(uint64_t count)
{
	struct table table = {.nobjects = count, .state = 1, .size = small_size};

	table.objects = mapped(count * sizeof(*table.objects));
	(void)fill_up_to(&table, count, UINT64_MAX);
	print("live", count, measure(&table, OPERATIONS), OPERATIONS);
}

static void heap(uint64_t bytes)
{
	struct table table = {.state = 1, .size = mixed_size};
	size_t most = bytes / SMALLEST + 1;

	table.objects = mapped(most * sizeof(*table.objects));
	table.nobjects = fill_up_to(&table, most, bytes);
	print("heap", bytes, measure(&table, HEAP_OPERATIONS), HEAP_OPERATIONS);
}

/* A thread: at the first barrier all are ready, at the second the clock runs. */
static void *replacer(void *argument)
{
	struct table *table = argument;
	size_t operations = table->nobjects;

	table->nobjects = fill_up_to(table, TABLE, UINT64_MAX);
	replace(table, TABLE);
	(void)pthread_barrier_wait(&barrier);
	(void)pthread_barrier_wait(&barrier);
	replace(table, operations);
	(void)pthread_barrier_wait(&barrier);
	return NULL;
}

static void run_threads(uint64_t count)
{
	static pthread_t running[THREADS_MOST];
	static struct table tables[THREADS_MOST];
	size_t each = OPERATIONS / count;
	uint64_t start, ns;

	(void)pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
	for (size_t i = 0; i < count; i++) {
		tables[i] = (struct table){.nobjects = each, .state = i + 1, .size = small_size};
		tables[i].objects = mapped(TABLE * sizeof(*tables[i].objects));
		if (pthread_create(&running[i], NULL, replacer, &tables[i]) != 0)
			stop(TOO_LITTLE_MEMORY, "there are no more threads");
	}
	(void)pthread_barrier_wait(&barrier);
	start = cpu_ns();
	(void)pthread_barrier_wait(&barrier);
	(void)pthread_barrier_wait(&barrier);
	ns = cpu_ns() - start;
	for (size_t i = 0; i < count; i++)
		(void)pthread_join(running[i], NULL);
	print("threads", count, ns, each * count);
}

static const struct {
	const char *name;
	uint64_t most;
	void (*run)(uint64_t point);
} kinds[] = {
	{"threads", THREADS_MOST, run_threads},
	{"live", LIVE_MOST, live},
	{"heap", HEAP_MOST, heap},
};

/* A number from 1 to @most; 0 if @word is none. */
static uint64_t number(const char *word, uint64_t most)
{
	size_t length = strlen(word);
	uint64_t value = length < 19 ? strtoull(word, NULL, 10) : 0;

	return strspn(word, "0123456789") == length && value <= most ? value : 0;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint64_t point = number(argv[2], kinds[i].most);

		if (strcmp(argv[1], kinds[i].name) == 0 && point != 0) {
			kinds[i].run(point);
			return 0;
		}
	}
	stop(BAD_COMMAND, "usage: growth threads N | growth live N | growth heap BYTES");
}
