/*
 * The callers are those that called, in their order, from wherever the library is called. With a
 * frame pointer that is none, nothing is read that is not there.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "stack_nest.h"

#define KIB ((size_t)1024)
#define STACK_SIZE (256 * KIB)

/* Call gate(capture, place) with the frame pointer set to fp. */
void call_with_fp(gate_fn *gate, struct capture *capture, struct ma_stack_place *place,
		  uintptr_t fp);

#ifdef __aarch64__
__asm__(".text\n.globl call_with_fp\n.type call_with_fp,%function\ncall_with_fp:\n"
	".cfi_startproc\n"
	"stp x29, x30, [sp, #-16]!\n.cfi_def_cfa_offset 16\n.cfi_offset 29, -16\n"
	".cfi_offset 30, -8\n"
	"mov x4, x0\nmov x0, x1\nmov x1, x2\nmov x29, x3\nblr x4\n"
	"ldp x29, x30, [sp], #16\n.cfi_restore 30\n.cfi_restore 29\n.cfi_def_cfa_offset 0\nret\n"
	".cfi_endproc\n.size call_with_fp, . - call_with_fp\n");
#else
__asm__(".text\n.globl call_with_fp\n.type call_with_fp,@function\ncall_with_fp:\n"
	".cfi_startproc\n"
	"push %rbp\n.cfi_def_cfa_offset 16\n.cfi_offset %rbp, -16\n"
	"mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rbp\ncall *%rax\n"
	"pop %rbp\n.cfi_restore %rbp\n.cfi_def_cfa_offset 8\nret\n"
	".cfi_endproc\n.size call_with_fp, . - call_with_fp\n");
#endif

typedef void nest_fn(struct nest *nest);

static struct ma_stack_place main_place;

static void run(struct nest *nest, nest_fn *fn, gate_fn *gate, struct ma_stack_place *place,
		size_t depth)
{
	memset(nest, 0, sizeof(*nest));
	nest->gate = gate;
	nest->place = place;
	nest->depth = depth;
	fn(nest);
}

/* The gate's caller, the functions from the innermost to the outermost, and @more at least. */
static void assert_callers(const struct nest *nest, size_t more)
{
	const struct ma_stack *stack = &nest->capture.stack;

	assert_in_range(stack->n, ma_min(1 + nest->n + more, MA_STACK_MAX), MA_STACK_MAX);
	assert_int_equal(stack->pc[0], nest->capture.caller);
	for (size_t i = 1; i < stack->n && i <= nest->n; i++)
		assert_int_equal(stack->pc[i], nest->expected[nest->n - i]);
}

static void assert_only_the_caller(const struct nest *nest)
{
	assert_int_equal(nest->capture.stack.n, 1);
	assert_int_equal(nest->capture.stack.pc[0], nest->capture.caller);
}

/* ---- on the stack a thread began with -------------------------------------------------------- */

static void test_frame_pointers(void **state)
{
	struct nest nest;

	(void)state;
	for (size_t depth = 1; depth < 10; depth++) {
		run(&nest, framed_nest, gate_fast, &main_place, depth);
		assert_callers(&nest, 0);
		run(&nest, framed_nest, gate_fast, NULL, depth);
		assert_callers(&nest, 0);
		run(&nest, framed_nest, gate_full, &main_place, depth);
		assert_callers(&nest, 0);
		run(&nest, framed_nest, gate_deep, NULL, depth);
		assert_callers(&nest, 1);
	}
}

static void test_tables(void **state)
{
	struct nest nest;

	(void)state;
	for (size_t depth = 1; depth < 10; depth++) {
		run(&nest, frameless_nest, gate_deep, &main_place, depth);
		assert_callers(&nest, 1);
		run(&nest, frameless_nest, gate_fast, &main_place, depth);
		assert_int_equal(nest.capture.stack.pc[0], nest.capture.caller);
	}
}

/* More than fit: the innermost. */
static void test_deep_recursion(void **state)
{
	struct nest nest;

	(void)state;
	run(&nest, framed_nest, gate_fast, &main_place, NEST_MAX);
	assert_callers(&nest, 0);
	assert_int_equal(nest.capture.stack.n, MA_STACK_MAX);
	run(&nest, frameless_nest, gate_deep, &main_place, NEST_MAX);
	assert_callers(&nest, 0);
	assert_int_equal(nest.capture.stack.n, MA_STACK_MAX);
}

