#!/usr/bin/env python3
"""What becomes of memory errors: every case of cases_*.py under every allocator, several times.

scorecard.py --programs DIRECTORY --preload LIBRARY [--allocator NAME]... [--only PATTERN]...
             [--cases] [--markdown] [--readme README.md] [--baseline FILE] [--write-baseline FILE]
scorecard.py --selftest     shows that each outcome is told from the others, and that a worse one is noticed

An outcome is one of these; a cell shows the worst of all runs, and how many ended so when not all did:

    n  detected, named     stopped, and stderr names the kind of error. A report after which the program goes on
                           (mimalloc's) counts as this, too, but only when it names the error.
    u  detected, unnamed   stopped with a message that does not name it, or names another one
    c  detected, crash     died of a signal without a word
    p  prevented           went on, and no harm was done
    V  vulnerable          went on, and harm was done; or did not end
    -  not set up          the program could not do what it is for under this allocator

A control, the program without its bug, must end with 0 in silence, or is a false alarm.

--baseline compares memalloc's outcomes with those in a file and fails, with a line for each, where one is worse, a
control is a false alarm, a case is missing on either side, or a vulnerable case has no reason in reasons.py.
"""

import argparse
import collections
import dataclasses
import importlib
import json
import pathlib
import re
import resource
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import allocators
from outcomes import (CRASH, NAMED, NOT_SET_UP, OUTCOMES, PREVENTED, RANKS, UNNAMED, VULNERABLE, Case, Cell, Ran,
                      first_line, judge)
from reasons import REASONS

HERE = pathlib.Path(__file__).resolve().parent
BEGIN, END = "<!-- scorecard -->\n", "<!-- /scorecard -->\n"
NJOBS = 2
AGAIN = 25   # runs of a case that came out worse than in the baseline
RARE = 0.25  # the share of them up to which that was chance
LETTERS = {NAMED: "n", UNNAMED: "u", CRASH: "c", PREVENTED: "p", VULNERABLE: "**V**", NOT_SET_UP: "-"}
HEADINGS = {NAMED: "detected, named", UNNAMED: "unnamed", CRASH: "crash"}
LEGEND = ("n = detected and named, u = detected, c = crashed, p = prevented, **V** = vulnerable, - = not set up; "
          "with a number: so many of the cases, or of the runs")
NO_KIND = "(to be prevented)"


def load_cases():
    """The cases of all lists beside this script."""
    names = [path.stem for path in sorted(HERE.glob("cases_*.py"))]
    cases = [Case(name, program, tuple(arguments), expected)
             for module in names for name, program, arguments, expected in importlib.import_module(module).CASES]
    twice = [name for name, n in collections.Counter(case.name for case in cases).items() if n > 1]
    if twice:
        raise SystemExit(f"more than one case has this name: {', '.join(twice)}")
    return cases


# ---- run -------------------------------------------------------------------------------------------------------------


def find_allocators(options):
    """The allocators asked for, and lines about those that are not here."""
    found, missing = [], []
    for name in options.allocator or allocators.NAMES:
        try:
            if name.startswith(allocators.OURS):
                profile = name[len(allocators.OURS):]
                extra = options.strict_options if profile == "strict" else ""
                found.append(allocators.ours(profile, options.preload, extra))
            else:
                found.append(allocators.peer(name))
        except allocators.NotInstalled as package:
            missing.append(f"{name} is not installed; Debian package: {package}")
    return found, missing


def run_all(cases, found, options):
    """A table of cells: allocator's name -> case's name -> cell."""
    cells = {}
    with ThreadPoolExecutor(options.jobs) as executor:
        for allocator in found:
            judged = executor.map(lambda case: judge(case, allocator, options.programs, options.repeat), cases)
            cells[allocator.name] = {case.name: cell for case, cell in zip(cases, judged)}
            print(f"{allocator.name}: {len(cases)} cases", file=sys.stderr, flush=True)
    return cells


# ---- tables ----------------------------------------------------------------------------------------------------------


def looked_at_again(cells, baseline, cases, found, options):
    """Our cells, where what came out worse than in the baseline was tried more often.

    Slots are chosen at random, so that a bug hits something else once in a while: what is seen in less than a share
    of many runs is not the outcome of the case. It is told all the same.
    """
    by_name = {case.name: case for case in cases}
    for allocator in found:
        kept = baseline.get(allocator.name, {})
        for name, cell in cells[allocator.name].items():
            if name not in kept or RANKS[cell.outcome] <= RANKS[kept[name]]:
                continue
            again = judge(by_name[name], allocator, options.programs, AGAIN)
            if RANKS[again.outcome] > RANKS[kept[name]] and again.nworst <= again.nruns * RARE:
                print(f"{allocator.name}: {name}: {again.outcome}{again.rate}, rarely; else {kept[name]}")
                again = dataclasses.replace(again, outcome=kept[name])
            cells[allocator.name][name] = again
    return cells


