/*
 * An attack: the address of a global array is written into a freed object, where an allocator may
 * keep its list of free objects. Harm: malloc() returns the array.
 *
 * [control] SIZE: of the object, two pointers or more.
 */
#include "row.h"

static _Alignas(64) unsigned char target[4096];

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	const unsigned char *words[] = {target, target};
	struct row row = row_init(size);
	unsigned char *victim = row_take(&row);
	unsigned char *stale = opaque(victim);
	bool harmed = false;

	free(row.objects[0]);
	row.objects[0] = NULL;
	free(victim);
	memcpy(stale, words, bug.asked ? sizeof(words) : 0);
	for (int i = 0; i < 200; i++) {
		uintptr_t addr = (uintptr_t)opaque(malloc(size));

		harmed |= addr - (uintptr_t)target < sizeof(target);
	}
	/* An allocator that noticed nothing and took no harm goes on until it must have looked. */
	if (!harmed)
		free(reuse(stale, size, 4000));
	return bug_end(&bug, harmed || row_end(&row));
}
