#!/usr/bin/env python3
"""The option table of README.md, generated from lib/options.def.

readme.py            fails when the README and the options disagree
readme.py --write    brings the README up to date
readme.py --selftest shows that a difference is found
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
ENTRY = re.compile(r'^(FLAG|NUMBER|CHOICE)\((\w+), (.*), "([^"]*)"\)$', re.M)
BEGIN, END = "<!-- options -->\n", "<!-- /options -->"


def number(text):
    """The value of a C constant such as 256ul << 10 or ~0ul."""
    text = re.sub(r"(\d)ul", r"\1", text)
    return (1 << 64) - 1 if text == "~0" else eval(text, {"__builtins__": {}})


def row(kind, name, rest, text):
    """One line of the table."""
    if kind == "CHOICE":
        default, words = rest.split(", ")
        words = words.strip('"').split("|")
        return f"| `{name}` | `{words[int(default)]}` | {', '.join(words)} | {text} |"
    if kind == "FLAG":
        return f"| `{name}` | {number(rest)} | 0, 1 | {text} |"
    default, least, most = (number(part) for part in rest.split(", "))
    return f"| `{name}` | {default} | {least} to {most} | {text} |"


def table(definitions):
    """The table for the text of options.def, its line breaks and comments taken out."""
    flat = re.sub(r"/\*.*?\*/", "", definitions, flags=re.S)
    flat = re.sub(r",\s*\n\s+", ", ", flat)
    rows = [row(*match.groups()) for match in ENTRY.finditer(flat)]
    return "\n".join(["| option | default | values | what |", "|---|---|---|---|", *rows]) + "\n"


def with_table(readme, definitions):
    """The README with the table in its place."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + table(definitions) + END + rest.split(END, 1)[1]


def main(args):
    path = TOP / "README.md"
    readme = path.read_text()
    definitions = (TOP / "lib" / "options.def").read_text()
    current = with_table(readme, definitions)
    if args == ["--write"]:
        path.write_text(current)
        return 0
    if args == ["--selftest"]:
        changed = definitions + 'FLAG(new_option, 0, "not in the README")\n'
        return 0 if with_table(readme, changed) != readme else 1
    if current != readme:
        print("README.md: the option table is not that of lib/options.def; run tests/readme.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
