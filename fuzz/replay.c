/*
 * A fuzz target's main() without an engine: runs it once on each file.
 *
 *      replay_heap file-or-directory...
 *
 * Directories are searched in depth, in the order of names; what begins with a dot is left out. The
 * name is printed before the run, so that the last one is the culprit's. No file at all is a
 * failure: an empty corpus would prove nothing. So is a file that takes too long: a broken heap
 * often shows as a loop.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS_MAX 60 /* per file, under Valgrind too */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t nfiles;

static void fail(const char *what, const char *path)
{
	(void)fprintf(stderr, "replay: %s: %s\n", path, what);
	exit(1);
}

static void too_long(int signal)
{
	static const char text[] = "replay: takes too long\n";

	(void)signal;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

/* Exactly the file's bytes, so that tools see a read beyond them. */
static uint8_t *read_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(size > 0 ? size : 1);

	if (file == NULL || data == NULL || fread(data, 1, size, file) != size)
		fail("cannot be read", path);
	(void)fclose(file);
	return data;
}

static void replay_file(const char *path, size_t size)
{
	uint8_t *data = read_file(path, size);

	(void)puts(path);
	(void)fflush(stdout);
	(void)alarm(SECONDS_MAX);
	(void)LLVMFuzzerTestOneInput(data, size);
	(void)alarm(0);
	free(data);
	nfiles++;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(const char *path);

static void replay_directory(const char *path)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, is_visible, alphasort);

	if (n < 0)
		fail("cannot be read", path);
	for (int i = 0; i < n; i++) {
		char *name = NULL;

		if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
			fail("no memory", path);
		replay(name);
		free(name);
		free(entries[i]);
	}
	free(entries);
}

static void replay(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		fail("does not exist", path);
	if (S_ISDIR(status.st_mode))
		replay_directory(path);
	else
		replay_file(path, (size_t)status.st_size);
}

int main(int argc, char **argv)
{
	(void)signal(SIGALRM, too_long);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (nfiles == 0)
		fail("no input, nothing was proven", argc > 1 ? argv[argc - 1] : "no argument");
	(void)printf("%zu inputs: ok\n", nfiles);
	return 0;
}
