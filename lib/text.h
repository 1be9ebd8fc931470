/*
 * text - words and numbers into a fixed buffer, without the C library's formatted output.
 *
 * What and why: reports and listings are written when the heap may be broken, in signal handlers,
 * or while locks are held. So text is put together on the stack and written with one call.
 *
 * Rules: X1  used is at most size; what does not fit is counted in lost, nothing is written beyond.
 * Locks: none. Cost: O(characters). Rejected: snprintf (may allocate for wide or floating
 * conversions).
 */
#ifndef MA_TEXT_H
#define MA_TEXT_H

#include "base.h"

struct ma_text {
	char *buf;   /* size bytes */
	size_t size; /* > 0 */
	size_t used; /* characters in buf (X1) */
	size_t lost; /* characters that did not fit */
	int fd;      /* where a full buffer is written; -1: nowhere */
};

/** ma_text_init() - an empty text in @buf; @fd: where it goes when full, or -1. */
void ma_text_init(struct ma_text *text, char *buf, size_t size, int fd);

/** ma_text_str() - append a string. */
void ma_text_str(struct ma_text *text, const char *str);

/** ma_text_chars() - append @len characters. */
void ma_text_chars(struct ma_text *text, const char *chars, size_t len);

/** ma_text_dec() - append a number in decimal. */
void ma_text_dec(struct ma_text *text, uint64_t n);

/** ma_text_hex() - append a number as 0x and hexadecimal digits. */
void ma_text_hex(struct ma_text *text, uint64_t n);

/** ma_text_flush() - write what is buffered to fd. */
void ma_text_flush(struct ma_text *text);

/**
 * ma_text_end() - the text as a string
 * @text:  its buffer has one character more than its size
 *
 * Return: the buffer, terminated.
 */
const char *ma_text_end(struct ma_text *text);

#endif
