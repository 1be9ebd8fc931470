/* A program that knows nothing of memalloc frees a string twice. */
#include "violation.h"

int main(int argc, char **argv)
{
	char *text = opaque(strdup("freed by two owners"));
	char *again = misuse(argc, argv) ? text : NULL;

	free(text);
	free(again);
	return 0;
}
