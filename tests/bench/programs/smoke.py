#!/usr/bin/env python3
"""A small program of the benchmarks does little when told so, and does not take wrong arguments.

smoke.py PROGRAM plain|option    option: it takes a second number
"""

import subprocess
import sys

RIGHT = [["1"], ["3"]]
WRONG_WORDS = ["0", "-1", "+1", " 1", "1x", "x", "", "99999999999999999999"]


def run(program, words):
    return subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


def cases(takes_option):
    """Arguments that are right, and such that are wrong."""
    right, wrong = list(RIGHT), [[word] for word in WRONG_WORDS]
    if not takes_option:
        return right, [*wrong, ["1", "1"]]
    return [*right, ["1", "8"]], [*wrong, *(["1", word] for word in WRONG_WORDS), ["1", "8", "8"]]


def complaints(program, takes_option):
    right, wrong = cases(takes_option)
    for words in right:
        ran = run(program, words)
        if ran.returncode != 0 or ran.stdout or ran.stderr:
            yield f"{words}: ended with {ran.returncode}: {ran.stdout!r}, {ran.stderr!r}"
    for words in wrong:
        ran = run(program, words)
        if ran.returncode != 2 or ran.stdout or not ran.stderr.startswith(b"usage: "):
            yield f"{words}: ended with {ran.returncode}: {ran.stdout!r}, {ran.stderr!r}"


if __name__ == "__main__":
    wrong = list(complaints(sys.argv[1], sys.argv[2] == "option"))
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
