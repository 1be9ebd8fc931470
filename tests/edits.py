"""Changes of a source text, for those who show what notices a change.

A change is a piece of text that stands in its file exactly once, and what comes in its place: so it
still applies when the lines around it move, and is noticed when the code it is about is gone. A
patch, in the form of diff -u, is several of them; its line numbers mean nothing.
"""

import re

HUNK = re.compile(r"^@@ .*\n((?:[ +\-\\].*\n|\n)+)", re.M)
FILE = re.compile(r"^--- a/(\S+).*\n\+\+\+ b/\1.*\n", re.M)


class Broken(Exception):
    """Nothing can be said; str() tells why."""


def replaced(text, old, new, name, file):
    """The text with one piece changed; @name and @file are for the complaint."""
    n = text.count(old)
    if n != 1:
        raise Broken(f"{name}: stands {n} times in {file}, not once:\n{old}")
    return text.replace(old, new)


def side(hunk, sign):
    """The text of a hunk before (-) or after (+) the change."""
    lines = [line or " " for line in hunk.split("\n")[:-1]]
    return "".join(line[1:] + "\n" for line in lines if line[0] in (" ", sign))


def parse_patch(text):
    """What stands before the first file, and the changes as (file, old, new)."""
    parts = FILE.split(text)
    changes = [(file, side(hunk, "-"), side(hunk, "+"))
               for file, body in zip(parts[1::2], parts[2::2]) for hunk in HUNK.findall(body)]
    return parts[0].strip(), changes


def apply_patch(top, changes, name):
    """The files that a patch changes, as {path: text after}."""
    texts = {}
    for file, old, new in changes:
        if not (top / file).is_file():
            raise Broken(f"{name}: there is no {file}")
        before = texts.get(file) or (top / file).read_text()
        texts[file] = replaced(before, old, new, name, file)
    return texts
