#include "sizeclass.h"

/*
 * The first slab of a class is small, so that small programs stay small; later ones save
 * descriptors.
 */
#define SLAB_MIN ((size_t)16 * 1024)
#define SLAB_MAX ((size_t)64 * 1024)
#define SLOTS_MIN ((size_t)4)

unsigned ma_class_aligned(size_t size, size_t align, size_t page)
{
	size_t limit = ma_class_limit(page);

	if (align > page || size > limit)
		return MA_NCLASSES;
	/* Rounded up, it is the size of a slot, or slots there are multiples of it. */
	size = ma_align_up(size, align);
	return size <= limit ? ma_class_of(size) : MA_NCLASSES;
}

size_t ma_class_slab_size(unsigned class_idx, size_t growth, size_t page)
{
	size_t slot = ma_class_slot(class_idx);
	size_t size = SLAB_MIN << ma_min(growth, 2);

	size = ma_max(ma_min(size, SLAB_MAX), slot * SLOTS_MIN);
	size = ma_align_up(size, page);
	while (size % slot > size / 16)
		size += page;
	return size;
}
