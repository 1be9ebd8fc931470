/*
 * Does nothing: what it costs, and how much memory it takes, is what an allocator adds to the start
 * and the end of every program.
 */
#include "bench.h"

int main(int argc, char **argv)
{
	(void)bench_scaled(argc, argv, 1);
	return 0;
}
