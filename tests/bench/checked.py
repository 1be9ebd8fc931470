#!/usr/bin/env python3
"""What memcheck's users wait for: time under memcheck with memalloc's heap, beside memcheck's own malloc.

checked.py PRELOAD_LIBRARY PROGRAMS [--rounds N]

PROGRAMS is the folder of the benchmark's own programs; each makes about a million allocations here. The ways take
turns, and the median of the rounds counts: user CPU time of Valgrind's process, its start included.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

# The program, and how much of its work makes a million allocations, in percent.
PROGRAMS = {"pairs": 3, "random": 7, "tree": 6, "sh": 12}
OURS = ["--soname-synonyms=somalloc=nouserintercepts"]


def seconds(command, environment):
    before = os.times().children_user
    ran = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if ran.returncode != 0 or ran.stderr:
        sys.exit(f"{' '.join(command)}: {ran.returncode}: {ran.stderr.decode(errors='replace')}")
    return os.times().children_user - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ways = [("Valgrind's malloc", [], {}), ("memalloc", OURS, {"LD_PRELOAD": str(options.library.resolve())})]
    print("| program | " + " | ".join(name for name, *_ in ways) + " | ratio |\n|---|---:|---:|---:|")
    for program, percent in PROGRAMS.items():
        command = [str(options.programs.resolve() / program), str(percent)]
        taken = {name: [] for name, *_ in ways}
        for _ in range(options.rounds):
            for name, flags, environment in ways:
                taken[name].append(seconds(["valgrind", "-q", *flags, *command], environment))
        theirs, ours = (statistics.median(taken[name]) for name, *_ in ways)
        print(f"| {program} | {theirs:.2f} s | {ours:.2f} s | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
