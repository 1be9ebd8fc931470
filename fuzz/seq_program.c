#include "seq_program.h"

#include <stdlib.h>

#include "seq_places.h"
#include "seq_text.h"

#define PART 500       /* operations of a function, which compilers can still digest */
#define GAPS_MAX 65536 /* places without a slot, so that slots keep their numbers */

/* ---- what the program consists of beside the sequence ---------------------------------------- */

/* clang-format off */
static const char includes[] =
	"#define _GNU_SOURCE\n"
	"#include <malloc.h>\n"
	"#include <pthread.h>\n"
	"#include <sched.h>\n"
	"#include <stdatomic.h>\n"
	"#include <stdbool.h>\n"
	"#include <stdint.h>\n"
	"#include <stdio.h>\n"
	"#include <stdlib.h>\n"
	"#include <string.h>\n";

static const char objects[] =
	"#define HELPER static __attribute__((unused, noinline))\n"
	"#define END 64 /* bytes of an object that are written, at both its ends */\n"
	"#define NSTALE 16\n"
	"\n"
	"static unsigned char *ptr[NSLOTS];\n"
	"static size_t len[NSLOTS];\n"
	"static unsigned char *stale[NSTALE]; /* what was freed, the youngest last */\n"
	"static size_t stale_len[NSTALE];\n"
	"\n"
	"/* For sizes that compilers warn of. */\n"
	"HELPER size_t bytes(size_t n)\n"
	"{\n"
	"\tvolatile size_t hidden = n;\n"
	"\n"
	"\treturn hidden;\n"
	"}\n"
	"\n"
	"HELPER unsigned char *aligned(size_t align, size_t size)\n"
	"{\n"
	"\tvoid *p = NULL;\n"
	"\n"
	"\treturn posix_memalign(&p, align, size) == 0 ? p : NULL;\n"
	"}\n"
	"\n"
	"HELPER void fail(size_t slot, const char *what)\n"
	"{\n"
	"\tfprintf(stderr, \"slot %zu: %s\\n\", slot, what);\n"
	"\tabort();\n"
	"}\n"
	"\n"
	"/* Byte i of an object of n bytes is one that is written. */\n"
	"HELPER size_t next(size_t i, size_t n)\n"
	"{\n"
	"\treturn i + 1 == END && n > 2 * END ? n - END : i + 1;\n"
	"}\n"
	"\n"
	"HELPER void put(size_t slot, void *p, size_t n)\n"
	"{\n"
	"\tptr[slot] = p;\n"
	"\tlen[slot] = n;\n"
	"\tfor (size_t i = 0; p != NULL && i < n; i = next(i, n))\n"
	"\t\tptr[slot][i] = (unsigned char)(slot + i + 1);\n"
	"}\n"
	"\n"
	"HELPER void put_zeroed(size_t slot, void *p, size_t n)\n"
	"{\n"
	"\tfor (size_t i = 0; p != NULL && i < n; i = next(i, n))\n"
	"\t\tif (((unsigned char *)p)[i] != 0)\n"
	"\t\t\tfail(slot, \"not zero\");\n"
	"\tput(slot, p, n);\n"
	"}\n"
	"\n"
	"/* The first bytes of what was n bytes long. */\n"
	"HELPER void check(size_t slot, const unsigned char *p, size_t n, size_t first)\n"
	"{\n"
	"\tfor (size_t i = 0; p != NULL && i < n && i < first; i = next(i, n))\n"
	"\t\tif (p[i] != (unsigned char)(slot + i + 1))\n"
	"\t\t\tfail(slot, \"changed\");\n"
	"}\n"
	"\n"
	"HELPER void *take(size_t slot)\n"
	"{\n"
	"\tunsigned char *p = ptr[slot];\n"
	"\n"
	"\tcheck(slot, p, len[slot], len[slot]);\n"
	"\tif (p != NULL) {\n"
	"\t\tmemmove(stale, stale + 1, sizeof(stale) - sizeof(*stale));\n"
	"\t\tmemmove(stale_len, stale_len + 1, sizeof(stale_len) - sizeof(*stale_len));\n"
	"\t\tstale[NSTALE - 1] = p;\n"
	"\t\tstale_len[NSTALE - 1] = len[slot];\n"
	"\t}\n"
	"\tptr[slot] = NULL;\n"
	"\treturn p;\n"
	"}\n"
	"\n"
	"/* p: NULL if it was refused; the object is still there then. */\n"
	"HELPER void resized(size_t slot, void *p, size_t n)\n"
	"{\n"
	"\tif (p == NULL)\n"
	"\t\treturn;\n"
	"\tif (ptr[slot] != NULL)\n"
	"\t\tcheck(slot, p, len[slot], n);\n"
	"\tput(slot, p, n);\n"
	"}\n";

