#include <string.h>

#include "os.h"
#include "text.h"

void ma_text_init(struct ma_text *text, char *buf, size_t size, int fd)
{
	text->buf = buf;
	text->size = size;
	text->used = 0;
	text->lost = 0;
	text->fd = fd;
}

void ma_text_flush(struct ma_text *text)
{
	if (text->fd < 0)
		return;
	ma_os_write(text->fd, text->buf, text->used);
	text->used = 0;
}

const char *ma_text_end(struct ma_text *text)
{
	text->buf[text->used] = '\0';
	return text->buf;
}

void ma_text_chars(struct ma_text *text, const char *chars, size_t len)
{
	size_t n;

	if (len > text->size - text->used)
		ma_text_flush(text);
	n = ma_min(len, text->size - text->used);
	memcpy(text->buf + text->used, chars, n);
	text->used += n;
	text->lost += len - n;
}

void ma_text_str(struct ma_text *text, const char *str)
{
	ma_text_chars(text, str, strlen(str));
}

static void number(struct ma_text *text, uint64_t n, unsigned base)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n > 0);
	ma_text_chars(text, digits + i, sizeof(digits) - i);
}

void ma_text_dec(struct ma_text *text, uint64_t n)
{
	number(text, n, 10);
}

void ma_text_hex(struct ma_text *text, uint64_t n)
{
	ma_text_str(text, "0x");
	number(text, n, 16);
}
