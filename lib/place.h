/*
 * place - what an address belongs to: a module, a stack, other memory, or nothing.
 *
 * What and why: a pointer that is not ours still belongs to something, and saying to what is often
 * the whole answer; a stack means nothing without the modules its addresses lie in. Both are read
 * from the system's list of mappings, one line at a time. Nothing is ever turned into the name of a
 * function here: addr2line and llvm-symbolizer do that better, outside of a broken process.
 *
 *      start  -  end          what may be done  offset in the file             file, or [word]
 *      7f21a3c00000-7f21a3c26000      r--p      00000000 fd:01 123456     /usr/lib/libfoo.so.1
 *
 * Rules:
 *   Y1  Nothing is allocated, no lock is taken. A line that is not as above is skipped, and so is
 *       one that does not end.
 *   Y2  The offset within a module is the address that its ELF headers give the place: what the
 *       tools above take. The headers are read where the module's first page is mapped readable;
 *       where they cannot be, or do not fit the mapping, it is the offset in the file instead.
 *   Y3  Memory that a module has beyond its file (.bss) belongs to it, too.
 *
 * Does not prove that the answer holds any longer: other threads map and unmap.
 *
 * Locks: none. Cost: the list is read once for each address. Rejected: dladdr() and
 * dl_iterate_phdr() (they take the loader's lock, which the thread that reports may hold).
 * Source: proc(5); the ELF specification, "Program Header" and "Base Address".
 */
#ifndef MA_PLACE_H
#define MA_PLACE_H

#include "text.h"

/* Characters of a path, with the terminator; what is cut off is replaced by "...". */
#define MA_PLACE_PATH 384

struct ma_place {
	bool known;      /* the list could be read; nothing below means anything otherwise */
	bool mapped;     /* the rest is of the mapping that holds the address */
	bool readable;   /* as mapped */
	bool writable;   /* as mapped */
	bool executable; /* as mapped */
	bool module;     /* path is that of a file, or of what the kernel itself maps as one */
	uintptr_t start; /* first address of the mapping */
	uintptr_t end;   /* behind the last */
	uint64_t offset; /* within the module (Y2) */
	char path[MA_PLACE_PATH]; /* a file, or a word such as [stack]; "" when it has none */
};

/** ma_place_find() - look up @addr. Return: whether something is mapped there. */
bool ma_place_find(struct ma_place *place, uintptr_t addr);

/** ma_place_module() - append "path+0x1234"; nothing for a place that is in no module. */
void ma_place_module(struct ma_text *text, const struct ma_place *place);

/**
 * ma_place_describe() - append a clause that says where @addr lies
 *
 *      lies in /usr/bin/foo+0x4010 (readable, writable)
 *      lies on the stack of this process's main thread
 *      lies in the mapping that holds the stack of this thread
 *      lies in [heap], which is another allocator's (readable, writable)
 *      lies in an anonymous mapping (readable, writable)
 *      lies in no mapping
 *
 * Nothing is appended when the list of mappings cannot be read.
 */
void ma_place_describe(struct ma_text *text, uintptr_t addr);

#endif
