#include "seq.h"

#include <string.h>

/* The upper three bits of an operation's byte. */
enum { OP_MALLOC, OP_CALLOC, OP_ALIGNED, OP_REALLOC, OP_FREE, OP_FREE_NEXT, OP_RUN, OP_OTHER };

/* The lower five bits of OP_OTHER, below those that are codes. */
enum { X_THREAD = 3, X_BANKS = 4, X_BANK = 7, X_FUNCTION = 8, X_NUMBERED = 10, X_MISUSE = 11 };

#define BANK 32u
#define BANK_MAX (UINT32_MAX / BANK)
#define RUN_ALIGNED 0x40u
#define RUN_FREE 0x80u
#define RUN_FREE_NEXT 0xc0u
#define RUN_SIZES 65536u
#define ALIGN_ZERO 0x80u
#define ALIGN_LOG2 127u
#define NFUNCTIONS_MAX 3u /* of a kind */

_Static_assert((int)SEQ_SWITCH_INSTANCE == X_MISUSE + 1 && SEQ_REFUSE_PURGE_AT == 31,
	       "codes of the world are the rest of five bits");
_Static_assert(SEQ_CLAIM_WRONG == SEQ_GIVE_STALE + 7, "a kind of misuse is three bits");

/* ---- tables ---------------------------------------------------------------------------------- */

static const uint8_t first_function[SEQ_OTHER + 1] = {
	[SEQ_MALLOC] = SEQ_BY_MALLOC,
	[SEQ_CALLOC] = SEQ_BY_CALLOC,
	[SEQ_ALIGNED] = SEQ_BY_ALIGNED_ALLOC,
	[SEQ_REALLOC] = SEQ_BY_REALLOC,
	[SEQ_FREE] = SEQ_BY_FREE,
	[SEQ_OTHER] = SEQ_NFUNCTIONS,
};

/* The limits of things: requests, slots, regions, objects with a mapping of their own. */
static const size_t hostile[16] = {
	SIZE_MAX,
	PTRDIFF_MAX,
	(size_t)PTRDIFF_MAX + 1,
	SIZE_MAX - 7, /* with a canary it wraps to 0 */
	PTRDIFF_MAX - 8,
	PTRDIFF_MAX - 8 - 4096,
	(size_t)PTRDIFF_MAX & ~(size_t)0xffff,
	(size_t)1 << 47,
	(size_t)1 << 40,
	(size_t)64 << 20,
	((size_t)64 << 20) - 7,
	((size_t)32 << 20) - 8,
	((size_t)32 << 20) - 7,
	((size_t)16 << 20) - 8,
	32768 - 8,
	32768 - 7,
};

static const int8_t edges[8] = {-9, -8, -7, -1, 0, 1, 8, 16};

enum seq_kind seq_kind_of(enum seq_function function)
{
	unsigned kind = 0;

	while (kind < SEQ_FREE && function >= first_function[kind + 1])
		kind++;
	return (enum seq_kind)kind;
}

enum seq_operand seq_operand_of(unsigned code)
{
	switch (code) {
	case SEQ_TRIM:
	case SEQ_GIVE:
	case SEQ_CLOCK:
	case SEQ_DECAY:
		return SEQ_BYTE;
	case SEQ_RESERVE:
		return SEQ_SIZE;
	default:
		break;
	}
	if (code >= SEQ_NUMBERED)
		return SEQ_NUMBER;
	if (code >= SEQ_GIVE_STALE)
		return SEQ_SLOT_HOW_SHORT;
	return code >= SEQ_REFUSE_AT ? SEQ_BYTE : SEQ_NO_OPERAND;
}

/* Its place in the table, or the table's size. */
static unsigned edge_index(int edge)
{
	unsigned i = 0;

	while (i < sizeof(edges) && edges[i] != edge)
		i++;
	return i;
}

bool seq_has_edge(int edge)
{
	return edge_index(edge) < sizeof(edges);
}

/* ---- from bytes ------------------------------------------------------------------------------ */

void seq_init(struct seq *seq, const uint8_t *data, size_t size)
{
	*seq = (struct seq){.data = data, .size = size, .page = SEQ_PAGE};
}

