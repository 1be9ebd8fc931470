/*
 * Processes that end while threads allocate: the look at live objects at exit must find nothing,
 * neither in this process nor in children in which the threads have vanished in the middle.
 *
 * stress_exit NCHILDREN
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memalloc.h"

#define NTHREADS 4
#define NOBJECTS 64

static void *churn(void *arg)
{
	unsigned x = *(unsigned *)arg;
	char *object[NOBJECTS] = {NULL};

	for (;;) {
		unsigned k;
		size_t size;

		x = x * 1103515245 + 12345;
		k = x >> 16 & (NOBJECTS - 1);
		size = x >> 28 == 0 ? 50000 : x >> 22 & 511;
		object[k] = custom_realloc(object[k], size + 1);
		memset(object[k], 'x', size + 1);
		if (x >> 30 == 3) {
			custom_free(object[k]);
			object[k] = NULL;
		}
	}
	return NULL;
}

/* Return: whether the child ended as it should. */
static int end_child(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	return status == 0;
}

int main(int argc, char **argv)
{
	static unsigned seeds[NTHREADS];
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
	pthread_t thread;

	for (unsigned i = 0; i < NTHREADS; i++) {
		seeds[i] = i + 1;
		if (pthread_create(&thread, NULL, churn, &seeds[i]) != 0)
			return 2;
	}
	for (long i = 0; i < n; i++) {
		if (!end_child()) {
			(void)fprintf(stderr, "stress_exit: child %ld did not end well\n", i);
			_exit(1);
		}
	}
	/* The threads are still at it. */
	return 0;
}
