/* A local variable is freed. */
#include "memalloc.h"
#include "violation.h"

int main(int argc, char **argv)
{
	char local[64] = "on the stack";
	void *ptr = opaque(custom_malloc(sizeof(local)));

	custom_free(misuse(argc, argv) ? opaque(local) : ptr);
	return 0;
}
