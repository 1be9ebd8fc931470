#include "report.h"
#include "os.h"
#include "text.h"

#define STDERR 2

static const char *const kinds[] = {
	[MA_DOUBLE_FREE] = "double free",
	[MA_INVALID_FREE] = "invalid free",
	[MA_HEAP_OVERFLOW] = "heap overflow",
	[MA_HEAP_UNDERFLOW] = "heap underflow",
	[MA_WRITE_AFTER_FREE] = "write after free",
	[MA_BAD_REALLOC] = "bad realloc",
	[MA_BAD_USABLE_SIZE] = "bad usable size",
	[MA_SIZE_MISMATCH] = "size mismatch",
	[MA_ALIGNMENT_MISMATCH] = "alignment mismatch",
	[MA_DEALLOC_MISMATCH] = "alloc-dealloc mismatch",
	[MA_BAD_ACCESS] = "bad access",
	[MA_WRONG_POOL] = "wrong pool",
	[MA_BAD_POOL] = "bad pool",
	[MA_BAD_METADATA] = "bad metadata",
};

static bool printable(unsigned char c)
{
	return c >= ' ' && c <= '~';
}

/* A guess at the cause, from the bytes that should not be there. */
static const char *guess(const struct ma_violation *v)
{
	const unsigned char *found = (const unsigned char *)&v->found;
	const unsigned char *expected = (const unsigned char *)&v->expected;
	size_t ntext = 0;

	if (v->kind != MA_HEAP_OVERFLOW && v->kind != MA_WRITE_AFTER_FREE)
		return NULL;
	while (ntext < sizeof(v->found) && printable(found[ntext]))
		ntext++;
	if (v->kind == MA_HEAP_OVERFLOW && found[0] == 0 && found[1] == expected[1])
		return "one zero byte past the end: no place for a string's terminator?";
	if (ntext >= 3)
		return "the bytes are text: a string copied into too small or stale memory?";
	return NULL;
}

static void object_line(struct ma_text *text, const struct ma_violation *v)
{
	if (v->object == NULL)
		return;
	ma_text_str(text, "memalloc:   object ");
	ma_text_hex(text, (uintptr_t)v->object);
	if (v->requested != SIZE_MAX) {
		ma_text_str(text, ", ");
		ma_text_dec(text, v->requested);
		ma_text_str(text, " bytes requested");
	}
	if (v->slot != 0) {
		ma_text_str(text, ", in ");
		ma_text_dec(text, v->slot);
		ma_text_str(text, " bytes");
	}
	ma_text_str(text, "\n");
}

static void damage_line(struct ma_text *text, const struct ma_violation *v)
{
	if (v->damage == NULL)
		return;
	ma_text_str(text, "memalloc:   at ");
	ma_text_hex(text, (uintptr_t)v->damage);
	ma_text_str(text, ": expected ");
	ma_text_hex(text, v->expected);
	ma_text_str(text, ", found ");
	ma_text_hex(text, v->found);
	ma_text_str(text, "\n");
}

void ma_report(const struct ma_violation *v)
{
	char buf[1024];
	struct ma_text text;
	const char *cause = guess(v);

	ma_text_init(&text, buf, sizeof(buf), STDERR);
	ma_text_str(&text, "memalloc: ");
	ma_text_str(&text, kinds[v->kind]);
	ma_text_str(&text, ": ");
	ma_text_hex(&text, (uintptr_t)v->ptr);
	ma_text_str(&text, " ");
	ma_text_str(&text, v->why);
	ma_text_str(&text, "\n");
	object_line(&text, v);
	damage_line(&text, v);
	if (cause != NULL) {
		ma_text_str(&text, "memalloc:   ");
		ma_text_str(&text, cause);
		ma_text_str(&text, "\n");
	}
	ma_text_str(&text, "memalloc:   thread ");
	ma_text_dec(&text, ma_os_thread_id());
	ma_text_str(&text, "; a debugger or a core file shows where\n");
	ma_text_flush(&text);
	ma_os_abort();
}

void ma_warn(const char *a, const char *b, const char *c)
{
	char buf[512];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), STDERR);
	ma_text_str(&text, "memalloc: ");
	ma_text_str(&text, a);
	if (b != NULL)
		ma_text_str(&text, b);
	if (c != NULL)
		ma_text_str(&text, c);
	ma_text_str(&text, "\n");
	ma_text_flush(&text);
}

void ma_assert_failed(const char *expr, const char *file, int line)
{
	char buf[512];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf), STDERR);
	ma_text_str(&text, "memalloc: bug in memalloc itself: ");
	ma_text_str(&text, file);
	ma_text_str(&text, ":");
	ma_text_dec(&text, (uint64_t)line);
	ma_text_str(&text, ": ");
	ma_text_str(&text, expr);
	ma_text_str(&text, "\n");
	ma_text_flush(&text);
	ma_os_abort();
}
