#include "seq_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

static const char *const functions[SEQ_NFUNCTIONS] = {
	[SEQ_BY_MALLOC] = "malloc",
	[SEQ_BY_VALLOC] = "valloc",
	[SEQ_BY_PVALLOC] = "pvalloc",
	[SEQ_BY_CALLOC] = "calloc",
	[SEQ_BY_ALIGNED_ALLOC] = "aligned_alloc",
	[SEQ_BY_MEMALIGN] = "memalign",
	[SEQ_BY_POSIX_MEMALIGN] = "posix_memalign",
	[SEQ_BY_REALLOC] = "realloc",
	[SEQ_BY_REALLOCARRAY] = "reallocarray",
	[SEQ_BY_FREE] = "free",
	[SEQ_BY_FREE_SIZED] = "free_sized",
	[SEQ_BY_FREE_ALIGNED_SIZED] = "free_aligned_sized",
};

static const char *const codes[SEQ_NUMBERED] = {
	[SEQ_SWITCH_INSTANCE] = "switch-instance",
	[SEQ_END_INSTANCE] = "end-instance",
	[SEQ_EXIT_THREAD] = "exit-thread",
	[SEQ_COMPACT] = "compact",
	[SEQ_COMPACT_SHARED] = "compact-shared",
	[SEQ_TRIM] = "trim",
	[SEQ_GIVE_ALL] = "give-all",
	[SEQ_GIVE] = "give",
	[SEQ_CLOCK] = "clock",
	[SEQ_DECAY] = "decay",
	[SEQ_RESERVE] = "reserve",
	[SEQ_FORK] = "fork",
	[SEQ_LIFT] = "lift",
	[SEQ_COMPARE] = "compare",
	[SEQ_REFUSE_AT] = "refuse-at",
	[SEQ_REFUSE_FROM] = "refuse-from",
	[SEQ_REFUSE_UNMAP] = "refuse-unmap",
	[SEQ_REFUSE_RESIZE_AT] = "refuse-resize-at",
	[SEQ_REFUSE_MOVE] = "refuse-move",
	[SEQ_REFUSE_PURGE_AT] = "refuse-purge-at",
	[SEQ_GIVE_STALE] = "give-stale",
	[SEQ_GIVE_INTERIOR] = "give-interior",
	[SEQ_GIVE_FOREIGN] = "give-foreign",
	[SEQ_GIVE_WRONG_POOL] = "give-wrong-pool",
	[SEQ_WRITE_BEHIND] = "write-behind",
	[SEQ_WRITE_BEFORE] = "write-before",
	[SEQ_WRITE_STALE] = "write-stale",
	[SEQ_CLAIM_WRONG] = "claim-wrong",
};

const char *seq_function_name(unsigned function)
{
	return function < SEQ_NFUNCTIONS ? functions[function] : NULL;
}

const char *seq_code_name(unsigned code)
{
	return code < SEQ_NUMBERED ? codes[code] : NULL;
}

/* ---- to text --------------------------------------------------------------------------------- */

static void print_size(FILE *to, const struct seq_op *op)
{
	if (op->npages == 0)
		(void)fprintf(to, " %zu", op->size);
	else if (op->edge == 0)
		(void)fprintf(to, " %up", (unsigned)op->npages);
	else
		(void)fprintf(to, " %up%+d", (unsigned)op->npages, op->edge);
}

static void print_other(FILE *to, const struct seq_op *op)
{
	const char *name = seq_code_name(op->code);

	if (name == NULL)
		(void)fprintf(to, "other %u", op->code - (unsigned)SEQ_NUMBERED);
	else
		(void)fputs(name, to);
	switch (seq_operand_of(op->code)) {
	case SEQ_SLOT_HOW_SHORT:
		(void)fprintf(to, " %lu %u %u", (unsigned long)op->slot, (unsigned)op->how,
			      (unsigned)op->arg);
		return;
	case SEQ_BYTE:
	case SEQ_NUMBER:
		(void)fprintf(to, " %llu", (unsigned long long)op->arg);
		return;
	case SEQ_SIZE:
		print_size(to, op);
		return;
	default:
		return;
	}
}

