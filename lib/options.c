#include <string.h>

#include "options.h"
#include "report.h"
#include "text.h"

enum type { TYPE_FLAG, TYPE_NUMBER, TYPE_CHOICE, TYPE_STRING };

struct option {
	const char *name;
	enum type type;
	size_t offset; /* in struct ma_options */
	uint64_t value, least, most;
	const char *words; /* of a choice, separated by | */
	const char *help;
};

struct preset {
	const char *profile;
	size_t offset; /* of the option */
	uint64_t value;
};

#define AT(name) offsetof(struct ma_options, name)

static const struct option table[] = {
#define FLAG(name, value, help) {#name, TYPE_FLAG, AT(name), value, 0, 1, NULL, help},
#define NUMBER(name, value, least, most, help) \
	{#name, TYPE_NUMBER, AT(name), value, least, most, NULL, help},
#define CHOICE(name, value, words, help) {#name, TYPE_CHOICE, AT(name), value, 0, 0, words, help},
#define STRING(name, help) {#name, TYPE_STRING, AT(name), 0, 0, 0, NULL, help},
#define PRESET(profile, name, value)
#include "options.def"
};

static const struct preset presets[] = {
#define FLAG(name, value, help)
#define NUMBER(name, value, least, most, help)
#define CHOICE(name, value, words, help)
#define STRING(name, help)
#define PRESET(profile, name, value) {#profile, AT(name), value},
#include "options.def"
};

#define NOPTIONS (sizeof(table) / sizeof(*table))
#define NPRESETS (sizeof(presets) / sizeof(*presets))

/* A piece of a text; not terminated. */
struct word {
	const char *str;
	size_t len;
};

/* ---- the structure --------------------------------------------------------------------------- */

static void put(struct ma_options *options, const struct option *opt, uint64_t value)
{
	void *field = (char *)options + opt->offset;

	if (opt->type == TYPE_FLAG)
		*(bool *)field = value != 0;
	else if (opt->type == TYPE_CHOICE)
		*(unsigned *)field = (unsigned)value;
	else if (opt->type == TYPE_NUMBER)
		*(uint64_t *)field = value;
}

static uint64_t get(const struct ma_options *options, const struct option *opt)
{
	const void *field = (const char *)options + opt->offset;

	if (opt->type == TYPE_FLAG)
		return *(const bool *)field;
	if (opt->type == TYPE_CHOICE)
		return *(const unsigned *)field;
	return *(const uint64_t *)field;
}

static const char *get_string(const struct ma_options *options, const struct option *opt)
{
	return (const char *)options + opt->offset;
}

static const struct option *option_at(size_t offset)
{
	for (size_t i = 0; i < NOPTIONS; i++)
		if (table[i].offset == offset)
			return &table[i];
	return NULL;
}

static bool same(struct word word, const char *str, size_t len)
{
	return word.len == len && memcmp(word.str, str, len) == 0;
}

static bool parse_choice(const char *words, struct word word, uint64_t *value)
{
	for (uint64_t i = 0; words != NULL; i++) {
		size_t len = strcspn(words, "|");

		if (same(word, words, len)) {
			*value = i;
			return true;
		}
		words = words[len] == '|' ? words + len + 1 : NULL;
	}
	return false;
}

static bool is_of(const struct preset *preset, enum ma_option_profile profile)
{
	const struct word name = {preset->profile, strlen(preset->profile)};
	uint64_t value;

	return parse_choice(option_at(AT(profile))->words, name, &value) && value == profile;
}

void ma_options_init(struct ma_options *options, enum ma_option_profile profile)
{
	memset(options, 0, sizeof(*options));
	for (size_t i = 0; i < NOPTIONS; i++)
		put(options, &table[i], table[i].value);
	for (size_t i = 0; i < NPRESETS; i++)
		if (is_of(&presets[i], profile))
			put(options, option_at(presets[i].offset), presets[i].value);
	options->profile = profile;
}

/* ---- a value --------------------------------------------------------------------------------- */

static unsigned unit_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return 0;
	}
}