static const char misuse[] =
	"/* ---- misuse ---- */\n"
	"\n"
	"HELPER void give(unsigned how, void *p)\n"
	"{\n"
	"\tvoid *volatile hidden = p;\n"
	"\n"
	"\tif (how % 3 == 0)\n"
	"\t\tfree(hidden);\n"
	"\telse if (how % 3 == 1)\n"
	"\t\tp = realloc(hidden, 100);\n"
	"\telse\n"
	"\t\tmalloc_usable_size(hidden);\n"
	"}\n"
	"\n"
	"HELPER void give_stale(size_t which, unsigned how)\n"
	"{\n"
	"\tif (stale[which] != NULL)\n"
	"\t\tgive(how, stale[which]);\n"
	"}\n"
	"\n"
	"HELPER void give_interior(size_t slot, unsigned how, size_t at)\n"
	"{\n"
	"\tif (ptr[slot] != NULL)\n"
	"\t\tgive(how, ptr[slot] + 1 + at % (len[slot] + 7));\n"
	"}\n"
	"\n"
	"HELPER void give_foreign(unsigned how, size_t which)\n"
	"{\n"
	"\tstatic char data[64];\n"
	"\tchar local[64];\n"
	"\tuintptr_t places[] = {(uintptr_t)data, (uintptr_t)local, 1, 4096, UINTPTR_MAX - 15};\n"
	"\n"
	"\tgive(how, (void *)places[which % 5]);\n"
	"}\n"
	"\n"
	"HELPER void write_behind(size_t slot, size_t at, unsigned bits)\n"
	"{\n"
	"\tif (ptr[slot] != NULL)\n"
	"\t\tptr[slot][len[slot] + at] ^= (unsigned char)bits;\n"
	"}\n"
	"\n"
	"HELPER void write_before(size_t slot, size_t at, unsigned bits)\n"
	"{\n"
	"\tif (ptr[slot] != NULL)\n"
	"\t\t*(ptr[slot] - 1 - at) ^= (unsigned char)bits;\n"
	"}\n"
	"\n"
	"HELPER void write_stale(size_t which, size_t at)\n"
	"{\n"
	"\tif (stale[which] != NULL && stale_len[which] > 0)\n"
	"\t\tstale[which][at % stale_len[which]] ^= 0x55;\n"
	"}\n";

static const char threads[] =
	"/* ---- threads ---- */\n"
	"\n"
	"static _Thread_local unsigned me;\n"
	"static _Thread_local unsigned long step;\n"
	"static _Thread_local bool acted;\n"
	"static _Atomic unsigned long turn;\n"
	"\n"
	"/* Whether the step that is next is the thread's; it waits for those before. */\n"
	"HELPER bool by(unsigned thread)\n"
	"{\n"
	"\tif (acted)\n"
	"\t\tturn = step;\n"
	"\tacted = thread == me;\n"
	"\twhile (acted && turn != step)\n"
	"\t\tsched_yield();\n"
	"\tstep++;\n"
	"\treturn acted;\n"
	"}\n";
/* clang-format on */

struct printer {
	FILE *to;
	struct seq_places places;
	bool *is_taken;          /* by place: there may be an object */
	unsigned char used[256]; /* by thread: it acts */
	unsigned nthreads;       /* that act */
	size_t nops;
};

/* ---- statements ------------------------------------------------------------------------------ */

/* Compilers warn of numbers that cannot be right. */
static void print_number(const struct printer *p, size_t n, size_t most)
{
	(void)fprintf(p->to, n > most ? "bytes(%zuu)" : "%zu", n);
}

/* Where the object is: the places of a run are counted by i. */
static void print_place(const struct printer *p, const struct seq_op *op)
{
	if (op->count > 1)
		(void)fputs("i", p->to);
	else
		(void)fprintf(p->to, "%zu", seq_place(&p->places, op->slot));
}

