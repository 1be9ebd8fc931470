/* fuzz/seq.h and fuzz/seq_text.h: rules Q1 to Q3, X1 and X2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seq_text.h"

#define NBYTES 4096
#define NROUNDS 400

static uint64_t random_state = 1;

static uint8_t random_byte(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint8_t)(random_state >> 24);
}

/* ---- from bytes ------------------------------------------------------------------------------ */

static struct seq_op decode(const uint8_t *data, size_t size)
{
	struct seq_op op = {0};
	struct seq seq;

	seq_init(&seq, data, size);
	assert_true(seq_next(&seq, &op));
	assert_true(seq_done(&seq));
	return op;
}

#define DECODE(...) decode((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_objects(void **state)
{
	struct seq_op op = DECODE(0x03, 40);

	(void)state;
	assert_int_equal(op.kind, SEQ_MALLOC);
	assert_int_equal(op.function, SEQ_BY_MALLOC);
	assert_int_equal(op.slot, 3);
	assert_int_equal(op.size, 40);
	assert_int_equal(op.count, 1);
	assert_int_equal(op.mask, SEQ_MASK_ALL);
	assert_int_equal(DECODE(0x3f, 40).kind, SEQ_CALLOC);
	assert_int_equal(DECODE(0x3f, 40).slot, 31);
	op = DECODE(0x40, 0x80 | 8, 40);
	assert_int_equal(op.kind, SEQ_ALIGNED);
	assert_int_equal(op.align, 4096);
	assert_true(op.zero);
	assert_int_equal(op.size, 40);
	assert_int_equal(DECODE(0x60, 40).kind, SEQ_REALLOC);
	assert_int_equal(DECODE(0x85).kind, SEQ_FREE);
	assert_int_equal(DECODE(0x85).thread, 0);
	assert_int_equal(DECODE(0xa5).kind, SEQ_FREE);
	assert_int_equal(DECODE(0xa5).thread, 1);
}

static void test_runs(void **state)
{
	struct seq_op op = DECODE(0xc2, 0, 40);

	(void)state;
	assert_int_equal(op.kind, SEQ_MALLOC);
	assert_int_equal(op.slot, 2);
	assert_int_equal(op.count, 2);
	assert_int_equal(op.size, 40);
	op = DECODE(0xc2, 0x7f, 0, 255);
	assert_int_equal(op.kind, SEQ_ALIGNED);
	assert_int_equal(op.align, 16);
	assert_int_equal(op.count, SEQ_RUN_MAX);
	assert_int_equal(op.size, 32768 - 7);
	assert_int_equal(DECODE(0xc0, 0, 240).size, 65535); /* of SIZE_MAX */
	assert_int_equal(DECODE(0xc0, 0, 212, 15).size, 0); /* of 16 pages */
	op = DECODE(0xc0, 0x81, 0x05);
	assert_int_equal(op.kind, SEQ_FREE);
	assert_int_equal(op.count, 3);
	assert_int_equal(op.thread, 0);
	assert_true(seq_selects(&op, 0) && !seq_selects(&op, 1) && seq_selects(&op, 2));
	assert_true(seq_selects(&op, 8));
	assert_int_equal(DECODE(0xc0, 0xc1, 0x05).thread, 1);
}

static void test_prefixes(void **state)
{
	struct seq_op op = DECODE(0xe2, 0xe6, 0x83);

	(void)state;
	assert_int_equal(op.thread, 2);
	assert_int_equal(op.slot, 2 * 32 + 3);
	assert_int_equal(DECODE(0xe3, 255, 0x80).thread, 255);
	assert_int_equal(DECODE(0xe3, 255, 0xa0).thread, 0);
	assert_int_equal(DECODE(0xe7, 0x80, 0x01, 0x81).slot, 128 * 32 + 1);
	assert_int_equal(DECODE(0xe7, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x9f).slot, UINT32_MAX);
	assert_int_equal(DECODE(0xe8, 0x00, 1).function, SEQ_BY_VALLOC);
	assert_int_equal(DECODE(0xe9, 0x00, 1).function, SEQ_BY_PVALLOC);
	assert_int_equal(DECODE(0xe9, 0x20, 1).function, SEQ_BY_CALLOC);
	assert_int_equal(DECODE(0xe9, 0x40, 0, 1).function, SEQ_BY_POSIX_MEMALIGN);
	assert_int_equal(DECODE(0xe8, 0x60, 1).function, SEQ_BY_REALLOCARRAY);
	assert_int_equal(DECODE(0xe9, 0x60, 1).function, SEQ_BY_REALLOC);
	assert_int_equal(DECODE(0xe8, 0x80).function, SEQ_BY_FREE_SIZED);
}

