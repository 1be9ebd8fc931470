#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef MA_VALGRIND
#include <valgrind/memcheck.h>
#endif

#include "annotate.h"
#include "os.h"
#include "os_fake.h"

#define ARENA OS_FAKE_ARENA
#define NMAPPINGS 4096
#define NEVER SIZE_MAX

/* Of the OS that runs the test; and how many bytes are looked at, and pages zeroed, at once. */
#define REAL_PAGE ((size_t)4096)
#define AT_ONCE (512 * REAL_PAGE)
#define FEW 256

#define STDERR 2
#define FILE_FD 100
#define LOG_FD 101

struct mapping {
	size_t start; /* offset in the arena */
	size_t size;
};

static struct {
	char *arena;
	struct mapping map[NMAPPINGS]; /* in address order */
	size_t nmap;
	size_t mapped;
	size_t used_end;                        /* offset behind all that may not be zero */
	unsigned char guard[ARENA / REAL_PAGE]; /* 1: the page is one */
	size_t nguards;                         /* such pages */
	bool fast, fast_next;
	size_t page, offset, limit;
	uintptr_t wish, place;
	uint64_t now, tick, random;
	unsigned mask;
	size_t calls, refused, fail_at, fail_from;
	struct paper {
		char text[65536];
		size_t used;
	} written, logged;
	size_t nwrites;
	void (*on_abort)(void);
	void (*on_unmap)(void);
	void (*on_sleep)(void);
	const char *env;
	const char *file; /* its text */
	size_t file_size, file_reads;
	const char *program;
	char ended[32];
	const char *maps;
	size_t step, at;
	bool no_log, no_resident;
	size_t nfiles, nlogs; /* open */
	char log_name[512];
	uint64_t slept;
} fake;

static _Thread_local unsigned thread = 1;

static void die(const char *what)
{
	(void)fprintf(stderr, "os_fake: %s\n", what);
	abort();
}

/* ---- the arena ------------------------------------------------------------------------------- */

static void protect(size_t start, size_t size, int prot)
{
	if (!fake.fast && mprotect(fake.arena + start, size, prot) != 0)
		die("mprotect failed");
}

static void discard(size_t start, size_t size)
{
	if (size > 0 && madvise(fake.arena + start, size, MADV_DONTNEED) != 0)
		die("madvise failed");
}

/* Guards are remembered even where nothing is protected. */
static void set_guard(size_t start, size_t size, unsigned char is)
{
	if (!is && fake.nguards == 0)
		return;
	for (size_t i = start / REAL_PAGE; i < (start + size) / REAL_PAGE; i++) {
		fake.nguards += (size_t)is - fake.guard[i];
		fake.guard[i] = is;
	}
}

size_t os_fake_guards(const void *ptr, size_t size)
{
	size_t first = (size_t)((const char *)ptr - fake.arena) / REAL_PAGE;
	size_t n = 0;

	for (size_t i = 0; i < size / REAL_PAGE; i++)
		n += fake.guard[first + i];
	return n * REAL_PAGE;
}

size_t os_fake_all_guards(void)
{
	return fake.nguards * REAL_PAGE;
}

/* Which of the OS's pages from @start on are physical: @in[i]. At most AT_ONCE bytes. */
static size_t find_physical(size_t start, size_t size, unsigned char *in)
{
	size_t n = 0;

	if (mincore(fake.arena + start, size, in) != 0)
		die("mincore failed");
	for (size_t i = 0; i < size / REAL_PAGE; i++)
		n += in[i] & 1;
	return n;
}

/* What was only read is not to be written. */
static bool is_zero(const char *page)
{
	uint64_t any = 0;
	uint64_t word;

	for (size_t i = 0; i < REAL_PAGE; i += sizeof(word)) {
		memcpy(&word, page + i, sizeof(word));
		any |= word;
	}
	return any == 0;
}

/* What an OS hands out is defined, whatever was written there before: gaps of structures, too. */
static void define(size_t start, size_t size)
{
#ifdef MA_VALGRIND
	(void)VALGRIND_MAKE_MEM_DEFINED(fake.arena + start, size);
#endif
	ma_annotate_written(fake.arena + start, size);
}

/* Few pages stay physical and are zeroed: that costs less than to fault them in again. */
static void zero(size_t start, size_t size)
{
	unsigned char in[AT_ONCE / REAL_PAGE];

	if (find_physical(start, size, in) > FEW) {
		discard(start, size);
		return;
	}
	for (size_t i = 0; i < size / REAL_PAGE; i++)
		if ((in[i] & 1) && !is_zero(fake.arena + start + i * REAL_PAGE))
			memset(fake.arena + start + i * REAL_PAGE, 0, REAL_PAGE);
}

