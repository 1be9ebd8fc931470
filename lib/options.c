#include <string.h>

#include "options.h"
#include "report.h"
#include "text.h"

enum type { TYPE_FLAG, TYPE_NUMBER, TYPE_CHOICE };

struct option {
	const char *name;
	enum type type;
	size_t offset; /* in struct ma_options */
	uint64_t value, least, most;
	const char *words; /* of a choice, separated by | */
	const char *help;
};

static const struct option table[] = {
#define FLAG(name, value, help) \
	{#name, TYPE_FLAG, offsetof(struct ma_options, name), value, 0, 1, NULL, help},
#define NUMBER(name, value, least, most, help) \
	{#name, TYPE_NUMBER, offsetof(struct ma_options, name), value, least, most, NULL, help},
#define CHOICE(name, value, words, help) \
	{#name, TYPE_CHOICE, offsetof(struct ma_options, name), value, 0, 0, words, help},
#include "options.def"
#undef FLAG
#undef NUMBER
#undef CHOICE
};

#define NOPTIONS (sizeof(table) / sizeof(*table))

/* A piece of the string; not terminated. */
struct word {
	const char *str;
	size_t len;
};

static void put(struct ma_options *options, const struct option *opt, uint64_t value)
{
	void *field = (char *)options + opt->offset;

	if (opt->type == TYPE_FLAG)
		*(bool *)field = value != 0;
	else if (opt->type == TYPE_CHOICE)
		*(unsigned *)field = (unsigned)value;
	else
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

void ma_options_init(struct ma_options *options)
{
	memset(options, 0, sizeof(*options));
	for (size_t i = 0; i < NOPTIONS; i++)
		put(options, &table[i], table[i].value);
}

static bool same(struct word word, const char *str, size_t len)
{
	return word.len == len && memcmp(word.str, str, len) == 0;
}

static const struct option *find(struct word name)
{
	for (size_t i = 0; i < NOPTIONS; i++)
		if (same(name, table[i].name, strlen(table[i].name)))
			return &table[i];
	return NULL;
}

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

static bool parse_value(const struct option *opt, struct word word, uint64_t *value)
{
	if (opt->type == TYPE_CHOICE)
		return parse_choice(opt->words, word, value);
	return parse_number(word, value) && *value >= opt->least && *value <= opt->most;
}

static void complain(const char *what, struct word entry)
{
	char copy[128];
	size_t len = ma_min(entry.len, sizeof(copy) - 1);

	memcpy(copy, entry.str, len);
	copy[len] = '\0';
	ma_warn(what, copy, "; MEMALLOC_OPTIONS=help=1 lists the options");
}

static bool parse_entry(struct ma_options *options, struct word entry)
{
	const char *equals = memchr(entry.str, '=', entry.len);
	struct word name = {entry.str, equals != NULL ? (size_t)(equals - entry.str) : entry.len};
	const struct option *opt = find(name);
	struct word word;
	uint64_t value;

	if (opt == NULL) {
		complain("unknown option: ", entry);
		return false;
	}
	word.str = entry.str + name.len + (equals != NULL);
	word.len = entry.len - name.len - (equals != NULL);
	if (equals == NULL || !parse_value(opt, word, &value)) {
		complain("bad value for an option: ", entry);
		return false;
	}
	put(options, opt, value);
	return true;
}

size_t ma_options_parse(struct ma_options *options, const char *str)
{
	size_t nbad = 0;

	while (str != NULL && *str != '\0') {
		struct word entry = {str, strcspn(str, ":")};

		if (entry.len > 0)
			nbad += !parse_entry(options, entry);
		str += entry.len;
		str += *str == ':';
	}
	return nbad;
}

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

void ma_options_help(const struct ma_options *options, int fd)
{
	char buf[2048];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), fd);
	ma_text_str(&text, "memalloc: options (MEMALLOC_OPTIONS=name=value:name=value)\n");
	for (size_t i = 0; i < NOPTIONS; i++) {
		ma_text_str(&text, "  ");
		ma_text_str(&text, table[i].name);
		ma_text_str(&text, "=");
		if (table[i].type == TYPE_CHOICE)
			choice_word(&text, table[i].words, get(options, &table[i]));
		else
			ma_text_dec(&text, get(options, &table[i]));
		ma_text_str(&text, "  ");
		ma_text_str(&text, table[i].help);
		if (table[i].words != NULL) {
			ma_text_str(&text, ": ");
			ma_text_str(&text, table[i].words);
		}
		ma_text_str(&text, "\n");
	}
	ma_text_flush(&text);
}
