/*
 * tell - what the two kinds of entries, the heap's and the pools', tell memory checkers.
 *
 * What and why: annotate.h knows tools, not slots; what is to be told of an object, and when, is
 * the same behind malloc and in an explicit pool, and is said here once.
 *
 *      allocate   the core, then tell
 *      free       tell, then the core
 *      resize     always to another place: what is left behind is no object any more, so that a
 *                 use of the old pointer is seen
 *
 * Rules: those of annotate.h.
 * Locks: those of the instance's heap, which the caller is to have. Cost: nothing without a tool;
 * nobody calls it then.
 */
#ifndef MA_TELL_H
#define MA_TELL_H

#include <string.h>

#include "annotate.h"
#include "tell_slot.h"

/* Whose objects. */
struct ma_teller {
	struct ma_heap *heap; /* the calling thread's; NULL when it has none, to free only */
	struct ma_instance *inst;
	const void *pool; /* an explicit pool's handle, or NULL */
};

/** ma_tell_room() - bytes from a live object to the end of its slot or block; 0: it is none. */
size_t ma_tell_room(const struct ma_teller *t, const void *ptr, size_t *size);

/** ma_tell_short() - allocate the short way, told; NULL: the long way is to be taken. */
ma_inline void *ma_tell_short(const struct ma_teller *t, size_t size, bool zero)
{
	struct ma_annotated o = {.pool = t->pool, .size = size, .zero = zero};

	o.ptr = ma_tell_slot_alloc(t->heap, size, zero);
	if (ma_likely(o.ptr != NULL))
		ma_annotate_tell_alloc(&o);
	return o.ptr;
}

/** ma_tell_alloc() - ma_heap_alloc_request(), told. */
ma_inline void *ma_tell_alloc(const struct ma_teller *t, const struct ma_request *req)
{
	struct ma_annotated o = {.pool = t->pool, .zero = req->zero};

	if (ma_tools.memcheck && req->align <= MA_ALIGN &&
	    (o.ptr = ma_tell_short(t, req->size, req->zero)) != NULL)
		return o.ptr;
	ma_annotate_enter();
	o.ptr = ma_heap_alloc_request(t->heap, req);
	if (o.ptr != NULL)
		o.room = ma_tell_room(t, o.ptr, &o.size);
	ma_annotate_leave();
	if (o.ptr != NULL)
		ma_annotate_alloc(&o);
	return o.ptr;
}

/** ma_tell_free() - tell that @ptr is freed; the core is to free it next. */
ma_inline void ma_tell_free(const struct ma_teller *t, void *ptr)
{
	struct ma_annotated o = {.pool = t->pool, .ptr = ptr};

	ma_annotate_enter();
	o.room = ma_tell_room(t, ptr, &o.size);
	ma_annotate_leave();
	if (o.room > 0)
		ma_annotate_free(&o);
	else
		ma_annotate_bad_free(t->pool, ptr);
}

/*
 * ma_tell_end() - ma_heap_free(), told
 *
 * What memcheck is told does not depend on what is there: it knows what it was told of.
 */
ma_inline void ma_tell_end(const struct ma_teller *t, void *ptr)
{
	if (!ma_tools.memcheck) {
		ma_tell_free(t, ptr);
	} else {
		ma_annotate_tell_free(t->pool, ptr);
		if (ma_tell_slot_free(t->heap, ptr))
			return;
	}
	ma_annotate_enter();
	ma_heap_free(t->inst, t->heap, ptr);
	ma_annotate_leave();
}

/** ma_tell_realloc() - ma_heap_realloc(), told. */
ma_inline void *ma_tell_realloc(const struct ma_teller *t, void *ptr, size_t size)
{
	const struct ma_request req = {.size = size};
	size_t old, room;
	void *moved;

	ma_annotate_enter();
	room = ma_tell_room(t, ptr, &old);
	ma_annotate_leave();
	if (room == 0) {
		ma_annotate_bad_free(t->pool, ptr);
		ma_annotate_enter();
		moved = ma_heap_realloc(t->heap, ptr, size);
		ma_annotate_leave();
		return moved;
	}
	moved = ma_tell_alloc(t, &req);
	if (moved == NULL)
		return NULL;
	memcpy(moved, ptr, ma_min(old, size));
	ma_tell_end(t, ptr);
	return moved;
}

#endif
