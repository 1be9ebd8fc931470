#!/usr/bin/env python3
"""A small program of the benchmarks does little when told so, and does not take wrong arguments.

smoke.py PROGRAM
"""

import subprocess
import sys

RIGHT = [["1"], ["3"]]
WRONG = [["0"], ["-1"], ["+1"], [" 1"], ["1x"], ["x"], [""], ["99999999999999999999"], ["1", "1"]]


def run(program, words):
    return subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


def complaints(program):
    for words in RIGHT:
        ran = run(program, words)
        if ran.returncode != 0 or ran.stdout or ran.stderr:
            yield f"{words}: ended with {ran.returncode}: {ran.stdout!r}, {ran.stderr!r}"
    for words in WRONG:
        ran = run(program, words)
        if ran.returncode != 2 or ran.stdout or not ran.stderr.startswith(b"usage: "):
            yield f"{words}: ended with {ran.returncode}: {ran.stdout!r}, {ran.stderr!r}"


if __name__ == "__main__":
    wrong = list(complaints(sys.argv[1]))
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
