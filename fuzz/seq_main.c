/*
 * seq - sequences of allocations as bytes, as text, as a program and as a recording.
 *
 *      seq list [--config N] [FILE]           bytes to text (seq_text.h has its form)
 *      seq encode [FILE]                      text to bytes
 *      seq c [--config N] [FILE]              bytes to a program in C
 *      seq from-trace [--config HEX] [--skip N] [--first N] FILE      a recording to bytes
 *      seq to-trace [--config N] [FILE]       bytes to a recording
 *
 * What is written goes to stdout; without FILE, stdin is read. N bytes of configuration stand in
 * front, 3 if nothing else is said; HEX are those bytes, 000000 if nothing else is said.
 *
 * Exit code: 1 if something failed, 2 if the command or what it reads is bad.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seq_program.h"
#include "seq_text.h"
#include "seq_trace.h"

#define CONFIG 3 /* bytes of fuzz_heap's and of most */
#define CONFIG_MAX 255

struct options {
	const char *path; /* NULL: stdin */
	const char *config;
	size_t skip;
	size_t first;
};

_Noreturn static void fail(int code, const char *what, const char *why)
{
	(void)fprintf(stderr, "seq: %s: %s\n", what, why);
	exit(code);
}

_Noreturn static void usage(void)
{
	fail(2, "usage", "seq list|encode|c|from-trace|to-trace [--config N] [FILE]");
}

/* ---- reading --------------------------------------------------------------------------------- */

static FILE *open_input(const struct options *options)
{
	FILE *file = options->path != NULL ? fopen(options->path, "rb") : stdin;

	if (file == NULL)
		fail(2, options->path, strerror(errno));
	return file;
}

static uint8_t *read_all(const struct options *options, size_t *size)
{
	FILE *file = open_input(options);
	uint8_t *data = NULL;
	size_t room = 0;
	size_t n = 0;

	do {
		room = 2 * room + 65536;
		data = realloc(data, room);
		if (data == NULL)
			fail(1, "reading", "no memory");
		n += fread(data + n, 1, room - n, file);
	} while (n == room);
	if (ferror(file))
		fail(2, "reading", "failed");
	(void)fclose(file);
	*size = n;
	return data;
}

static size_t get_number(const char *text, size_t max)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n > max)
		fail(2, text, "is not such a number");
	return (size_t)n;
}

/* The sequence behind its configuration, which *@nconfig bytes in front are. */
static struct seq open_seq(const struct options *options, size_t *nconfig)
{
	size_t size;
	uint8_t *data = read_all(options, &size);
	struct seq seq;

	*nconfig = options->config != NULL ? get_number(options->config, CONFIG_MAX) : CONFIG;
	if (*nconfig > size)
		*nconfig = size;
	seq_init(&seq, data, size);
	seq.at = *nconfig;
	return seq;
}

static void close_seq(const struct seq *seq)
{
	free((void *)(uintptr_t)seq->data);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void list(const struct options *options)
{
	size_t nconfig;
	struct seq seq = open_seq(options, &nconfig);
	struct seq_op op;

	(void)fputs("config", stdout);
	for (size_t i = 0; i < nconfig; i++)
		(void)printf(" %02x", (unsigned)seq.data[i]);
	(void)puts("");
	while (seq_next(&seq, &op)) {
		seq_print(stdout, &op);
		(void)puts("");
	}
	close_seq(&seq);
}

/* Bytes of the configuration, as they stand in the line. */
static const char *encode_config(char *line, bool is_first)
{
	uint64_t byte;

	if (!is_first)
		return "the configuration comes first";
	for (line += strspn(line, " \t\r\n"); *line != '\0' && *line != '#';
	     line += strspn(line, " \t\r\n")) {
		if (!seq_number(&line, 16, UINT8_MAX, &byte))
			return "a byte of the configuration is 00 to ff";
		(void)putchar((int)byte);
	}
	return NULL;
}

static const char *encode_line(struct seq_writer *writer, char *line, bool *is_first)
{
	bool was_first = *is_first;
	size_t blank = strspn(line, " \t\r\n");
	struct seq_op op;
	const char *why;

	line += blank;
	if (*line == '\0' || *line == '#')
		return NULL;
	*is_first = false;
	if (strncmp(line, "config", 6) == 0 && strchr(" \t\r\n#", line[6]) != NULL)
		return encode_config(line + 6, was_first);
	why = seq_parse(line, &op);
	if (why != NULL)
		return why;
	seq_put(writer, &op);
	(void)fwrite(writer->bytes, 1, writer->nbytes, stdout);
	return NULL;
}

static void encode(const struct options *options)
{
	FILE *file = open_input(options);
	const char *path = options->path != NULL ? options->path : "stdin";
	struct seq_writer writer;
	bool is_first = true;
	char *line = NULL;
	size_t room = 0;
	const char *why;

	seq_write_init(&writer);
	for (size_t number = 1; getline(&line, &room, file) >= 0; number++) {
		why = encode_line(&writer, line, &is_first);
		if (why != NULL) {
			(void)fprintf(stderr, "%s:%zu: %s\n", path, number, why);
			exit(2);
		}
	}
	free(line);
	(void)fclose(file);
}

/* ---- programs and recordings ----------------------------------------------------------------- */

static void program(const struct options *options)
{
	size_t nconfig;
	struct seq seq = open_seq(options, &nconfig);

	if (!seq_print_program(stdout, seq))
		fail(1, "c", "no memory");
	close_seq(&seq);
}

static void from_trace(const struct options *options)
{
	const char *config = options->config != NULL ? options->config : "000000";
	size_t length = strlen(config);
	char digits[3] = "";

	if (options->path == NULL)
		usage();
	if (length % 2 != 0 || strspn(config, "0123456789abcdef") != length)
		fail(2, config, "are not bytes in hexadecimal");
	for (size_t i = 0; i < length; i += 2) {
		memcpy(digits, config + i, 2);
		(void)putchar((int)strtoul(digits, NULL, 16));
	}
	if (!seq_from_trace(stdout, options->path, options->skip, options->first))
		exit(2);
}

static void to_trace(const struct options *options)
{
	size_t nconfig;
	struct seq seq = open_seq(options, &nconfig);
	size_t nlost = 0;

	if (!seq_to_trace(stdout, seq, &nlost))
		fail(1, "to-trace", "no memory, or too many events");
	close_seq(&seq);
	if (nlost > 0)
		(void)fprintf(stderr, "seq: %zu operations are not in the recording\n", nlost);
}

/* ---- the command ----------------------------------------------------------------------------- */

static struct options get_options(int argc, char **argv)
{
	struct options options = {0};
	int i = 2;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--config") == 0)
			options.config = argv[i + 1];
		else if (strcmp(argv[i], "--skip") == 0)
			options.skip = get_number(argv[i + 1], SIZE_MAX);
		else if (strcmp(argv[i], "--first") == 0)
			options.first = get_number(argv[i + 1], SIZE_MAX);
		else
			usage();
	}
	if (i + 1 < argc || (i < argc && argv[i][0] == '-'))
		usage();
	options.path = i < argc ? argv[i] : NULL;
	return options;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const struct options *);
	} commands[] = {
		{"list", list},         {"encode", encode},
		{"c", program},         {"from-trace", from_trace},
		{"to-trace", to_trace},
	};
	struct options options;

	if (argc < 2)
		usage();
	options = get_options(argc, argv);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			commands[i].run(&options);
			return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
		}
	}
	usage();
}