/* ASan keeps variables elsewhere, but what alloca() gives is on the stack. */
static ma_noinline void descend(struct nest *nest, size_t size)
{
	volatile char *room = __builtin_alloca(size);

	for (size_t i = 0; i < size; i += 4 * KIB)
		room[i] = 1;
	run(nest, framed_nest, gate_fast, &main_place, 5);
	room[0] = room[1];
}

/* The place that is known grows downwards, and serves what lies above. */
static void test_a_stack_that_grows(void **state)
{
	struct nest nest;
	uintptr_t low;

	(void)state;
	memset(&main_place, 0, sizeof(main_place));
	run(&nest, framed_nest, gate_fast, &main_place, 5);
	assert_callers(&nest, 0);
	low = main_place.low;
	descend(&nest, 1024 * KIB);
	assert_callers(&nest, 0);
	assert_in_range(low - main_place.low, 1024 * KIB, 1200 * KIB);
	low = main_place.low;
	run(&nest, framed_nest, gate_fast, &main_place, 5);
	assert_callers(&nest, 0);
	assert_int_equal(main_place.low, low);
}

static void test_no_room(void **state)
{
	uintptr_t pc[2] = {1, 2};

	(void)state;
	assert_int_equal(ma_stack_fast(pc, 0, ma_stack_frame(), NULL), 0);
	assert_int_equal(ma_stack_full(pc, 0, ma_stack_frame(), NULL), 0);
	assert_int_equal(ma_stack_full(pc, 0, NULL, NULL), 0);
	assert_int_equal(ma_stack_fast(pc, 1, ma_stack_frame(), NULL), 1);
	assert_int_equal(ma_stack_full(pc, 1, NULL, NULL), 1);
	assert_int_equal(pc[1], 2);
}

/* T3: the library's frames between two of the program are left out, too. */
static void from_callback(void *arg)
{
	run(arg, framed_nest, gate_deep, NULL, 3);
}

static ma_noinline void with_callback(struct nest *nest, uintptr_t *caller)
{
	*caller = (uintptr_t)__builtin_return_address(0);
	gate_callback(from_callback, nest);
	__asm__ volatile("");
}

static void test_callback(void **state)
{
	struct nest nest;
	uintptr_t caller = 0;
	size_t i = 0;

	(void)state;
	with_callback(&nest, &caller);
	assert_callers(&nest, 2);
	while (i < nest.capture.stack.n && nest.capture.stack.pc[i] != caller)
		i++;
	assert_in_range(i, 1 + nest.n + 1, 1 + nest.n + 4);
	for (size_t k = 0; k < nest.capture.stack.n; k++)
		assert_false(nest.capture.stack.pc[k] - (uintptr_t)gate_callback < 64);
}

/* ---- other threads --------------------------------------------------------------------------- */

struct job {
	struct nest fast, full, again;
	struct ma_stack_place *place;
};

static void *do_job(void *arg)
{
	struct job *job = arg;
	struct ma_stack_place place = {0, 0};

	if (job->place == NULL)
		job->place = &place;
	run(&job->fast, framed_nest, gate_fast, job->place, 6);
	run(&job->full, frameless_nest, gate_deep, job->place, 7);
	run(&job->again, framed_nest, gate_fast, job->place, 8);
	return NULL;
}

static void assert_job(struct job *job, const pthread_attr_t *attr)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, attr, do_job, job), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_callers(&job->fast, 0);
	assert_callers(&job->full, 1);
	assert_callers(&job->again, 0);
}

static void test_threads(void **state)
{
	struct job job;

	(void)state;
	for (int i = 0; i < 10; i++) {
		memset(&job, 0, sizeof(job));
		assert_job(&job, NULL);
	}
}

/* A place that nobody cleared does no harm. */
static void test_the_place_of_another_thread(void **state)
{
	struct ma_stack_place place = {0, 0};
	struct job job = {.place = &place};
	pthread_attr_t attr;

	(void)state;
	run(&job.fast, framed_nest, gate_fast, &place, 3);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_job(&job, &attr);
	assert_int_equal(pthread_attr_setstacksize(&attr, STACK_SIZE), 0);
	assert_job(&job, &attr);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
	run(&job.fast, framed_nest, gate_fast, &place, 3);
	assert_callers(&job.fast, 0);
}