static void test_others(void **state)
{
	struct seq_op op = DECODE(0xeb, 0x83, 7, 0x34, 0x12);

	(void)state;
	assert_int_equal(op.kind, SEQ_OTHER);
	assert_int_equal(op.code, SEQ_WRITE_BEHIND);
	assert_int_equal(op.slot, 3);
	assert_int_equal(op.how, 7);
	assert_int_equal(op.arg, 0x1234);
	assert_int_equal(DECODE(0xec).code, SEQ_SWITCH_INSTANCE);
	assert_int_equal(DECODE(0xff, 9).code, SEQ_REFUSE_PURGE_AT);
	assert_int_equal(DECODE(0xff, 9).arg, 9);
	assert_int_equal(DECODE(0xe0 | SEQ_RESERVE, 212, 1).size, 8192);
	op = DECODE(0xea, 255, 0x80, 0x02);
	assert_int_equal(op.code, SEQ_NCODES - 1);
	assert_int_equal(op.arg, 256);
}

static void test_sizes(void **state)
{
	static const struct {
		uint8_t bytes[11];
		size_t size;
	} cases[] = {
		{{0}, 0},
		{{63}, 63},
		{{64, 4}, 64},
		{{127, 255}, 16383},
		{{128, 0x34, 0x12}, 0x1234},
		{{151, 0xff, 0xff}, 65535},
		{{152, 5}, 5},
		{{159, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, SIZE_MAX},
		{{160, 0}, 256},
		{{160, 255}, 511},
		{{175, 128}, (size_t)12 << 20},
		{{176}, 248},
		{{191}, ((size_t)8 << 20) - 8},
		{{192}, 249},
		{{207}, ((size_t)8 << 20) - 7},
		{{208, 0}, 4096 - 9},
		{{215, 63}, 64 * 4096 + 16},
		{{239, 63}, 88 * 4096 + 16},
		{{240}, SIZE_MAX},
		{{241}, PTRDIFF_MAX},
		{{242}, (size_t)PTRDIFF_MAX + 1},
		{{255}, 32768 - 7},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t data[12] = {0};
		struct seq_op op;
		struct seq seq;

		memcpy(data + 1, cases[i].bytes, sizeof(cases[i].bytes));
		seq_init(&seq, data, sizeof(data));
		assert_true(seq_next(&seq, &op));
		assert_int_equal(op.size, cases[i].size);
	}
}

static void test_pages(void **state)
{
	static const uint8_t data[] = {0x00, 213, 2};
	struct seq_op op;
	struct seq seq;

	(void)state;
	seq_init(&seq, data, sizeof(data));
	seq.page = 65536;
	assert_true(seq_next(&seq, &op));
	assert_int_equal(op.size, 3 * 65536 + 1);
	assert_int_equal(op.npages, 3);
	assert_int_equal(op.edge, 1);
}

static void test_aligns(void **state)
{
	(void)state;
	assert_int_equal(DECODE(0x40, 16, 0).align, 1 << 20);
	assert_int_equal(DECODE(0x40, 17, 0).align, 16);
	assert_int_equal(DECODE(0x40, 119, 0).align, 16);
	assert_int_equal(DECODE(0x40, 120, 0).align, 32 << 20);
	assert_int_equal(DECODE(0x40, 121, 0).align, (size_t)1 << 63);
	assert_int_equal(DECODE(0x40, 124, 0).align, 128 << 20);
	assert_int_equal(DECODE(0x40, 127, 0, 0).align, 1);
	assert_int_equal(DECODE(0x40, 127, 63, 0).align, (size_t)1 << 63);
	assert_int_equal(DECODE(0x40, 127, 64, 0).align, 1);
}

/* What is missing at the end reads as 0; what stands before no operation is none. */
static void test_cut_off(void **state)
{
	static const uint8_t prefixes[] = {0xe3, 7, 0xe8, 0xe7};
	struct seq_op op = DECODE(0xc0, 0x40);
	struct seq seq;

	(void)state;
	assert_int_equal(op.align, 16);
	assert_int_equal(op.size, 0);
	assert_int_equal(DECODE(0x00).size, 0);
	assert_int_equal(DECODE(0x00, 152, 0xff).size, 127);
	seq_init(&seq, prefixes, sizeof(prefixes));
	assert_false(seq_next(&seq, &op));
	assert_true(seq_done(&seq));
	seq_init(&seq, NULL, 0);
	assert_false(seq_next(&seq, &op));
	assert_int_equal(seq_byte(&seq), 0);
}

/* ---- there and back -------------------------------------------------------------------------- */

static void assert_same(const struct seq_op *a, const struct seq_op *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->function, b->function);
	assert_int_equal(a->code, b->code);
	assert_int_equal(a->thread, b->thread);
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->mask, b->mask);
	assert_int_equal(a->how, b->how);
	assert_int_equal(a->arg, b->arg);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->npages, b->npages);
	assert_int_equal(a->edge, b->edge);
	assert_int_equal(a->align, b->align);
	assert_int_equal(a->zero, b->zero);
}

