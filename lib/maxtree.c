#include "maxtree.h"

#define FAN ((size_t)MA_MAXTREE_FAN)

static_assert(MA_MAXTREE_FAN * sizeof(int16_t) == MA_CACHE_LINE,
	      "one line of entries is one cache line");

static size_t padded(size_t n)
{
	return ma_align_up(n, FAN);
}

size_t ma_maxtree_bytes(size_t n)
{
	size_t total = padded(n);

	while (n > FAN) {
		n = (n + FAN - 1) / FAN;
		total += padded(n);
	}
	return total * sizeof(int16_t);
}

void ma_maxtree_init(struct ma_maxtree *tree, void *mem, size_t n)
{
	int16_t *next = mem;

	MA_ASSERT(n > 0);
	tree->n = n;
	tree->nlevels = 0;
	for (;;) {
		MA_ASSERT(tree->nlevels < MA_MAXTREE_LEVELS);
		tree->level[tree->nlevels++] = next;
		if (n <= FAN)
			return;
		next += padded(n);
		n = (n + FAN - 1) / FAN;
	}
}

/* Eight entries, and the same bits as two words of four. */
typedef int16_t ma_eight __attribute__((vector_size(16), may_alias));
typedef uint64_t ma_fours __attribute__((vector_size(16), may_alias));

#define EIGHT ((size_t)8)

static ma_eight eight_at(const int16_t *line, size_t i)
{
	return *(const ma_eight *)(const void *)(line + i * EIGHT);
}

static ma_eight larger(ma_eight a, ma_eight b)
{
	ma_eight first = a > b;

	return (a & first) | (b & ~first);
}

static int16_t line_max(const int16_t *line)
{
	ma_eight max = larger(larger(eight_at(line, 0), eight_at(line, 1)),
			      larger(eight_at(line, 2), eight_at(line, 3)));

	max = larger(max, __builtin_shufflevector(max, max, 4, 5, 6, 7, 0, 1, 2, 3));
	max = larger(max, __builtin_shufflevector(max, max, 2, 3, 0, 1, 6, 7, 4, 5));
	return max[0] > max[1] ? max[0] : max[1];
}

void ma_maxtree_set(struct ma_maxtree *tree, size_t i, size_t value)
{
	int16_t now = (int16_t)value;

	MA_ASSERT(i < tree->n && value <= MA_MAXTREE_MAX);
	for (unsigned l = 0;; l++) {
		int16_t *entry = &tree->level[l][i];
		int16_t old = *entry;

		*entry = now;
		if (old == now || l + 1 == tree->nlevels)
			return;
		i /= FAN;
		/* Growing values need no second look at the line; a shrinking maximum does. */
		if (now < old && old == tree->level[l + 1][i])
			now = line_max(&tree->level[l][i * FAN]);
		else if (now <= tree->level[l + 1][i])
			return;
	}
}

/* First of eight entries >= least, but for @skipped in front; EIGHT for none. */
static size_t scan_eight(const int16_t *at, size_t skipped, int16_t least)
{
	ma_fours found = (ma_fours)(eight_at(at, 0) >= least);

	if (skipped < EIGHT / 2) {
		uint64_t low = found[0] & (~(uint64_t)0 << (16 * skipped));

		if (low != 0)
			return (size_t)__builtin_ctzll(low) / 16;
		skipped = EIGHT / 2;
	}
	found[1] &= ~(uint64_t)0 << (16 * (skipped - EIGHT / 2));
	return found[1] != 0 ? EIGHT / 2 + (size_t)__builtin_ctzll(found[1]) / 16 : EIGHT;
}

/* First entry >= least of the line of @level that holds @from, from there on. */
static size_t scan_line(const int16_t *level, size_t from, int16_t least)
{
	size_t end = (from / FAN + 1) * FAN;
	size_t skipped = from % EIGHT;

	for (size_t at = from - skipped; at < end; at += EIGHT) {
		size_t hit = scan_eight(level + at, skipped, least);

		if (hit < EIGHT)
			return at + hit;
		skipped = 0;
	}
	return MA_MAXTREE_NONE;
}

size_t ma_maxtree_find(const struct ma_maxtree *tree, size_t from, size_t least)
{
	size_t n = tree->n;
	size_t hit = MA_MAXTREE_NONE;
	unsigned l = 0;

	if (least > MA_MAXTREE_MAX)
		return MA_MAXTREE_NONE;
	/* Up: until the rest of a line right of @from holds a candidate. */
	while (from < n) {
		hit = scan_line(tree->level[l], from, (int16_t)least);
		if (hit != MA_MAXTREE_NONE || l + 1 == tree->nlevels)
			break;
		l++;
		from = from / FAN + 1;
		n = (n + FAN - 1) / FAN;
	}
	if (hit == MA_MAXTREE_NONE)
		return MA_MAXTREE_NONE;
	/* Down: the first line under the candidate that has it. */
	while (l > 0) {
		l--;
		hit = scan_line(tree->level[l], hit * FAN, (int16_t)least);
		MA_ASSERT(hit != MA_MAXTREE_NONE);
	}
	return hit;
}

size_t ma_maxtree_max(const struct ma_maxtree *tree)
{
	return (size_t)line_max(tree->level[tree->nlevels - 1]);
}
