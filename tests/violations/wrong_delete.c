/*
 * C++ memory is ended in a way that does not fit. Harm: two objects get the same memory, or another
 * one changed.
 *
 * [control] SIZE WAY:
 *      0  new, sized delete with twice the size     1  aligned new, delete for another alignment
 *      2  new, free     3  malloc, delete           4  new[], delete
 */
#include "twins.h"

void *new_one(size_t size) __asm__("_Znwm");
void *new_array(size_t size) __asm__("_Znam");
void *new_aligned(size_t size, size_t align) __asm__("_ZnwmSt11align_val_t");
void delete_one(void *ptr) __asm__("_ZdlPv");
void delete_array(void *ptr) __asm__("_ZdaPv");
void delete_sized(void *ptr, size_t size) __asm__("_ZdlPvm");
void delete_aligned(void *ptr, size_t align) __asm__("_ZdlPvSt11align_val_t");

static void end_one(bool wrong, size_t size, size_t way)
{
	switch (way) {
	case 0:
		delete_sized(new_one(size), wrong ? 2 * size : size);
		break;
	case 1:
		delete_aligned(new_aligned(size, 64), wrong ? 1 << 20 : 64);
		break;
	case 2:
		(wrong ? free : delete_one)(opaque(new_one(size)));
		break;
	case 3:
		(wrong ? delete_one : free)(opaque(malloc(size)));
		break;
	default:
		(wrong ? delete_one : delete_array)(opaque(new_array(size)));
	}
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	struct row row = row_init(size);

	end_one(bug.asked, size, bug_size(&bug, 1, 0));
	return bug_end(&bug, twins_found(size, NULL) | row_end(&row));
}
