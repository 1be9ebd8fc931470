/*
 * shim_cxx - C++'s operators new and delete, by their mangled names (Itanium ABI), in the preload
 * library only.
 *
 * The library must not need a C++ runtime: it throws, and asks for the new-handler, through the
 * program's own, which it knows by weak symbols. A program without one cannot get here.
 */
#include "instance.h"
#include "memalloc.h"
#include "os.h"
#include "report.h"
#include "watch.h"

typedef void new_handler(void);

new_handler *get_new_handler(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak, noreturn));

static ma_cold void out_of_memory(void)
{
	if (throw_bad_alloc != NULL)
		throw_bad_alloc();
	ma_warn("operator new: out of memory, and no C++ runtime to throw", NULL, NULL);
	ma_os_abort();
}

static void *try_new(size_t size, size_t align, enum ma_origin origin)
{
	void *ptr = align > MA_ALIGN ? custom_aligned_alloc(align, size) : custom_malloc(size);

	return ma_made(ptr, origin);
}

/* [new.delete.single]: call the handler and try again, until there is none. False: give up. */
static ma_cold bool call_handler(void)
{
	new_handler *handler = get_new_handler != NULL ? get_new_handler() : NULL;

	if (handler == NULL)
		return false;
	handler();
	return true;
}

static void *new_or_throw(size_t size, size_t align, enum ma_origin origin)
{
	void *ptr = try_new(size, align, origin);

	while (ma_unlikely(ptr == NULL)) {
		if (!call_handler())
			out_of_memory();
		ptr = try_new(size, align, origin);
	}
	return ptr;
}

/* A handler that throws cannot be caught in C: nothrow forms do without it. */
static void *new_or_null(size_t size, size_t align, enum ma_origin origin)
{
	return try_new(size, align, origin);
}

static void delete_sized(void *ptr, size_t size, size_t align, enum ma_origin origin)
{
	if (ma_unlikely(ma_global.watched))
		ma_watched_free(ptr, size, align, (unsigned)origin | MA_ENDS_CLAIMING);
	else
		ma_free_sized(ptr, size, align);
}

static void delete_plain(void *ptr, enum ma_origin origin)
{
	if (ma_unlikely(ma_global.watched))
		ma_watched_free(ptr, 0, 0, (unsigned)origin);
	else
		custom_free(ptr);
}

#define NEW(mangled, params, expr)     \
	void *mangled params;          \
	ma_export void *mangled params \
	{                              \
		return expr;           \
	}
#define DELETE(mangled, params, expr) \
	void mangled params;          \
	ma_export void mangled params \
	{                             \
		expr;                 \
	}

struct nothrow; /* std::nothrow_t */

/* operator new, new[]; plain, nothrow, aligned, aligned nothrow */
NEW(_Znwm, (size_t n), new_or_throw(n, 0, MA_FROM_NEW))
NEW(_Znam, (size_t n), new_or_throw(n, 0, MA_FROM_NEW_ARRAY))
NEW(_ZnwmRKSt9nothrow_t, (size_t n, const struct nothrow *t),
    ((void)t, new_or_null(n, 0, MA_FROM_NEW)))
NEW(_ZnamRKSt9nothrow_t, (size_t n, const struct nothrow *t),
    ((void)t, new_or_null(n, 0, MA_FROM_NEW_ARRAY)))
NEW(_ZnwmSt11align_val_t, (size_t n, size_t a), new_or_throw(n, a, MA_FROM_NEW))
NEW(_ZnamSt11align_val_t, (size_t n, size_t a), new_or_throw(n, a, MA_FROM_NEW_ARRAY))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t n, size_t a, const struct nothrow *t),
    ((void)t, new_or_null(n, a, MA_FROM_NEW)))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t n, size_t a, const struct nothrow *t),
    ((void)t, new_or_null(n, a, MA_FROM_NEW_ARRAY)))

/* operator delete, delete[]; plain, nothrow, sized, aligned, sized aligned, aligned nothrow */
DELETE(_ZdlPv, (void *p), delete_plain(p, MA_FROM_NEW))
DELETE(_ZdaPv, (void *p), delete_plain(p, MA_FROM_NEW_ARRAY))
DELETE(_ZdlPvRKSt9nothrow_t, (void *p, const struct nothrow *t), (void)t;
       delete_plain(p, MA_FROM_NEW))
DELETE(_ZdaPvRKSt9nothrow_t, (void *p, const struct nothrow *t), (void)t;
       delete_plain(p, MA_FROM_NEW_ARRAY))
DELETE(_ZdlPvm, (void *p, size_t n), delete_sized(p, n, 1, MA_FROM_NEW))
DELETE(_ZdaPvm, (void *p, size_t n), delete_sized(p, n, 1, MA_FROM_NEW_ARRAY))
DELETE(_ZdlPvSt11align_val_t, (void *p, size_t a), delete_sized(p, SIZE_MAX, a, MA_FROM_NEW))
DELETE(_ZdaPvSt11align_val_t, (void *p, size_t a), delete_sized(p, SIZE_MAX, a, MA_FROM_NEW_ARRAY))
DELETE(_ZdlPvmSt11align_val_t, (void *p, size_t n, size_t a), delete_sized(p, n, a, MA_FROM_NEW))
DELETE(_ZdaPvmSt11align_val_t, (void *p, size_t n, size_t a),
       delete_sized(p, n, a, MA_FROM_NEW_ARRAY))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t a, const struct nothrow *t), (void)t;
       delete_sized(p, SIZE_MAX, a, MA_FROM_NEW))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t a, const struct nothrow *t), (void)t;
       delete_sized(p, SIZE_MAX, a, MA_FROM_NEW_ARRAY))
