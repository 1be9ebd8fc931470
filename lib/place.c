#include <elf.h>
#include <string.h>

#include "os.h"
#include "place.h"

#define END (-1)

/* ---- characters ------------------------------------------------------------------------------ */

struct reader {
	int fd;
	int c; /* the character that is looked at, or END */
	size_t at;
	size_t used;
	char buf[256];
};

static void next(struct reader *r)
{
	if (r->at == r->used) {
		r->used = ma_os_read(r->fd, r->buf, sizeof(r->buf));
		r->at = 0;
	}
	r->c = r->used == 0 ? END : (unsigned char)r->buf[r->at++];
}

static bool skip(struct reader *r, int c)
{
	if (r->c != c)
		return false;
	next(r);
	return true;
}

static unsigned digit(int c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* At least one digit, and no more than fit. */
static bool number(struct reader *r, unsigned base, uint64_t *n)
{
	bool any = false;

	for (*n = 0; digit(r->c) < base; next(r)) {
		if (*n > (UINT64_MAX - digit(r->c)) / base)
			return false;
		*n = *n * base + digit(r->c);
		any = true;
	}
	return any;
}

/* One of two characters: is it the first? */
static bool flag(struct reader *r, int yes, int no, bool *set)
{
	*set = r->c == yes;
	return skip(r, yes) || skip(r, no);
}

/* ---- lines ----------------------------------------------------------------------------------- */

struct line {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* in the file */
	uint64_t device;     /* with the inode, what makes a file this one */
	uint64_t inode;      /* 0: none */
	bool readable, writable, executable;
	bool named; /* the path is this line's */
};

static bool parse_flags(struct reader *r, struct line *line)
{
	bool shared;

	return flag(r, 'r', '-', &line->readable) && flag(r, 'w', '-', &line->writable) &&
	       flag(r, 'x', '-', &line->executable) && flag(r, 's', 'p', &shared);
}

static bool parse_device(struct reader *r, struct line *line)
{
	uint64_t major, minor;

	if (!number(r, 16, &major) || !skip(r, ':') || !number(r, 16, &minor))
		return false;
	line->device = major << 32 | minor;
	return true;
}

static bool parse_head(struct reader *r, struct line *line)
{
	return number(r, 16, &line->start) && skip(r, '-') && number(r, 16, &line->end) &&
	       skip(r, ' ') && parse_flags(r, line) && skip(r, ' ') &&
	       number(r, 16, &line->offset) && skip(r, ' ') && parse_device(r, line) &&
	       skip(r, ' ') && number(r, 10, &line->inode) && (r->c == ' ' || r->c == '\n') &&
	       line->start < line->end;
}

/* The rest of the line; without one the path is left alone, and is that of an earlier line. */
static void parse_path(struct reader *r, struct line *line, char *path)
{
	const size_t max = MA_PLACE_PATH - 1;
	size_t n = 0;

	while (r->c == ' ')
		next(r);
	line->named = r->c != '\n' && r->c != END;
	for (; r->c != '\n' && r->c != END; next(r), n++)
		if (n < max)
			path[n] = (char)r->c;
	if (line->named)
		path[ma_min(n, max)] = '\0';
	if (n > max)
		memcpy(path + max - 3, "...", 3);
}

/* Return: false when there is no further line. */
static bool parse_line(struct reader *r, struct line *line, char *path, bool *good)
{
	*good = parse_head(r, line);
	if (*good)
		parse_path(r, line, path);
	while (r->c != '\n' && r->c != END)
		next(r);
	return skip(r, '\n');
}

/* ---- modules --------------------------------------------------------------------------------- */

/* The last module that was seen in the list. */
struct module {
	uint64_t device, inode; /* which file */
	uint64_t first;         /* where its offset 0 is mapped; 0: nowhere */
	uint64_t size;          /* of that mapping; 0: it cannot be read */
	uint64_t end;           /* of its last mapping */
};

static bool is_module(const struct line *line, const char *path)
{
	return line->named && (path[0] == '/' || strcmp(path, "[vdso]") == 0);
}

static void see_module(struct module *m, const struct line *line)
{
	if (m->inode != line->inode || m->device != line->device || line->inode == 0)
		*m = (struct module){.device = line->device, .inode = line->inode};
	if (line->offset == 0) {
		m->first = line->start;
		m->size = line->readable ? line->end - line->start : 0;
	}
	m->end = line->end;
}

/* The header of a module that is an ELF file, with all of its program headers in reach. */
static bool read_ehdr(const struct module *m, Elf64_Ehdr *ehdr)
{
	if (m->size < sizeof(*ehdr))
		return false;
	memcpy(ehdr, (const void *)(uintptr_t)m->first, sizeof(*ehdr));
	return memcmp(ehdr->e_ident, ELFMAG, SELFMAG) == 0 &&
	       ehdr->e_ident[EI_CLASS] == ELFCLASS64 && ehdr->e_phentsize == sizeof(Elf64_Phdr) &&
	       ehdr->e_phoff <= m->size &&
	       ehdr->e_phnum <= (m->size - ehdr->e_phoff) / sizeof(Elf64_Phdr);
}

/* The next segment that is loaded. */
static bool next_load(const struct module *m, const Elf64_Ehdr *ehdr, size_t *i, Elf64_Phdr *phdr)
{
	const char *table = (const char *)(uintptr_t)(m->first + ehdr->e_phoff);

	while (*i < ehdr->e_phnum) {
		memcpy(phdr, table + (*i)++ * sizeof(*phdr), sizeof(*phdr));
		if (phdr->p_type == PT_LOAD)
			return true;
	}
	return false;
}

/* What is added to the addresses in the file, told by the segment with the file's first page. */
static bool load_bias(const struct module *m, const Elf64_Ehdr *ehdr, uint64_t *bias)
{
	Elf64_Phdr phdr;
	size_t i = 0;

	while (next_load(m, ehdr, &i, &phdr)) {
		if (phdr.p_offset < ma_os_page_size()) {
			*bias = m->first - (phdr.p_vaddr - phdr.p_offset);
			return true;
		}
	}
	return false;
}

/*
 * Y2, Y3: is @vaddr, as the headers have it, in a segment, and there at @offset of the file, or,
 * without a file, behind what is from the file?
 */
static bool in_segment(const struct module *m, const Elf64_Ehdr *ehdr, uint64_t vaddr,
		       const uint64_t *offset)
{
	Elf64_Phdr phdr;
	size_t i = 0;

	while (next_load(m, ehdr, &i, &phdr)) {
		uint64_t into = vaddr - phdr.p_vaddr;

		if (vaddr >= phdr.p_vaddr && into < phdr.p_memsz)
			return offset != NULL ? phdr.p_offset + into == *offset
					      : into >= phdr.p_filesz;
	}
	return false;
}

static bool link_address(const struct module *m, uint64_t addr, const uint64_t *offset,
			 uint64_t *vaddr)
{
	Elf64_Ehdr ehdr;
	uint64_t bias;

	if (!read_ehdr(m, &ehdr) || !load_bias(m, &ehdr, &bias))
		return false;
	if (!in_segment(m, &ehdr, addr - bias, offset))
		return false;
	*vaddr = addr - bias;
	return true;
}

/* ---- places ---------------------------------------------------------------------------------- */

static void found(struct ma_place *place, const struct module *m, const struct line *line,
		  uint64_t addr)
{
	uint64_t offset = line->offset + (addr - line->start);

	place->mapped = true;
	place->readable = line->readable;
	place->writable = line->writable;
	place->executable = line->executable;
	place->start = (uintptr_t)line->start;
	place->end = (uintptr_t)line->end;
	place->module = is_module(line, place->path);
	if (place->module) {
		if (!link_address(m, addr, &offset, &place->offset))
			place->offset = offset;
	} else if (!line->named) {
		place->module = line->start == m->end &&
				link_address(m, addr, NULL, &place->offset);
		if (!place->module)
			place->path[0] = '\0';
	}
}

static void scan(struct reader *r, struct ma_place *place, uint64_t addr)
{
	struct module module = {0, 0, 0, 0, 0};
	struct line line;
	bool good;

	while (parse_line(r, &line, place->path, &good)) {
		if (!good)
			continue;
		if (is_module(&line, place->path))
			see_module(&module, &line);
		if (addr >= line.start && addr < line.end) {
			found(place, &module, &line, addr);
			return;
		}
		/* What follows a word such as [heap] is no module's. */
		if (line.named && !is_module(&line, place->path))
			module.end = 0;
	}
	place->path[0] = '\0';
}

bool ma_place_find(struct ma_place *place, uintptr_t addr)
{
	struct reader r;

	memset(place, 0, sizeof(*place));
	r.fd = ma_os_open("/proc/self/maps");
	if (r.fd < 0)
		return false;
	r.at = r.used = 0;
	next(&r);
	place->known = r.c != END;
	scan(&r, place, addr);
	ma_os_close(r.fd);
	return place->mapped;
}

void ma_place_module(struct ma_text *text, const struct ma_place *place)
{
	if (!place->mapped || !place->module)
		return;
	ma_text_str(text, place->path);
	ma_text_str(text, "+");
	ma_text_hex(text, place->offset);
}

static void describe_access(struct ma_text *text, const struct ma_place *place)
{
	const char *before = " (";

	if (!place->readable && !place->writable && !place->executable)
		ma_text_str(text, " (not accessible");
	if (place->readable) {
		ma_text_str(text, before);
		ma_text_str(text, "readable");
		before = ", ";
	}
	if (place->writable) {
		ma_text_str(text, before);
		ma_text_str(text, "writable");
		before = ", ";
	}
	if (place->executable) {
		ma_text_str(text, before);
		ma_text_str(text, "executable");
	}
	ma_text_str(text, ")");
}

static bool describe_stack(struct ma_text *text, const struct ma_place *place)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (strcmp(place->path, "[stack]") == 0)
		ma_text_str(text, "lies on the stack of this process's main thread");
	else if (here >= place->start && here < place->end)
		ma_text_str(text, "lies in the mapping that holds the stack of this thread");
	else
		return false;
	return true;
}

void ma_place_describe(struct ma_text *text, uintptr_t addr)
{
	struct ma_place place;

	if (!ma_place_find(&place, addr)) {
		ma_text_str(text, place.known ? "lies in no mapping" : "");
		return;
	}
	if (describe_stack(text, &place))
		return;
	ma_text_str(text, "lies in ");
	if (place.module)
		ma_place_module(text, &place);
	else if (strcmp(place.path, "[heap]") == 0)
		ma_text_str(text, "[heap], which is another allocator's");
	else
		ma_text_str(text, place.path[0] != '\0' ? place.path : "an anonymous mapping");
	describe_access(text, &place);
}