static bool parse_number(struct word word, uint64_t *value)
{
	unsigned shift = word.len > 1 ? unit_shift(word.str[word.len - 1]) : 0;
	size_t ndigits = word.len - (shift != 0);
	uint64_t n = 0;

	if (word.len == 0)
		return false;
	for (size_t i = 0; i < ndigits; i++) {
		unsigned digit = (unsigned)(unsigned char)word.str[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, digit, &n))
			return false;
	}
	return !__builtin_mul_overflow(n, (uint64_t)1 << shift, value);
}

static bool parse_value(const struct option *opt, struct word word, uint64_t *value)
{
	if (opt->type == TYPE_CHOICE)
		return parse_choice(opt->words, word, value);
	return parse_number(word, value) && *value >= opt->least && *value <= opt->most;
}

/* The rest is cleared: nothing of a longer string before stays (N3). */
static bool set_string(struct ma_options *options, const struct option *opt, struct word word)
{
	char *field = (char *)options + opt->offset;

	if (word.len >= MA_OPTION_STRING || memchr(word.str, '\0', word.len) != NULL)
		return false;
	memset(field, 0, MA_OPTION_STRING);
	memcpy(field, word.str, word.len);
	return true;
}

/* on_violation=exit:N sets two options, or none. */
static bool set_exit(struct ma_options *options, struct word status)
{
	const struct option *exitcode = option_at(AT(exitcode));
	uint64_t value;

	if (!parse_value(exitcode, status, &value))
		return false;
	put(options, exitcode, value);
	options->on_violation = MA_OPTION_ON_VIOLATION_EXIT;
	return true;
}

static bool set(struct ma_options *options, const struct option *opt, struct word word)
{
	static const char exit_with[] = "exit:";
	const size_t len = sizeof(exit_with) - 1;
	uint64_t value;

	if (opt->type == TYPE_STRING)
		return set_string(options, opt, word);
	if (opt->offset == AT(on_violation) && word.len >= len &&
	    memcmp(word.str, exit_with, len) == 0)
		return set_exit(options, (struct word){word.str + len, word.len - len});
	if (!parse_value(opt, word, &value))
		return false;
	put(options, opt, value);
	return true;
}

/* ---- entries --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct word trimmed(struct word word)
{
	while (word.len > 0 && is_blank(word.str[word.len - 1]))
		word.len--;
	while (word.len > 0 && is_blank(*word.str)) {
		word.str++;
		word.len--;
	}
	return word;
}

/* Up to the next colon. */
static size_t piece(struct word rest)
{
	const char *colon = rest.len > 0 ? memchr(rest.str, ':', rest.len) : NULL;

	return colon != NULL ? (size_t)(colon - rest.str) : rest.len;
}

static bool is_digits(struct word word)
{
	for (size_t i = 0; i < word.len; i++)
		if (word.str[i] < '0' || word.str[i] > '9')
			return false;
	return word.len > 0;
}

static struct word behind(struct word word, size_t len)
{
	return (struct word){word.str + len, word.len - len};
}

/* Characters of the entry that @rest begins with. */
static size_t entry_length(struct word rest)
{
	size_t len = piece(rest);

	while (len > 0 && len < rest.len) {
		struct word next = behind(rest, len + 1);

		next.len = piece(next);
		if (!is_digits(next))
			break;
		len += 1 + next.len;
	}
	return len;
}

/* Take the next entry that is not empty off @rest. Return: false when there is none. */
static bool next_entry(struct word *rest, bool blanks, struct word *entry)
{
	while (rest->len > 0) {
		size_t len = entry_length(*rest);

		*entry = (struct word){rest->str, len};
		*rest = behind(*rest, ma_min(len + 1, rest->len));
		if (blanks)
			*entry = trimmed(*entry);
		if (entry->len > 0)
			return true;
	}
	return false;
}

static const struct option *find(struct word name)
{
	for (size_t i = 0; i < NOPTIONS; i++)
		if (same(name, table[i].name, strlen(table[i].name)))
			return &table[i];
	return NULL;
}