static size_t encode(uint8_t *to, size_t room, const uint8_t *data, size_t size)
{
	struct seq_writer writer;
	struct seq_op op;
	struct seq seq;
	size_t n = 0;

	seq_init(&seq, data, size);
	seq_write_init(&writer);
	while (seq_next(&seq, &op)) {
		seq_put(&writer, &op);
		assert_in_range(writer.nbytes, 1, SEQ_OP_MAX);
		assert_true(n + writer.nbytes <= room);
		memcpy(to + n, writer.bytes, writer.nbytes);
		n += writer.nbytes;
	}
	return n;
}

/* Of any bytes, the canonical ones are the same operations, and stay as they are. */
static void test_canonical(void **state)
{
	static uint8_t data[NBYTES];
	static uint8_t once[4 * NBYTES];
	static uint8_t twice[4 * NBYTES];

	(void)state;
	for (unsigned round = 0; round < NROUNDS; round++) {
		size_t size = round % 2 ? NBYTES : 1 + round % 64;
		struct seq a, b;
		struct seq_op op_a, op_b;
		size_t n;

		for (size_t i = 0; i < size; i++)
			data[i] = random_byte();
		n = encode(once, sizeof(once), data, size);
		seq_init(&a, data, size);
		seq_init(&b, once, n);
		while (seq_next(&a, &op_a)) {
			assert_true(seq_next(&b, &op_b));
			assert_same(&op_a, &op_b);
		}
		assert_true(seq_done(&b));
		assert_int_equal(encode(twice, sizeof(twice), once, n), n);
		assert_memory_equal(once, twice, n);
	}
}

/* Q2: what the tables can say in a byte or two takes no more, and everything else is exact. */
static void test_shortest(void **state)
{
	static const struct {
		size_t size;
		size_t nbytes;
	} cases[] = {
		{0, 1},     {63, 1},    {64, 2},       {248, 1},         {249, 1},
		{16383, 2}, {16384, 2}, {16385, 3},    {32760, 1},       {65535, 3},
		{65536, 2}, {65537, 4}, {SIZE_MAX, 1}, {PTRDIFF_MAX, 1}, {SIZE_MAX - 1, 11},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct seq_op op = {.size = cases[i].size, .count = 1, .mask = SEQ_MASK_ALL};
		struct seq_writer writer;
		struct seq_op again;

		seq_write_init(&writer);
		seq_put(&writer, &op);
		assert_int_equal(writer.nbytes, 1 + cases[i].nbytes);
		again = decode(writer.bytes, writer.nbytes);
		assert_same(&op, &again);
	}
}

