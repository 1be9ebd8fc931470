#!/usr/bin/env python3
"""The form of the sources: what clang-format 14 says, and the rules it does not know.

style.py             checks lib/, tests/ and fuzz/
style.py --write     formats them
style.py --selftest  shows that it finds what breaks a rule
"""

import re
import shutil
import subprocess
import sys

import rules

LINES_MAX = 500
COLUMNS_MAX = 100
IFS_PER_1000_LINES = 5
VERBATIM = {"tests/examples/sample.c"}  # it stands as it was given
COMPILER_DIFFERENCES = re.compile(r"lib/(base\.h|annotate\..|os_\w+\.c)$")

TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
GUARD = re.compile(r"^#ifndef (\w+)\n#define \1$", re.M)
CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b", re.M)
LEFT_OPEN = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b")


def sources(top, pattern=r"\.(c|h|def)$"):
    """Files of the three directories, as (path relative to the top, path)."""
    paths = (path for part in ("lib", "tests", "fuzz") for path in sorted((top / part).rglob("*")))
    return [(path.relative_to(top).as_posix(), path) for path in paths if re.search(pattern, path.name)]


def formatted(top):
    """The files clang-format is asked about."""
    return [path for name, path in sources(top, r"\.[ch]$") if name not in VERBATIM]


def form_complaints(name, text):
    lines = text.split("\n")
    if len(lines) - 1 > LINES_MAX and not name.startswith("tests/"):
        yield f"{name}: {len(lines) - 1} lines, at most {LINES_MAX}: does it hold two nouns?"
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > COLUMNS_MAX:
            yield f"{name}:{number}: wider than {COLUMNS_MAX} columns"
    for token in TOKEN.finditer(text):
        if token.group().startswith("//"):
            number = text.count("\n", 0, token.start()) + 1
            yield f"{name}:{number}: a // comment, which marks private debugging"


def open_complaints(top):
    for name, path in sources(top, r"\.(c|h|def|py|sh|build)$"):
        for number, line in enumerate(path.read_text().split("\n"), 1):
            if LEFT_OPEN.search(line):
                yield f"{name}:{number}: something was left open: {line.strip()}"


def condition_complaints(top):
    """Features are files, not #if: there is a budget, include guards aside."""
    nlines = nconditions = 0
    for name, path in sources(top):
        if not name.startswith("lib/") or COMPILER_DIFFERENCES.search(name):
            continue
        text = GUARD.sub("", path.read_text(), count=1)
        nlines += text.count("\n")
        nconditions += len(CONDITION.findall(text))
    if nconditions * 1000 > nlines * IFS_PER_1000_LINES:
        yield f"lib/: {nconditions} #if in {nlines} lines, at most {IFS_PER_1000_LINES} per 1000"


def clang_format(top, *options):
    """Run clang-format on all files; what it says. Other versions than 14 differ in details."""
    command = shutil.which("clang-format-14")
    if command is None:
        return ["clang-format-14 is not installed"]
    files = [str(path) for path in formatted(top)]
    if not files:
        return ["there are no sources"]
    style = f"--style=file:{rules.TOP / '.clang-format'}"
    ran = subprocess.run([command, style, *options, *files], capture_output=True, text=True)
    said = [line for line in ran.stderr.split("\n") if "error:" in line]
    return said if ran.returncode == 0 or said else [f"clang-format: {ran.stderr}"]


def check(top):
    complaints = [*open_complaints(top), *condition_complaints(top)]
    for name, path in sources(top):
        if name not in VERBATIM:
            complaints += form_complaints(name, path.read_text())
    return complaints + clang_format(top, "--dry-run", "-Werror")


GOOD = "/* Sound: // in a comment, and in a string. */\nstatic const char *const url = \"a://b\";\n"
GUARDED = "#ifndef MA_A_H\n#define MA_A_H\n#endif\n"
CASES = [
    (None, {"lib/a.c": GOOD, "lib/a.h": GUARDED, "lib/base.h": "#if 1\n#endif\n" * 9, "tests/examples/sample.c": "//\n"}),
    ("501 lines", {"lib/a.c": "int a;\n" * 501}),
    ("lib/a.c:2: wider", {"lib/a.c": "int a;\n" + "\t" * 12 + "int bcdef;\n"}),
    ("tests/b.c:3: a // comment", {"tests/b.c": GOOD + "int b; // two\n"}),
    ("#if in", {"lib/a.c": "int a;\n" * 300 + "#ifdef B\n#endif\n#if C\n#endif\n"}),
    ("fuzz/a.py:1: something was left open", {"lib/a.c": GOOD, "fuzz/a.py": "# FIX" + "ME later\n"}),
    ("code should be clang-formatted", {"lib/a.c": "int  a;\n"}),
    ("there are no sources", {"lib/a.py": ""}),
]


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        sys.exit("\n".join(clang_format(rules.TOP, "-i")) or 0)
    sys.exit(rules.main(check, CASES))
