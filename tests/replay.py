#!/usr/bin/env python3
"""fuzz/replay.c runs what it is given, all of it, and fails when that is nothing.

replay.py PROGRAM
"""

import subprocess
import sys

import rules

FILES = {"corpus/b": "", "corpus/a/deep": "", "corpus/.hidden": ""}


def replay(program, *paths):
    ran = subprocess.run([program, *map(str, paths)], capture_output=True, text=True)
    return ran.returncode, ran.stdout.splitlines(), ran.stderr


def check(program, top):
    corpus, empty, missing = top / "corpus", top / "empty", top / "missing"
    empty.mkdir()
    names = [str(corpus / "a/deep"), str(corpus / "b")]
    assert replay(program, corpus) == (0, [*names, "2 inputs: ok"], "")
    assert replay(program, *names, empty) == (0, [*names, "2 inputs: ok"], "")
    for paths in [], [empty]:
        code, lines, errors = replay(program, *paths)
        assert code == 1 and lines == [] and "nothing was proven" in errors, errors
    code, lines, errors = replay(program, corpus, missing)
    assert code == 1 and "2 inputs: ok" not in lines and f"{missing}: does not exist" in errors, errors


if __name__ == "__main__":
    with rules.tree(FILES) as directory:
        check(sys.argv[1], directory)
