"""Mutants of C sources: one small change each, token by token.

What and why: defects that somebody plants are those that somebody thought of. These are all that a
rule can make, so what stops a sample of them tells how much of the code is checked at all.

Rules:
  - Only the bodies of functions are changed. Not changed are assertions, which check and do nothing
    else; reports, which are tested for their words elsewhere; types, and what is between #.
  - A change is of one kind (KINDS), and stands on one line, so that all else stays where it was.
  - Operators are those with blanks around them: clang-format tells a * of a type from a product.

What does not compile, or to the same object, is for the caller to leave out.
"""

import re
from dataclasses import dataclass

TOKEN = re.compile(r"""
    (?P<skip>/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|^[ \t]*\#(?:\\\n|.)*?$)
    |(?P<number>\b(?:0x[\da-fA-F]+|\d+)[uUlL]*\b)
    |(?P<word>\b[A-Za-z_]\w*\b)
    |(?P<mark><<=|>>=|\+\+|--|->|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s\w])
    """, re.X | re.M | re.S)

# Left out, with all that is in the brackets behind them.
CHECKS = {"MA_ASSERT", "static_assert", "_Static_assert"}
REPORTING = re.compile(r"report|describe|complain|damaged|overrun|_check$")
TYPES = {"struct", "enum", "union", "const", "static", "size_t", "bool", "char", "int", "unsigned",
         "void", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "uintptr_t", "int16_t", "int64_t",
         "_Atomic", "ma_vec", "ma_canary_wide", "__extension__", "typedef", "extern"}
NO_STATEMENT = TYPES | {"if", "else", "for", "while", "do", "switch", "case", "default", "return",
                        "goto"} | CHECKS

