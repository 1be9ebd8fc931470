/*
 * file - a file that is written through memory.
 *
 * What and why: what must not be lost when a program ends, however it does, is written to memory
 * that is a file's. Descriptors are open for a moment only: a program closes those that it does not
 * know, and uses their numbers for files of its own.
 *
 * Rules:
 *   Y1  A file is created; one that exists is never opened, whatever its name.
 *   Y2  What has the name later is left alone unless it is the file that was created.
 *   Y3  What was grown to has its room on the disk: to write there cannot fail.
 *   Y4  errno is left as it was found; nothing is allocated.
 *
 * What this does not prevent: if somebody else makes the file shorter, the program ends by SIGBUS.
 * Locks: none. Cost: some system calls each.
 */
#ifndef MA_FILE_H
#define MA_FILE_H

#include "base.h"

/* Bytes of a path, with its terminator. */
#define MA_FILE_PATH ((size_t)4096)

struct ma_file {
	char wish[MA_FILE_PATH]; /* absolute; %p stands for the number of the process */
	char name[MA_FILE_PATH]; /* of the one that was created last, or could not be */
	uint64_t device;         /* which file it is (Y2) */
	uint64_t inode;
};

/** ma_file_is_refused() - whether this is a set-id program or the like: it gets no files. */
bool ma_file_is_refused(void);

/**
 * ma_file_init() - choose the name
 * @path:  taken from the working directory of now if it is relative
 *
 * Return: false, with @path as the name, when it is too long, or that directory unknown.
 */
bool ma_file_init(struct ma_file *file, const char *path) ma_must_check;

/** ma_file_is_numbered() - whether the number of the process is part of the name. */
bool ma_file_is_numbered(const struct ma_file *file);

/**
 * ma_file_create() - create it, empty, for its owner only
 *
 * A numbered name that is taken gets .2, .3 and so on behind it: a program that replaces itself
 * keeps its number, and is not to lose what was before. Return: false when the OS refused.
 */
bool ma_file_create(struct ma_file *file) ma_must_check;

/**
 * ma_file_grow() - make it longer (Y3)
 * @from, @to:  its size, and what it is to be
 *
 * Return: false when there is no room or none allowed, or the file is not there any more.
 */
bool ma_file_grow(const struct ma_file *file, size_t from, size_t to) ma_must_check;

/**
 * ma_file_map() - its contents as memory
 * @size:  bytes, whole pages; what is beyond the file's end must not be touched
 *
 * Return: NULL when the OS refused.
 */
void *ma_file_map(const struct ma_file *file, size_t size) ma_must_check;

/** ma_file_cut() - make it shorter. Return: false when the OS refused. */
bool ma_file_cut(const struct ma_file *file, size_t size);

#endif
