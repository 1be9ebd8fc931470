#include <stdbool.h>
#include <string.h>

#include "json.h"

/* Each of these returns what follows, or NULL when it finds something else than it looks for. */

static const char *value(const char *s);

static const char *word(const char *s, const char *expected)
{
	return strncmp(s, expected, strlen(expected)) == 0 ? s + strlen(expected) : NULL;
}

static const char *digits(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && (s[0] != '0' || n == 1) ? s + n : NULL;
}

static const char *escaped(const char *s)
{
	if (*s == 'u')
		return strspn(s + 1, "0123456789abcdefABCDEF") >= 4 ? s + 5 : NULL;
	return *s != '\0' && strchr("\"\\/bfnrt", *s) != NULL ? s + 1 : NULL;
}

static const char *string(const char *s)
{
	if (*s++ != '"')
		return NULL;
	while (s != NULL && *s != '"') {
		if ((unsigned char)*s < ' ')
			return NULL;
		s = *s == '\\' ? escaped(s + 1) : s + 1;
	}
	return s != NULL ? s + 1 : NULL;
}

static const char *member(const char *s)
{
	s = string(s);
	return s != NULL && *s == ':' ? value(s + 1) : NULL;
}

static const char *list(const char *s, const char *(*item)(const char *), char end)
{
	if (*++s == end)
		return s + 1;
	for (;; s++) {
		s = item(s);
		if (s == NULL || *s == end)
			return s != NULL ? s + 1 : NULL;
		if (*s != ',')
			return NULL;
	}
}

static const char *value(const char *s)
{
	switch (*s) {
	case '{':
		return list(s, member, '}');
	case '[':
		return list(s, value, ']');
	case '"':
		return string(s);
	case 't':
		return word(s, "true");
	default:
		return digits(s);
	}
}

size_t json_lines(const char *text)
{
	size_t n = 0;

	while (text != NULL && *text != '\0') {
		text = *text == '{' ? value(text) : NULL;
		if (text == NULL || *text++ != '\n')
			return 0;
		n++;
	}
	return n;
}
