/* A string's terminator has no place in the object. */
#include "memalloc.h"
#include "violation.h"

int main(int argc, char **argv)
{
	static const char text[] = "twenty characters...";
	size_t size = strlen(text) + (misuse(argc, argv) ? 0 : 1);
	char *copy = opaque(custom_malloc(size));

	strcpy(copy, text);
	custom_free(copy);
	return 0;
}
