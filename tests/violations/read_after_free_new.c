/*
 * An object is read before it was written to. Harm: the program's old secrets are found in it.
 *
 * [control] SIZE: of all objects, 8 or more. Control wipes the secrets.
 */
#include "row.h"

#define NOBJECTS 200
#define SECRET "a secret"

/* Whether the secret stands in an object. */
static bool is_told(const unsigned char *ptr, size_t size)
{
	size_t length = strlen(SECRET);

	for (size_t at = 0; at + length <= size; at++) {
		if (memcmp(ptr + at, SECRET, length) == 0)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	unsigned char *objects[NOBJECTS];
	bool harmed = false;

	for (int i = 0; i < NOBJECTS; i++) {
		objects[i] = opaque(malloc(size));
		for (size_t at = 0; at < size; at++)
			objects[i][at] = bug.asked ? (unsigned char)SECRET[at % strlen(SECRET)] : 0;
	}
	for (int i = 0; i < NOBJECTS; i++)
		free(objects[i]);
	for (int i = 0; i < NOBJECTS; i++)
		harmed |= is_told(opaque(malloc(size)), size);
	return bug_end(&bug, harmed);
}