void seq_print(FILE *to, const struct seq_op *op)
{
	if (op->thread != 0)
		(void)fprintf(to, "t%u ", (unsigned)op->thread);
	if (op->kind == SEQ_OTHER) {
		print_other(to, op);
		return;
	}
	(void)fprintf(to, "%s %lu", functions[op->function], (unsigned long)op->slot);
	if (op->count > 1)
		(void)fprintf(to, "..%lu", (unsigned long)op->slot + op->count - 1);
	if (op->kind != SEQ_FREE)
		print_size(to, op);
	if (op->kind == SEQ_ALIGNED)
		(void)fprintf(to, " align %zu%s", op->align, op->zero ? " zero" : "");
	if (op->mask != SEQ_MASK_ALL)
		(void)fprintf(to, " mask %02x", (unsigned)op->mask);
}

/* ---- from text ------------------------------------------------------------------------------- */

char *seq_word(char **at)
{
	char *word = *at + strspn(*at, BLANKS);
	size_t length = strcspn(word, BLANKS "#");

	if (length == 0)
		return NULL;
	*at = word + length;
	if (**at == '#')
		**at = '\0';
	else if (**at != '\0')
		*(*at)++ = '\0';
	return word;
}

/* Moves *@at behind the digits. Return: false if there are none, or the number is beyond @max. */
static bool get_digits(const char **at, int base, uint64_t max, uint64_t *value)
{
	size_t length = strspn(*at, base == 16 ? "0123456789abcdef" : "0123456789");
	const char *text = *at;

	*at += length;
	errno = 0;
	*value = length > 0 ? strtoull(text, NULL, base) : 0;
	return length > 0 && errno == 0 && *value <= max;
}

bool seq_number(char **at, int base, uint64_t max, uint64_t *value)
{
	const char *word = seq_word(at);

	return word != NULL && get_digits(&word, base, max, value) && *word == '\0';
}

static bool may_run(const struct seq_op *op)
{
	return op->kind == SEQ_MALLOC || op->kind == SEQ_ALIGNED || op->kind == SEQ_FREE;
}

static const char *get_slots(char **at, struct seq_op *op)
{
	const char *word = seq_word(at);
	uint64_t first;
	uint64_t last;

	if (word == NULL || !get_digits(&word, 10, UINT32_MAX, &first))
		return "a slot is a number of 32 bits";
	op->slot = (uint32_t)first;
	if (*word == '\0')
		return NULL;
	if (strncmp(word, "..", 2) != 0)
		return "slots are FIRST..LAST";
	word += 2;
	if (!get_digits(&word, 10, UINT64_MAX, &last) || *word != '\0')
		return "slots are FIRST..LAST";
	if (last <= first || last - first >= SEQ_RUN_MAX)
		return "a run has at least two slots, and not so many";
	op->count = (uint8_t)(last - first + 1);
	return may_run(op) ? NULL : "there are no runs of this";
}

/* What follows the number of pages: nothing, or a few bytes more or less. */
static bool get_edge(const char *word, struct seq_op *op)
{
	const bool less = *word == '-';
	uint64_t edge;

	if (*word == '\0')
		return true;
	if (*word != '-' && *word != '+')
		return false;
	word++;
	if (!get_digits(&word, 10, 99, &edge) || *word != '\0' || edge == 0)
		return false;
	op->edge = (int8_t)(less ? -(int)edge : (int)edge);
	return seq_has_edge(op->edge);
}

static const char *get_size(char **at, struct seq_op *op)
{
	const char *word = seq_word(at);
	uint64_t value;

	if (word == NULL || !get_digits(&word, 10, SIZE_MAX, &value))
		return "a size is a number";
	op->size = (size_t)value;
	if (*word == '\0')
		return op->count == 1 || value < 65536 ? NULL : "the size of a run is below 65536";
	if (*word != 'p' || value == 0 || value > SEQ_NPAGES_MAX || !get_edge(word + 1, op))
		return "a size in pages is NUMBERp, and only some bytes more or less";
	op->npages = (uint8_t)value;
	op->size = (size_t)value * SEQ_PAGE + (size_t)op->edge;
	if (op->count > 1)
		op->size %= 65536;
	return NULL;
}

static const char *get_align(char **at, struct seq_op *op)
{
	const char *word = seq_word(at);
	uint64_t align;

	if (word == NULL || strcmp(word, "align") != 0)
		return "an alignment is needed";
	if (!seq_number(at, 10, SIZE_MAX, &align) || align == 0 || (align & (align - 1)) != 0)
		return "an alignment is a power of two";
	op->align = (size_t)align;
	return NULL;
}

