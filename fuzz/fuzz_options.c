/*
 * Property: whatever the bytes, every option has the value that a plain reading of the sources
 * gives it, which is in its range; exactly the entries and sections that are wrong are counted,
 * each with one line of warning; and reading them again gives the same, byte for byte.
 *
 * The plain reading is the second half of this file: it shares options.def with the library, and no
 * code. The format of an input is in README.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "os_fake.h"

#define PROGRAM "prog"
#define WRITTEN_MAX 8000 /* what the fake OS keeps of the warnings, and some more */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const char *name)
{
	(void)fprintf(stderr, "fuzz: options: %s: %s\n", what, name);
	(void)fputs(os_fake_written(), stderr);
	abort();
}

/* ---- the options, as they are written down --------------------------------------------------- */

enum type { FLAG_TYPE, NUMBER_TYPE, CHOICE_TYPE, STRING_TYPE };

struct option {
	const char *name;
	enum type type;
	uint64_t value, least, most;
	const char *words;
	uint64_t (*get)(const struct ma_options *options);
	size_t offset; /* of a string */
};

#define GETTER(name)                                           \
	static uint64_t get_##name(const struct ma_options *o) \
	{                                                      \
		return (uint64_t)o->name;                      \
	}
#define FLAG(name, value, help) GETTER(name)
#define NUMBER(name, value, least, most, help) GETTER(name)
#define CHOICE(name, value, words, help) GETTER(name)
#define STRING(name, help)
#define PRESET(profile, name, value)
#include "options.def"

