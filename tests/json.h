/*
 * json - is a text what RFC 8259 calls JSON?
 *
 * What and why: what is written for machines must be read by them. It is a checker only: what
 * stands in the text is compared by whoever calls.
 */
#ifndef TESTS_JSON_H
#define TESTS_JSON_H

#include <stddef.h>

/** json_lines() - how many lines a text has; 0 when one is not a sound object and a newline. */
size_t json_lines(const char *text);

#endif
