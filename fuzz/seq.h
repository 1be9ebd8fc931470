/*
 * seq - one language for sequences of allocations.
 *
 * What and why: the inputs of fuzz targets, the seeds, what reproduces a bug and what was recorded
 * of a real program are all sequences of allocations. They have one form in bytes, here, and one in
 * text (seq_text.h), so that each can become any other. A target sees decoded operations only, and
 * takes no notice of those that are not for it. Every string of bytes is a valid sequence: what is
 * missing at the end reads as 0, so that a shortened input stays meaningful.
 *
 *      [ configuration: what the target reads ][ operation ][ operation ] ...
 *
 * An operation is a byte, what to do in its upper three bits, a slot (s) in the lower five, and its
 * operands. A slot is the place of an object in a table; an operation names it whatever it holds,
 * so that bytes inserted or removed do not change what the others mean. What is allocated into a
 * slot that is taken frees the object there first; realloc allocates when the slot is empty, and
 * frees when the size is 0.
 *
 *      000sssss   malloc                            size
 *      001sssss   calloc                            size
 *      010sssss   aligned_alloc                     align, size
 *      011sssss   realloc                           size
 *      100sssss   free
 *      101sssss   free by the next thread
 *      110sssss   the same for h % 64 + 2 slots:    h; h < 64: malloc, size % 65536
 *                                                   h < 128: aligned_alloc, align, size % 65536
 *                                                   h < 192: free, mask of eight, used again
 *                                                   else: free by the next thread, mask
 *      111xxxxx   x = 0, 1, 2: this thread acts from here on; 3: that of the next byte
 *                 4, 5, 6: slots are of bank 0, 1, 2 from here on; 7: of the bank in a varint
 *                 8, 9: the next operation is called by another function of its kind
 *                 10: an operation that has a number         number, varint
 *                 11: misuse, in the form of an operation    its kind and slot, how, two bytes
 *                 12 - 31: of the world, enum seq_code       nothing, a byte or a size
 *
 * Thread 0 and bank 0 are first. A bank is 32 slots. A varint has seven bits per byte, the lowest
 * first; the top bit says that more follow.
 *
 * align: the lower seven bits a of a byte; its top bit asks for zeroed memory.
 *
 *        0 .. 119   16 << a % 17
 *      120 .. 126   32 MiB, 2^63, 64 MiB, 2^63, 128 MiB, 2^63, 32 MiB
 *      127          the next byte modulo 64 is its logarithm
 *
 * size: a byte that chooses its kind, and for most kinds one or two bytes more.
 *
 *        0 ..  63   the byte itself
 *       64 .. 127   16 n + k: k = low 4 bits, n = the next byte + 256 * the two bits above
 *      128 .. 151   the next two bytes, little endian
 *      152 .. 159   a varint: any size
 *      160 .. 207   about 2^e: e = 8 + (byte & 15); next byte is the mantissa, or an edge is taken
 *      208 .. 239   a multiple of a page, a few bytes more or less
 *      240 .. 255   a table of sizes at the limits of things and beyond
 *
 * Rules:
 *   Q1  Decoding never fails, reads nothing beyond the bytes, and ends: each operation takes some.
 *   Q2  seq_put() of what seq_next() gave is the same operation again: the bytes that it writes are
 *       the canonical ones of the sequence, and as short as the tables allow.
 *   Q3  An operation says all by itself: which thread, which slot of all, how many bytes. The one
 *       thing it needs is the size of a page, which stays a number of pages when it is written.
 *   Q4  A target reduces slots and threads modulo what it has, and ignores codes it does not know.
 *
 * Locks: none. Cost: a few instructions per byte.
 *
 * Rejected: sizes uniform over a range (never 0, never an edge); offsets from the end of the input
 * (an inserted byte changes everything before it); numbers of live objects instead of slots (each
 * operation changes what all that follow mean); a header with a version (mutations would spend
 * themselves on it); text alone (ten times the size).
 */
#ifndef FUZZ_SEQ_H
#define FUZZ_SEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEQ_NPAGES_MAX 88       /* of a size that is said in pages */
#define SEQ_RUN_MAX 65          /* slots */
#define SEQ_PAGE ((size_t)4096) /* unless the target says another */
#define SEQ_OP_MAX 32           /* bytes of an operation, with all that stands before it */
#define SEQ_MASK_ALL 0xff

enum seq_kind { SEQ_MALLOC, SEQ_CALLOC, SEQ_ALIGNED, SEQ_REALLOC, SEQ_FREE, SEQ_OTHER, SEQ_NKINDS };

/* What a program calls. The first of a kind needs no byte. */
enum seq_function {
	SEQ_BY_MALLOC,
	SEQ_BY_VALLOC,
	SEQ_BY_PVALLOC,
	SEQ_BY_CALLOC,
	SEQ_BY_ALIGNED_ALLOC,
	SEQ_BY_MEMALIGN,
	SEQ_BY_POSIX_MEMALIGN,
	SEQ_BY_REALLOC,
	SEQ_BY_REALLOCARRAY,
	SEQ_BY_FREE,
	SEQ_BY_FREE_SIZED,
	SEQ_BY_FREE_ALIGNED_SIZED,
	SEQ_NFUNCTIONS
};