static const struct option table[] = {
#define FLAG(name, value, help) {#name, FLAG_TYPE, value, 0, 1, NULL, get_##name, 0},
#define NUMBER(name, value, least, most, help) \
	{#name, NUMBER_TYPE, value, least, most, NULL, get_##name, 0},
#define CHOICE(name, value, words, help) {#name, CHOICE_TYPE, value, 0, 0, words, get_##name, 0},
#define STRING(name, help) \
	{#name, STRING_TYPE, 0, 0, 0, NULL, NULL, offsetof(struct ma_options, name)},
#define PRESET(profile, name, value)
#include "options.def"
};

static const struct preset {
	const char *profile, *name;
	uint64_t value;
} presets[] = {
#define FLAG(name, value, help)
#define NUMBER(name, value, least, most, help)
#define CHOICE(name, value, words, help)
#define STRING(name, help)
#define PRESET(profile, name, value) {#profile, #name, value},
#include "options.def"
};

#define NOPTIONS (sizeof(table) / sizeof(*table))
#define NPRESETS (sizeof(presets) / sizeof(*presets))

/* ---- a plain reading: values ----------------------------------------------------------------- */

struct reading {
	uint64_t value[NOPTIONS];
	char path[NOPTIONS][MA_OPTION_STRING]; /* of strings */
	size_t nbad;
	bool profiles; /* the first time: look for profiles only */
	char profile[16];
};

/* Characters of the input; a part of it. */
struct part {
	const char *at;
	size_t len;
};

static bool is(struct part part, const char *str)
{
	return part.len == strlen(str) && memcmp(part.at, str, part.len) == 0;
}

static size_t number_of(const char *name)
{
	for (size_t i = 0; i < NOPTIONS; i++)
		if (strcmp(table[i].name, name) == 0)
			return i;
	abort();
}

/* Return: false when it is no number, or larger than any. */
static bool read_number(struct part part, uint64_t *n)
{
	static const char units[] = "kKmMgG";
	const char *unit = part.len > 1 ? strchr(units, part.at[part.len - 1]) : NULL;
	__extension__ unsigned __int128 sum = 0;

	if (unit != NULL && *unit != '\0')
		part.len--;
	for (size_t i = 0; i < part.len; i++) {
		if (part.at[i] < '0' || part.at[i] > '9')
			return false;
		sum = sum * 10 + (unsigned)(part.at[i] - '0');
		if (sum > UINT64_MAX)
			return false;
	}
	for (size_t k = 0; unit != NULL && *unit != '\0' && k <= (size_t)(unit - units) / 2; k++)
		sum *= 1024;
	*n = (uint64_t)sum;
	return part.len > 0 && sum <= UINT64_MAX;
}

static bool read_word(const char *words, struct part part, uint64_t *n)
{
	char copy[64];
	char *rest = copy;

	(void)snprintf(copy, sizeof(copy), "%s", words);
	for (*n = 0;; ++*n) {
		const char *word = strsep(&rest, "|");

		if (word == NULL || is(part, word))
			return word != NULL;
	}
}

static bool read_path(struct reading *r, size_t i, struct part part)
{
	if (part.len >= MA_OPTION_STRING || memchr(part.at, 0, part.len) != NULL)
		return false;
	memset(r->path[i], 0, MA_OPTION_STRING);
	memcpy(r->path[i], part.at, part.len);
	return true;
}

static bool read_value(struct reading *r, size_t i, struct part part)
{
	const struct option *o = &table[i];
	uint64_t n;

	if (o->type == STRING_TYPE)
		return read_path(r, i, part);
	if (i == number_of("on_violation") && part.len >= 5 && memcmp(part.at, "exit:", 5) == 0) {
		if (!read_value(r, number_of("exitcode"), (struct part){part.at + 5, part.len - 5}))
			return false;
		part.len = 4;
	}
	if (o->type == CHOICE_TYPE ? !read_word(o->words, part, &n) : !read_number(part, &n))
		return false;
	if (o->type != CHOICE_TYPE && (n < o->least || n > o->most))
		return false;
	r->value[i] = n;
	return true;
}

/* ---- a plain reading: entries ---------------------------------------------------------------- */

static bool is_space(char c)
{
	return c != '\0' && strchr(" \t\r", c) != NULL;
}

static struct part stripped(struct part part)
{
	for (; part.len > 0 && is_space(part.at[0]); part.len--)
		part.at++;
	while (part.len > 0 && is_space(part.at[part.len - 1]))
		part.len--;
	return part;
}

static void read_entry(struct reading *r, struct part entry, bool file)
{
	struct part name = entry;
	struct part value = {entry.at + entry.len, 0};

	for (name.len = 0; name.len < entry.len && entry.at[name.len] != '=';)
		name.len++;
	if (name.len < entry.len)
		value = (struct part){entry.at + name.len + 1, entry.len - name.len - 1};
	if (r->profiles) {
		name = file ? stripped(name) : name;
		value = file ? stripped(value) : value;
		if (is(name, "profile") && read_value(r, number_of("profile"), value))
			(void)snprintf(r->profile, sizeof(r->profile), "%.*s", (int)value.len,
				       value.at);
		return;
	}
	for (size_t i = 0; i < NOPTIONS && name.len < entry.len; i++)
		if (is(file ? stripped(name) : name, table[i].name) &&
		    read_value(r, i, file ? stripped(value) : value))
			return;
	r->nbad++;
}

/* Whether a piece of digits alone stands here: it belongs to what is before it. */
static bool only_digits(struct part part)
{
	size_t n = 0;

	while (n < part.len && part.at[n] >= '0' && part.at[n] <= '9')
		n++;
	return n > 0 && (n == part.len || part.at[n] == ':');
}

static void read_entries(struct reading *r, struct part text, bool file)
{
	struct part entry = {text.at, 0};

	for (size_t i = 0; i <= text.len; i++) {
		struct part rest = {text.at + i + 1, i < text.len ? text.len - i - 1 : 0};

		entry.len = (size_t)(text.at + i - entry.at);
		if (i < text.len && (text.at[i] != ':' || (entry.len > 0 && only_digits(rest))))
			continue;
		if (file)
			entry = stripped(entry);
		if (entry.len > 0)
			read_entry(r, entry, file);
		entry.at = rest.at;
	}
}

/* ---- a plain reading: files ------------------------------------------------------------------ */

/* Return: whether what follows is for the program. */
static bool read_section(struct reading *r, struct part line)
{
	struct part name = stripped((struct part){line.at + 1, line.len > 1 ? line.len - 2 : 0});
	size_t n = name.len;

	if (n == 0 || line.at[line.len - 1] != ']') {
		r->nbad += !r->profiles;
		return false;
	}
	return name.at[n - 1] == '*' ? n <= sizeof(PROGRAM) && memcmp(name.at, PROGRAM, n - 1) == 0
				     : is(name, PROGRAM);
}

static void read_file(struct reading *r, struct part text)
{
	const char *end = text.at + text.len;
	bool ours = true;

	for (const char *at = text.at; at < end;) {
		struct part line = {at, 0};

		while (at < end && *at != '\n')
			at++;
		line.len = (size_t)(at++ - line.at);
		for (size_t i = 0; i < line.len; i++)
			if (line.at[i] == '#' && (i == 0 || is_space(line.at[i - 1])))
				line.len = i;
		line = stripped(line);
		if (line.len > 0 && line.at[0] == '[')
			ours = read_section(r, line);
		else if (ours)
			read_entries(r, line, true);
	}
}

static void read_all(struct reading *r, const struct ma_config_source *sources, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct part text = {sources[i].text, sources[i].size};

		if (sources[i].is_file)
			read_file(r, text);
		else
			read_entries(r, text, false);
	}
}

/* First who names a profile, then everything. */
static void read_sources(struct reading *r, const struct ma_config_source *sources, size_t n)
{
	memset(r, 0, sizeof(*r));
	r->profiles = true;
	read_all(r, sources, n);
	r->profiles = false;
	for (size_t i = 0; i < NOPTIONS; i++)
		if (i != number_of("profile"))
			r->value[i] = table[i].value;
	if (r->profile[0] == '\0')
		r->value[number_of("profile")] = table[number_of("profile")].value;
	for (size_t i = 0; i < NPRESETS; i++)
		if (strcmp(presets[i].profile, r->profile) == 0)
			r->value[number_of(presets[i].name)] = presets[i].value;
	read_all(r, sources, n);
}

/* ---- the comparison -------------------------------------------------------------------------- */

static uint64_t most_of(const struct option *o)
{
	uint64_t n = 0;

	if (o->type != CHOICE_TYPE)
		return o->most;
	for (const char *c = o->words; *c != '\0'; c++)
		n += *c == '|';
	return n;
}

static bool has_string(const struct ma_options *options, const struct reading *r, size_t i)
{
	const char *text = (const char *)options + table[i].offset;

	return table[i].type != STRING_TYPE || memcmp(text, r->path[i], MA_OPTION_STRING) == 0;
}

static void check_values(const struct ma_options *options, const struct reading *r)
{
	for (size_t i = 0; i < NOPTIONS; i++) {
		uint64_t value = table[i].get != NULL ? table[i].get(options) : 0;

		if (value < table[i].least || value > most_of(&table[i]))
			fail("N1 a value is out of range", table[i].name);
		if (value != r->value[i] || !has_string(options, r, i))
			fail("another value than a plain reading gives", table[i].name);
	}
}

static void check_warnings(size_t nbad)
{
	const char *text = os_fake_written();
	size_t n = 0;

	if (strlen(text) >= WRITTEN_MAX)
		return;
	for (; *text != '\0'; n++) {
		if (strncmp(text, "memalloc: ", 10) != 0)
			fail("N2 a warning is one line", text);
		text = strchr(text, '\n') + 1;
	}
	if (n != nbad)
		fail("N2 a bad entry is warned about once", "warnings");
}

static void check(const struct ma_config_source *sources, size_t n)
{
	static struct ma_options options, again;
	struct reading r;
	size_t nbad;

	os_fake_forget();
	memset(&options, 0xff, sizeof(options));
	memset(&again, 0, sizeof(again));
	read_sources(&r, sources, n);
	nbad = ma_config_parse(&options, sources, n, PROGRAM);
	check_values(&options, &r);
	if (nbad != r.nbad)
		fail("N2 what is bad is counted", nbad < r.nbad ? "too few" : "too many");
	check_warnings(nbad);
	if (ma_config_parse(&again, sources, n, PROGRAM) != nbad ||
	    memcmp(&again, &options, sizeof(options)) != 0)
		fail("N3 the same sources give the same", "the second time");
}

/* The last line is a string, what is before it a file. */
static void check_both(const char *text, size_t size)
{
	size_t end = size;

	while (end > 0 && text[end - 1] != '\n')
		end--;
	check((const struct ma_config_source[]){{"file", text, end, true},
						{"string", text + end, size - end, false}},
	      2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (size == 0)
		return 0;
	if (data[0] == 's')
		check(&(struct ma_config_source){"string", text, size - 1, false}, 1);
	else if (data[0] == 'f')
		check(&(struct ma_config_source){"file", text, size - 1, true}, 1);
	else
		check_both(text, size - 1);
	return 0;
}
