#include <errno.h>
#include <stdatomic.h>

#include "annotate.h"
#include "guess.h"
#include "os.h"
#include "place.h"
#include "report.h"
#include "report_json.h"
#include "report_plain.h"
#include "text.h"

#define STDERR 2

/* Characters of the facts, and of what is written at once of the stacks. */
#define FACTS 2048
#define PIECE 1024

/* Addresses of a stack that are told. */
#define FRAMES 32

/* How long a thread waits for another's report (V4). */
#define WAIT_MS 1000

static const char *const kinds[] = {
	[MA_DOUBLE_FREE] = "double free",
	[MA_INVALID_FREE] = "invalid free",
	[MA_HEAP_OVERFLOW] = "heap overflow",
	[MA_HEAP_UNDERFLOW] = "heap underflow",
	[MA_WRITE_AFTER_FREE] = "write after free",
	[MA_BAD_REALLOC] = "bad realloc",
	[MA_BAD_USABLE_SIZE] = "bad usable size",
	[MA_SIZE_MISMATCH] = "size mismatch",
	[MA_ALIGNMENT_MISMATCH] = "alignment mismatch",
	[MA_DEALLOC_MISMATCH] = "alloc-dealloc mismatch",
	[MA_BAD_ACCESS] = "bad access",
	[MA_WRONG_POOL] = "wrong pool",
	[MA_BAD_POOL] = "bad pool",
	[MA_BAD_METADATA] = "bad metadata",
};

static struct ma_report_config config;

void ma_report_configure(const struct ma_report_config *from)
{
	config = *from;
}

const char *ma_report_kind(enum ma_violation_kind kind)
{
	return kinds[kind];
}

/* ---- the facts ------------------------------------------------------------------------------- */

/* Does it help to know where the pointer lies? Not where its object is known, or is ours. */
static bool is_foreign(const struct ma_violation *v)
{
	switch (v->kind) {
	case MA_INVALID_FREE:
	case MA_BAD_REALLOC:
	case MA_BAD_USABLE_SIZE:
	case MA_DEALLOC_MISMATCH:
	case MA_BAD_ACCESS:
	case MA_WRONG_POOL:
	case MA_BAD_POOL:
		return v->object == NULL;
	default:
		return false;
	}
}

static void gather(struct ma_facts *facts, const struct ma_violation *v, unsigned thread)
{
	struct ma_text text;

	facts->v = v;
	facts->config = &config;
	facts->thread = thread;
	facts->process = ma_os_process_id();
	ma_text_init(&text, facts->guess, MA_CLAUSE, -1);
	ma_guess(&text, v);
	(void)ma_text_end(&text);
	ma_text_init(&text, facts->place, MA_CLAUSE, -1);
	if (is_foreign(v))
		ma_place_describe(&text, (uintptr_t)v->ptr);
	(void)ma_text_end(&text);
}

static void format(struct ma_text *text, const struct ma_facts *facts, char *buf)
{
	ma_text_init(text, buf, FACTS, -1);
	if (config.json)
		ma_json_facts(text, facts);
	else
		ma_plain_facts(text, facts);
}

/*
 * V1: one write. Where the paths of modules are so odd that not all fits, they are left out.
 * Return: the facts.
 */
static const char *write_facts(int fd, const struct ma_violation *v, unsigned thread, char *buf)
{
	struct ma_facts facts;
	struct ma_text text;

	gather(&facts, v, thread);
	format(&text, &facts, buf);
	if (text.lost > 0) {
		facts.guess[0] = facts.place[0] = '\0';
		format(&text, &facts, buf);
	}
	ma_os_write(fd, buf, text.used);
	return ma_text_end(&text);
}

/* ---- the stacks ------------------------------------------------------------------------------ */

enum stack {
	DETECTED,
	ALLOCATED,
	FREED,
	NSTACKS,
};

static const char *const headings[NSTACKS] = {"detected here", "allocated by", "freed by"};
static const char *const members[NSTACKS] = {"detected", "allocated", "freed"};

static size_t collect(enum stack which, const struct ma_violation *v, uintptr_t *pc)
{
	uint32_t id = which == ALLOCATED ? v->allocated : v->freed;
	size_t n = 0;

	if (which == DETECTED)
		n = config.here != NULL ? config.here(pc, FRAMES) : 0;
	else if (id != 0 && config.stack != NULL)
		n = config.stack(id, pc, FRAMES);
	return ma_min(n, FRAMES);
}

static void plain_stacks(int fd, const struct ma_violation *v)
{
	uintptr_t pc[FRAMES];
	char buf[PIECE];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), fd);
	for (enum stack which = DETECTED; which < NSTACKS; which++) {
		size_t n = collect(which, v, pc);

		if (n == 0)
			continue;
		ma_plain_stack(&text, headings[which], pc, n);
		ma_text_flush(&text);
	}
}

static void plain_end(int fd, const struct ma_violation *v)
{
	char buf[PIECE];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), fd);
	ma_plain_end(&text, v, &config);
	ma_text_flush(&text);
}

