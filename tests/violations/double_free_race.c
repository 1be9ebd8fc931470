/*
 * Two threads free an object of a third at the same moment, so that each may find it live. What one
 * of them does between its look and its free takes no longer than a few instructions: this is tried
 * in many children, the last time in the program itself, which ends as the first child ended that
 * was not stopped. Harm: two objects got the same memory.
 *
 * [control] SIZE NTRIES: size of the object. Control frees once.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bug.h"

#define NAFTER 64
#define SPINS_MAX 1000 /* the other may need this processor */

struct start {
	atomic_int nready;
	void *object;
	bool frees[2];
};

static struct start start;

static void *free_together(void *arg)
{
	const bool *frees = arg;

	free(opaque(malloc(1)));
	atomic_fetch_add(&start.nready, 1);
	for (int n = 0; atomic_load(&start.nready) < 2; n++) {
		if (n > SPINS_MAX)
			sched_yield();
	}
	if (*frees)
		free(start.object);
	return NULL;
}

static bool has_twins(size_t size)
{
	void *after[NAFTER];
	bool has = false;

	for (int i = 0; i < NAFTER; i++) {
		after[i] = opaque(malloc(size));
		for (int k = 0; k < i; k++)
			has |= after[k] == after[i];
	}
	return has;
}

static int race(const struct bug *bug, size_t size)
{
	pthread_t threads[2];

	start.object = opaque(malloc(size));
	start.frees[0] = true;
	start.frees[1] = bug->asked;
	for (int i = 0; i < 2; i++) {
		if (pthread_create(&threads[i], NULL, free_together, &start.frees[i]) != 0)
			return BUG_UNSET;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return bug_end(bug, has_twins(size));
}

/* Return: how the child ended, -1 when it was stopped. */
static int race_in_child(const struct bug *bug, size_t size)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		if (null < 0 || dup2(null, STDERR_FILENO) < 0)
			_exit(BUG_UNSET);
		_exit(race(bug, size));
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return BUG_UNSET;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv)
{
	struct bug bug = bug_init(argc, argv);
	size_t size = bug_size(&bug, 0, 24);
	size_t ntries = bug_size(&bug, 1, 300);

	for (size_t i = 0; bug.asked && i < ntries; i++) {
		int end = race_in_child(&bug, size);

		if (end >= 0)
			return end;
	}
	return race(&bug, size);
}
