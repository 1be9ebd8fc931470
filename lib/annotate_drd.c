/* What DRD is told: where races are none. Its header has the names that Helgrind's has, too. */
#include "annotate.h"

#ifdef MA_VALGRIND

#include <valgrind/drd.h>

/* Nobody has touched it so far; and it is watched. */
void ma_annotate_drd_new(const void *ptr, size_t size)
{
	VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_CLEAN_MEMORY, ptr, size, 0, 0, 0);
}

void ma_annotate_drd_ignore(const void *ptr, size_t size)
{
	VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_START_SUPPRESSION, ptr, size, 0, 0, 0);
}

#endif
