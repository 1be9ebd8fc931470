/* An object is written to after it was freed; it is seen when its slot is used again. */
#include "memalloc.h"
#include "violation.h"

#define SIZE 32
#define ROUNDS 100000

int main(int argc, char **argv)
{
	char *ptr = opaque(custom_malloc(SIZE));
	char *stale = misuse(argc, argv) ? ptr : opaque(custom_malloc(SIZE));

	custom_free(ptr);
	stale[10] = 'x';
	for (int i = 0; i < ROUNDS; i++)
		custom_free(opaque(custom_malloc(SIZE)));
	return 0;
}
