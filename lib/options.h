/*
 * options - MEMALLOC_OPTIONS=name=value:name=value, as AddressSanitizer's.
 *
 * What and why: one line per option in options.def feeds this structure, the parser and the help,
 * so that they cannot disagree.
 *
 * Rules:
 *   N1  Every value is within its range, whatever the string was.
 *   N2  An unknown name or a malformed value is named in one warning; the others apply.
 *
 * Locks: none; written once, before any other thread can look. Cost: at start only.
 */
#ifndef MA_OPTIONS_H
#define MA_OPTIONS_H

#include "base.h"

struct ma_options {
#define FLAG(name, value, help) bool name;
#define NUMBER(name, value, least, most, help) uint64_t name;
#define CHOICE(name, value, words, help) unsigned name;
#include "options.def"
#undef FLAG
#undef NUMBER
#undef CHOICE
};

/** ma_options_init() - the defaults. */
void ma_options_init(struct ma_options *options);

/**
 * ma_options_parse() - apply a string
 * @str:  "name=value:name=value"; NULL and empty are allowed
 *
 * Return: the number of entries that could not be used; each was warned about.
 */
size_t ma_options_parse(struct ma_options *options, const char *str);

/** ma_options_help() - write all options with their values to @fd. */
void ma_options_help(const struct ma_options *options, int fd);

#endif
