#!/usr/bin/env python3
"""Who serves malloc is told as it is: test_active.py PRELOAD LIBMEMALLOC [--without Valgrind]

With the library preloaded, linked, or not there; under Valgrind's tools; in programs that a sanitizer has taken over.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
OURS = "memalloc: serves malloc"
VALGRINDS = "memalloc: does not serve malloc: Valgrind does; --soname-synonyms=somalloc=nouserintercepts leaves it"
SANITIZERS = "memalloc: does not serve malloc: a sanitizer that the program was built with does"


def built(directory, name, cc, *flags):
    path = pathlib.Path(directory, name)
    subprocess.run([cc, "-g", "-o", path, HERE / "active.c", *flags], check=True)
    return path


def said(*command, **environment):
    """What the program says, and the last that memalloc does: Valgrind's launcher is preloaded into, too."""
    ran = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
    words = [line for line in ran.stderr.splitlines() if line.startswith("memalloc: ")]
    return ran.stdout.strip(), words[-1] if words else ""


def cases(directory, preload, library, valgrind):
    """(what it is, what is said, what should be: the program's answer, and how memalloc's begins)"""
    loud = {"LD_PRELOAD": preload, "MEMALLOC_OPTIONS": "verbosity=1"}
    plain = built(directory, "plain", "cc")
    linked = built(directory, "linked", "cc", "-Wl,--no-as-needed", library, f"-Wl,-rpath,{os.path.dirname(library)}")
    yield "neither", said(plain), ("-", "")
    yield "linked", said(linked), ("0", "")
    yield "preloaded", said(plain, LD_PRELOAD=preload), ("1", "")
    yield "preloaded, loud", said(plain, **loud), ("1", OURS)
    if valgrind:
        for tool in "memcheck", "massif", "helgrind", "drd", "dhat":
            run = ["valgrind", "-q", f"--tool={tool}"]
            run += [f"--{tool}-out-file=/dev/null"] if tool in ("massif", "dhat") else []
            yield tool, said(*run, plain, **loud), ("0", VALGRINDS)
            yield f"{tool}, left to us", said(*run, "--soname-synonyms=somalloc=nouserintercepts", plain, **loud), ("1", OURS)
        for tool in "none", "callgrind", "cachegrind":
            run = ["valgrind", "-q", f"--tool={tool}"] + ([f"--{tool}-out-file=/dev/null"] if tool != "none" else [])
            yield tool, said(*run, plain, **loud), ("1", OURS)
    for cc, sanitizer in ("clang-14", "address"), ("clang-19", "memory"), ("clang-19", "thread"):
        if shutil.which(cc):
            program = built(directory, sanitizer, cc, f"-fsanitize={sanitizer}")
            yield sanitizer, said(program, LD_PRELOAD=preload), ("0", SANITIZERS)


def main(preload, library, *words):
    wrong = 0
    valgrind = "Valgrind" not in words and shutil.which("valgrind")
    with tempfile.TemporaryDirectory(prefix="memalloc-active-") as directory:
        for what, found, expected in cases(directory, os.path.abspath(preload), os.path.abspath(library), valgrind):
            if found[0] != expected[0] or not found[1].startswith(expected[1]) or bool(found[1]) != bool(expected[1]):
                print(f"{what}: {found}, not {expected}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