static void clear(size_t start, size_t size)
{
	size_t end = start + size;

	define(start, size);
	if (!fake.fast || size > 16 * AT_ONCE) {
		discard(start, size);
		return;
	}
	for (; start < end; start += ma_min(AT_ONCE, end - start))
		zero(start, ma_min(AT_ONCE, end - start));
}

/* To where all is zero; what is not physical is zero, too. */
static void copy(size_t from, size_t to, size_t size)
{
	unsigned char in[AT_ONCE / REAL_PAGE];

	for (size_t at = 0; at < size; at += AT_ONCE) {
		size_t n = ma_min(AT_ONCE, size - at);

		if (find_physical(from + at, n, in) == 0)
			continue;
		for (size_t i = 0; i < n / REAL_PAGE; i++)
			if (in[i] & 1)
				memcpy(fake.arena + to + at + i * REAL_PAGE,
				       fake.arena + from + at + i * REAL_PAGE, REAL_PAGE);
	}
}

/*
 * Half of its size behind a multiple of it: which leaves of the address map it takes must not
 * depend on chance, and in the middle another one begins.
 */
static void make_arena(void)
{
	char *ptr = mmap(NULL, 2 * ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
	size_t before;

	if (ptr == MAP_FAILED)
		die("no arena");
	fake.arena = (char *)ma_align_up((uintptr_t)ptr + ARENA / 2, ARENA) - ARENA / 2;
	before = (size_t)(fake.arena - ptr);
	if (before > 0)
		(void)munmap(ptr, before);
	(void)munmap(fake.arena + ARENA, ARENA - before);
}

void os_fake_reset(void)
{
	if (fake.arena == NULL)
		make_arena();
	if (!fake.fast || !fake.fast_next) {
		discard(0, fake.used_end);
		fake.used_end = 0;
	}
	if (fake.fast_next != fake.fast || !fake.fast) {
		fake.fast = false;
		protect(0, ARENA, fake.fast_next ? PROT_READ | PROT_WRITE : PROT_NONE);
		fake.fast = fake.fast_next;
	}
	set_guard(0, ARENA, 0);
	fake.nmap = 0;
	fake.mapped = 0;
	fake.page = 4096;
	fake.offset = 0;
	fake.limit = 0;
	fake.now = 0;
	fake.tick = 0;
	fake.random = 1;
	fake.mask = OS_FAKE_ALL;
	fake.calls = 0;
	fake.refused = 0;
	fake.wish = 0;
	fake.place = 0;
	os_fake_lift();
	os_fake_forget();
	fake.env = NULL;
	fake.file_reads = 0;
	os_fake_set_file(NULL, 0);
	os_fake_set_program("test");
	fake.ended[0] = '\0';
	fake.log_name[0] = '\0';
	os_fake_set_maps(NULL, 0);
	fake.nfiles = fake.nlogs = 0;
	fake.no_log = fake.no_resident = false;
	fake.on_sleep = NULL;
	fake.slept = 0;
	thread = 1;
}

static void ready(void)
{
	if (fake.arena == NULL)
		os_fake_reset();
}

/* ---- mappings -------------------------------------------------------------------------------- */

static void insert(size_t at, size_t start, size_t size)
{
	if (fake.nmap == NMAPPINGS)
		die("too many mappings");
	memmove(&fake.map[at + 1], &fake.map[at], (fake.nmap - at) * sizeof(*fake.map));
	fake.map[at] = (struct mapping){start, size};
	fake.nmap++;
	fake.mapped += size;
}

static void cut(size_t at)
{
	fake.mapped -= fake.map[at].size;
	fake.nmap--;
	memmove(&fake.map[at], &fake.map[at + 1], (fake.nmap - at) * sizeof(*fake.map));
}

/* The mapping that holds the whole range; dies when there is none. */
static size_t holder(const void *ptr, size_t size)
{
	size_t start = (size_t)((const char *)ptr - fake.arena);

	if (size == 0 || size % fake.page != 0 || start % fake.page != 0)
		die("O3: a size or an address that is not in whole pages");
	for (size_t i = 0; i < fake.nmap; i++)
		if (start >= fake.map[i].start && size <= fake.map[i].size &&
		    start - fake.map[i].start <= fake.map[i].size - size)
			return i;
	die("O3: memory that is not mapped");
	return 0;
}

/* In fast mode it is cleared when it is mapped again. */
static void release(size_t start, size_t size)
{
	set_guard(start, size, 0);
	if (!fake.fast)
		discard(start, size);
	protect(start, size, PROT_NONE);
}

/* Take [ptr, ptr + size) out of the mapping that holds it: [ left ][ gone ][ right ]. */
static void carve(const void *ptr, size_t size)
{
	size_t at = holder(ptr, size);
	size_t start = (size_t)((const char *)ptr - fake.arena);
	struct mapping old = fake.map[at];
	size_t left = start - old.start;
	size_t right = old.size - left - size;

	cut(at);
	if (right > 0)
		insert(at, start + size, right);
	if (left > 0)
		insert(at, old.start, left);
}

static void *place(size_t at, size_t start, size_t size)
{
	insert(at, start, size);
	if (start < fake.used_end)
		clear(start, ma_min(size, fake.used_end - start));
	fake.used_end = ma_max(fake.used_end, start + size);
	protect(start, size, PROT_READ | PROT_WRITE);
	return fake.arena + start;
}

/* Is this call to be refused? */
static bool refuse(enum os_fake_kind kind)
{
	ready();
	if ((fake.mask & (unsigned)kind) == 0)
		return false;
	fake.calls++;
	if (fake.calls != fake.fail_at && fake.calls < fake.fail_from)
		return false;
	fake.refused++;
	return true;
}

static bool over_limit(size_t more)
{
	if (fake.limit == 0 || fake.mapped + more <= fake.limit)
		return false;
	fake.refused++;
	return true;
}

uintptr_t ma_os_open_place(uint64_t choice)
{
	(void)choice;
	return fake.place;
}

void *ma_os_map_at(uintptr_t wish, size_t size)
{
	size_t start;

	if (wish != 0)
		fake.wish = wish;
	if (refuse(OS_FAKE_MAP) || over_limit(size))
		return NULL;
	if (size == 0 || size % fake.page != 0)
		die("O3: a size that is not in whole pages");
	start = ma_align_up(fake.offset * fake.page, fake.page);
	for (size_t i = 0; i <= fake.nmap; i++) {
		size_t end = i < fake.nmap ? fake.map[i].start : ARENA;

		if (end >= start && end - start >= size)
			return place(i, start, size);
		if (i < fake.nmap)
			start = fake.map[i].start + fake.map[i].size;
	}
	fake.refused++;
	return NULL;
}

void ma_os_hint_sparse(void *ptr, size_t size)
{
	(void)holder(ptr, size);
}

static void call_once(void (**hook)(void))
{
	void (*call)(void) = *hook;

	*hook = NULL;
	if (call != NULL)
		call();
}

bool ma_os_unmap(void *ptr, size_t size)
{
	call_once(&fake.on_unmap);
	(void)holder(ptr, size);
	if (refuse(OS_FAKE_UNMAP))
		return false;
	carve(ptr, size);
	release((size_t)((char *)ptr - fake.arena), size);
	return true;
}

bool ma_os_resize(void *ptr, size_t old_size, size_t new_size)
{
	size_t at = holder(ptr, old_size);
	size_t start = (size_t)((char *)ptr - fake.arena);
	size_t end = at + 1 < fake.nmap ? fake.map[at + 1].start : ARENA;

	if (refuse(OS_FAKE_RESIZE))
		return false;
	if (new_size <= old_size) {
		if (new_size < old_size) {
			carve((char *)ptr + new_size, old_size - new_size);
			release(start + new_size, old_size - new_size);
		}
		return true;
	}
	if (over_limit(new_size - old_size))
		return false;
	if (start + old_size != fake.map[at].start + fake.map[at].size || end - start < new_size) {
		fake.refused++;
		return false;
	}
	(void)place(at + 1, start + old_size, new_size - old_size);
	fake.map[at].size += fake.map[at + 1].size;
	fake.mapped += fake.map[at + 1].size;
	cut(at + 1);
	return true;
}

bool ma_os_move(void *from, size_t from_size, void *to, size_t to_size)
{
	(void)holder(from, from_size);
	(void)holder(to, to_size);
	if (refuse(OS_FAKE_MOVE))
		return false;
	clear((size_t)((char *)to - fake.arena), to_size);
	copy((size_t)((char *)from - fake.arena), (size_t)((char *)to - fake.arena),
	     ma_min(from_size, to_size));
	carve(from, from_size);
	release((size_t)((char *)from - fake.arena), from_size);
	return true;
}

bool ma_os_purge(void *ptr, size_t size)
{
	(void)holder(ptr, size);
	if (refuse(OS_FAKE_PURGE))
		return false;
	clear((size_t)((char *)ptr - fake.arena), size);
	return true;
}

bool ma_os_guard(void *ptr, size_t size)
{
	(void)holder(ptr, size);
	if (refuse(OS_FAKE_GUARD))
		return false;
	clear((size_t)((char *)ptr - fake.arena), size);
	set_guard((size_t)((char *)ptr - fake.arena), size, 1);
	protect((size_t)((char *)ptr - fake.arena), size, PROT_NONE);
	return true;
}

bool ma_os_unguard(void *ptr, size_t size, unsigned nguards)
{
	if (nguards == 0)
		die("there was no guard");
	(void)holder(ptr, size);
	if (refuse(OS_FAKE_GUARD))
		return false;
	set_guard((size_t)((char *)ptr - fake.arena), size, 0);
	protect((size_t)((char *)ptr - fake.arena), size, PROT_READ | PROT_WRITE);
	return true;
}

/* What is sealed in tests stays writable: the next one starts afresh. */
bool ma_os_seal(void *ptr, size_t size)
{
	return (uintptr_t)ptr % fake.page == 0 && size % fake.page == 0;
}

bool ma_os_unseal(void *ptr, size_t size)
{
	return ma_os_seal(ptr, size);
}

bool ma_os_readable(const void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
	return false;
}

/* The arena is memory of a real system. */
size_t ma_os_resident(const void *ptr, size_t size)
{
	static unsigned char in[ARENA / 4096];
	size_t resident = 0;

	(void)holder(ptr, size);
	if (fake.no_resident || mincore((void *)(uintptr_t)ptr, size, in) != 0)
		return SIZE_MAX;
	for (size_t i = 0; i < size / 4096; i++)
		resident += (in[i] & 1) * (size_t)4096;
	return resident;
}

uintptr_t ma_os_program_headers(void)
{
	return 0;
}

/* ---- services -------------------------------------------------------------------------------- */

size_t ma_os_page_size(void)
{
	ready();
	return fake.page;
}

void ma_os_random(void *buf, size_t size)
{
	unsigned char *bytes = buf;

	ready();
	for (size_t i = 0; i < size; i++) {
		fake.random = fake.random * 6364136223846793005u + 1442695040888963407u;
		bytes[i] = (unsigned char)(fake.random >> 56);
	}
}

uint64_t ma_os_now_ms(void)
{
	fake.now += fake.tick;
	return fake.now;
}

static void put(struct paper *paper, const char *buf, size_t size)
{
	size_t n = ma_min(size, sizeof(paper->text) - 1 - paper->used);

	memcpy(paper->text + paper->used, buf, n);
	paper->used += n;
	paper->text[paper->used] = '\0';
}

void ma_os_write(int fd, const char *buf, size_t size)
{
	if (fd == STDERR) {
		fake.nwrites++;
		put(&fake.written, buf, size);
	} else if (fd == LOG_FD && fake.nlogs > 0) {
		put(&fake.logged, buf, size);
	} else {
		die("written to a descriptor that is not open");
	}
}

int ma_os_open(const char *path)
{
	if (path == NULL || fake.maps == NULL)
		return -1;
	if (fake.nfiles > 0)
		die("a second file is opened");
	fake.nfiles++;
	fake.at = 0;
	return FILE_FD;
}

int ma_os_append(const char *path)
{
	(void)snprintf(fake.log_name, sizeof(fake.log_name), "%s", path);
	if (fake.no_log)
		return -1;
	fake.nlogs++;
	return LOG_FD;
}

size_t ma_os_read(int fd, char *buf, size_t size)
{
	size_t n = strlen(fake.maps + fake.at);

	if (fd != FILE_FD || fake.nfiles == 0)
		die("read from a descriptor that is not open");
	n = ma_min(ma_min(n, size), fake.step);
	memcpy(buf, fake.maps + fake.at, n);
	fake.at += n;
	return n;
}

void ma_os_close(int fd)
{
	size_t *nopen = fd == FILE_FD ? &fake.nfiles : &fake.nlogs;

	if ((fd != FILE_FD && fd != LOG_FD) || *nopen == 0)
		die("a descriptor is closed that is not open");
	--*nopen;
}

void ma_os_sleep_ms(unsigned ms)
{
	fake.slept += ms;
	fake.now += ms;
	if (fake.on_sleep != NULL)
		fake.on_sleep();
}

unsigned ma_os_thread_id(void)
{
	return thread;
}

unsigned ma_os_process_id(void)
{
	return 2;
}

const char *ma_os_getenv(const char *name)
{
	return name != NULL ? fake.env : NULL;
}

size_t ma_os_read_file(const char *path, char *buf, size_t size)
{
	size_t n = ma_min(size, fake.file_size);

	fake.file_reads++;
	if (path == NULL || fake.file == NULL)
		return SIZE_MAX;
	memcpy(buf, fake.file, n);
	return n;
}

void ma_os_program(char *buf, size_t size)
{
	size_t n = ma_min(strlen(fake.program), size - 1);

	memcpy(buf, fake.program, n);
	buf[n] = '\0';
}

static _Noreturn void end(const char *how, int status)
{
	(void)snprintf(fake.ended, sizeof(fake.ended), how, status);
	if (fake.on_abort != NULL)
		fake.on_abort();
	(void)fputs(fake.written.text, stderr);
	abort();
}

void ma_os_abort(void)
{
	end("abort", 0);
}

void ma_os_abort_now(void)
{
	end("abort now", 0);
}

void ma_os_trap(void)
{
	end("trap", 0);
}

void ma_os_exit(int status)
{
	end("exit %d", status);
}

/* ---- controls -------------------------------------------------------------------------------- */

void os_fake_fast(bool fast)
{
	fake.fast_next = fast;
}

void os_fake_set_page_size(size_t size)
{
	ready();
	if (fake.nmap > 0)
		die("the page size changes while something is mapped");
	fake.page = size;
}

void os_fake_set_offset(size_t npages)
{
	ready();
	if (fake.nmap > 0)
		die("the arena moves while something is mapped");
	fake.offset = npages;
}

void os_fake_set_now(uint64_t now)
{
	fake.now = now;
}

void os_fake_set_tick(uint64_t ms)
{
	fake.tick = ms;
}

void os_fake_set_limit(size_t bytes)
{
	fake.limit = bytes;
}

void os_fake_set_seed(uint64_t seed)
{
	fake.random = seed;
}

void os_fake_fail_at(size_t n)
{
	fake.fail_at = fake.calls + n;
}

void os_fake_fail_from(size_t n)
{
	fake.fail_from = fake.calls + n;
}

void os_fake_fail_mask(unsigned kinds)
{
	fake.mask = kinds;
}

void os_fake_lift(void)
{
	fake.fail_at = NEVER;
	fake.fail_from = NEVER;
}

size_t os_fake_calls(void)
{
	return fake.calls;
}

void os_fake_set_place(uintptr_t place)
{
	fake.place = place;
}

uintptr_t os_fake_wish(void)
{
	return fake.wish;
}

size_t os_fake_refused(void)
{
	return fake.refused;
}

size_t os_fake_mapped(void)
{
	return fake.mapped;
}

size_t os_fake_nmappings(void)
{
	return fake.nmap;
}

const char *os_fake_written(void)
{
	return fake.written.text;
}

size_t os_fake_nwrites(void)
{
	return fake.nwrites;
}

void os_fake_forget(void)
{
	fake.nwrites = 0;
	fake.written.used = fake.logged.used = 0;
	fake.written.text[0] = fake.logged.text[0] = '\0';
}

void os_fake_on_abort(void (*hook)(void))
{
	fake.on_abort = hook;
}

void os_fake_on_unmap(void (*hook)(void))
{
	fake.on_unmap = hook;
}

void os_fake_set_file(const char *text, size_t size)
{
	fake.file = text;
	fake.file_size = size;
}

size_t os_fake_file_reads(void)
{
	return fake.file_reads;
}

void os_fake_set_program(const char *name)
{
	fake.program = name;
}

void os_fake_setenv(const char *value)
{
	fake.env = value;
}

const char *os_fake_ended(void)
{
	return fake.ended;
}

void os_fake_set_maps(const char *text, size_t step)
{
	fake.maps = text;
	fake.step = step;
}

size_t os_fake_nopen(void)
{
	return fake.nfiles + fake.nlogs;
}

void os_fake_refuse_resident(bool refuse)
{
	fake.no_resident = refuse;
}

void os_fake_refuse_log(bool refuse)
{
	fake.no_log = refuse;
}

const char *os_fake_log_name(void)
{
	return fake.log_name;
}

const char *os_fake_logged(void)
{
	return fake.logged.text;
}

void os_fake_set_thread(unsigned id)
{
	thread = id;
}

void os_fake_on_sleep(void (*hook)(void))
{
	fake.on_sleep = hook;
}

uint64_t os_fake_slept(void)
{
	return fake.slept;
}