static void begin(const struct printer *p, const struct seq_op *op)
{
	const size_t first = op->count > 1 ? seq_place(&p->places, op->slot) : 0;

	(void)fputs("\t", p->to);
	if (p->nthreads > 1)
		(void)fprintf(p->to, "if (by(%u)) ", (unsigned)op->thread);
	if (op->count > 1)
		(void)fprintf(p->to, "for (size_t i = %zu; i < %zu; i++) ", first,
			      first + op->count);
	if (op->mask != SEQ_MASK_ALL)
		(void)fprintf(p->to, "if (0x%02x & (1 << (i - %zu) %% 8)) ", (unsigned)op->mask,
			      first);
}

/* What is called; the object it is of is named for those that resize. */
static void print_call(const struct printer *p, const struct seq_op *op)
{
	if (op->function == SEQ_BY_POSIX_MEMALIGN)
		(void)fputs("aligned(", p->to);
	else
		(void)fprintf(p->to, "%s(", seq_function_name(op->function));
	if (op->kind == SEQ_ALIGNED) {
		print_number(p, op->align, (size_t)1 << 20);
		(void)fputs(", ", p->to);
	} else if (op->kind == SEQ_REALLOC) {
		(void)fputs("ptr[", p->to);
		print_place(p, op);
		(void)fputs("], ", p->to);
	}
	if (op->kind == SEQ_CALLOC || op->function == SEQ_BY_REALLOCARRAY)
		(void)fputs("1, ", p->to);
	print_number(p, op->size, PTRDIFF_MAX);
	(void)fputs(")", p->to);
}

static void print_free(const struct printer *p, const struct seq_op *op)
{
	(void)fputs("free(take(", p->to);
	print_place(p, op);
	(void)fputs("))", p->to);
}

static void print_alloc(const struct printer *p, const struct seq_op *op)
{
	static const char *const puts_it[] = {
		[SEQ_MALLOC] = "put(",
		[SEQ_CALLOC] = "put_zeroed(",
		[SEQ_ALIGNED] = "put(",
		[SEQ_REALLOC] = "resized(",
	};

	(void)fputs(puts_it[op->kind], p->to);
	print_place(p, op);
	(void)fputs(", ", p->to);
	print_call(p, op);
	(void)fputs(", ", p->to);
	print_number(p, op->size, PTRDIFF_MAX);
	(void)fputs(")", p->to);
}

/* Whether any of the slots may have an object; from here on they all may, or none that is meant. */
static bool take_places(struct printer *p, const struct seq_op *op, bool from_here_on)
{
	bool was = false;

	for (unsigned i = 0; i < op->count; i++) {
		bool *is_taken = &p->is_taken[seq_place(&p->places, (uint64_t)op->slot + i)];

		was = was || *is_taken;
		if (seq_selects(op, i))
			*is_taken = from_here_on;
	}
	return was;
}

static void print_object(struct printer *p, const struct seq_op *op)
{
	bool frees = op->kind == SEQ_FREE || (op->kind == SEQ_REALLOC && op->size == 0);
	bool was;

	/* An allocation of nothing if there is nothing, as in C. */
	if (op->kind == SEQ_REALLOC && frees) {
		bool *is_taken = &p->is_taken[seq_place(&p->places, op->slot)];

		frees = *is_taken;
	}
	was = take_places(p, op, !frees);
	if (frees && !was)
		return;
	begin(p, op);
	if (frees || (was && op->kind != SEQ_REALLOC))
		print_free(p, op);
	if (!frees && was && op->kind != SEQ_REALLOC)
		(void)fputs(", ", p->to);
	if (!frees)
		print_alloc(p, op);
	(void)fputs(";\n", p->to);
}

/* As fuzz_misuse.c has it. Return: false if C has nothing for it. */
static bool print_misuse(struct printer *p, const struct seq_op *op)
{
	const size_t place = seq_place(&p->places, op->slot);
	const unsigned how = op->how;
	const unsigned arg = (unsigned)op->arg;
	const unsigned bits = (arg & 0xff) | 1u << (how & 7);

	if (op->code == SEQ_GIVE_WRONG_POOL || op->code == SEQ_CLAIM_WRONG)
		return false;
	begin(p, op);
	if (op->code == SEQ_GIVE_STALE)
		(void)fprintf(p->to, "give_stale(%u, %u);\n", (unsigned)op->slot % 16, how);
	else if (op->code == SEQ_GIVE_INTERIOR)
		(void)fprintf(p->to, "give_interior(%zu, %u, %u);\n", place, how, arg);
	else if (op->code == SEQ_GIVE_FOREIGN)
		(void)fprintf(p->to, "give_foreign(%u, %u);\n", how, arg);
	else if (op->code == SEQ_WRITE_STALE)
		(void)fprintf(p->to, "write_stale(%u, %u);\n", (unsigned)op->slot % 16, arg);
	else
		(void)fprintf(p->to, "write_%s(%zu, %u, 0x%02x);\n",
			      op->code == SEQ_WRITE_BEHIND ? "behind" : "before", place,
			      how >> 3 & 7, bits);
	return true;
}

