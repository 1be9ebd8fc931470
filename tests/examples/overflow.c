/*
 * A heap overflow as programs have it: room for the letters, none for the zero behind them.
 * Under memalloc it is found when the memory is freed, reported, and the program ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const char *text)
{
	char *copied = malloc(strlen(text));

	if (copied == NULL)
		exit(1);
	return strcpy(copied, text);
}

int main(int argc, char **argv)
{
	char *greeting = copy(argc > 1 ? argv[1] : "Hello, overflowing world!");

	puts(greeting);
	free(greeting);
	puts("nobody noticed");
	return 0;
}
