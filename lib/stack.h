/*
 * stack - who called: the return addresses on the calling thread's stack.
 *
 * What and why: a report names the places where an object was allocated, freed and found broken.
 * They are taken while the allocator is at work, so nothing here allocates, locks or loads, and
 * nothing is read that might not be there, whatever the program keeps in its registers.
 *
 *      end   [ thread control block, or what the kernel gave main() ]
 *            [ ...                                                  ]
 *        +-> [ frame of a caller's caller | return address ] --+
 *        |                                                  <--+  strictly upwards
 *        +-- [ frame of the caller        | return address ]
 *      frame [ frame of a function of ours | return address ]   pc[0]: in the program
 *      low   [ start of its page                            ]
 *
 * Two ways lead up. Frame pointers: two reads per frame, but the program must have been compiled
 * with them. Unwind tables: hundreds of cycles per frame, and nearly every program has them.
 *
 * Where to begin. In optimised code of ours the register of the frame pointer holds anything, so a
 * walk begins at a frame that the caller names, of a function that the program called:
 *
 *      void *custom_malloc(size_t size)
 *      {
 *              if (ma_unlikely(stacks are wanted))
 *                      return malloc_traced(size);
 *              ...
 *      }
 *
 *      static ma_noinline void *malloc_traced(size_t size)
 *      {
 *              n = ma_stack_fast(pc, MA_STACK_MAX, ma_stack_frame(), &heap->place);
 *
 * A function that asks for its frame's address keeps a frame pointer, however it is compiled. It
 * is reached by a jump, when registers hold what the program left in them; the fast path stays
 * without frame pointers. Where the compiler calls instead, a frame of ours lies between: it is
 * left out (T3), and if it had no frame pointer the program's may be lost.
 *
 * Rules:
 *   T1  Nothing is read but within [frame, end) of the stack that frame lies on, and only when
 *       [low, end) was seen to be readable as a whole. A frame lies above the one before, at a
 *       multiple of 16. Where the stack's end is not known (alternate signal stacks, coroutines),
 *       only the return address in the frame itself is taken.
 *   T2  Each pc is a return address, behind a call. Where a signal came in between it is the
 *       address after the one interrupted, so that pc - 1 lies in the instruction always.
 *   T3  Return addresses in the library itself are left out. In a static link the library is part
 *       of the program, and only what lies below the named frame is left out.
 *
 * What is not proven: that a frame pointer is one. A program compiled without may by chance keep in
 * that register the address of two words of its stack that look like a frame. And where functions
 * without frame pointers called functions with them, callers are missing in between.
 *
 * Locks: none. Cost: of fast, some ten cycles per frame, and a system call when the thread's stack
 * has never been seen as deep. Of full, a microsecond and a fifth of one per frame. Before Linux
 * 5.14 the system cannot be asked, and fast takes one return address only.
 *
 * Rejected: backtrace() (loads libgcc_s, allocates), pthread_getattr_np() (allocates, reads a
 * file), frame pointers in the whole library (2 to 2.6 % more instructions in programs that do
 * nothing but allocate).
 */
#ifndef MA_STACK_H
#define MA_STACK_H

#include "base.h"

#define MA_STACK_MAX 32

struct ma_stack {
	uint32_t n; /* return addresses in pc, innermost first */
	uintptr_t pc[MA_STACK_MAX];
};

/* What was found out about a thread's stack. Zero at the thread's start, used by it alone. */
struct ma_stack_place {
	uintptr_t low; /* start of a page; [low, end) can be read (T1) */
	uintptr_t end; /* 0: nothing is known */
};

/** ma_stack_frame() - the frame of the function that uses it; it must be ma_noinline. */
#define ma_stack_frame() __builtin_frame_address(0)

/** ma_stack_keep_frame() - sanitizers, too, come to the program by frame pointers, from here. */
#define ma_stack_keep_frame() __asm__ volatile("" ::"r"(__builtin_frame_address(0)))

/**
 * ma_stack_fast() - the callers, by frame pointers
 * @pc:     where they go
 * @max:    how many fit
 * @frame:  ma_stack_frame() of a function that is still running
 * @place:  of the calling thread; NULL: find out anew
 *
 * Async-signal-safe, but for @place. Return: return addresses found; at least the one in @frame, if
 * that is the program's.
 */
size_t ma_stack_fast(uintptr_t *pc, size_t max, const void *frame, struct ma_stack_place *place);

/**
 * ma_stack_full() - the callers, by whatever leads further
 * @pc:     where they go
 * @max:    how many fit; above MA_STACK_MAX is the same as that
 * @frame:  as above; NULL: begin with the innermost frame that is the program's
 * @place:  as above
 *
 * Frame pointers from @frame if they show three callers at least. Else the unwind tables, from here
 * on; where those end before the stack does, frame pointers from the innermost frame of the program
 * if they lead further.
 *
 * Whoever reports says first what is to be said, and then walks: the unwinder trusts a stack that
 * may have been overwritten, and may fault on it.
 *
 * Return: return addresses found.
 */
size_t ma_stack_full(uintptr_t *pc, size_t max, const void *frame, struct ma_stack_place *place);

#endif