size_t seq_short(struct seq *seq)
{
	size_t low = seq_byte(seq);

	return low | (size_t)seq_byte(seq) << 8;
}

uint64_t seq_varint(struct seq *seq)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = seq_byte(seq);

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			break;
	}
	return value;
}

/* About a power of two, 256 bytes to 16 MiB. */
static size_t get_log_size(struct seq *seq, unsigned kind)
{
	size_t one = (size_t)1 << (8 + kind % 16);

	if (kind / 16 == 0)
		return one + seq_byte(seq) * (one >> 8);
	return kind / 16 == 1 ? one - 8 : one - 7;
}

/* One page and more, give or take a canary. */
static size_t get_page_size(struct seq *seq, unsigned kind, struct seq_op *op)
{
	op->npages = (uint8_t)(seq_byte(seq) % 64 + 1 + kind / 8 * 8);
	op->edge = edges[kind % 8];
	return op->npages * seq->page + (size_t)op->edge;
}

static size_t get_size(struct seq *seq, struct seq_op *op)
{
	unsigned kind = seq_byte(seq);

	if (kind < 64)
		return kind;
	if (kind < 128)
		return 16 * (seq_byte(seq) + (size_t)(kind >> 4 & 3) * 256) + (kind & 15);
	if (kind < 152)
		return seq_short(seq);
	if (kind < 160)
		return (size_t)seq_varint(seq);
	if (kind < 208)
		return get_log_size(seq, kind - 160);
	if (kind < 240)
		return get_page_size(seq, kind - 208, op);
	return hostile[kind - 240];
}

static void get_align(struct seq *seq, struct seq_op *op)
{
	unsigned byte = seq_byte(seq);
	unsigned a = byte & ~ALIGN_ZERO;

	op->zero = (byte & ALIGN_ZERO) != 0;
	if (a == ALIGN_LOG2)
		op->align = (size_t)1 << seq_byte(seq) % 64;
	else if (a >= 120)
		op->align = a % 2 ? (size_t)1 << 63 : (size_t)32 << 20 << a / 2 % 3;
	else
		op->align = (size_t)16 << a % 17;
}

static void get_run(struct seq *seq, struct seq_op *op)
{
	unsigned how = seq_byte(seq);

	op->count = (uint8_t)(how % 64 + 2);
	op->kind = how & RUN_FREE ? SEQ_FREE : how & RUN_ALIGNED ? SEQ_ALIGNED : SEQ_MALLOC;
	if (op->kind == SEQ_FREE) {
		op->mask = seq_byte(seq);
		op->thread = (uint8_t)(op->thread + ((how & RUN_FREE_NEXT) == RUN_FREE_NEXT));
		return;
	}
	if (op->kind == SEQ_ALIGNED)
		get_align(seq, op);
	op->size = get_size(seq, op) % RUN_SIZES;
}

static void get_single(struct seq *seq, unsigned what, struct seq_op *op)
{
	static const uint8_t kinds[] = {SEQ_MALLOC,  SEQ_CALLOC, SEQ_ALIGNED,
					SEQ_REALLOC, SEQ_FREE,   SEQ_FREE};

	op->kind = kinds[what];
	if (what == OP_FREE_NEXT)
		op->thread++;
	if (op->kind == SEQ_ALIGNED)
		get_align(seq, op);
	if (op->kind != SEQ_FREE)
		op->size = get_size(seq, op);
}

static void get_misuse(struct seq *seq, struct seq_op *op)
{
	unsigned byte = seq_byte(seq);

	op->code = (uint16_t)(SEQ_GIVE_STALE + (byte >> 5));
	op->slot = seq->bank * BANK + byte % BANK;
	op->how = seq_byte(seq);
	op->arg = seq_short(seq);
}

static void get_other(struct seq *seq, unsigned x, struct seq_op *op)
{
	op->kind = SEQ_OTHER;
	op->slot = 0;
	op->code = (uint16_t)x;
	if (x == X_MISUSE) {
		get_misuse(seq, op);
	} else if (x == X_NUMBERED) {
		op->code = (uint16_t)(SEQ_NUMBERED + seq_byte(seq));
		op->arg = seq_varint(seq);
	} else if (seq_operand_of(x) == SEQ_SIZE) {
		op->size = get_size(seq, op);
	} else if (seq_operand_of(x) == SEQ_BYTE) {
		op->arg = seq_byte(seq);
	}
}

