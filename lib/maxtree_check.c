#include "maxtree.h"

static const char *check_level(const struct ma_maxtree *tree, unsigned l, size_t n)
{
	const int16_t *level = tree->level[l];
	size_t end = ma_align_up(n, MA_MAXTREE_FAN);
	int16_t all = 0;

	/* The sign is that of any; without a way out, so that it is done many at a time. */
	for (size_t i = 0; i < end; i++)
		all = (int16_t)(all | level[i]);
	if (all < 0)
		return "T2 values are not negative";
	for (size_t i = n; i < end; i++)
		if (level[i] != 0)
			return "T1 entries beyond the end are 0";
	return NULL;
}

static const char *check_maxima(const struct ma_maxtree *tree, unsigned l, size_t n)
{
	for (size_t i = 0; i < n; i += MA_MAXTREE_FAN) {
		const int16_t *line = tree->level[l] + i;
		int16_t max = 0;

		/* Behind the end, too: there are zeros. */
		for (size_t k = 0; k < MA_MAXTREE_FAN; k++)
			max = line[k] > max ? line[k] : max;
		if (tree->level[l + 1][i / MA_MAXTREE_FAN] != max)
			return "T1 upper entries are the maxima of their lines";
	}
	return NULL;
}

const char *ma_maxtree_check(const struct ma_maxtree *tree)
{
	size_t n = tree->n;

	for (unsigned l = 0; l < tree->nlevels; l++) {
		const char *broken = check_level(tree, l, n);

		if (broken == NULL && l + 1 < tree->nlevels)
			broken = check_maxima(tree, l, n);
		if (broken != NULL)
			return broken;
		n = (n + MA_MAXTREE_FAN - 1) / MA_MAXTREE_FAN;
	}
	return NULL;
}