/* What may follow: zero or mask. */
static const char *get_rest(char **at, struct seq_op *op)
{
	const char *word = seq_word(at);
	uint64_t mask;

	if (word == NULL)
		return NULL;
	if (op->kind == SEQ_ALIGNED && strcmp(word, "zero") == 0) {
		op->zero = true;
	} else if (op->kind == SEQ_FREE && op->count > 1 && strcmp(word, "mask") == 0) {
		if (!seq_number(at, 16, SEQ_MASK_ALL - 1, &mask))
			return "a mask is 00 to fe";
		op->mask = (uint8_t)mask;
	} else {
		return "something unknown follows";
	}
	return seq_word(at) == NULL ? NULL : "something unknown follows";
}

static const char *get_object(char **at, struct seq_op *op)
{
	const char *why = get_slots(at, op);

	if (why == NULL && op->kind != SEQ_FREE)
		why = get_size(at, op);
	if (why == NULL && op->kind == SEQ_ALIGNED)
		why = get_align(at, op);
	return why != NULL ? why : get_rest(at, op);
}

static const char *get_misuse(char **at, struct seq_op *op)
{
	uint64_t slot;
	uint64_t how;

	if (!seq_number(at, 10, UINT32_MAX, &slot) || !seq_number(at, 10, UINT8_MAX, &how) ||
	    !seq_number(at, 10, UINT16_MAX, &op->arg))
		return "misuse has a slot, a byte and a number of 16 bits";
	op->slot = (uint32_t)slot;
	op->how = (uint8_t)how;
	return NULL;
}

static const char *get_other(char **at, struct seq_op *op)
{
	const char *why = NULL;

	switch (seq_operand_of(op->code)) {
	case SEQ_SLOT_HOW_SHORT:
		why = get_misuse(at, op);
		break;
	case SEQ_SIZE:
		why = get_size(at, op);
		break;
	case SEQ_BYTE:
		why = seq_number(at, 10, UINT8_MAX, &op->arg) ? NULL : "a byte is needed";
		break;
	case SEQ_NUMBER:
		why = seq_number(at, 10, UINT64_MAX, &op->arg) ? NULL : "a number is needed";
		break;
	default:
		break;
	}
	if (why == NULL && seq_word(at) != NULL)
		why = "something unknown follows";
	return why;
}

/* Return: whether @word is "t" and a number. */
static bool get_thread(const char *word, struct seq_op *op)
{
	uint64_t thread;

	if (*word++ != 't' || !get_digits(&word, 10, UINT8_MAX, &thread) || *word != '\0')
		return false;
	op->thread = (uint8_t)thread;
	return true;
}

/* Return: whether @word is what a program calls. */
static bool get_function(const char *word, struct seq_op *op)
{
	for (unsigned i = 0; i < SEQ_NFUNCTIONS; i++) {
		if (strcmp(word, functions[i]) == 0) {
			op->function = (uint8_t)i;
			op->kind = (uint8_t)seq_kind_of((enum seq_function)i);
			return true;
		}
	}
	return false;
}

/* Return: whether @word is any other operation. */
static bool get_code(const char *word, char **at, struct seq_op *op)
{
	uint64_t code;

	op->kind = SEQ_OTHER;
	for (unsigned i = 0; i < SEQ_NUMBERED; i++) {
		op->code = (uint16_t)i;
		if (codes[i] != NULL && strcmp(word, codes[i]) == 0)
			return true;
	}
	if (strcmp(word, "other") != 0 || !seq_number(at, 10, UINT8_MAX, &code))
		return false;
	op->code = (uint16_t)(SEQ_NUMBERED + code);
	return true;
}

const char *seq_parse(char *line, struct seq_op *op)
{
	struct seq_op result = {.count = 1, .mask = SEQ_MASK_ALL};
	const char *word = seq_word(&line);
	const char *why;

	if (word != NULL && get_thread(word, &result))
		word = seq_word(&line);
	if (word == NULL)
		return "an operation is needed";
	if (get_function(word, &result))
		why = get_object(&line, &result);
	else if (get_code(word, &line, &result))
		why = get_other(&line, &result);
	else
		why = "no such operation";
	if (why == NULL)
		*op = result;
	return why;
}