/* What stands before an operation. Return: false when @byte is the operation's own. */
static bool get_prefix(struct seq *seq, unsigned byte, unsigned *function)
{
	unsigned x = byte % 32;

	if (byte >> 5 != OP_OTHER || x >= X_NUMBERED)
		return false;
	if (x >= X_FUNCTION)
		*function = x - X_FUNCTION + 1;
	else if (x == X_BANK)
		seq->bank = (uint32_t)(seq_varint(seq) & BANK_MAX);
	else if (x >= X_BANKS)
		seq->bank = x - X_BANKS;
	else
		seq->thread = x == X_THREAD ? seq_byte(seq) : (uint8_t)x;
	return true;
}

bool seq_next(struct seq *seq, struct seq_op *op)
{
	unsigned function = 0;
	unsigned byte;

	do {
		if (seq_done(seq))
			return false;
		byte = seq_byte(seq);
	} while (get_prefix(seq, byte, &function));
	*op = (struct seq_op){
		.slot = seq->bank * BANK + byte % BANK,
		.thread = seq->thread,
		.count = 1,
		.mask = SEQ_MASK_ALL,
	};
	if (byte >> 5 == OP_OTHER) {
		get_other(seq, byte % 32, op);
		return true;
	}
	if (byte >> 5 == OP_RUN)
		get_run(seq, op);
	else
		get_single(seq, byte >> 5, op);
	op->function = first_function[op->kind];
	op->function += (uint8_t)(function % (first_function[op->kind + 1] - op->function));
	return true;
}

/* ---- to bytes -------------------------------------------------------------------------------- */

void seq_write_init(struct seq_writer *writer)
{
	memset(writer, 0, sizeof(*writer));
}

static void put(struct seq_writer *w, size_t byte)
{
	w->bytes[w->nbytes++] = (uint8_t)byte;
}

static void put_varint(struct seq_writer *w, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put(w, (value & 0x7f) | 0x80);
	put(w, value);
}

/* Return: the byte of a size that needs no other, 256: there is none. */
static unsigned short_size(size_t size)
{
	if (size < 64)
		return (unsigned)size;
	for (unsigned i = 0; i < 16; i++) {
		if (size == ((size_t)256 << i) - 8)
			return 176 + i;
		if (size == ((size_t)256 << i) - 7)
			return 192 + i;
	}
	for (unsigned i = 0; i < 16; i++)
		if (size == hostile[i])
			return 240 + i;
	return 256;
}

/* A power of two and so many of its 256th parts. Return: false if it is none. */
static bool put_log_size(struct seq_writer *w, size_t size)
{
	unsigned e = 8;

	while (e < 23 && size >> e > 1)
		e++;
	if (size >> e != 1 || (size & (((size_t)1 << (e - 8)) - 1)) != 0)
		return false;
	put(w, 160 + e - 8);
	put(w, size >> (e - 8) & 0xff);
	return true;
}

static void put_bytes(struct seq_writer *w, size_t size)
{
	if (short_size(size) < 256) {
		put(w, short_size(size));
	} else if (size < 16384) {
		put(w, 64 | size >> 12 << 4 | (size & 15));
		put(w, size >> 4 & 0xff);
	} else if (put_log_size(w, size)) {
		return;
	} else if (size < 65536) {
		put(w, 128);
		put(w, size & 0xff);
		put(w, size >> 8);
	} else {
		put(w, 152);
		put_varint(w, size);
	}
}

static void put_size(struct seq_writer *w, const struct seq_op *op)
{
	unsigned more = op->npages > 64 ? (op->npages - 64u + 7) / 8 : 0;

	if (op->npages == 0) {
		put_bytes(w, op->size);
		return;
	}
	put(w, 208 + more * 8 + edge_index(op->edge));
	put(w, op->npages - more * 8 - 1);
}