/* Return: the option, NULL when unknown; @value->str is NULL when there is no =. */
static const struct option *split(struct word entry, bool blanks, struct word *value)
{
	const char *equals = memchr(entry.str, '=', entry.len);
	struct word name = {entry.str, equals != NULL ? (size_t)(equals - entry.str) : entry.len};

	*value = (struct word){NULL, 0};
	if (equals != NULL)
		*value = behind(entry, name.len + 1);
	if (blanks) {
		name = trimmed(name);
		*value = trimmed(*value);
	}
	return find(name);
}

bool ma_options_profile(const struct ma_options_text *text, enum ma_option_profile *profile)
{
	struct word rest = {text->str, text->len};
	struct word entry, word;
	bool found = false;

	while (next_entry(&rest, text->blanks, &entry)) {
		const struct option *opt = split(entry, text->blanks, &word);
		uint64_t value;

		if (opt == NULL || opt->offset != AT(profile) || !parse_value(opt, word, &value))
			continue;
		*profile = (enum ma_option_profile)value;
		found = true;
	}
	return found;
}

/* "source, line 3: what" */
static void say_where(const struct ma_options_text *text, const char *what, char *buf, size_t size)
{
	struct ma_text where;

	ma_text_init(&where, buf, size - 1, -1);
	ma_text_str(&where, text->source);
	if (text->line > 0) {
		ma_text_str(&where, ", line ");
		ma_text_dec(&where, text->line);
	}
	ma_text_str(&where, ": ");
	ma_text_str(&where, what);
	buf[where.used] = '\0';
}

void ma_options_complain(const struct ma_options_text *text, const char *what, const char *str,
			 size_t len)
{
	char where[128], copy[128];
	size_t n = ma_min(len, sizeof(copy) - 1);

	for (size_t i = 0; i < n; i++)
		copy[i] = (unsigned char)str[i] < ' ' || str[i] == 0x7f ? '?' : str[i];
	copy[n] = '\0';
	say_where(text, what, where, sizeof(where));
	ma_warn(where, copy, "; MEMALLOC_OPTIONS=help=1 lists the options");
}

size_t ma_options_apply(struct ma_options *options, const struct ma_options_text *text)
{
	struct word rest = {text->str, text->len};
	struct word entry, value;
	size_t nbad = 0;

	while (next_entry(&rest, text->blanks, &entry)) {
		const struct option *opt = split(entry, text->blanks, &value);

		if (opt != NULL && value.str != NULL && set(options, opt, value))
			continue;
		ma_options_complain(text,
				    opt == NULL ? "unknown option: " : "bad value for an option: ",
				    entry.str, entry.len);
		nbad++;
	}
	return nbad;
}

/* ---- help ------------------------------------------------------------------------------------ */

static void choice_word(struct ma_text *text, const char *words, uint64_t n)
{
	char copy[32];
	size_t len;

	while (n-- > 0)
		words += strcspn(words, "|") + 1;
	len = ma_min(strcspn(words, "|"), sizeof(copy) - 1);
	memcpy(copy, words, len);
	copy[len] = '\0';
	ma_text_str(text, copy);
}

static void help_line(struct ma_text *text, const struct ma_options *options,
		      const struct option *opt)
{
	ma_text_str(text, "  ");
	ma_text_str(text, opt->name);
	ma_text_str(text, "=");
	if (opt->type == TYPE_STRING)
		ma_text_str(text, get_string(options, opt));
	else if (opt->type == TYPE_CHOICE)
		choice_word(text, opt->words, get(options, opt));
	else
		ma_text_dec(text, get(options, opt));
	ma_text_str(text, "  ");
	ma_text_str(text, opt->help);
	if (opt->words != NULL) {
		ma_text_str(text, ": ");
		ma_text_str(text, opt->words);
	}
	ma_text_str(text, "\n");
}

void ma_options_help(const struct ma_options *options, int fd)
{
	char buf[2048];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), fd);
	ma_text_str(&text, "memalloc: options (MEMALLOC_OPTIONS=name=value:name=value)\n");
	for (size_t i = 0; i < NOPTIONS; i++)
		help_line(&text, options, &table[i]);
	ma_text_flush(&text);
}
