/*
 * Binary trees of small nodes, built, walked and torn down, while one large tree stays: compilers
 * and interpreters live like this. All nodes are of one size, so an allocator does well that hands
 * out neighbours for what was asked for one after the other; the walks say how near nodes lie.
 */
#include "bench.h"

#define NTREES ((size_t)420)
#define DEPTH 14
#define DEPTH_OF_LASTING 17
#define NWALKS 2

struct node {
	uint64_t token; /* made of its address and its depth */
	struct node *left, *right;
	uint64_t payload;
};

static struct node *build(unsigned depth)
{
	struct node *node = bench_malloc(sizeof(*node));

	bench_mark(node, depth);
	node->left = depth > 0 ? build(depth - 1) : NULL;
	node->right = depth > 0 ? build(depth - 1) : NULL;
	node->payload = 1;
	bench_verify(node, depth); /* or walks may never end */
	return node;
}

/* The number of nodes. */
static uint64_t walk(const struct node *node)
{
	uint64_t n = node->payload;

	n += node->left != NULL ? walk(node->left) : 0;
	n += node->right != NULL ? walk(node->right) : 0;
	return n;
}

static void tear_down(struct node *node, unsigned depth)
{
	if (depth > 0) {
		tear_down(node->left, depth - 1);
		tear_down(node->right, depth - 1);
	}
	bench_free(node, depth);
}

static void walk_all(const struct node *tree, unsigned depth)
{
	if (walk(tree) != ((uint64_t)2 << depth) - 1)
		bench_fail("nodes are missing");
}

int main(int argc, char **argv)
{
	size_t ntrees = bench_scaled(argc, argv, NTREES);
	struct node *lasting = build(DEPTH_OF_LASTING);

	for (size_t i = 0; i < ntrees; i++) {
		struct node *tree = build(DEPTH);

		for (unsigned walks = 0; walks < NWALKS; walks++)
			walk_all(tree, DEPTH);
		tear_down(tree, DEPTH);
	}
	walk_all(lasting, DEPTH_OF_LASTING);
	tear_down(lasting, DEPTH_OF_LASTING);
	return 0;
}