/* Memory with nothing readable before and behind it. */
static char *fenced(size_t size)
{
	char *ptr = mmap(NULL, size + 128 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(ptr, MAP_FAILED);
	ptr += 64 * KIB;
	assert_int_equal(mprotect(ptr, size, PROT_READ | PROT_WRITE), 0);
	return ptr;
}

static void unfence(char *ptr, size_t size)
{
	assert_int_equal(munmap(ptr - 64 * KIB, size + 128 * KIB), 0);
}

static void test_a_thread_on_a_stack_of_the_program(void **state)
{
	struct job job = {.place = NULL};
	char *memory = fenced(STACK_SIZE);
	pthread_attr_t attr;

	(void)state;
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, memory, STACK_SIZE), 0);
	assert_job(&job, &attr);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
	unfence(memory, STACK_SIZE);
}

/* ---- on other stacks ------------------------------------------------------------------------- */

static struct nest in_handler[3];

static void handler(int signal)
{
	(void)signal;
	run(&in_handler[0], framed_nest, gate_fast, &main_place, 4);
	run(&in_handler[1], frameless_nest, gate_fast, NULL, 4);
	run(&in_handler[2], frameless_nest, gate_deep, &main_place, 4);
}

static void raising_gate(struct capture *capture, struct ma_stack_place *place)
{
	(void)capture;
	(void)place;
	(void)raise(SIGUSR1);
}

static void raise_in_nest(struct nest *nest, bool on_stack)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = on_stack ? SA_ONSTACK : 0};

	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	run(nest, framed_nest, raising_gate, NULL, 3);
	action.sa_handler = SIG_DFL;
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
}

/* The tables lead from the handler's callers to those of the function that was interrupted. */
static void assert_crosses(const struct ma_stack *stack, const struct nest *nest)
{
	size_t i = 0;

	while (i < stack->n && stack->pc[i] != nest->expected[nest->n - 1])
		i++;
	assert_in_range(i, 1, stack->n - nest->n);
	for (size_t k = 0; k < nest->n; k++)
		assert_int_equal(stack->pc[i + k], nest->expected[nest->n - 1 - k]);
}

static void test_signal_handler(void **state)
{
	struct nest nest;

	(void)state;
	raise_in_nest(&nest, false);
	assert_callers(&in_handler[0], 0);
	assert_callers(&in_handler[2], 1);
	assert_crosses(&in_handler[2].capture.stack, &nest);
}

static void on_alternate_stack(char *memory)
{
	const stack_t stack = {.ss_sp = memory, .ss_size = STACK_SIZE};
	const stack_t none = {.ss_flags = SS_DISABLE};
	struct nest nest;

	assert_int_equal(sigaltstack(&stack, NULL), 0);
	raise_in_nest(&nest, true);
	assert_int_equal(sigaltstack(&none, NULL), 0);
	assert_only_the_caller(&in_handler[0]);
	assert_only_the_caller(&in_handler[1]);
	assert_callers(&in_handler[2], 1);
	assert_crosses(&in_handler[2].capture.stack, &nest);
}

static void test_signal_handler_on_an_alternate_stack(void **state)
{
	char *memory = fenced(STACK_SIZE);

	(void)state;
	on_alternate_stack(memory);
	unfence(memory, STACK_SIZE);
	memory = malloc(STACK_SIZE);
	assert_non_null(memory);
	on_alternate_stack(memory);
	free(memory);
}

static ucontext_t back, there;
static struct nest in_coroutine[2];

static void coroutine(void)
{
	run(&in_coroutine[0], framed_nest, gate_fast, &main_place, 4);
	run(&in_coroutine[1], frameless_nest, gate_deep, &main_place, 4);
}

static void test_coroutine(void **state)
{
	char *memory = fenced(STACK_SIZE);

	(void)state;
	assert_int_equal(getcontext(&there), 0);
	there.uc_stack.ss_sp = memory;
	there.uc_stack.ss_size = STACK_SIZE;
	there.uc_link = &back;
	makecontext(&there, coroutine, 0);
	assert_int_equal(swapcontext(&back, &there), 0);
	assert_only_the_caller(&in_coroutine[0]);
	assert_callers(&in_coroutine[1], 0);
	unfence(memory, STACK_SIZE);
}

