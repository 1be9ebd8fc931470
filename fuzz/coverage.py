#!/usr/bin/env python3
"""How much of the rooms that hold memory the corpora reach.

coverage.py [--build DIRECTORY] [--missed] [--write]  builds what replays with gcc's --coverage, runs it on all corpora,
                                                      and prints lines and branches by file; --missed: and which lines
                                                      nothing reaches; --write: the table goes into README.md
coverage.py --selftest                                shows that it counts as it should

The rooms, and what of them counts, are what mutate.py changes: not lines of assertions, which only look, nor functions
that word reports. gcc's own counting, because what it builds is what is installed; a branch is an edge that it knows of.
"""

import argparse
import collections
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import mutants
import mutate
import run as runner

TOP = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"
ASSERTION = re.compile(r"\b(MA_ASSERT|static_assert)\(")


class File:
    def __init__(self):
        self.lines = collections.Counter()     # executions
        self.branches = {}                     # of a line: [executions of each]


def add(files, report, skip):
    """Sum one object's counts into @files; skip(name, line) says what does not count."""
    for entry in report["files"]:
        name = entry["file"]
        for line in entry["lines"]:
            number = line["line_number"]
            if skip(name, number) or mutants.REPORTING.search(line.get("function_name", "")):
                continue
            files[name].lines[number] += line["count"]
            counts = [branch["count"] for branch in line["branches"] if not branch["throw"]]
            old = files[name].branches.get(number)
            if counts and old and len(old) == len(counts):
                counts = [a + b for a, b in zip(old, counts)]
            if counts and (not old or len(old) <= len(counts)):
                files[name].branches[number] = counts


def totals(file):
    """Lines and branches: how many there are, how many were reached."""
    reached = sum(1 for count in file.lines.values() if count)
    edges = [count for number, counts in file.branches.items() if file.lines[number] for count in counts]
    return reached, len(file.lines), sum(1 for count in edges if count), len(edges)


def share(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def table(files):
    yield "| file | lines | of | branches of reached lines | of |"
    yield "|---|---:|---:|---:|---:|"
    sums = [0, 0, 0, 0]
    for name, file in sorted(files.items()):
        some = totals(file)
        sums = [a + b for a, b in zip(sums, some)]
        yield f"| `{name}` | {share(*some[:2])} | {some[1]} | {share(*some[2:])} | {some[3]} |"
    yield f"| all | {share(*sums[:2])} | {sums[1]} | {share(*sums[2:])} | {sums[3]} |"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, **more).stdout


def measure(build):
    if not (build / "build.ninja").exists():
        run("meson", "setup", build, TOP, "-Db_coverage=true", "-Doptimization=0", "-Dannotations=disabled")
    run("ninja", "-C", build, *(f"fuzz/{path.name}" for path in programs_of(build)))
    for old in build.rglob("*.gcda"):
        old.unlink()
    for program in programs_of(build):
        run(build / "fuzz" / program.name, *runner.seeds(program.name[len("replay_"):]))
    return counted(build)


def programs_of(build):
    """The replays that there are."""
    text = run("ninja", "-C", build, "-t", "targets", "all", text=True)
    return [pathlib.Path(name) for name in re.findall(r"^(fuzz/replay_\w+): ", text, re.M)]


def counted(build):
    texts = {}

    def skip(name, number):
        if not mutate.ROOMS.fullmatch(name):
            return True
        lines = texts.setdefault(name, (TOP / name).read_text().split("\n"))
        return bool(ASSERTION.search(lines[number - 1]))

    files = collections.defaultdict(File)
    with tempfile.TemporaryDirectory(prefix="memalloc-coverage-") as directory:
        for data in sorted(build.rglob("*.gcda")):
            run("gcov", "--json-format", "--branch-probabilities", data.resolve(), cwd=directory)
            for found in pathlib.Path(directory).glob("*.gcov.json.gz"):
                report = json.loads(gzip.decompress(found.read_bytes()))
                for entry in report["files"]:
                    path = pathlib.Path(build, entry["file"]).resolve()
                    entry["file"] = str(path.relative_to(TOP)) if path.is_relative_to(TOP) else "elsewhere"
                add(files, report, skip)
                found.unlink()
    return {name: file for name, file in files.items() if file.lines}


def missed(files):
    for name, file in sorted(files.items()):
        for number, count in sorted(file.lines.items()):
            if not count:
                yield f"{name}:{number}: {(TOP / name).read_text().splitlines()[number - 1].strip()}"


def written(path, lines):
    text = path.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    path.write_text(text[:begin] + "\n" + "\n".join(lines) + "\n" + text[end:])


def selftest():
    files = collections.defaultdict(File)
    lines = [{"line_number": 1, "count": 0, "branches": []},
             {"line_number": 2, "count": 3, "branches": [{"count": 3, "throw": False}, {"count": 0, "throw": False}]},
             {"line_number": 3, "count": 1, "branches": []}]
    for _ in range(2):
        add(files, {"files": [{"file": "a.c", "lines": lines}]}, lambda name, number: number == 3)
    assert totals(files["a.c"]) == (1, 2, 1, 2), totals(files["a.c"])
    assert files["a.c"].branches == {2: [6, 0]} and files["a.c"].lines == {1: 0, 2: 6}
    assert list(table(files))[-1] == "| all | 50.0 % | 2 | 50.0 % | 2 |"
    more = [{"line_number": 1, "count": 1, "branches": []},
            {"line_number": 9, "count": 0, "branches": [], "function_name": "report_front"}]
    add(files, {"files": [{"file": "a.c", "lines": more}]}, lambda *_: False)
    assert totals(files["a.c"])[:2] == (2, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build-coverage")
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--selftest", action="store_true")
    args = parser.parse_args()
    if args.selftest:
        return selftest()
    files = measure(args.build.resolve())
    lines = list(table(files))
    print(*lines, sep="\n")
    if args.missed:
        print(*missed(files), sep="\n")
    if args.write:
        written(TOP / "fuzz/README.md", lines)
    return None


if __name__ == "__main__":
    sys.exit(main())
