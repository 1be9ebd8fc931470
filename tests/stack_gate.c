#include <string.h>

#include "os.h"
#include "stack_gate.h"

/* Sanitizers do something at the end of each function, so that none is reached by a jump. */
static ma_noinline ma_no_sanitize void take_fast(struct capture *capture,
						 struct ma_stack_place *place)
{
	capture->stack.n = (uint32_t)ma_stack_fast(capture->stack.pc, MA_STACK_MAX,
						   ma_stack_frame(), place);
}

static ma_noinline ma_no_sanitize void take_full(struct capture *capture,
						 struct ma_stack_place *place)
{
	capture->stack.n = (uint32_t)ma_stack_full(capture->stack.pc, MA_STACK_MAX,
						   ma_stack_frame(), place);
}

/* Many values live across calls: the compiler needs every register. */
static ma_noinline void take_deep(struct capture *capture, struct ma_stack_place *place, size_t n)
{
	size_t a = n * 3, b = n * 5, c = n * 7, d = n ^ 11, e = n | 13, f = n + 17;

	if (n > 0) {
		take_deep(capture, place, n - 1);
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
		return;
	}
	capture->stack.n = (uint32_t)ma_stack_full(capture->stack.pc, MA_STACK_MAX, NULL, place);
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
}

ma_export ma_no_sanitize void gate_fast(struct capture *capture, struct ma_stack_place *place)
{
	capture->caller = (uintptr_t)__builtin_return_address(0);
	take_fast(capture, place);
}

ma_export ma_no_sanitize void gate_full(struct capture *capture, struct ma_stack_place *place)
{
	capture->caller = (uintptr_t)__builtin_return_address(0);
	take_full(capture, place);
}

ma_export void gate_deep(struct capture *capture, struct ma_stack_place *place)
{
	capture->caller = (uintptr_t)__builtin_return_address(0);
	take_deep(capture, place, 3);
	__asm__ volatile("");
}

ma_export void gate_callback(void (*fn)(void *arg), void *arg)
{
	fn(arg);
	__asm__ volatile("");
}
