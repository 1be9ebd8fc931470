/* A program that brings options of its own; test_own_options.py looks at what becomes of them. */
#include <stdlib.h>

#include "memalloc.h"

const char *memalloc_options = "profile=strict:seed=4711:retain=4711:nonsense=1:help=1";

int main(void)
{
	OWN_FREE(OWN_MALLOC(1));
	return 0;
}
