/*
 * config - the sources of options, and what of them is meant for this program.
 *
 * What and why: options come from the program itself (memalloc_options), from the machine's
 * /etc/memalloc.conf and from the environment, in this order: the last one to say something wins.
 * A profile that any of them names is applied before all single options.
 *
 * Shape of the file:
 *
 *      # a comment, also behind an entry
 *      quarantine = 64                 for all programs, as is [*]
 *      [postgres]                      what follows is for programs of this name ...
 *      profile=strict:seed=7
 *      [python*]                       ... or of names that begin so
 *      fill = 0
 *
 * Rules:
 *   F1  What is in a section for another program has no effect, and is not warned about.
 *   F2  A warning names the source, and in a file the line.
 *   F3  At most MA_CONFIG_FILE_MAX bytes of the file are used, whole lines, and nothing is
 *       allocated.
 *
 * Locks: none; at start only, once. Cost: one failed open() when there is no file; else two walks
 * over it. Rejected: a file per user (a set-id program would have to tell whose).
 */
#ifndef MA_CONFIG_H
#define MA_CONFIG_H

#include "options.h"

#define MA_CONFIG_FILE "/etc/memalloc.conf"
#define MA_CONFIG_FILE_MAX ((size_t)64 * 1024)

struct ma_config_source {
	const char *name; /* for warnings */
	const char *text; /* need not be terminated; not NULL */
	size_t size;      /* characters */
	bool is_file;     /* it has lines and sections; else it is one "name=value:name=value" */
};

/**
 * ma_config_parse() - the options that sources amount to
 * @sources:  @n of them; a later one overrides those before it
 * @program:  the name that sections are compared with; "" when unknown
 *
 * Return: entries and sections that could not be used; each was warned about.
 */
size_t ma_config_parse(struct ma_options *options, const struct ma_config_source *sources, size_t n,
		       const char *program);

/** ma_config_read() - ma_config_parse() of this process's own sources. Not thread safe. */
size_t ma_config_read(struct ma_options *options);

#endif
