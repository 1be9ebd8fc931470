/*
 * options - name=value:name=value, as AddressSanitizer's.
 *
 * What and why: one line per option in options.def feeds this structure, the parser and the help,
 * so that they cannot disagree. A profile is a name for several values; single options override
 * it wherever they stand, so it is looked for first. Where the texts come from: config.h.
 *
 * Shape: an entry is a name, = and a value. Entries are separated by colons; empty ones do not
 * count. A piece of only digits belongs to the value before it: on_violation=exit:3.
 *
 * Rules:
 *   N1  Every value is within its range, whatever the text was; strings are terminated.
 *   N2  An unknown name or a malformed value is named in one warning; the others apply.
 *   N3  The same texts give the same structure, byte for byte.
 *
 * Locks: none; written once, before any other thread can look. Cost: at start only.
 */
#ifndef MA_OPTIONS_H
#define MA_OPTIONS_H

#include "base.h"

/* Bytes of a string, with its terminator. */
#define MA_OPTION_STRING ((size_t)256)

struct ma_options {
#define FLAG(name, value, help) bool name;
#define NUMBER(name, value, least, most, help) uint64_t name;
#define CHOICE(name, value, words, help) unsigned name;
#define STRING(name, help) char name[MA_OPTION_STRING];
#define PRESET(profile, name, value)
#include "options.def"
};

/* The choices, in the order of their words. */
enum ma_option_profile {
	MA_OPTION_PROFILE_FAST,
	MA_OPTION_PROFILE_DEFAULT,
	MA_OPTION_PROFILE_STRICT
};
enum ma_option_fit { MA_OPTION_FIT_FIRST, MA_OPTION_FIT_BEST };
enum ma_option_guards { MA_OPTION_GUARDS_NONE, MA_OPTION_GUARDS_LARGE, MA_OPTION_GUARDS_ALL };
enum ma_option_stacks { MA_OPTION_STACKS_OFF, MA_OPTION_STACKS_FAST, MA_OPTION_STACKS_FULL };
enum ma_option_on_violation {
	MA_OPTION_ON_VIOLATION_ABORT,
	MA_OPTION_ON_VIOLATION_TRAP,
	MA_OPTION_ON_VIOLATION_EXIT,
	MA_OPTION_ON_VIOLATION_REPORT,
};
enum ma_option_mode { MA_OPTION_MODE_OWN, MA_OPTION_MODE_PASSTHROUGH };
enum ma_option_report { MA_OPTION_REPORT_TEXT, MA_OPTION_REPORT_JSON };

/* Entries, and where they stand. */
struct ma_options_text {
	const char *source; /* its name, for warnings */
	unsigned line;      /* in the source, from 1; 0 when it has no lines */
	bool blanks;        /* blanks around names and values do not count */
	const char *str;    /* "name=value:name=value"; need not be terminated */
	size_t len;         /* characters */
};

/** ma_options_init() - the values of @profile. */
void ma_options_init(struct ma_options *options, enum ma_option_profile profile);

/**
 * ma_options_profile() - the profile that a text names last
 *
 * Warns of nothing. Return: false, and @profile untouched, when it names none.
 */
bool ma_options_profile(const struct ma_options_text *text, enum ma_option_profile *profile);

/**
 * ma_options_apply() - set what a text says
 *
 * A profile is noted, its values are not set: ma_options_init() did.
 *
 * Return: the number of entries that could not be used; each was warned about (N2).
 */
size_t ma_options_apply(struct ma_options *options, const struct ma_options_text *text);

/**
 * ma_options_complain() - warn of something in a text
 * @what:       ends in ": "
 * @str, @len:  the culprit; control characters are shown as ?, and a long one in part
 */
void ma_options_complain(const struct ma_options_text *text, const char *what, const char *str,
			 size_t len);

/** ma_options_help() - write all options with their values to @fd. */
void ma_options_help(const struct ma_options *options, int fd);

#endif
