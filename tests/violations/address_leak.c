/*
 * Freed objects are read. Harm: a word in them is an address near the objects, the program, or its
 * libraries, which nobody outside should know.
 *
 * [control] SIZE: of the objects. Control reads them before they are freed.
 */
#include "row.h"

#define NEAR ((uintptr_t)1 << 30)

static bool is_near(uintptr_t word, const void *ptr)
{
	return word - (uintptr_t)ptr + NEAR < 2 * NEAR;
}

static bool is_address(uintptr_t word, const void *object)
{
	return is_near(word, object) || is_near(word, (const void *)(uintptr_t)is_near) ||
	       is_near(word, stdout) || is_near(word, (const void *)(uintptr_t)malloc);
}

static bool tells_address(const void *object, size_t size)
{
	const volatile uintptr_t *words = object;
	bool told = false;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		told |= is_address(words[i], object);
	return told;
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);
	void *stale[ROW_LENGTH];
	bool harmed = false;

	for (int i = 0; i < ROW_LENGTH; i += 2) {
		stale[i] = opaque(row.objects[i]);
		harmed |= !bug.asked && tells_address(stale[i], size);
		free(row.objects[i]);
		row.objects[i] = NULL;
	}
	for (int i = 0; bug.asked && i < ROW_LENGTH; i += 2)
		harmed |= tells_address(stale[i], size);
	row_end(&row);
	return bug_end(&bug, harmed);
}
