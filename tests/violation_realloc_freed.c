/* An object is resized after it was freed. */
#include "memalloc.h"
#include "violation.h"

int main(int argc, char **argv)
{
	void *ptr = opaque(custom_malloc(100));
	void *stale = misuse(argc, argv) ? ptr : NULL;

	custom_free(ptr);
	custom_free(custom_realloc(stale, 200));
	return 0;
}
