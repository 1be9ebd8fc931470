#include <string.h>

#include "place.h"
#include "report_json.h"

/* ---- strings --------------------------------------------------------------------------------- */

static bool in(unsigned char c, unsigned char least, unsigned char most)
{
	return c >= least && c <= most;
}

/*
 * Bytes of the UTF-8 sequence for a character beyond ASCII, or 0 when there is none: no detours, no
 * surrogates, nothing above U+10FFFF. Bytes behind the end of the string do not match.
 */
static size_t sequence(const unsigned char *s)
{
	unsigned char least = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char most = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
	size_t n = in(s[0], 0xc2, 0xdf)   ? 2
		   : in(s[0], 0xe0, 0xef) ? 3
		   : in(s[0], 0xf0, 0xf4) ? 4
					  : 0;

	if (n == 0 || !in(s[1], least, most))
		return 0;
	for (size_t i = 2; i < n; i++)
		if (!in(s[i], 0x80, 0xbf))
			return 0;
	return n;
}

static void escape(struct ma_text *text, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	const char code[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

	ma_text_chars(text, code, sizeof(code));
}

void ma_json_string(struct ma_text *text, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	ma_text_str(text, "\"");
	while (*s != '\0') {
		size_t n = in(*s, ' ', '~') ? 1 : sequence(s);

		if (*s == '"' || *s == '\\')
			ma_text_str(text, "\\");
		if (n > 0)
			ma_text_chars(text, (const char *)s, n);
		else
			escape(text, *s);
		s += n > 0 ? n : 1;
	}
	ma_text_str(text, "\"");
}

/* ---- members: each but the first of an object begins with a comma ---------------------------- */

static void name(struct ma_text *text, const char *key)
{
	ma_text_str(text, ",\"");
	ma_text_str(text, key);
	ma_text_str(text, "\":");
}

static void string(struct ma_text *text, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	name(text, key);
	ma_json_string(text, value);
}

static void dec(struct ma_text *text, const char *key, uint64_t n)
{
	name(text, key);
	ma_text_dec(text, n);
}

static void hex_value(struct ma_text *text, uint64_t n)
{
	ma_text_str(text, "\"");
	ma_text_hex(text, n);
	ma_text_str(text, "\"");
}

static void hex(struct ma_text *text, const char *key, uint64_t n)
{
	name(text, key);
	hex_value(text, n);
}

/* ---- facts ----------------------------------------------------------------------------------- */

static void begin(struct ma_text *text)
{
	ma_text_str(text, "{\"memalloc\":1");
}

static void end(struct ma_text *text)
{
	ma_text_str(text, "}\n");
}

static void what(struct ma_text *text, const struct ma_violation *v)
{
	string(text, "kind", ma_report_kind(v->kind));
	hex(text, "pointer", (uintptr_t)v->ptr);
	string(text, "why", v->why);
}

static void object(struct ma_text *text, const struct ma_violation *v)
{
	if (v->object == NULL)
		return;
	hex(text, "object", (uintptr_t)v->object);
	if (v->requested != SIZE_MAX)
		dec(text, "requested", v->requested);
	if (v->slot != 0)
		dec(text, "slot", v->slot);
	string(text, "state", v->state);
}

static void damage(struct ma_text *text, const struct ma_violation *v)
{
	if (v->damage == NULL)
		return;
	name(text, "damage");
	ma_text_str(text, "{\"at\":");
	hex_value(text, (uintptr_t)v->damage);
	hex(text, "expected", v->expected);
	hex(text, "found", v->found);
	ma_text_str(text, "}");
}

static void run(struct ma_text *text, const struct ma_report_config *config)
{
	if (config->profile == NULL)
		return;
	name(text, "seed");
	ma_text_str(text, "\"");
	ma_text_dec(text, config->seed);
	ma_text_str(text, "\"");
	string(text, "profile", config->profile);
}

void ma_json_facts(struct ma_text *text, const struct ma_facts *facts)
{
	const struct ma_violation *v = facts->v;

	begin(text);
	what(text, v);
	object(text, v);
	damage(text, v);
	string(text, "guess", facts->guess);
	string(text, "place", facts->place);
	string(text, "around", v->around);
	string(text, "hint", v->hint);
	dec(text, "thread", facts->thread);
	dec(text, "pid", facts->process);
	run(text, facts->config);
	end(text);
}

void ma_json_nested(struct ma_text *text, const struct ma_violation *v)
{
	begin(text);
	what(text, v);
	name(text, "nested");
	ma_text_str(text, "true");
	end(text);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static void frame(struct ma_text *text, uintptr_t pc)
{
	struct ma_place place;

	ma_text_str(text, "{\"pc\":");
	hex_value(text, pc);
	if (ma_place_find(&place, pc) && place.module) {
		string(text, "module", place.path);
		hex(text, "offset", place.offset);
	}
	ma_text_str(text, "}");
}

void ma_json_stacks_begin(struct ma_text *text)
{
	begin(text);
	name(text, "stacks");
	ma_text_str(text, "{");
}

void ma_json_stack(struct ma_text *text, const char *key, const uintptr_t *pc, size_t n, bool first)
{
	ma_text_str(text, first ? "\"" : ",\"");
	ma_text_str(text, key);
	ma_text_str(text, "\":[");
	for (size_t i = 0; i < n; i++) {
		ma_text_str(text, i > 0 ? "," : "");
		frame(text, pc[i]);
	}
	ma_text_str(text, "]");
}

void ma_json_stacks_end(struct ma_text *text)
{
	ma_text_str(text, "}");
	end(text);
}