static void print_other(struct printer *p, const struct seq_op *op)
{
	if (op->code >= SEQ_TRIM && op->code <= SEQ_GIVE) {
		begin(p, op);
		(void)fprintf(p->to, "malloc_trim(%llu);\n", (unsigned long long)op->arg * 4096);
	} else if (op->code < SEQ_GIVE_STALE || op->code >= SEQ_NUMBERED || !print_misuse(p, op)) {
		(void)fputs("\t/* ", p->to);
		seq_print(p->to, op);
		(void)fputs(" */\n", p->to);
	}
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void print_op(struct printer *p, const struct seq_op *op)
{
	if (op->kind == SEQ_OTHER)
		print_other(p, op);
	else
		print_object(p, op);
}

/* What calls all: main(), or what each thread runs. */
static void print_head(const struct printer *p)
{
	(void)fprintf(p->to, "\n%s(void)\n{\n",
		      p->nthreads > 1 ? "static void program" : "int main");
}

static void print_statements(struct printer *p, struct seq seq)
{
	struct seq_op op;
	size_t n = 0;

	if (p->nops <= PART)
		print_head(p);
	for (; seq_next(&seq, &op); n++) {
		if (p->nops > PART && n % PART == 0)
			(void)fprintf(p->to, "%s\nstatic void part_%zu(void)\n{\n",
				      n > 0 ? "}\n" : "", n / PART);
		print_op(p, &op);
	}
	if (p->nops <= PART)
		return;
	(void)fputs("}\n", p->to);
	print_head(p);
	for (size_t i = 0; i * PART < n; i++)
		(void)fprintf(p->to, "\tpart_%zu();\n", i);
}

static void print_end(const struct printer *p)
{
	static const char rest[] = "\tfor (size_t i = 0; i < NSLOTS; i++)\n\t\tfree(take(i));\n"
				   "\treturn 0;\n}\n";

	if (p->nthreads <= 1) {
		(void)fputs(rest, p->to);
		return;
	}
	(void)fputs("\t(void)by(256);\n}\n\n"
		    "static void *run(void *thread)\n{\n"
		    "\tme = *(const unsigned *)thread;\n\tprogram();\n\treturn NULL;\n}\n\n"
		    "int main(void)\n{\n\tstatic const unsigned threads[] = {",
		    p->to);
	for (unsigned i = 0; i < 256; i++)
		if (p->used[i])
			(void)fprintf(p->to, "%u, ", i);
	(void)fprintf(p->to,
		      "};\n\tpthread_t id[%u];\n\n"
		      "\tfor (size_t i = 0; i < %u; i++)\n"
		      "\t\tif (pthread_create(&id[i], NULL, run, (void *)&threads[i]) != 0)\n"
		      "\t\t\treturn 1;\n"
		      "\tfor (size_t i = 0; i < %u; i++)\n\t\tpthread_join(id[i], NULL);\n",
		      p->nthreads, p->nthreads, p->nthreads);
	(void)fputs(rest, p->to);
}

static void count(struct printer *p, struct seq seq)
{
	struct seq_op op;

	while (seq_next(&seq, &op)) {
		p->nops++;
		p->nthreads += !p->used[op.thread];
		p->used[op.thread] = 1;
	}
}

bool seq_print_program(FILE *to, struct seq seq)
{
	struct printer p = {.to = to};

	if (!seq_places_init(&p.places, seq, GAPS_MAX))
		return false;
	p.is_taken = calloc(p.places.nplaces + 1, sizeof(*p.is_taken));
	if (p.is_taken == NULL) {
		seq_places_fini(&p.places);
		return false;
	}
	count(&p, seq);
	(void)fputs(includes, to);
	(void)fprintf(to, "#define NSLOTS %zu\n", p.places.nplaces + 1);
	(void)fputs(objects, to);
	(void)fputs(misuse, to);
	(void)fputs(threads, to);
	print_statements(&p, seq);
	print_end(&p);
	free(p.is_taken);
	seq_places_fini(&p.places);
	return true;
}
