#!/usr/bin/env python3
"""The options in README.md and in the man page, generated from lib/options.def.

readme.py            fails when one of them and the options disagree
readme.py --write    brings both up to date
readme.py --selftest shows that a difference is found
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
ENTRY = re.compile(r'^(FLAG|NUMBER|CHOICE|STRING)\((\w+), (.*?)(?:, )?"([^"]*)"\)$', re.M)
PRESET = re.compile(r"^PRESET\((\w+), (\w+), (.*)\)$", re.M)


def number(text):
    """The value of a C constant such as 256ul << 10 or ~0ul."""
    text = re.sub(r"(\d)ul", r"\1", text)
    return (1 << 64) - 1 if text == "~0" else eval(text, {"__builtins__": {}})


class Option:
    """An entry of options.def: its values are text as a user writes it, None where it has none."""

    def __init__(self, kind, name, rest, text):
        self.name = name
        self.text = text
        self.words = None
        self.range = None
        self.default = None
        self.presets = {}
        if kind == "CHOICE":
            default, words = rest.split(", ")
            self.words = words.strip('"').split("|")
            self.default = self.words[int(default)]
        elif kind == "FLAG":
            self.words = ["0", "1"]
            self.default = rest
        elif kind == "NUMBER":
            default, *self.range = (number(part) for part in rest.split(", "))
            self.default = str(default)

    def preset(self, profile, value):
        self.presets[profile] = self.words[number(value)] if self.words else str(number(value))


def options(definitions):
    """What options.def says, its line breaks and comments taken out."""
    flat = re.sub(r"/\*.*?\*/", "", definitions, flags=re.S)
    flat = re.sub(r",\s*\n\s+", ", ", flat)
    found = {match[2]: Option(*match.groups()) for match in ENTRY.finditer(flat)}
    for profile, name, value in PRESET.findall(flat):
        found[name].preset(profile, value)
    missed = len(re.findall(r"^\w+\(", flat, re.M)) - len(found) - len(PRESET.findall(flat))
    assert missed == 0, f"{missed} lines of options.def are not understood"
    return found.values()


# ---- README.md: a table --------------------------------------------------------------------------


def cell(value):
    """Words look like what they are, numbers need no help."""
    return value if not value or value.isdigit() else f"`{value}`"


def row(option):
    """One line of the table; of other profiles only what they set differently."""
    default = cell(option.default or "")
    fast, strict = (cell(option.presets.get(profile, "")) for profile in ("fast", "strict"))
    allowed = "a path"
    if option.words:
        allowed = ", ".join(option.words)
    elif option.range:
        allowed = "{} to {}".format(*option.range)
    return f"| `{option.name}` | {default} | {fast} | {strict} | {allowed} | {option.text} |"


def table(definitions):
    head = ["| option | default | fast | strict | values | what |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *map(row, options(definitions))]) + "\n"


# ---- the man page: a list of items ---------------------------------------------------------------


def item(option):
    """An item of the list: name, what it takes, what it is about, its value in the profiles."""
    takes = "Ar path"
    if option.words:
        takes = " Ns | Ns ".join(f"Cm {word}" for word in option.words)
    elif option.range:
        takes = "Ar n"
    lines = [f".It Cm {option.name} Ns = Ns {takes}", option.text[0].upper() + option.text[1:] + "."]
    if option.range:
        lines.append("From {} to {}.".format(*option.range))
    if option.default:
        values = [f"Default: {option.default}"]
        values += [f"{profile}: {value}" for profile, value in option.presets.items()]
        lines.append("; ".join(values) + ".")
    return "\n".join(lines)


def items(definitions):
    return "\n".join([*map(item, options(definitions))]) + "\n"


# ---- both ----------------------------------------------------------------------------------------

# Path, marks around the generated part, and what generates it.
PARTS = [
    ("README.md", "<!-- options -->\n", "<!-- /options -->", table),
    ("lib/man/memalloc.3", '.\\" options\n', '.\\" /options', items),
]


def generated(part, text, definitions):
    """The text of a file with the options in their place."""
    _, begin, end, generate = part
    before, rest = text.split(begin)
    return before + begin + generate(definitions) + end + rest.split(end, 1)[1]


def selftest(definitions):
    """An option more, another default and another preset must each be noticed in both files."""
    changes = [
        definitions + 'FLAG(new_option, 0, "not in the README")\n',
        definitions + 'STRING(new_option, "not in the README")\n',
        definitions.replace("NUMBER(purge_ms, 1000,", "NUMBER(purge_ms, 1001,"),
        definitions.replace("PRESET(strict, sample, 1000)", "PRESET(strict, sample, 1001)"),
        definitions.replace("CHOICE(fit, 0,", "CHOICE(fit, 1,"),
    ]
    for part in PARTS:
        text = (TOP / part[0]).read_text()
        for number, changed in enumerate(changes):
            if changed == definitions or generated(part, text, changed) == text:
                yield f"{part[0]}: change {number} is not noticed"


def outdated(definitions, write):
    """Files that are not as they should be; they are then, with @write."""
    for part in PARTS:
        path = TOP / part[0]
        text = path.read_text()
        current = generated(part, text, definitions)
        if write:
            path.write_text(current)
        elif current != text:
            yield f"{part[0]}: the options are not those of lib/options.def; run tests/readme.py --write"


def main(args):
    definitions = (TOP / "lib" / "options.def").read_text()
    if args == ["--selftest"]:
        complaints = list(selftest(definitions))
    else:
        complaints = list(outdated(definitions, args == ["--write"]))
    for line in complaints:
        print(line)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
