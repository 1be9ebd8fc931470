#!/usr/bin/env python3
"""Proves that every check of memalloc has a test that fails without it.

remove_checks.py [--only PATTERN]...  takes each check of removals.py out of a copy of the sources, one at a time,
                                      builds it, and runs the tests that must then fail
remove_checks.py --texts              only looks whether each text to be taken out is there, exactly once
remove_checks.py --selftest           shows that a text that is not there, and a removal without effect, are noticed

The copy is of all files that git knows, or would add. At first everything that is named must pass in it unchanged.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))

import allocators
import edits
import outcomes
import scorecard
from edits import Broken
from removals import REMOVALS, Removal

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SECONDS_MAX = 1800
REPEAT = 3  # runs of a case


def without(text, removal):
    """The text of a file without the check."""
    return edits.replaced(text, removal.text, removal.replacement, removal.check, removal.file)


def places(removal):
    """A check that is made on the short way, too, stands in two places."""
    yield removal
    for file, text, replacement in removal.also:
        yield replace(removal, file=file, text=text, replacement=replacement, also=())


class Copy:
    """A copy of the sources, and its build directory."""

    def __init__(self, directory):
        self.top = pathlib.Path(directory, "sources")
        self.build = pathlib.Path(directory, "build")
        self.changed = []  # (path, text before)

    def make(self):
        listed = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                capture_output=True, text=True, check=True).stdout
        for name in sorted(set(listed.split("\0"))):
            if (TOP / name).is_file():
                (self.top / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TOP / name, self.top / name)
        self.must("meson", "setup", "--buildtype=debugoptimized", self.build, self.top)

    def must(self, *command):
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if ran.returncode:
            raise Broken(f"{' '.join(map(str, command))}:\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}")

    def remove(self, removal):
        for place in places(removal):
            path = self.top / place.file
            text = path.read_text()
            path.write_text(without(text, place))
            self.changed.append((path, text))

    def restore(self):
        for path, text in reversed(self.changed):
            path.write_text(text)
        self.changed = []

    def compile(self, tests, cases):
        """Only what is needed. A test builds what it needs, but does not tell that from failing."""
        targets = {f"tests/violations/{case.program}" for case in cases} | {"lib/libmemalloc-preload.so"}
        targets |= {target for target in self.targets() if os.path.basename(target) in tests}
        self.must("ninja", "-C", self.build, *sorted(targets))

    def targets(self):
        """Names of the executables that are built."""
        found = json.loads((self.build / "meson-info" / "intro-targets.json").read_text())
        return [os.path.relpath(one["filename"][0], self.build) for one in found if one["type"] == "executable"]

    def run_tests(self, names):
        """What passes: tests, and their parts as test/part."""
        log = self.build / "meson-logs" / "testlog.json"
        log.unlink(missing_ok=True)
        if names:
            subprocess.run(["meson", "test", "-C", self.build, "--no-stdsplit", *sorted(names)],
                           capture_output=True, timeout=SECONDS_MAX)
        entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        results = {plain_name(entry["name"]): entry for entry in entries}
        if results.keys() != set(names):
            raise Broken(f"did not run: {', '.join(sorted(set(names) - results.keys()))}")
        return {name for test, entry in results.items() for name in passed(test, entry)}

    def run_cases(self, cases, profile):
        """The outcomes of some cases, by their names."""
        allocator = allocators.ours(profile, self.build / "lib" / "libmemalloc-preload.so")
        programs = self.build / "tests" / "violations"
        return {case.name: outcomes.judge(case, allocator, programs, REPEAT).outcome for case in cases}


def plain_name(name):
    """Without the suites, which meson puts before it."""
    return name.split(" / ")[-1]


def passed(test, entry):
    if entry["result"] == "OK":
        yield test
    for part in re.findall(r"^\[ +OK \] (\w+)", entry.get("stdout", "") + entry.get("stderr", ""), re.M):
        yield f"{test}/{part}"


def whole(tests):
    return {name.split("/")[0] for name in tests}


def cases_of(removals, profile):
    """The cases that removals name under a profile."""
    names = {name for removal in removals if removal.profile == profile for name in removal.cases}
    cases = [case for case in scorecard.load_cases() if case.name in names]
    if len(cases) != len(names):
        raise Broken(f"no such case: {', '.join(names - {case.name for case in cases})}")
    return cases


def look(copy, removals):
    """Build, and run what some removals name: what passes, and the cases' outcomes by profile and name."""
    tests = {name for removal in removals for name in removal.tests}
    by_profile = {profile: cases_of(removals, profile) for profile in allocators.PROFILES}
    copy.compile(whole(tests), [case for cases in by_profile.values() for case in cases])
    found = {(profile, name): outcome for profile, cases in by_profile.items() if cases
             for name, outcome in copy.run_cases(cases, profile).items()}
    return copy.run_tests(whole(tests)), found


