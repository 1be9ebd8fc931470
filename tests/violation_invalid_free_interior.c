/* An object is freed by a pointer that was moved on since. */
#include "memalloc.h"
#include "violation.h"

int main(int argc, char **argv)
{
	char *ptr = opaque(custom_malloc(64));

	custom_free(misuse(argc, argv) ? ptr + 16 : ptr);
	return 0;
}