static void test_every_align(void **state)
{
	(void)state;
	for (unsigned log2 = 0; log2 < 64; log2++) {
		struct seq_op op = {.kind = SEQ_ALIGNED,
				    .function = SEQ_BY_MEMALIGN,
				    .align = (size_t)1 << log2,
				    .zero = log2 % 2 != 0,
				    .count = 1,
				    .mask = SEQ_MASK_ALL};
		struct seq_writer writer;
		struct seq_op again;

		seq_write_init(&writer);
		seq_put(&writer, &op);
		again = decode(writer.bytes, writer.nbytes);
		assert_same(&op, &again);
	}
}

/* ---- text ------------------------------------------------------------------------------------ */

static char *print(const struct seq_op *op)
{
	static char text[200];
	FILE *file = fmemopen(text, sizeof(text), "w");

	assert_non_null(file);
	seq_print(file, op);
	(void)fclose(file);
	return text;
}

/* Of random bytes, the lines become the same operations. */
static void test_text(void **state)
{
	static uint8_t data[NBYTES];
	unsigned seen = 0;
	struct seq_op op, again;
	struct seq seq;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		for (size_t i = 0; i < NBYTES; i++)
			data[i] = random_byte();
		seq_init(&seq, data, NBYTES);
		while (seq_next(&seq, &op)) {
			const char *why = seq_parse(print(&op), &again);

			if (why != NULL)
				fail_msg("%s: %s", print(&op), why);
			assert_same(&op, &again);
			seen |= op.kind == SEQ_OTHER ? 0 : 1u << op.function;
		}
	}
	assert_int_equal(seen, (1u << SEQ_NFUNCTIONS) - 1);
}

static void test_lines(void **state)
{
	static const char *const lines[] = {
		"malloc 3 100",
		"t1 calloc 70 4p-8",
		"t255 posix_memalign 5 18446744073709551615 align 4096",
		"aligned_alloc 8..39 24 align 9223372036854775808 zero",
		"realloc 4294967295 88p",
		"free_sized 8..72 mask 55",
		"reserve 1p+16",
		"clock 255",
		"fork",
		"write-behind 3 255 65535",
		"t2 other 255 18446744073709551615",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char line[100];
		struct seq_op op;

		(void)snprintf(line, sizeof(line), " %s # so", lines[i]);
		assert_null(seq_parse(line, &op));
		assert_string_equal(print(&op), lines[i]);
	}
}

static void test_refused_lines(void **state)
{
	static const char *const lines[] = {
		"",
		"t1",
		"t256 fork",
		"mallocs 1 1",
		"malloc",
		"malloc 1",
		"malloc -1 1",
		"malloc 4294967296 1",
		"malloc 1 18446744073709551616",
		"malloc 1 1 1",
		"malloc 1 0p",
		"malloc 1 89p",
		"malloc 1 3p+2",
		"malloc 1 3p+0",
		"malloc 1 3p-",
		"malloc 1 3pages",
		"malloc 1..1 1",
		"malloc 1..66 1",
		"malloc 2..1 1",
		"malloc 1.3 1",
		"malloc 1..3 65536",
		"calloc 1..3 1",
		"realloc 1..3 1",
		"aligned_alloc 1 1",
		"aligned_alloc 1 1 align 0",
		"aligned_alloc 1 1 align 48",
		"malloc 1 1 zero",
		"free 1 1",
		"free 1 mask 55",
		"free 1..3 mask ff",
		"free 1..3 mask 100",
		"malloc 1..3 1 mask 55",
		"fork 1",
		"clock",
		"clock 256",
		"write-behind 1 256 0",
		"write-behind 1 0 65536",
		"other 256 0",
		"other 1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char line[100];
		struct seq_op op;

		(void)snprintf(line, sizeof(line), "%s", lines[i]);
		if (seq_parse(line, &op) == NULL)
			fail_msg("accepted: %s", lines[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),     cmocka_unit_test(test_runs),
		cmocka_unit_test(test_prefixes),    cmocka_unit_test(test_others),
		cmocka_unit_test(test_sizes),       cmocka_unit_test(test_pages),
		cmocka_unit_test(test_aligns),      cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_canonical),   cmocka_unit_test(test_shortest),
		cmocka_unit_test(test_every_align), cmocka_unit_test(test_text),
		cmocka_unit_test(test_lines),       cmocka_unit_test(test_refused_lines),
	};

	return cmocka_run_group_tests_name("seq", tests, NULL, NULL);
}
