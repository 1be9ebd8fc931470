#include <elf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unwind.h>

#include "os.h"
#include "stack.h"

/* The register that holds the frame pointer, by its number in unwind tables. */
#ifdef __aarch64__
#define FRAME_POINTER 29
#else
#define FRAME_POINTER 6
#endif

#define FRAME_ALIGN 16
#define ENOUGH 3
#define DEPTH_MAX ((size_t)64 << 20) /* bytes of stack in use; what is deeper is not asked about */
#define ADDRESS_BITS 48              /* above, aarch64 has signatures of return addresses */

/* What the program left on its stack when it called: [ its caller's frame | return address ]. */
struct record {
	uintptr_t fp;
	uintptr_t ra;
};

/* ---- our own text ---------------------------------------------------------------------------- */

/* By the linker: the file that holds this library, and the end of its text. */
extern const Elf64_Ehdr ehdr __asm__("__ehdr_start") __attribute__((visibility("hidden")));
extern const char text_end[] __asm__("etext") __attribute__((visibility("hidden")));

/* Whether that file is a library, and not a program that has this library in it. */
static bool apart(void)
{
	static _Atomic int known; /* 0: not yet asked */
	int answer = atomic_load_explicit(&known, memory_order_relaxed);
	uintptr_t program;

	if (ma_unlikely(answer == 0)) {
		program = ma_os_program_headers();
		answer = program != 0 && program != (uintptr_t)&ehdr + ehdr.e_phoff ? 1 : -1;
		atomic_store_explicit(&known, answer, memory_order_relaxed);
	}
	return answer > 0;
}

static ma_no_sanitize bool ours(uintptr_t pc)
{
	return pc >= (uintptr_t)&ehdr && pc <= (uintptr_t)text_end && apart();
}

/* ---- the place of the stack ------------------------------------------------------------------ */

/* Where main()'s stack began; other C libraries than glibc do not tell. */
extern void *__libc_stack_end __attribute__((weak));

static uintptr_t main_end(void)
{
	return &__libc_stack_end != NULL ? (uintptr_t)__libc_stack_end : 0;
}

/* glibc and musl put a thread's control block above the first frame of its stack. */
static uintptr_t thread_end(void)
{
	return (uintptr_t)pthread_self();
}

/* Make [sp, end) known to be readable. */
static bool reach(struct ma_stack_place *place, uintptr_t sp, uintptr_t end)
{
	size_t page = ma_os_page_size();
	uintptr_t low = ma_align_down(sp, page);
	uintptr_t high = ma_align_up(end, page);

	if (sp >= end || end - sp > DEPTH_MAX)
		return false;
	if (end == place->end && low < place->low)
		high = place->low;
	if (!ma_os_readable((const void *)low, high - low))
		return false;
	place->low = low;
	place->end = end;
	return true;
}

/* Whether sp lies on the stack this thread began with. Another thread's place is seen through. */
static bool locate(struct ma_stack_place *place, uintptr_t sp)
{
	uintptr_t end = thread_end();

	if (sp >= place->low && sp < place->end && (place->end == end || place->end == main_end()))
		return true;
	return reach(place, sp, end) || reach(place, sp, main_end());
}

/* ---- frame pointers -------------------------------------------------------------------------- */

static uintptr_t address(uintptr_t ra)
{
	return ra & (((uintptr_t)1 << ADDRESS_BITS) - 1);
}

/* Code is not in the first page, and not on the stack. */
static bool plausible(const struct ma_stack_place *place, uintptr_t ra)
{
	return ra >= MA_GRANULE && (ra < place->low || ra >= place->end);
}

/* From the frame at @fp, which is no frame unless it is at @sp or above (T1). */
static ma_no_sanitize size_t walk(uintptr_t *pc, size_t max, uintptr_t fp, uintptr_t sp,
				  const struct ma_stack_place *place)
{
	size_t n = 0;

	while (n < max && fp % FRAME_ALIGN == 0 && fp >= sp &&
	       fp <= place->end - sizeof(struct record)) {
		const struct record *record = (const struct record *)fp;
		uintptr_t ra = address(record->ra);

		if (!plausible(place, ra))
			break;
		if (!ours(ra))
			pc[n++] = ra;
		sp = fp + sizeof(*record);
		fp = record->fp;
	}
	return n;
}

ma_no_sanitize size_t ma_stack_fast(uintptr_t *pc, size_t max, const void *frame,
				    struct ma_stack_place *place)
{
	const struct record *record = frame;
	uintptr_t sp = (uintptr_t)frame + sizeof(*record);
	uintptr_t ra = address(record->ra);
	struct ma_stack_place found = {0, 0};
	size_t n = 0;

	if (max == 0)
		return 0;
	if (!ours(ra))
		pc[n++] = ra;
	if (place == NULL)
		place = &found;
	if (locate(place, (uintptr_t)frame))
		n += walk(pc + n, max - n, record->fp, sp, place);
	return n;
}

/* ---- unwind tables --------------------------------------------------------------------------- */

struct unwinding {
	uintptr_t from; /* until there is one, frames at or below this are not wanted */
	uintptr_t pc[MA_STACK_MAX];
	size_t n;
	size_t max;
	bool complete; /* up to the end of the stack, or max */
	uintptr_t fp;  /* frame pointer and stack pointer in the frame that is pc[0] */
	uintptr_t sp;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
	struct unwinding *u = arg;
	int interrupted = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &interrupted);
	uintptr_t sp = _Unwind_GetCFA(context);

	if (pc == 0) {
		u->complete = true;
		return _URC_END_OF_STACK;
	}
	if (sp <= u->from || ours(pc))
		return _URC_NO_REASON;
	if (u->n == 0) {
		u->from = 0; /* the next may be on another stack */
		u->fp = _Unwind_GetGR(context, FRAME_POINTER);
		u->sp = sp;
	}
	u->pc[u->n++] = pc + (interrupted != 0);
	u->complete = u->n == u->max;
	return u->complete ? _URC_END_OF_STACK : _URC_NO_REASON;
}

/* The tables know the frame pointer that the program had when it called us. */
static size_t walk_from(uintptr_t *pc, const struct unwinding *u, struct ma_stack_place *place)
{
	struct ma_stack_place found = {0, 0};

	if (u->n == 0)
		return 0;
	if (place == NULL)
		place = &found;
	pc[0] = u->pc[0];
	return locate(place, u->sp) ? 1 + walk(pc + 1, u->max - 1, u->fp, u->sp, place) : 1;
}

static ma_noinline size_t unwind(uintptr_t *pc, size_t max, uintptr_t from,
				 struct ma_stack_place *place)
{
	struct unwinding u = {.from = from, .max = ma_min(max, MA_STACK_MAX)};
	size_t n;

	(void)_Unwind_Backtrace(step, &u);
	n = u.complete ? 0 : walk_from(pc, &u, place);
	if (n > u.n)
		return n;
	memcpy(pc, u.pc, u.n * sizeof(*pc));
	return u.n;
}

ma_noinline size_t ma_stack_full(uintptr_t *pc, size_t max, const void *frame,
				 struct ma_stack_place *place)
{
	const void *from = frame != NULL ? frame : ma_stack_frame();
	size_t n = frame != NULL ? ma_stack_fast(pc, max, frame, place) : 0;

	if (max == 0 || n >= ENOUGH)
		return n;
	return unwind(pc, max, (uintptr_t)from, place);
}
