#include "maxtree.h"

static const char *check_level(const struct ma_maxtree *tree, unsigned l, size_t n)
{
	size_t end = ma_align_up(n, MA_MAXTREE_FAN);

	for (size_t i = 0; i < end; i++) {
		if (tree->level[l][i] < 0)
			return "T2 values are not negative";
		if (i >= n && tree->level[l][i] != 0)
			return "T1 entries beyond the end are 0";
	}
	return NULL;
}

static const char *check_maxima(const struct ma_maxtree *tree, unsigned l, size_t n)
{
	for (size_t i = 0; i < n; i += MA_MAXTREE_FAN) {
		int16_t max = 0;

		for (size_t k = i; k < n && k < i + MA_MAXTREE_FAN; k++)
			if (tree->level[l][k] > max)
				max = tree->level[l][k];
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