/* All are collected first: what may crash is over when the line begins. */
static void json_stacks(int fd, const struct ma_violation *v)
{
	uintptr_t pc[NSTACKS][FRAMES];
	size_t n[NSTACKS], total = 0;
	bool first = true;
	char buf[PIECE];
	struct ma_text text;

	for (enum stack which = DETECTED; which < NSTACKS; which++)
		total += n[which] = collect(which, v, pc[which]);
	if (total == 0)
		return;
	ma_text_init(&text, buf, sizeof(buf), fd);
	ma_json_stacks_begin(&text);
	for (enum stack which = DETECTED; which < NSTACKS; which++) {
		if (n[which] == 0)
			continue;
		ma_json_stack(&text, members[which], pc[which], n[which], first);
		first = false;
	}
	ma_json_stacks_end(&text);
	ma_text_flush(&text);
}

/* ---- one report at a time -------------------------------------------------------------------- */

static _Atomic unsigned reporter; /* thread that reports; 0: none */

/* V4. Return: false when the thread is in a report already. */
static bool enter(unsigned thread)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms++) {
		unsigned other = 0;

		if (atomic_compare_exchange_strong(&reporter, &other, thread))
			return true;
		if (other == thread)
			return false;
		ma_os_sleep_ms(1);
	}
	atomic_store(&reporter, thread);
	return true;
}

static void leave(unsigned thread)
{
	(void)atomic_compare_exchange_strong(&reporter, &thread, 0);
}

bool ma_report_is_mine(void)
{
	return atomic_load(&reporter) == ma_os_thread_id();
}

void ma_report_forget(void)
{
	atomic_store(&reporter, 0);
}

int ma_report_open(void)
{
	char name[320];
	struct ma_text text;
	int fd = -1;

	if (config.log_path == NULL || config.log_path[0] == '\0')
		return STDERR;
	ma_text_init(&text, name, sizeof(name) - 1, -1);
	ma_text_str(&text, config.log_path);
	ma_text_str(&text, ".");
	ma_text_dec(&text, ma_os_process_id());
	if (text.lost == 0)
		fd = ma_os_append(ma_text_end(&text));
	if (fd >= 0)
		return fd;
	ma_warn("log_path: cannot open ", ma_text_end(&text), "; the report follows here");
	return STDERR;
}

void ma_report_close(int fd)
{
	if (fd != STDERR)
		ma_os_close(fd);
}

static _Noreturn void nested(const struct ma_violation *v)
{
	char buf[PIECE];
	struct ma_text text;
	int fd = ma_report_open();

	ma_text_init(&text, buf, sizeof(buf), fd);
	(config.json ? ma_json_nested : ma_plain_nested)(&text, v);
	ma_text_flush(&text);
	ma_report_close(fd);
	ma_os_abort_now();
}

/* ---- a report -------------------------------------------------------------------------------- */

/* A thread that ends within the core's part of a call would make Valgrind complain. */
static void act(void)
{
	if (config.action != MA_ON_REPORT)
		ma_annotate_leave();
	switch (config.action) {
	case MA_ON_ABORT:
		ma_os_abort();
	case MA_ON_TRAP:
		ma_os_trap();
	case MA_ON_EXIT:
		ma_os_exit(config.exitcode);
	case MA_ON_REPORT:
		return;
	}
}

/* @told: the program is, too. */
static void report_all(const struct ma_violation *v, unsigned thread, bool told)
{
	char buf[FACTS + 1];
	int fd = ma_report_open();
	const char *facts = write_facts(fd, v, thread, buf);

	if (config.json) {
		json_stacks(fd, v);
	} else {
		plain_stacks(fd, v);
		plain_end(fd, v);
	}
	ma_report_close(fd);
	if (told && config.handler != NULL)
		config.handler(v, facts);
}

void ma_report(const struct ma_violation *v)
{
	int saved = errno;
	unsigned thread = ma_os_thread_id();

	if (!enter(thread))
		nested(v);
	report_all(v, thread, true);
	act();
	leave(thread);
	errno = saved;
}

void ma_report_add(const struct ma_violation *v)
{
	int saved = errno;
	unsigned thread = ma_os_thread_id();

	if (enter(thread)) {
		report_all(v, thread, false);
		leave(thread);
	}
	errno = saved;
}

/* ---- other words ----------------------------------------------------------------------------- */

void ma_warn(const char *a, const char *b, const char *c)
{
	char buf[512];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), STDERR);
	ma_text_str(&text, "memalloc: ");
	ma_text_str(&text, a);
	if (b != NULL)
		ma_text_str(&text, b);
	if (c != NULL)
		ma_text_str(&text, c);
	ma_text_str(&text, "\n");
	ma_text_flush(&text);
}

void ma_assert_failed(const char *expr, const char *file, int line)
{
	char buf[512];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), STDERR);
	ma_text_str(&text, "memalloc: bug in memalloc itself: ");
	ma_text_str(&text, file);
	ma_text_str(&text, ":");
	ma_text_dec(&text, (uint64_t)line);
	ma_text_str(&text, ": ");
	ma_text_str(&text, expr);
	ma_text_str(&text, "\n");
	ma_text_flush(&text);
	ma_os_abort();
}
