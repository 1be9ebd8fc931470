/* A loop goes one element too far, in an object that has a block of its own. */
#include "memalloc.h"
#include "violation.h"

#define NELEMENTS 50001

int main(int argc, char **argv)
{
	int *array = opaque(custom_malloc(NELEMENTS * sizeof(*array)));
	int end = misuse(argc, argv) ? NELEMENTS + 1 : NELEMENTS;

	for (int i = 0; i < end; i++)
		array[i] = i;
	custom_free(array);
	return 0;
}
