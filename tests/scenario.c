#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

#define SECONDS_MAX 120

unsigned scenario_seconds(unsigned n)
{
	return getenv("MESON_EXE_WRAPPER") != NULL ? 10 * n : n;
}

bool scenario_main(int argc, char **argv, const struct scenario *table, size_t n)
{
	if (argc < 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, argv[1]) != 0)
			continue;
		table[i].run();
		return true;
	}
	(void)fprintf(stderr, "no scenario %s\n", argv[1]);
	exit(2);
}

/*
 * What a scenario does wrong is for memalloc to find, and not for a tool that looks on.
 * The link is read, not followed: under Valgrind it leads to Valgrind itself. Where programs are
 * another machine's, meson says what runs them.
 */
static void become(const char *name, const char *options, int fd, int to)
{
	char path[4096] = "";
	char all[4096];

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		_exit(127);
	(void)snprintf(all, sizeof(all), "annotate=0:%s", options != NULL ? options : "");
	(void)setenv("MEMALLOC_OPTIONS", all, 1);
	if (to >= 0)
		(void)dup2(to, fd);
	(void)alarm(scenario_seconds(SECONDS_MAX));
	if (getenv("MESON_EXE_WRAPPER") != NULL)
		(void)execl("/bin/sh", "sh", "-c", "exec $MESON_EXE_WRAPPER \"$0\" \"$1\"", path,
			    name, (char *)NULL);
	else
		(void)execl(path, "scenario", name, (char *)NULL);
	_exit(127);
}

static size_t read_all(int from, char *buf, size_t size)
{
	size_t used = 0;
	char rest[256];

	for (;;) {
		bool full = used + 1 >= size;
		ssize_t n = read(from, full ? rest : buf + used,
				 full ? sizeof(rest) : size - 1 - used);

		if (n <= 0)
			break;
		used += full ? 0 : (size_t)n;
	}
	if (size > 0)
		buf[used] = '\0';
	return used;
}

/* Return: the wait status; -1 when nothing could be started. */
static int run(const char *name, const char *options, int fd, char *buf, size_t size)
{
	int status = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0)
		become(name, options, fd, fd >= 0 ? ends[1] : -1);
	(void)close(ends[1]);
	if (fd >= 0)
		(void)read_all(ends[0], buf, size);
	(void)close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

bool scenario_passes(const char *name, const char *options)
{
	return run(name, options, -1, NULL, 0) == 0;
}

bool scenario_output(const char *name, const char *options, int fd, char *buf, size_t size)
{
	return run(name, options, fd, buf, size) == 0;
}

bool scenario_dies(const char *name, const char *options, const char *text)
{
	char err[4096];
	int status = run(name, options, STDERR_FILENO, err, sizeof(err));

	if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    strstr(err, text) != NULL)
		return true;
	(void)fprintf(stderr, "%s: wait status %d, expected \"%s\" in:\n%s", name, status, text,
		      err);
	return false;
}

static size_t statm(int field)
{
	unsigned long pages[2] = {0, 0};
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu %lu", &pages[0], &pages[1]) != 2)
		pages[field] = 0;
	(void)fclose(file);
	return pages[field] * (size_t)sysconf(_SC_PAGESIZE);
}

size_t resident_bytes(void)
{
	return statm(1);
}

size_t mapped_bytes(void)
{
	return statm(0);
}