def unnoticed(removal, passing, before, after):
    """What should have failed without the check, and did not."""
    for test in removal.tests:
        if test in passing:
            yield f"{test} passes"
    for case in removal.cases:
        was, now = (some[removal.profile, case] for some in (before, after))
        if outcomes.RANKS[now] <= outcomes.RANKS[was]:
            yield f"{case}: {now}, with the check {was}"
    if not removal.tests and not removal.cases:
        yield "nothing is named that should fail"


def prove(copy, removal, before):
    """Take one check out; complaints."""
    try:
        copy.remove(removal)
        passing, after = look(copy, [removal])
        return list(unnoticed(removal, passing, before, after))
    except Broken as broken:
        return [str(broken)]
    finally:
        copy.restore()


def prove_all(removals):
    """The number of removals that went unnoticed."""
    nwrong = 0
    with tempfile.TemporaryDirectory(prefix="memalloc-removed-") as name:
        copy = Copy(name)
        copy.make()
        passing, before = look(copy, removals)
        failing = {test for removal in removals for test in removal.tests} - passing
        if failing:
            raise Broken(f"with all checks in place there fails: {', '.join(sorted(failing))}")
        for removal in removals:
            began = time.monotonic()
            wrong = prove(copy, removal, before)
            verdict = "UNNOTICED" if wrong else "noticed"
            print(f"{verdict}: {removal.file}: {removal.check} ({time.monotonic() - began:.0f} s)", flush=True)
            print("".join(f"    {line}\n" for line in wrong), end="", flush=True)
            nwrong += bool(wrong)
    return nwrong


def texts(removals):
    """Removals that cannot be done, as complaints."""
    for removal in removals:
        try:
            for place in places(removal):
                without((TOP / place.file).read_text(), place)
        except Broken as broken:
            yield str(broken)


def selftest():
    """Removals and what must be said about them."""
    if without("abc", Removal("check", "file", "b", "x")) != "axc":
        yield "a text is replaced wrongly"
    for text in ("abcabc", "cba"):
        try:
            without(text, Removal("check", "file", "ab" if text == "cba" else "b"))
            yield f"not complained of: {text}"
        except Broken:
            pass
    removal = Removal("check", "file", "text", tests=["a/b", "c"], cases=["d"])
    cell, named, crash = ("default", "d"), {("default", "d"): outcomes.NAMED}, {("default", "d"): outcomes.CRASH}
    tries = [
        (0, removal, {"a"}, {cell: outcomes.PREVENTED}),
        (1, removal, {"a", "a/b"}, crash),
        (1, removal, {"c"}, crash),
        (1, removal, set(), named),
        (1, Removal("check", "file", "text"), set(), crash),
    ]
    for n, one, passing, after in tries:
        if len(list(unnoticed(one, passing, named, after))) != n:
            yield f"not {n} complaints: {one}, {passing}, {after}"
    entry = {"result": "FAIL", "stdout": "", "stderr": "[       OK ] test_a\n[  FAILED  ] test_b\n"}
    if set(passed("t", entry)) != {"t/test_a"}:
        yield "the parts that pass are told wrongly"


def arguments():
    parser = argparse.ArgumentParser(description="Prove that every check of memalloc has a test.")
    parser.add_argument("--only", metavar="PATTERN", action="append", default=[], help="checks whose names match")
    parser.add_argument("--texts", action="store_true", help="only look for the texts")
    parser.add_argument("--selftest", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    removals = [one for one in REMOVALS
                if not options.only or any(re.search(pattern, one.check) for pattern in options.only)]
    if options.selftest or options.texts:
        wrong = list(selftest() if options.selftest else texts(removals))
        print("\n".join(wrong))
        return 1 if wrong else 0
    try:
        nwrong = prove_all(removals)
    except Broken as broken:
        print(broken)
        return 1
    print(f"{len(removals)} checks, {nwrong} of them without a test that notices")
    return 1 if nwrong or not removals else 0


if __name__ == "__main__":
    sys.exit(main())
