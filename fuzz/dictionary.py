#!/usr/bin/env python3
"""The words of fuzz_options, as engines read them: dictionary.py OPTIONS_DEF > fuzz_options.dict

They come from the table of options, so none is missing and none is left over.
"""

import pathlib
import re
import sys

OPTION = re.compile(r"^(?:FLAG|NUMBER|CHOICE|STRING)\((\w+)", re.M)
CHOICE = re.compile(r'^CHOICE\(\w+, \d+, "([^"]+)"', re.M)
OTHERS = ("exit:", "0", "1", "99999999999999999999", "k", "m", "g", ":", ",", "=", "#", "*")


def words(table):
    options = OPTION.findall(table)
    if len(options) < 20:
        sys.exit("dictionary.py: this is no table of options")
    for name in options:
        yield f"{name}="
    for several in CHOICE.findall(table):
        yield from several.split("|")
    yield from OTHERS
    yield "[prog]\\x0a"


if __name__ == "__main__":
    for word in sorted(set(words(pathlib.Path(sys.argv[1]).read_text()))):
        print(f'"{word}"')