KINDS = {
    "arithmetic": {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "<<": ">>", ">>": "<<"},
    "bits": {"&": "|", "|": "&", "^": "|"},
    "relation": {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    "reversed relation": {"<": ">=", "<=": ">", ">": "<=", ">=": "<"},
    "logic": {"&&": "||", "||": "&&"},
    "assignment": {"+=": "-=", "-=": "+=", "|=": "=", "&=": "="},
    "increment": {"++": "--", "--": "++"},
}
WORDS = {"true": "false", "false": "true", "ma_min": "ma_max", "ma_max": "ma_min",
         "ma_align_up": "ma_align_down", "ma_align_down": "ma_align_up"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    at: int

    @property
    def end(self):
        return self.at + len(self.text)


@dataclass(frozen=True)
class Mutant:
    file: str
    function: str
    line: int
    column: int
    kind: str
    at: int
    old: str
    new: str

    @property
    def name(self):
        return f"{self.file}:{self.line}:{self.column}: {self.kind}: {self.new}"

    def text(self, source):
        return source[:self.at] + self.new + source[self.at + len(self.old):]


def tokens(text):
    return [Token(match.lastgroup, match[0], match.start()) for match in TOKEN.finditer(text)
            if match.lastgroup != "skip"]


def closing(toks, i):
    """The index of what closes the bracket at @i."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    opened, depth = toks[i].text, 0
    for k in range(i, len(toks)):
        depth += (toks[k].text == opened) - (toks[k].text == pairs[opened])
        if depth == 0:
            return k
    raise ValueError(f"a {opened} is not closed")


def functions(toks):
    """Bodies as (name, the words in front, index of {, index of })."""
    i, began = 0, 0
    while i < len(toks):
        text = toks[i].text
        if text in ";":
            began = i + 1
        elif text == "{":
            end = closing(toks, i)
            if toks[i - 1].text == ")":
                k = next(k for k in range(began, i) if toks[k].text == "(")
                yield toks[k - 1].text, {one.text for one in toks[began:k - 1]}, i, end
                began = end + 1
            i = end
        i += 1


def unchecked(toks, first, last):
    """The tokens of a body, those of assertions left out, as indices."""
    i = first
    while i <= last:
        if toks[i].text in CHECKS:
            i = closing(toks, i + 1) + 1
            continue
        yield i
        i += 1


class Finder:
    """All mutants of a file."""

    def __init__(self, file, text):
        self.file, self.source, self.toks = file, text, tokens(text)
        self.found = []

    def add(self, kind, function, at, old, new):
        line = self.source.count("\n", 0, at) + 1
        column = at - self.source.rfind("\n", 0, at)
        self.found.append(Mutant(self.file, function, line, column, kind, at, old, new))

    def is_binary(self, i):
        token = self.toks[i]
        before, behind = self.source[token.at - 1], self.source[token.end:token.end + 1]
        return before.isspace() and behind.isspace()

    def operators(self, name, i):
        token = self.toks[i]
        for kind, changes in KINDS.items():
            if token.text in changes and (self.is_binary(i) or kind == "increment"):
                self.add(kind, name, token.at, token.text, changes[token.text])
        if token.text == "!":
            self.add("negation", name, token.at, "!", "")
        if token.text in WORDS:
            self.add("word", name, token.at, token.text, WORDS[token.text])

    def numbers(self, name, i):
        token = self.toks[i]
        if token.kind != "number" or self.toks[i - 1].text == "case":
            return
        digits = token.text.rstrip("uUlL")
        value, suffix = int(digits, 0 if digits[:2] == "0x" else 10), token.text[len(digits):]
        for new in {value + 1, max(value - 1, 0)} - {value}:
            self.add("constant", name, token.at, token.text, f"{new}{suffix}")

    def condition(self, name, i):
        if self.toks[i].text not in ("if", "while") or self.toks[i + 1].text != "(":
            return
        at, end = self.toks[i + 1].at, self.toks[closing(self.toks, i + 1)].end
        old = self.source[at:end]
        self.add("condition", name, at, old, f"(!{old})")

    def result(self, name, front, i):
        if self.toks[i].text != "return" or self.toks[i + 1].text == ";":
            return
        k = next(k for k in range(i, len(self.toks)) if self.toks[k].text == ";")
        at, end = self.toks[i + 1].at, self.toks[k].at
        old = self.source[at:end]
        if "bool" in front:
            if old not in WORDS:
                self.add("result", name, at, old, f"!({old})")
        elif old not in ("0", "NULL"):
            self.add("result", name, at, old, "0")

    def statement(self, name, i, last):
        """A call or an assignment that is a statement, on lines of its own."""
        toks = self.toks
        if toks[i].text in NO_STATEMENT or toks[i].text in "{};":
            return
        line = self.source[self.source.rfind("\n", 0, toks[i].at) + 1:toks[i].at]
        if line.strip() or toks[i - 1].text not in ("{", "}", ";", ")", "else", "do", ":"):
            return
        k = i
        while k < last and toks[k].text not in ";{":
            k = closing(toks, k) + 1 if toks[k].text in "([" else k + 1
        if k >= last or toks[k].text == "{":
            return
        if toks[i].kind == "word" and toks[i + 1].kind == "word":
            return
        old = self.source[toks[i].at:toks[k].end]
        self.add("statement", name, toks[i].at, old, ";" + "\n" * old.count("\n"))

    def all(self):
        for name, front, first, last in functions(self.toks):
            if REPORTING.search(name):
                continue
            for i in unchecked(self.toks, first + 1, last - 1):
                self.operators(name, i)
                self.numbers(name, i)
                self.condition(name, i)
                self.result(name, front, i)
                self.statement(name, i, last)
        return self.found


def mutants(file, text):
    return Finder(file, text).all()


def users(texts, function):
    """Files among {path: text} whose code may hold that of an inline function in a header."""
    names = {function}
    bodies = []
    for path, text in texts.items():
        if not path.endswith(".h"):
            continue
        toks = tokens(text)
        bodies += [(name, {one.text for one in toks[a:b]}) for name, _, a, b in functions(toks)]
        bodies += [(match[1], set(re.findall(r"\w+", match[0])))
                   for match in re.finditer(r"^#define (\w+)(?:\\\n|.)*$", text, re.M)]
    before = 0
    while before != len(names):
        before = len(names)
        names |= {name for name, words in bodies if words & names}
    pattern = re.compile(r"\b(" + "|".join(sorted(names)) + r")\b")
    return {path for path, text in texts.items() if path.endswith(".c") and pattern.search(text)}
