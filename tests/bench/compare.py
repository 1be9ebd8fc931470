#!/usr/bin/python3
"""What programs cost under memalloc and under other allocators.

compare.py --preload LIBRARY [--programs DIRECTORY] [--traces DIRECTORY] [--rounds N] [--only NAMES] ...
compare.py --from-json FILE [--markdown FILE] [--readme README.md] [--svg FILE]

Each round runs every workload once under every allocator, in turn, so that a busy machine slows all of them alike;
the medians of the rounds count. What is not installed or not built is named and left out. A run that fails, or
whose output is not what it is with glibc, makes its cell "failed".
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import counting
import picture
import preloads
import results
import tables
import workloads

STARTUP_RUNS = 200


def find_workloads(options):
    """Those that can run, and what is missing."""
    found, missing = [], []
    for one in workloads.chosen(workloads.workloads(options.programs, options.traces, options.scale), options.only):
        lacks = [os.path.basename(what) for what in one.missing()]
        if lacks:
            missing.append(f"{one.id}: {', '.join(lacks)} is not there")
        else:
            found.append(one)
    return found, missing


def machine():
    """The processor and the system, in a few words."""
    lines = Path("/proc/cpuinfo").read_text().split("\n")
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} processors ({model}), {platform.system()} {platform.release().split('-')[0]}"


def run_once(workload, own, base):
    try:
        cost, digest = workloads.run(workload, own, base)
        return {"cost": cost, "digest": digest, "failed": ""}
    except counting.Failed as why:
        return {"cost": None, "digest": None, "failed": str(why)}


def rotated(names, by):
    by %= len(names)
    return names[by:] + names[:by]


def run_all(chosen, found, rounds, base):
    """One entry for each round, workload and allocator."""
    runs = []
    for number in range(rounds):
        for workload in chosen:
            begun = time.monotonic()
            for name in rotated(list(found), number):
                ran = run_once(workload, found[name][0], base)
                runs.append({"round": number, "workload": workload.id, "allocator": name, **ran})
                if ran["failed"]:
                    print(f"{workload.id}: {name}: {ran['failed']}", file=sys.stderr)
            print(f"round {number + 1} of {rounds}: {workload.id}: {time.monotonic() - begun:.1f} s", file=sys.stderr)
    return runs


# ---- start-up --------------------------------------------------------------------------------------------------------


def wall_of(path, environment):
    begun = time.perf_counter()
    pid = os.posix_spawn(path, [path], environment)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise counting.Failed(f"{path}: exit code {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begun


def syscalls_of(path, own, base):
    """The number of system calls; None without strace."""
    if shutil.which("strace") is None:
        return None
    counts = os.path.join(base, "strace")
    words = [word for name, value in own.items() for word in ("-E", f"{name}={value}")]
    command = counting.Command(["strace", "-c", "-f", "-o", counts, *words, path],
                               environment={"PATH": workloads.SEARCH}, own={}, directory=base)
    command.finish()
    lines = [line.split() for line in Path(counts).read_text().split("\n")]
    return sum(int(words[3]) for words in lines if len(words) >= 5 and words[3].isdigit() and words[-1] != "total")


def startup(found, programs, base):
    """Name -> what it takes to start and end a program that does nothing, for those under which it does."""
    empty = os.path.join(os.path.abspath(programs or ""), "programs", "empty")
    path = empty if os.path.exists(empty) else "/bin/true"
    # A program of its own, so glibc need not go before anything.
    own = {name: {} if one is preloads.GLIBC else one for name, (one, _) in found.items()}
    table = {}
    for name in found:
        command = counting.Command([path], environment={"PATH": workloads.SEARCH}, own=own[name], directory=base)
        try:
            table[name] = {"rss": command.finish()["rss"], "syscalls": syscalls_of(path, own[name], base)}
        except counting.Failed as why:
            print(f"start-up: {name}: {why}", file=sys.stderr)
    walls = {name: [] for name in table}
    for number in range(STARTUP_RUNS if table else 0):
        for name in rotated(list(table), number):
            walls[name].append(wall_of(path, {"PATH": workloads.SEARCH, **own[name]}))
    return {name: {**one, "wall": statistics.median(walls[name])} for name, one in table.items()}


# ---- main ------------------------------------------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(description="What programs cost under memalloc and under other allocators.")
    preloads.add_arguments(parser)
    parser.add_argument("--traces", metavar="DIRECTORY", help="recorded traces, which PROGRAMS/replay plays")
    parser.add_argument("--only", metavar="NAMES", type=preloads.words_of, default=[],
                        help="workloads, groups, or GROUP/WORKLOAD, by commas")
    parser.add_argument("--rounds", metavar="N", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--scale", metavar="PERCENT", type=int, help="given to the own programs")
    parser.add_argument("--startup", action="store_true", help="measure the start of programs, too")
    parser.add_argument("--no-workloads", action="store_true", help="only --startup")
    parser.add_argument("--json", metavar="FILE", help="write all raw runs")
    parser.add_argument("--from-json", metavar="FILE", help="run nothing, show what was written before")
    parser.add_argument("--markdown", metavar="FILE", help="write tables with each workload")
    parser.add_argument("--readme", metavar="FILE", help="put the tables of groups between its lines for them")
    parser.add_argument("--svg", metavar="FILE", help="draw bars")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("at least one round")
    return options


def measure(options):
    found, missing = preloads.find(options)
    chosen, lacking = ([], []) if options.no_workloads else find_workloads(options)
    print("\n".join(missing + lacking), file=sys.stderr)
    if not found:
        raise SystemExit("there are no allocators to compare")
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="memalloc-compare-", dir=preloads.memory()) as base:
        data = {
            "machine": machine(),
            "rounds": rounds,
            "allocators": {name: version for name, (_, version) in found.items()},
            "workloads": [one.id for one in chosen],
            "missing": missing + lacking,
            "unpermitted": counting.unpermitted(),
            "runs": run_all(chosen, found, rounds, base),
        }
        if options.startup:
            data["startup"] = startup(found, options.programs, base)
    return data


def output(data, options):
    if options.json:
        Path(options.json).write_text(json.dumps(data, indent=1) + "\n")
    if options.markdown:
        Path(options.markdown).write_text("\n".join(tables.report(data)) + "\n")
    if options.readme:
        path = Path(options.readme)
        path.write_text(tables.with_report(path.read_text(), tables.report(data, details=False)))
    if options.svg and data["runs"]:
        Path(options.svg).write_text(picture.bars(data))
    if not options.markdown and not options.readme:
        print("\n".join(tables.report(data)))


def main():
    options = arguments()
    data = json.loads(Path(options.from_json).read_text()) if options.from_json else measure(options)
    output(data, options)
    ours = [one for one in results.Results(data).failures() if one[1].startswith(results.OURS)] if data["runs"] else []
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main())
