#!/usr/bin/python3
"""The demo of `make main`: a database and an interpreter on the drop-in library, and an overflow caught.

Usage: demo.py LIBRARY [--overflow PROGRAM] [--runs N]

sqlite3 builds and queries a database of 240,000 orders; python3 with PYTHONMALLOC=malloc parses 50 MB of
JSON and serialises them again. Both run with and without LIBRARY, in turn, N times; results must be
equal. Then PROGRAM, which overflows a heap object, runs under LIBRARY and must be stopped with a report.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from inputs import Inputs
from preload import REPORT, Cost, Failed, Runner, library_path, mib, ratio, sha256

WORKLOADS = Path(__file__).resolve().parent / "workloads"
PACKAGES = {"/usr/bin/sqlite3": "sqlite3", "/usr/bin/python3": "python3"}


def sqlite(runner, inputs):
    """Build the shop's database, ask and change it, check its integrity."""
    inputs.shop()
    runner.run(["sqlite3", "-batch", "-bail", "shop.db"], stdin=WORKLOADS / "shop_build.sql")
    built = sha256(runner.directory / "shop.db")
    answers = runner.run(["sqlite3", "-batch", "-bail", "shop.db"], stdin=WORKLOADS / "shop_query.sql").output
    if not answers.endswith("integrity_check\nok\n"):
        raise Failed("integrity_check is not ok", answers[-300:])
    changed = sha256(runner.directory / "shop.db")
    return {"database as built": built, "answers": answers, "database as changed": changed}


def python(runner, inputs):
    """Parse 50 MB of JSON and serialise them again."""
    command = ["/usr/bin/python3", WORKLOADS / "json_round_trip.py", inputs.json()]
    output = runner.run(command, env={"PYTHONMALLOC": "malloc"}).output
    if not output.endswith("same as the file: True\n"):
        raise Failed("the JSON is not the same after the round trip", output)
    return {"round trip": output}


PROGRAMS = {"sqlite3": sqlite, "python3": python}


def run_once(name, directory, library, inputs):
    """One run: its results and its cost. Failed says which run it was."""
    runner = Runner(directory / "run", library)
    try:
        results = PROGRAMS[name](runner, inputs)
        runner.prove()
        return results, runner.cost
    except Failed as failed:
        where = "with" if library else "without"
        raise Failed(f"{name} {where} the library: {failed}", failed.detail) from failed


def fastest(cost, other):
    """The cost of the faster of two runs; their peaks differ little."""
    return other if cost is None or other.wall < cost.wall else cost


def compare(name, directory, library, inputs, runs):
    """Run a program without and with the library, in turn; its results and the two best costs."""
    costs = {None: None, library: None}
    first = None
    for _ in range(runs):
        for which in costs:
            results, cost = run_once(name, directory, which, inputs)
            first = first or results
            equal(name, first, results)
            costs[which] = fastest(costs[which], cost)
    return first, costs[None], costs[library]


def equal(name, first, results):
    """Failed unless the results are those of the first run, which was one without the library."""
    for what in first:
        if results[what] != first[what]:
            raise Failed(f"{name}: {what} differs", f"without:\n{first[what]}\nnow:\n{results[what]}")


def print_rows(name, without, with_it):
    for label, cost in (("without", without), ("with", with_it)):
        print(f"{name:10}{label:10}{cost.wall:9.2f}{cost.cpu:9.2f}{mib(cost.peak):>11}")
    ratios = [ratio(getattr(with_it, what), getattr(without, what)) for what in ("wall", "cpu", "peak")]
    print("{:10}{:10}{:>9}{:>9}{:>11}".format("", "ratio", *ratios), flush=True)


def real_programs(directory, library, runs):
    inputs = Inputs(directory / "input")
    answers = {}
    print(f"{'program':10}{'library':10}{'wall s':>9}{'CPU s':>9}{'peak MiB':>11}", flush=True)
    for name in PROGRAMS:
        results, without, with_it = compare(name, directory, library, inputs, runs)
        print_rows(name, without, with_it)
        answers.update(results)
    print("\nEqual with and without the library:")
    print(f"  sqlite3: {rows(answers['answers'])}; integrity_check: ok")
    print(f"           sha256 of the database: {answers['database as changed']}")
    print("  python3: " + "\n           ".join(answers["round trip"].splitlines()))


def rows(answers):
    """The answer to the query of rows, in words."""
    lines = answers.splitlines()
    first = lines.index("rows") + 1
    names, counts = (line.split("|") for line in lines[first:first + 2])
    return ", ".join(f"{int(count):,} {name}" for name, count in zip(names, counts))


def overflow(directory, library, program):
    """A program overflows a heap object: it must die with SIGABRT, and its last words must be our report."""
    runner = Runner(directory / "run", library)
    finished = runner.run([Path(program).resolve()], check=False)
    print(f"\nA heap overflow ({Path(program).name}):")
    print("".join(f"  {line}\n" for line in finished.errors.splitlines()), end="")
    if finished.death != "SIGABRT":
        raise Failed("the overflow was not stopped", f"it ended with {finished.death or finished.code}")
    if not finished.errors.startswith(REPORT):
        raise Failed("the overflow was not reported", f"stderr does not begin with {REPORT!r}")
    print("caught")


def missing_packages():
    return [package for command, package in PACKAGES.items() if not shutil.which(command)]


def arguments():
    parser = argparse.ArgumentParser(description="A database and an interpreter on the drop-in library.")
    parser.add_argument("library", help="the library to preload")
    parser.add_argument("--overflow", metavar="PROGRAM", help="a program that overflows a heap object")
    parser.add_argument("--runs", type=int, default=2, help="runs of each kind; the fastest is shown (default: 2)")
    return parser.parse_args()


def main():
    options = arguments()
    library = library_path(options.library)
    if options.overflow and not Path(options.overflow).is_file():
        raise SystemExit(f"{options.overflow}: no such program")
    if missing_packages():
        raise SystemExit("missing Debian packages: " + " ".join(missing_packages()))
    with tempfile.TemporaryDirectory(prefix="memalloc-demo-") as directory:
        try:
            real_programs(Path(directory), library, options.runs)
            if options.overflow:
                overflow(Path(directory), library, options.overflow)
        except Failed as failed:
            print(f"\nFAILED: {failed}\n{failed.detail}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
