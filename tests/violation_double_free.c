/* The same object is freed twice. */
#include "memalloc.h"
#include "violation.h"

int main(int argc, char **argv)
{
	void *ptr = opaque(custom_malloc(40));
	void *again = misuse(argc, argv) ? ptr : NULL;

	custom_free(ptr);
	custom_free(again);
	return 0;
}
