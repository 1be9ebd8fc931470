/* Says whether malloc() is memalloc's, as a program can ask: 1, 0, or - when nobody knows. */
#include <stdio.h>

int memalloc_is_active(void) __attribute__((weak));

int main(void)
{
	if (memalloc_is_active == NULL)
		puts("-");
	else
		printf("%d\n", memalloc_is_active());
	return 0;
}