/* Of SEQ_OTHER. The first are the lower bits of the operation's byte. */
enum seq_code {
	SEQ_SWITCH_INSTANCE = 12, /* allocate from the other instance; it is made when needed */
	SEQ_END_INSTANCE,         /* end the second instance with all its objects */
	SEQ_EXIT_THREAD,          /* the acting thread ends */
	SEQ_COMPACT,              /* the acting thread's heap and the shared one */
	SEQ_COMPACT_SHARED,       /* the shared one alone */
	SEQ_TRIM,                 /* give back free pages, arg half pages may stay */
	SEQ_GIVE_ALL,             /* compact all heaps, give back all */
	SEQ_GIVE,                 /* compact all heaps, give back, arg pages may stay */
	SEQ_CLOCK,                /* 4 arg ms pass */
	SEQ_DECAY,                /* 4 arg ms pass, and what is due then is given back */
	SEQ_RESERVE,              /* size bytes */
	SEQ_FORK,                 /* what a fork does */
	SEQ_LIFT,                 /* the OS refuses nothing any more */
	SEQ_COMPARE,              /* all contents, now */
	SEQ_REFUSE_AT,            /* the OS refuses call arg % 32 + 1 from now */
	SEQ_REFUSE_FROM,          /* all calls from that one on */
	SEQ_REFUSE_UNMAP,         /* the same, of one kind of call */
	SEQ_REFUSE_RESIZE_AT,
	SEQ_REFUSE_MOVE,
	SEQ_REFUSE_PURGE_AT,

	/* Misuse: slot, how (8 bits) and arg (16 bits). */
	SEQ_GIVE_STALE = 32, /* what was freed, given to function how; slot: how long ago */
	SEQ_GIVE_INTERIOR,   /* arg bytes into the object, to function how */
	SEQ_GIVE_FOREIGN,    /* what is not the allocator's, the arg-th of its kind */
	SEQ_GIVE_WRONG_POOL, /* an object, to another pool */
	SEQ_WRITE_BEHIND,    /* arg: which bits; how: which byte behind, and who finds it */
	SEQ_WRITE_BEFORE,    /* the same in front of the object */
	SEQ_WRITE_STALE,     /* byte arg of what was freed */
	SEQ_CLAIM_WRONG,     /* a size or an alignment that is not the object's, by how and arg */

	SEQ_NUMBERED = 64, /* and 255 more: whatever a target wants, with arg */
	SEQ_NCODES = SEQ_NUMBERED + 256
};

/* A sequence being read. The fields are seq_init()'s, but for page. */
struct seq {
	const uint8_t *data;
	size_t size; /* bytes of data */
	size_t at;   /* bytes consumed, at most size */
	size_t page; /* bytes; the target's */
	uint32_t bank;
	uint8_t thread;
};

/* An operation. What has no meaning for its kind is 0. */
struct seq_op {
	size_t size;      /* bytes asked for */
	size_t align;     /* a power of two, of SEQ_ALIGNED */
	uint64_t arg;     /* of SEQ_OTHER */
	uint32_t slot;    /* the first */
	uint16_t code;    /* enum seq_code, of SEQ_OTHER */
	uint8_t kind;     /* enum seq_kind */
	uint8_t function; /* enum seq_function, but of SEQ_OTHER */
	uint8_t thread;   /* that acts */
	uint8_t count;    /* slots, from the first on; 1 but in a run */
	uint8_t mask;     /* of a run of frees: slot i is meant if bit i % 8 is set */
	uint8_t how;      /* of misuse */
	bool zero;        /* of SEQ_ALIGNED: zeroed memory is asked for */
	uint8_t npages;   /* 0: size was not said in pages */
	int8_t edge;      /* bytes more than so many pages */
};

/* A sequence being written: canonical bytes, in a buffer of the caller's. */
struct seq_writer {
	uint8_t bytes[SEQ_OP_MAX]; /* of the last operation */
	size_t nbytes;
	uint32_t bank;
	uint8_t thread;
};

/** seq_init() - read from the beginning; the configuration comes first. */
void seq_init(struct seq *seq, const uint8_t *data, size_t size);

/* Whether all bytes are consumed. */
static inline bool seq_done(const struct seq *seq)
{
	return seq->at >= seq->size;
}

/** seq_byte() - 0 .. 255. For the configuration, as the next two. */
static inline uint8_t seq_byte(struct seq *seq)
{
	return seq_done(seq) ? 0 : seq->data[seq->at++];
}

/** seq_short() - 0 .. 65535, two bytes, little endian. */
size_t seq_short(struct seq *seq);

/** seq_varint() - up to 64 bits; what is beyond them is dropped. */
uint64_t seq_varint(struct seq *seq);

/** seq_next() - decode an operation. Return: false at the end. */
bool seq_next(struct seq *seq, struct seq_op *op);

/** seq_selects() - whether slot op->slot + @i is meant, @i below op->count. */
static inline bool seq_selects(const struct seq_op *op, unsigned i)
{
	return op->mask >> i % 8 & 1;
}

/** seq_write_init() - write what follows the configuration. */
void seq_write_init(struct seq_writer *writer);

/** seq_put() - encode an operation; the bytes are in @writer until the next. */
void seq_put(struct seq_writer *writer, const struct seq_op *op);

/** seq_kind_of() - what a function does. */
enum seq_kind seq_kind_of(enum seq_function function);

/* What follows a code. */
enum seq_operand { SEQ_NO_OPERAND, SEQ_BYTE, SEQ_SIZE, SEQ_SLOT_HOW_SHORT, SEQ_NUMBER };

/** seq_operand_of() - which operand the code of an operation has. */
enum seq_operand seq_operand_of(unsigned code);

/** seq_has_edge() - whether a number of pages can have @edge bytes more. */
bool seq_has_edge(int edge);

#endif