/* ---- a frame pointer that is none ------------------------------------------------------------ */

static uintptr_t next_random(uintptr_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t try(uintptr_t fp)
{
	struct capture capture;

	memset(&capture, 0, sizeof(capture));
	call_with_fp(gate_fast, &capture, &main_place, fp);
	assert_in_range(capture.stack.n, 1, MA_STACK_MAX);
	assert_int_equal(capture.stack.pc[0], capture.caller);
	call_with_fp(gate_fast, &capture, NULL, fp);
	assert_int_equal(capture.stack.pc[0], capture.caller);
	call_with_fp(gate_deep, &capture, &main_place, fp);
	assert_int_equal(capture.stack.pc[0], capture.caller);
	assert_in_range(capture.stack.n, 3, MA_STACK_MAX);
	return capture.stack.n;
}

static void try_around(uintptr_t address)
{
	for (uintptr_t i = 0; i < 80; i++) {
		(void)try(address + i);
		(void)try(address - i);
	}
}

static void try_many(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t random = 88172645463325252u;
	struct capture capture;

	call_with_fp(gate_fast, &capture, &main_place, 0);
	assert_int_equal(capture.stack.n, 1);
	assert_true(main_place.end > here);
	try_around(0);
	try_around(here);
	try_around(main_place.low);
	try_around(main_place.end);
	try_around((uintptr_t)try_many);
	try_around((uintptr_t)1 << 47);
	try_around((uintptr_t)1 << 63);
	try_around((uintptr_t)&capture);
	for (int i = 0; i < 20000; i++) {
		(void)try(next_random(&random));
		(void)try(here + next_random(&random) % (main_place.end - here + 4096));
		(void)try(here - next_random(&random) % 65536);
		(void)try(ma_align_down(here + next_random(&random) % (main_place.end - here), 16));
	}
}

static void *try_many_in_thread(void *arg)
{
	(void)arg;
	memset(&main_place, 0, sizeof(main_place));
	try_many();
	return NULL;
}

static void test_garbage(void **state)
{
	pthread_t thread;

	(void)state;
	memset(&main_place, 0, sizeof(main_place));
	try_many();
	assert_int_equal(pthread_create(&thread, NULL, try_many_in_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	memset(&main_place, 0, sizeof(main_place));
}

/* Frames that lead nowhere: to themselves, downwards, beyond the end, to what is no code. */
static void test_frames_that_are_wrong(void **state)
{
	volatile size_t size = 64;
	volatile uintptr_t *fake = __builtin_alloca_with_align(size, 128);
	uintptr_t at = (uintptr_t)fake;
	struct capture capture;

	(void)state;
	call_with_fp(gate_fast, &capture, &main_place, 0);
	const struct {
		uintptr_t fp, ra;
		size_t n;
	} cases[] = {
		{0, 0x123456, 2},
		{at, 0x123456, 2},
		{at - 64, 0x123456, 2},
		{at + 8, 0x123456, 2},
		{main_place.end, 0x123456, 2},
		{at + 16, 0x123456, 3},
		{0, 0, 1},
		{0, 0xfff, 1},
		{0, at, 1},
		{0, (uintptr_t)gate_fast, 1},
	};

	fake[2] = 0;
	fake[3] = 0x234567;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fake[0] = cases[i].fp;
		fake[1] = cases[i].ra;
		call_with_fp(gate_fast, &capture, &main_place, at);
		assert_int_equal(capture.stack.n, cases[i].n);
		if (cases[i].n > 1)
			assert_int_equal(capture.stack.pc[1], 0x123456);
		if (cases[i].n > 2)
			assert_int_equal(capture.stack.pc[2], 0x234567);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_pointers),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_deep_recursion),
		cmocka_unit_test(test_a_stack_that_grows),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_callback),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_the_place_of_another_thread),
		cmocka_unit_test(test_a_thread_on_a_stack_of_the_program),
		cmocka_unit_test(test_signal_handler),
		cmocka_unit_test(test_signal_handler_on_an_alternate_stack),
		cmocka_unit_test(test_coroutine),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_frames_that_are_wrong),
	};

	return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
