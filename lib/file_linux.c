/* Linux behind file.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file.h"
#include "os.h"
#include "text.h"

#define NAMES 100 /* that are tried at most */

/* System calls proper: what is preloaded beside us may wrap the C library's functions. */
static long call(long number, long a, long b, long c, long d)
{
	int saved = errno;
	long result;

	do
		result = syscall(number, a, b, c, d);
	while (result < 0 && errno == EINTR);
	errno = saved;
	return result;
}

bool ma_file_is_refused(void)
{
	return getauxval(AT_SECURE) != 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Return: the characters of the working directory; 0 when it is unknown. */
static size_t put_directory(char *buf, size_t size)
{
	long n = call(SYS_getcwd, (long)buf, (long)size, 0, 0);

	return n > 1 && buf[0] == '/' ? (size_t)n - 1 : 0;
}

bool ma_file_init(struct ma_file *file, const char *path)
{
	struct ma_text text;

	ma_text_init(&text, file->name, sizeof(file->name) - 1, -1);
	ma_text_str(&text, path);
	(void)ma_text_end(&text);
	ma_text_init(&text, file->wish, sizeof(file->wish) - 1, -1);
	if (path[0] != '/') {
		text.used = put_directory(file->wish, sizeof(file->wish) - 1);
		if (text.used == 0)
			return false;
		ma_text_str(&text, "/");
	}
	ma_text_str(&text, path);
	(void)ma_text_end(&text);
	return text.lost == 0;
}

bool ma_file_is_numbered(const struct ma_file *file)
{
	return strstr(file->wish, "%p") != NULL;
}

/* The @n-th that the process may have. Whether it fits. */
static bool make_name(struct ma_file *file, unsigned n)
{
	const char *from = file->wish;
	const char *mark;
	struct ma_text text;

	ma_text_init(&text, file->name, sizeof(file->name) - 1, -1);
	while ((mark = strstr(from, "%p")) != NULL) {
		ma_text_chars(&text, from, (size_t)(mark - from));
		ma_text_dec(&text, ma_os_process_id());
		from = mark + 2;
	}
	ma_text_str(&text, from);
	if (n > 1) {
		ma_text_str(&text, ".");
		ma_text_dec(&text, n);
	}
	(void)ma_text_end(&text);
	return text.lost == 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int open_name(const struct ma_file *file, int flags)
{
	return (int)call(SYS_openat, AT_FDCWD, (long)file->name,
			 O_RDWR | O_CLOEXEC | O_NOCTTY | flags, S_IRUSR | S_IWUSR);
}

static bool create(struct ma_file *file)
{
	int fd = open_name(file, O_CREAT | O_EXCL);
	struct stat status;
	bool done = fd >= 0 && call(SYS_fstat, fd, (long)&status, 0, 0) == 0;

	if (done) {
		file->device = status.st_dev;
		file->inode = status.st_ino;
	}
	if (fd >= 0)
		ma_os_close(fd);
	return done;
}

bool ma_file_create(struct ma_file *file)
{
	unsigned nnames = ma_file_is_numbered(file) ? NAMES : 1;

	for (unsigned n = 1; n <= nnames; n++)
		if (make_name(file, n) && create(file))
			return true;
	(void)make_name(file, 1);
	return false;
}

/* Return: a descriptor, or -1 (Y2). */
static int reopen(const struct ma_file *file)
{
	int fd = open_name(file, O_NOFOLLOW | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return -1;
	if (call(SYS_fstat, fd, (long)&status, 0, 0) == 0 && status.st_dev == file->device &&
	    status.st_ino == file->inode)
		return fd;
	ma_os_close(fd);
	return -1;
}

/* Beyond it the process would get a signal. */
static bool is_allowed(size_t size)
{
	struct rlimit limit;

	return call(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) == 0 && size <= limit.rlim_cur;
}

/* Where the file system cannot reserve room, zeros take it. */
static bool write_zeros(int fd, size_t from, size_t to)
{
	static const char zeros[4096];

	while (from < to) {
		size_t n = ma_min(to - from, sizeof(zeros));
		long done = call(SYS_pwrite64, fd, (long)zeros, (long)n, (long)from);

		if (done <= 0)
			return false;
		from += (size_t)done;
	}
	return true;
}

bool ma_file_grow(const struct ma_file *file, size_t from, size_t to)
{
	int fd = is_allowed(to) ? reopen(file) : -1;
	bool done;

	if (fd < 0)
		return false;
	done = call(SYS_fallocate, fd, 0, (long)from, (long)(to - from)) == 0 ||
	       write_zeros(fd, from, to);
	ma_os_close(fd);
	return done;
}

void *ma_file_map(const struct ma_file *file, size_t size)
{
	int saved = errno;
	int fd = reopen(file);
	void *ptr = MAP_FAILED;

	if (fd >= 0) {
		ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ma_os_close(fd);
	}
	errno = saved;
	return ptr != MAP_FAILED ? ptr : NULL;
}

bool ma_file_cut(const struct ma_file *file, size_t size)
{
	int fd = reopen(file);
	bool done = fd >= 0 && call(SYS_ftruncate, fd, (long)size, 0, 0) == 0;

	if (fd >= 0)
		ma_os_close(fd);
	return done;
}
