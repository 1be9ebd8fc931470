#!/usr/bin/env python3
"""What reports say, in the sources and in the man page: both must have the same.

messages.py             compares lib/*.c with lib/man/memalloc-reports.7
messages.py --selftest  shows that it finds what is missing or too much

In the sources these are the words for the kinds (lib/report.c), each string that is assigned to a
member or variable `why`, and the members of the JSON object (lib/report_json.c). In the man page they
are the headings (.Ss) and the items (.It Sy) of the section KINDS, and the items (.It Cm) of the
section JSON.
"""

import re
import sys

import rules

MAN = "lib/man/memalloc-reports.7"

KIND = re.compile(r'^\s*\[MA_\w+\] = "([^"]*)"', re.M)
WHY = re.compile(r"\bwhy\s*=(?!=)")
MEMBER = re.compile(r'(?:\b(?:string|dec|hex|name)\(\w+, "(\w+)"|\\"(\w+)\\":)')
STACKS = re.compile(r"\bmembers\[\w*\] = \{([^}]*)\}")
STRINGS = re.compile(r'"((?:\\.|[^"\\])*)"')
TOKEN = re.compile(r'("(?:\\.|[^"\\])*"(?:\s*"(?:\\.|[^"\\])*")*)|([(\[{])|([)\]}])|([,;])')
COMMENT = re.compile(r"/\*.*?\*/", re.S)
SECTION = re.compile(r"^\.Sh (.*)\n", re.M)


def expression_strings(text, at):
    """The strings of the expression that begins at @at; adjacent ones are one, as in C."""
    depth = 0
    for match in TOKEN.finditer(text, at):
        string, opening, closing, end = match.groups()
        if string:
            yield "".join(STRINGS.findall(string)).replace('\\"', '"')
        depth += bool(opening) - bool(closing)
        if depth < 0 or (end and depth == 0):
            return


def source_whys(sources):
    """Each clause, and the files that have it."""
    found = {}
    for name, text in sources.items():
        text = COMMENT.sub("", text)
        for match in WHY.finditer(text):
            for clause in expression_strings(text, match.end()):
                found.setdefault(clause, name)
    return found


def source_members(sources):
    """Members of the JSON object."""
    text = COMMENT.sub("", sources.get("report_json.c", ""))
    found = dict.fromkeys((first or second for first, second in MEMBER.findall(text)), "report_json.c")
    for names in STACKS.findall(sources.get("report.c", "")):
        found |= dict.fromkeys(STRINGS.findall(names), "report.c")
    return found


def sections(man):
    """The text of each section."""
    parts = SECTION.split(man)
    return dict(zip(parts[1::2], parts[2::2]))


def difference(what, source, page, macro):
    for text in sorted(source.keys() - page):
        yield f"{MAN}: there is no '{macro} {text}', but lib/{source[text]} has this {what}"
    for text in sorted(page - source.keys()):
        yield f"{MAN}: '{macro} {text}' is of no {what} in lib/*.c"


def check(top):
    sources = {path.name: path.read_text() for path in sorted((top / "lib").glob("*.c"))}
    parts = sections((top / MAN).read_text())
    kinds, json = parts.get("KINDS", ""), parts.get("JSON", "")
    report_kinds = dict.fromkeys(KIND.findall(sources.get("report.c", "")), "report.c")
    complaints = [
        *difference("kind", report_kinds, set(re.findall(r"^\.Ss (.*)$", kinds, re.M)), ".Ss"),
        *difference("clause", source_whys(sources), set(re.findall(r"^\.It Sy (.*)$", kinds, re.M)), ".It Sy"),
        *difference("member", source_members(sources), set(re.findall(r"^\.It Cm (.*)$", json, re.M)), ".It Cm"),
    ]
    if not report_kinds:
        complaints.append("lib/report.c: no kind was found")
    if "report_json.c" not in source_members(sources).values():
        complaints.append("lib/report_json.c: no member was found")
    return complaints


REPORT = """static const char *const kinds[] = {
	[MA_DOUBLE_FREE] = "double free",
};
static const char *const members[N] = {"freed"};
"""
SLAB = """	struct ma_violation v = {
		.kind = MA_DOUBLE_FREE,
		.why = freed ? "was \\"freed\\", before" : f("is in "
							   "two lines", 0),
		.state = "live",
	};
	v.why = "is late"; /* why = "a comment" */
	if (v.why == "compared")
		say("said");
"""
JSON = 'string(text, "kind", v->kind); ma_text_str(text, "{\\"memalloc\\":1");'
PAGE = """.Sh NAME
.Ss not here
.Sh KINDS
.Ss double free
.It Sy was "freed", before
.It Sy is in two lines
.It Sy is late
.Sh JSON
.It Cm kind
.It Cm memalloc
.It Cm freed
.Sh ENVIRONMENT
.It Cm seed
"""
SOUND = {"lib/report.c": REPORT, "lib/slab.c": SLAB, "lib/report_json.c": JSON, MAN: PAGE}


def page(old, new):
    """A case: the page with one thing changed."""
    assert old in PAGE
    return {MAN: PAGE.replace(old, new)}


CASES = [(word, SOUND | files) for word, files in [
    (None, {}),
    ("no '.Ss double free', but lib/report.c", page(".Ss double free\n", "")),
    ("'.Ss triple free' is of no kind", page(".Ss double", ".Ss triple free\n.Ss double")),
    ("no '.It Sy is late', but lib/slab.c", page(".It Sy is late\n", "")),
    ("no '.It Sy is in two lines'", page(".It Sy is in two lines\n", "")),
    ('no \'.It Sy was "freed", before\'', page(".It Sy was", ".It was")),
    ("'.It Sy live' is of no clause", page(".It Sy is late", ".It Sy is late\n.It Sy live")),
    ("'.It Sy a comment' is of no clause", page(".It Sy is late", ".It Sy is late\n.It Sy a comment")),
    ("no '.It Sy is new', but lib/pool.c", {"lib/pool.c": 'const char *why = "is new";\n'}),
    ("no '.It Cm kind', but lib/report_json.c", page(".It Cm kind\n", "")),
    ("no '.It Cm freed', but", page(".It Cm freed\n", "")),
    ("'.It Cm size' is of no member", page(".It Cm kind", ".It Cm kind\n.It Cm size")),
    ("no kind was found", {"lib/report.c": ""}),
    ("no member was found", {"lib/report_json.c": ""}),
]]


if __name__ == "__main__":
    sys.exit(rules.main(check, CASES))