def lines_of(rows, markdown):
    """Rows of a table, the first being its head, as lines with aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths)] for row in rows]
    if not markdown:
        return ["  ".join(row).rstrip() for row in padded]
    lines = ["| " + " | ".join(row) + " |" for row in padded]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def groups(cases):
    """Cases by kind and program, kinds in the order in which they first occur, what has none last."""
    order = list(dict.fromkeys(case.expected for case in cases))
    order.sort(key=lambda kind: kind is None)
    by = collections.defaultdict(list)
    for case in cases:
        by[order.index(case.expected), case.program].append(case)
    return [(order[at] or NO_KIND, program, by[at, program]) for at, program in sorted(by, key=lambda key: key[0])]


def group_cell(some):
    """The cells of some cases under one allocator, in short."""
    if len(some) == 1:
        return LETTERS[some[0].outcome] + some[0].rate
    counts = collections.Counter(cell.outcome for cell in some)
    if len(counts) == 1:
        return LETTERS[some[0].outcome]
    return " ".join(f"{counts[outcome]} {LETTERS[outcome]}" for outcome in OUTCOMES if counts[outcome])


def class_table(cases, cells):
    rows = [["error", "program", "cases", *cells]]
    shown = None
    for kind, program, some in groups(cases):
        line = [group_cell([column[case.name] for case in some]) for column in cells.values()]
        rows.append(["" if kind == shown else kind, program, str(len(some)), *line])
        shown = kind
    return rows


def case_table(cases, cells):
    rows = [["error", "case", *cells]]
    for kind, _, some in groups(cases):
        for case in some:
            rows.append([kind, case.name, *(group_cell([column[case.name]]) for column in cells.values())])
    return rows


def share(n, of):
    return f"{n} ({100 * n / of:.0f} %)" if of else "0"


def summary_table(cells):
    """Per cents are of the cases that could be set up."""
    rows = [["allocator", *(HEADINGS.get(outcome, outcome) for outcome in OUTCOMES), "false alarms"]]
    for name, column in cells.items():
        counts = collections.Counter(cell.outcome for cell in column.values())
        total = len(column) - counts[NOT_SET_UP]
        told = [share(counts[outcome], total) for outcome in OUTCOMES[:-1]]
        nalarms = sum(bool(cell.false_alarm) for cell in column.values())
        rows.append([name, *told, str(counts[NOT_SET_UP]), str(nalarms)])
    return rows


def false_alarms(cells):
    """One line for each thing that was wrong under an allocator."""
    by = collections.defaultdict(list)
    for name, column in cells.items():
        for case, cell in column.items():
            if cell.false_alarm:
                by[name, cell.false_alarm].append(case)
    return [f"{name}: {alarm} ({'; '.join(some[:3])}{f'; and {len(some) - 3} more' if len(some) > 3 else ''})"
            for (name, alarm), some in by.items()]


def excuses(cells):
    """Why cases of ours are vulnerable, one line for each reason."""
    by = collections.defaultdict(lambda: collections.defaultdict(list))
    for name, column in cells.items():
        for case, cell in column.items():
            if name.startswith(allocators.OURS) and cell.outcome == VULNERABLE:
                by[REASONS.get((name, case), "No reason is known.")][case].append(name[len(allocators.OURS):])
    for sentence, some in by.items():
        yield f"{sentence} ({'; '.join(f'{case}: {cut(names)}' for case, names in some.items())})"


def cut(profiles):
    return "all profiles" if len(profiles) == len(allocators.PROFILES) else ", ".join(profiles)


def versions(found):
    peers = {one.package: one.name for one in reversed(found) if one.package}
    return [f"{name} {allocators.version(package)}" for package, name in reversed(peers.items())]


def listed(head, lines, markdown):
    bullet = "- " if markdown else "  "
    return [head, *([""] if markdown else []), *(bullet + line for line in lines), ""] if lines else []


def report(cases, found, missing, cells, options):
    """Lines of text or Markdown."""
    markdown = options.markdown
    lines = [f"{len(cases)} cases, each run {options.repeat} times; {LEGEND}.", ""]
    lines += [*lines_of(summary_table(cells), markdown), "", *lines_of(class_table(cases, cells), markdown), ""]
    if options.cases:
        lines += [*lines_of(case_table(cases, cells), markdown), ""]
    lines += listed("False alarms:", false_alarms(cells), markdown)
    lines += listed("Where memalloc is vulnerable, and why:", list(excuses(cells)), markdown)
    lines += listed("Not compared:", missing, markdown)
    if versions(found):
        lines += [f"Versions: {', '.join(versions(found))}.", ""]
    return lines


def with_scorecard(readme, lines):
    """The README with the lines in their place."""
    if BEGIN not in readme or END not in readme:
        raise SystemExit(f"the README has no lines {BEGIN.strip()} and {END.strip()}")
    before, rest = readme.split(BEGIN)
    return before + BEGIN + "\n".join(lines).rstrip("\n") + "\n" + END + rest.split(END, 1)[1]


# ---- baseline --------------------------------------------------------------------------------------------------------


def told(cell):
    """An outcome and the first words of the run that had it."""
    said = first_line(cell.ran.text)
    return f"{cell.outcome}{cell.rate}" + (f" ({said})" if said else "")


def worse_complaints(name, column, kept, is_whole):
    for case, cell in column.items():
        if cell.false_alarm:
            yield f"{name}: {case}: {cell.false_alarm}"
        if case not in kept:
            yield f"{name}: {case}: is not in the baseline; it is {told(cell)}"
        elif RANKS[cell.outcome] > RANKS[kept[case]]:
            yield f"{name}: {case}: {told(cell)}, was {kept[case]}"
    if is_whole:
        yield from (f"{name}: {case}: is in the baseline, but there is no such case"
                    for case in sorted(kept.keys() - column.keys()))


def reason_complaints(name, column, kept, reasons):
    """A rare harm may not show now: what the baseline knows counts, too."""
    for case, cell in column.items():
        is_vulnerable = VULNERABLE in (cell.outcome, kept.get(case))
        if is_vulnerable and (name, case) not in reasons:
            yield f"{name}: {case}: is vulnerable, and reasons.py does not say why"
        if not is_vulnerable and (name, case) in reasons:
            yield f"{name}: {case}: the reason in reasons.py is out of date, the case is {cell.outcome}"


def complaints(cells, baseline, reasons, is_whole=True):
    """What is worse than it was, one line each; is_whole: all cases were run."""
    for name, column in cells.items():
        if not name.startswith(allocators.OURS):
            continue
        kept = baseline.get(name, {})
        yield from worse_complaints(name, column, kept, is_whole)
        yield from reason_complaints(name, column, kept, reasons)
        if is_whole:
            yield from (f"{name}: {case}: has a reason in reasons.py, but there is no such case"
                        for owner, case in reasons if owner == name and case not in column)


def improvements(cells, baseline):
    for name, column in cells.items():
        for case, cell in column.items():
            was = baseline.get(name, {}).get(case, cell.outcome)
            if RANKS[cell.outcome] < RANKS[was]:
                yield f"better than in the baseline: {name}: {case}: {told(cell)}, was {was}"


def read_baseline(path):
    path = pathlib.Path(path)
    return json.loads(path.read_text()) if path.exists() else {}


def write_baseline(path, cells, is_whole):
    """Ours only, and only what was run; a line for each case."""
    baseline = read_baseline(path)
    for name, column in cells.items():
        if name.startswith(allocators.OURS):
            outcomes = {case: cell.outcome for case, cell in column.items()}
            baseline[name] = outcomes if is_whole else {**baseline.get(name, {}), **outcomes}
    pathlib.Path(path).write_text(json.dumps(baseline, indent=1, sort_keys=True) + "\n")


# ---- selftest --------------------------------------------------------------------------------------------------------

SAID = "echo 'memalloc: double free: 0x1 is gone' >&2; "
OURS, PEER = allocators.Allocator("memalloc-default"), allocators.Allocator("glibc")

# Outcome, allocator, expected kind, shell script.
ENDS = [
    (NAMED, OURS, "double free", SAID + "kill -ABRT $$"),
    (UNNAMED, OURS, "invalid free", SAID + "kill -ABRT $$"),
    (UNNAMED, OURS, None, SAID + "kill -ABRT $$"),
    (UNNAMED, OURS, "double free", "echo oops >&2; " + SAID + "kill -ABRT $$"),
    (UNNAMED, OURS, "double free", "echo 'double free or corruption' >&2; kill -ABRT $$"),
    (NAMED, PEER, "double free", "echo 'double free or corruption (out)' >&2; kill -ABRT $$"),
    (NAMED, PEER, "heap overflow", "echo 'malloc(): corrupted top size' >&2; kill -ABRT $$"),
    (UNNAMED, PEER, "heap overflow", "echo 'free(): invalid pointer' >&2; kill -ABRT $$"),
    (UNNAMED, PEER, "no such kind", "echo 'free(): invalid pointer' >&2; kill -ABRT $$"),
    (NAMED, PEER, "double free", "echo 'mimalloc: error: double free detected' >&2; exit 11"),
    (VULNERABLE, PEER, "invalid free", "echo 'mimalloc: error: double free detected' >&2; exit 11"),
    (PREVENTED, PEER, "invalid free", "echo 'mimalloc: error: double free detected' >&2; exit 10"),
    (NAMED, PEER, "double free", "echo 'ERROR: double free' >&2; exit 1"),
    (CRASH, OURS, "double free", "kill -SEGV $$"),
    (CRASH, PEER, None, "kill -ABRT $$"),
    (PREVENTED, OURS, "double free", "exit 10"),
    (VULNERABLE, OURS, None, "exit 11"),
    (VULNERABLE, OURS, None, "sleep 60 & wait"),
    (NOT_SET_UP, OURS, None, "exit 99"),
    (NOT_SET_UP, OURS, None, "exit 0"),
    (NOT_SET_UP, OURS, None, "exit 1"),
    (NOT_SET_UP, OURS, None, "echo \"ERROR: ld.so: object 'x' cannot be preloaded\" >&2; exit 10"),
]

# Whether it is a false alarm, shell script of a control.
CONTROLS = [
    (False, "exit 0"),
    (False, "exit 99"),
    (True, "exit 1"),
    (True, "exit 10"),
    (True, "echo oops >&2"),
    (True, SAID + "kill -ABRT $$"),
    (True, "sleep 60"),
]


def judge_scripts(bug, control="exit 0", allocator=OURS, expected=None, repeat=1):
    """The cell of a program that is two shell scripts."""
    with tempfile.TemporaryDirectory(prefix="memalloc-scorecard-") as name:
        path = pathlib.Path(name, "program")
        path.write_text(f"#!/bin/sh\nif [ \"$1\" = control ]; then\n{control}\nelse\n{bug}\nfi\n")
        path.chmod(0o755)
        return judge(Case("case", "program", (name,), expected), allocator, name, repeat, seconds=1)


def end_mistakes():
    for outcome, allocator, expected, script in ENDS:
        found = judge_scripts(script, allocator=allocator, expected=expected).outcome
        if found != outcome:
            yield f"{found}, not {outcome}: {script}"
    for is_alarm, script in CONTROLS:
        if bool(judge_scripts("exit 10", script).false_alarm) != is_alarm:
            yield f"a false alarm is judged wrongly: {script}"
    seldom = judge_scripts("test -e $1/again && exit 10; touch $1/again; exit 11", repeat=4)
    if (seldom.outcome, seldom.rate) != (VULNERABLE, " 1/4"):
        yield f"not the worst of four runs: {seldom}"


def cell_of(outcome, false_alarm=""):
    return Cell(outcome, 1, 1, Ran(-6, ""), false_alarm)


def comparison_mistakes():
    """Each tells whether there must be a complaint, and about what: a cell, an outcome before, and reasons."""
    why = {("memalloc-default", "case"): "because"}
    tries = [
        (None, cell_of(NAMED), {"case": NAMED}, {}),
        (None, cell_of(NAMED), {"case": PREVENTED}, {}),
        (None, cell_of(UNNAMED), {"case": CRASH}, {}),
        (None, cell_of(CRASH), {"case": UNNAMED}, {}),
        (None, cell_of(VULNERABLE), {"case": VULNERABLE}, why),
        (None, cell_of(PREVENTED), {"case": VULNERABLE}, why),
        ("was named", cell_of(CRASH), {"case": NAMED}, {}),
        ("was crash", cell_of(PREVENTED), {"case": CRASH}, {}),
        ("was prevented", cell_of(VULNERABLE), {"case": PREVENTED}, why),
        ("was named", cell_of(NOT_SET_UP), {"case": NAMED}, {}),
        ("the control", cell_of(NAMED, "the control said: oops"), {"case": NAMED}, {}),
        ("not in the baseline", cell_of(NAMED), {}, {}),
        ("no such case", cell_of(NAMED), {"case": NAMED, "gone": NAMED}, {}),
        ("no such case", cell_of(NAMED), {"case": NAMED}, {("memalloc-default", "gone"): "because"}),
        ("does not say why", cell_of(VULNERABLE), {"case": VULNERABLE}, {}),
        ("does not say why", cell_of(NAMED), {"case": VULNERABLE}, {}),
        ("out of date", cell_of(NAMED), {"case": NAMED}, why),
    ]
    for text, cell, kept, reasons in tries:
        found = list(complaints({"memalloc-default": {"case": cell}}, {"memalloc-default": kept}, reasons))
        if (text is None) != (not found) or (text and not any(text in line for line in found)):
            yield f"{text!r} expected, {found} found: {cell.outcome} after {kept}"
    if list(complaints({"glibc": {"case": cell_of(VULNERABLE)}}, {}, {})):
        yield "a peer is complained of"


def file_mistakes():
    """What is written can be read again, and the README changes only where it should."""
    with tempfile.TemporaryDirectory(prefix="memalloc-scorecard-") as name:
        path = pathlib.Path(name, "baseline.json")
        write_baseline(path, {"memalloc-fast": {"a": cell_of(NAMED)}, "glibc": {"a": cell_of(NAMED)}}, True)
        write_baseline(path, {"memalloc-fast": {"b": cell_of(CRASH)}}, False)
        if read_baseline(path) != {"memalloc-fast": {"a": NAMED, "b": CRASH}}:
            yield f"the baseline is not what was written: {read_baseline(path)}"
    if with_scorecard(f"a\n{BEGIN}old\n{END}b\n", ["new", ""]) != f"a\n{BEGIN}new\n{END}b\n":
        yield "the README is not what it should be"


def selftest():
    return [*end_mistakes(), *comparison_mistakes(), *file_mistakes()]


# ---- main ------------------------------------------------------------------------------------------------------------


def choose(cases, options):
    """The cases asked for; all their programs are there."""
    chosen = [case for case in cases if not options.only or any(re.search(one, case.name) for one in options.only)]
    missing = {case.program for case in chosen if not shutil.which(pathlib.Path(options.programs, case.program))}
    if missing:
        raise SystemExit(f"no such program in {options.programs}: {', '.join(sorted(missing))}")
    if not chosen:
        raise SystemExit("there are no such cases")
    return chosen


def arguments():
    parser = argparse.ArgumentParser(description="What becomes of memory errors under allocators.")
    parser.add_argument("--programs", metavar="DIRECTORY", help="where the programs were built: BUILD/tests/violations")
    parser.add_argument("--preload", metavar="LIBRARY", help="memalloc to preload")
    parser.add_argument("--strict-options", metavar="OPTIONS", default="", help="added to profile=strict")
    parser.add_argument("--allocator", metavar="NAME", action="append", choices=allocators.NAMES,
                        help="one of " + ", ".join(allocators.NAMES) + "; may be repeated; otherwise all")
    parser.add_argument("--only", metavar="PATTERN", action="append", default=[], help="cases whose names match")
    parser.add_argument("-R", "--repeat", metavar="N", type=int, default=5, help="runs of each case")
    parser.add_argument("-j", "--jobs", metavar="N", type=int, default=NJOBS, help="processes at the same time")
    parser.add_argument("--cases", action="store_true", help="a table of all cases, too")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--readme", metavar="FILE", help="put it between the lines of the README that are for it")
    parser.add_argument("--baseline", metavar="FILE", help="fail where memalloc is worse than in this file")
    parser.add_argument("--write-baseline", metavar="FILE", help="keep memalloc's outcomes in this file")
    parser.add_argument("--selftest", action="store_true")
    options = parser.parse_args()
    names = options.allocator or allocators.NAMES
    if not options.selftest and not options.programs:
        parser.error("where are the programs?")
    if not options.selftest and not options.preload and any(name.startswith(allocators.OURS) for name in names):
        parser.error("which library is memalloc?")
    return options


def output(cases, found, missing, cells, options):
    """Print what was asked for, or put it into files."""
    is_whole = not options.only
    options.markdown |= options.readme is not None
    lines = report(cases, found, missing, cells, options)
    if options.readme:
        path = pathlib.Path(options.readme)
        path.write_text(with_scorecard(path.read_text(), lines))
    else:
        print("\n".join(lines))
    if options.write_baseline:
        write_baseline(options.write_baseline, cells, is_whole)
    if not options.baseline:
        return 0
    baseline = read_baseline(options.baseline)
    cells = looked_at_again(cells, baseline, cases, found, options)
    wrong = list(complaints(cells, baseline, REASONS, is_whole))
    print("\n".join([*improvements(cells, baseline), *wrong]))
    return 1 if wrong else 0


def main():
    options = arguments()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if options.selftest:
        wrong = selftest()
        print("\n".join(wrong))
        return 1 if wrong else 0
    cases = choose(load_cases(), options)
    found, missing = find_allocators(options)
    return output(cases, found, missing, run_all(cases, found, options), options)


if __name__ == "__main__":
    sys.exit(main())
