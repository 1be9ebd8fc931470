#include <string.h>

#include "config.h"
#include "os.h"
#include "report.h"

#define NSOURCES 3

/* The program may define it: see memalloc.h. */
extern const char *memalloc_options __attribute__((weak, visibility("default")));

/* ---- the lines of a source ------------------------------------------------------------------- */

struct lines {
	const struct ma_config_source *source;
	const char *program;
	size_t at;                   /* the next line begins here; at most size */
	bool applies;                /* the section is for the program (F1) */
	bool warns;                  /* of bad sections */
	size_t nbad;                 /* bad sections */
	struct ma_options_text text; /* the line, without comment and blanks around it */
};

static struct lines lines_of(const struct ma_config_source *source, const char *program, bool warns)
{
	struct lines lines = {
		.source = source,
		.program = program,
		.applies = true,
		.warns = warns,
		.text = {.source = source->name, .blanks = source->is_file},
	};

	return lines;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A # begins a comment where no value could contain it. */
static size_t without_comment(const char *str, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (str[i] == '#' && (i == 0 || is_blank(str[i - 1])))
			return i;
	return len;
}

static void trim(struct ma_options_text *text)
{
	while (text->len > 0 && is_blank(text->str[text->len - 1]))
		text->len--;
	while (text->len > 0 && is_blank(*text->str)) {
		text->str++;
		text->len--;
	}
}

/* Whether a name, with a * at its end maybe, is that of the program. */
static bool matches(const char *name, size_t len, const char *program)
{
	size_t have = strlen(program);

	if (name[len - 1] == '*')
		return len - 1 <= have && memcmp(name, program, len - 1) == 0;
	return len == have && memcmp(name, program, len) == 0;
}

/* The name between the brackets; its len is 0 when there is none. */
static struct ma_options_text section_name(const struct ma_options_text *text)
{
	struct ma_options_text name = {.str = text->str + 1, .len = 0};

	if (text->len > 1 && text->str[text->len - 1] == ']')
		name.len = text->len - 2;
	trim(&name);
	return name;
}

/* What follows a bad section is nobody's: it was meant to be limited. */
static void enter_section(struct lines *lines)
{
	const struct ma_options_text *text = &lines->text;
	struct ma_options_text name = section_name(text);

	lines->applies = name.len > 0 && matches(name.str, name.len, lines->program);
	if (name.len > 0)
		return;
	lines->nbad++;
	if (lines->warns)
		ma_options_complain(text, "bad section: ", text->str, text->len);
}

static void take_line(struct lines *lines)
{
	struct ma_options_text *text = &lines->text;
	const char *newline;

	text->str = lines->source->text + lines->at;
	text->len = lines->source->size - lines->at;
	if (!lines->source->is_file) {
		lines->at = lines->source->size;
		return;
	}
	newline = memchr(text->str, '\n', text->len);
	if (newline != NULL)
		text->len = (size_t)(newline - text->str);
	lines->at += text->len + (newline != NULL);
	text->line++;
	text->len = without_comment(text->str, text->len);
	trim(text);
}

/* Go to the next line that has entries for the program. Return: false at the end. */
static bool next_line(struct lines *lines)
{
	while (lines->at < lines->source->size) {
		take_line(lines);
		if (lines->text.len == 0)
			continue;
		if (lines->source->is_file && *lines->text.str == '[')
			enter_section(lines);
		else if (lines->applies)
			return true;
	}
	return false;
}

/* ---- all sources ----------------------------------------------------------------------------- */

static size_t apply(struct ma_options *options, struct lines lines)
{
	size_t nbad = 0;

	while (next_line(&lines))
		nbad += ma_options_apply(options, &lines.text);
	return nbad + lines.nbad;
}

static void find_profile(struct lines lines, enum ma_option_profile *profile)
{
	while (next_line(&lines))
		(void)ma_options_profile(&lines.text, profile);
}

size_t ma_config_parse(struct ma_options *options, const struct ma_config_source *sources, size_t n,
		       const char *program)
{
	enum ma_option_profile profile = MA_OPTION_PROFILE_DEFAULT;
	size_t nbad = 0;

	for (size_t i = 0; i < n; i++)
		find_profile(lines_of(&sources[i], program, false), &profile);
	ma_options_init(options, profile);
	for (size_t i = 0; i < n; i++)
		nbad += apply(options, lines_of(&sources[i], program, true));
	return nbad;
}

/* ---- those of this process ------------------------------------------------------------------- */

/* Return: @n, one more when there is a string. */
static size_t add_string(struct ma_config_source *sources, size_t n, const char *name,
			 const char *str)
{
	if (str == NULL)
		return n;
	sources[n] = (struct ma_config_source){name, str, strlen(str), false};
	return n + 1;
}

/* Whole lines of a file that is too long. */
static size_t cut(const char *text)
{
	size_t size = MA_CONFIG_FILE_MAX;

	while (size > 0 && text[size - 1] != '\n')
		size--;
	return size;
}

/* Return: @n, one more when there is a file; @nbad counts one that is too long. */
static size_t add_file(struct ma_config_source *sources, size_t n, size_t *nbad)
{
	static char text[MA_CONFIG_FILE_MAX + 1]; /* untouched when there is no file */
	size_t size = ma_os_read_file(MA_CONFIG_FILE, text, sizeof(text));

	static_assert(MA_CONFIG_FILE_MAX == 64 << 10, "what is said of a longer file");
	if (size == SIZE_MAX)
		return n;
	if (size > MA_CONFIG_FILE_MAX) {
		size = cut(text);
		ma_warn(MA_CONFIG_FILE, ": longer than 64 KiB, the end is not used", NULL);
		*nbad += 1;
	}
	sources[n] = (struct ma_config_source){MA_CONFIG_FILE, text, size, true};
	return n + 1;
}

size_t ma_config_read(struct ma_options *options)
{
	struct ma_config_source sources[NSOURCES];
	char program[256] = "";
	size_t nbad = 0;
	size_t n = 0;

	if (&memalloc_options != NULL)
		n = add_string(sources, n, "memalloc_options", memalloc_options);
	n = add_file(sources, n, &nbad);
	if (n > 0 && sources[n - 1].is_file)
		ma_os_program(program, sizeof(program));
	n = add_string(sources, n, "MEMALLOC_OPTIONS", ma_os_getenv("MEMALLOC_OPTIONS"));
	return nbad + ma_config_parse(options, sources, n, program);
}
