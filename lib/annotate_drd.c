/* What DRD is told. Its header has the names that Helgrind's has, too. */
#include "annotate.h"

#ifdef MA_VALGRIND

#include <valgrind/drd.h>

/* Nobody has touched it so far: what others did there was to an object that is no more. */
void ma_annotate_drd_new(const void *ptr, size_t size)
{
	VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_CLEAN_MEMORY, ptr, size, 0, 0, 0);
}

#endif