static void put_align(struct seq_writer *w, const struct seq_op *op)
{
	static const uint8_t far[64] = {[25] = 120, [26] = 122, [27] = 124, [63] = 121};
	unsigned zero = op->zero ? ALIGN_ZERO : 0;
	unsigned log2 = 0;

	while (log2 < 63 && op->align >> log2 > 1)
		log2++;
	if (log2 >= 4 && log2 <= 20) {
		put(w, zero | (log2 - 4));
	} else if (far[log2] != 0) {
		put(w, zero | far[log2]);
	} else {
		put(w, zero | ALIGN_LOG2);
		put(w, log2);
	}
}

/* What is not yet as the operation needs it. Return: whether it is a free by the next thread. */
static bool put_prefixes(struct seq_writer *w, const struct seq_op *op)
{
	bool by_next = op->kind == SEQ_FREE && op->thread == (uint8_t)(w->thread + 1);
	bool has_slot = op->kind != SEQ_OTHER || seq_operand_of(op->code) == SEQ_SLOT_HOW_SHORT;
	uint32_t bank = has_slot ? op->slot / BANK : w->bank;

	if (!by_next && op->thread != w->thread) {
		put(w, OP_OTHER << 5 | (op->thread < X_THREAD ? op->thread : X_THREAD));
		if (op->thread >= X_THREAD)
			put(w, op->thread);
		w->thread = op->thread;
	}
	if (bank != w->bank) {
		put(w, OP_OTHER << 5 | (bank < 3 ? X_BANKS + bank : X_BANK));
		if (bank >= 3)
			put_varint(w, bank);
		w->bank = bank;
	}
	if (op->kind != SEQ_OTHER && op->function != first_function[op->kind])
		put(w, (OP_OTHER << 5 | X_FUNCTION) - 1u + op->function - first_function[op->kind]);
	return by_next;
}

static void put_run(struct seq_writer *w, const struct seq_op *op, bool by_next)
{
	unsigned how = op->count - 2u;

	put(w, OP_RUN << 5 | op->slot % BANK);
	if (op->kind == SEQ_FREE) {
		put(w, (by_next ? RUN_FREE_NEXT : RUN_FREE) | how);
		put(w, op->mask);
		return;
	}
	put(w, (op->kind == SEQ_ALIGNED ? RUN_ALIGNED : 0) | how);
	if (op->kind == SEQ_ALIGNED)
		put_align(w, op);
	put_size(w, op);
}

static void put_single(struct seq_writer *w, const struct seq_op *op, bool by_next)
{
	unsigned what = by_next ? OP_FREE_NEXT : op->kind;

	put(w, what << 5 | op->slot % BANK);
	if (op->kind == SEQ_ALIGNED)
		put_align(w, op);
	if (op->kind != SEQ_FREE)
		put_size(w, op);
}

static void put_other(struct seq_writer *w, const struct seq_op *op)
{
	switch (seq_operand_of(op->code)) {
	case SEQ_NUMBER:
		put(w, OP_OTHER << 5 | X_NUMBERED);
		put(w, op->code - SEQ_NUMBERED);
		put_varint(w, op->arg);
		return;
	case SEQ_SLOT_HOW_SHORT:
		put(w, OP_OTHER << 5 | X_MISUSE);
		put(w, (op->code - (unsigned)SEQ_GIVE_STALE) << 5 | op->slot % BANK);
		put(w, op->how);
		put(w, op->arg & 0xff);
		put(w, op->arg >> 8);
		return;
	case SEQ_SIZE:
		put(w, OP_OTHER << 5 | op->code);
		put_size(w, op);
		return;
	default:
		put(w, OP_OTHER << 5 | op->code);
		if (seq_operand_of(op->code) == SEQ_BYTE)
			put(w, op->arg);
	}
}

void seq_put(struct seq_writer *writer, const struct seq_op *op)
{
	bool by_next;

	writer->nbytes = 0;
	by_next = put_prefixes(writer, op);
	if (op->kind == SEQ_OTHER)
		put_other(writer, op);
	else if (op->count > 1)
		put_run(writer, op, by_next);
	else
		put_single(writer, op, by_next);
}
