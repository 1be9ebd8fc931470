/*
 * base - the words every room is written in.
 *
 * What and why: attributes, alignment arithmetic, the bug check and the limits shared by all rooms.
 * Compiler differences live here (and in annotate, os) and nowhere else.
 *
 * Rules:
 *   B1  MA_ASSERT states an invariant of ours. It is compiled out of release builds and never
 *       has side effects. Misuse by the program is never an assertion: it is a violation
 *       (report.h).
 *   B2  Arithmetic helpers are total: they say in their name or comment what they require.
 *
 * Locks: none. Cost: none.
 */
#ifndef MA_BASE_H
#define MA_BASE_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX != UINT64_MAX
#error "memalloc needs a 64-bit address space"
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "memalloc needs a little-endian machine"
#endif

#define ma_likely(x) __builtin_expect(!!(x), 1)
#define ma_unlikely(x) __builtin_expect(!!(x), 0)
#define ma_must_check __attribute__((warn_unused_result))
#define ma_cold __attribute__((cold, noinline))
#define ma_noinline __attribute__((noinline))
#define ma_inline static inline __attribute__((always_inline))
#define ma_export __attribute__((visibility("default")))
/* For what reads the stacks of callers: sanitizers take that for a mistake. */
#ifdef __clang__
#define ma_no_sanitize __attribute__((no_sanitize("address", "memory", "thread")))
#else
#define ma_no_sanitize __attribute__((no_sanitize_address, no_sanitize_thread))
#endif
/*
 * For what touches memory that the program may not use now: a sanitizer that the library is built
 * with is not to look there (annotate.h).
 */
#if defined(MA_SANITIZED) && defined(__clang__)
#define ma_unchecked __attribute__((noinline, no_sanitize("address", "memory", "thread")))
#define ma_touches static inline ma_unchecked
#elif defined(MA_SANITIZED)
#define ma_unchecked __attribute__((noinline, no_sanitize_address, no_sanitize_thread))
#define ma_touches static ma_unchecked __attribute__((unused))
#else
#define ma_unchecked
#define ma_touches ma_inline
#endif

/*
 * A truth in a descriptor. The checks must stand any number in there, and a bool that is neither 0
 * nor 1 is undefined behaviour as soon as it is read.
 */
typedef uint8_t ma_flag;

/* For what runs where nothing of the thread's is to be had (tell_slot.h). */
#define ma_native __attribute__((no_stack_protector))

#define ma_tls_initial_exec __attribute__((tls_model("initial-exec")))

/* The line size that keeps fields written by different threads apart. */
#define MA_CACHE_LINE 64

/* Addresses are looked up in steps of this size; every OS page is a whole number of granules. */
#define MA_GRANULE_SHIFT 12
#define MA_GRANULE ((size_t)1 << MA_GRANULE_SHIFT)

/* What is written at start and only read afterwards has pages of its own, of this size. */
#define MA_SEALED 4096

/* Alignment of every object. */
#define MA_ALIGN ((size_t)16)

/* Bytes of the canary directly behind the requested bytes. */
#define MA_CANARY ((size_t)8)

/* No request above this can be served (the C standard's limit for pointer differences). */
#define MA_REQUEST_MAX ((size_t)PTRDIFF_MAX)

void ma_assert_failed(const char *expr, const char *file, int line) __attribute__((noreturn, cold));

#ifdef MA_DEBUG
#define MA_ASSERT(x) (ma_likely(x) ? (void)0 : ma_assert_failed(#x, __FILE__, __LINE__))
#else
#define MA_ASSERT(x) ((void)sizeof(!(x)))
#endif

/* @align is a power of two; @n + @align must not overflow. */
ma_inline size_t ma_align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

ma_inline size_t ma_align_down(size_t n, size_t align)
{
	return n & ~(align - 1);
}

ma_inline bool ma_is_pow2(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

ma_inline size_t ma_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

ma_inline size_t ma_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* @n > 0. */
ma_inline unsigned ma_log2(size_t n)
{
	return 63u - (unsigned)__builtin_clzl(n);
}

#endif
