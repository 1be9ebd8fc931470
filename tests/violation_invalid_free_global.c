/* A global variable is freed. */
#include "memalloc.h"
#include "violation.h"

static char global[64] = "not on the heap";

int main(int argc, char **argv)
{
	void *ptr = opaque(custom_malloc(sizeof(global)));

	custom_free(misuse(argc, argv) ? opaque(global) : ptr);
	return 0;
}
