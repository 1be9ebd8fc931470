#!/usr/bin/env python3
"""Plants defects in memalloc, one at a time, and replays the corpora: each must be stopped.

planted.py BUILD [--only WORD]...  builds what replays with each defect of planted/, and runs it
planted.py BUILD --write           the same, and writes the table in README.md
planted.py --texts                 only looks whether each still applies, and is in the table
planted.py --selftest              shows that what is wrong is noticed

A defect is a patch. What stands in front of it is a line that tells what is wrong and, after a
colon, what kind of bug that is; maybe one that begins with "Unnoticed:" and tells why nothing stops
it, and what could.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(1, str(TOP / "tests"))

import edits
import rebuild
import rules
from edits import Broken

FOLDER = pathlib.Path("fuzz", "planted")
README = pathlib.Path("fuzz", "README.md")
BEGIN, END = "<!-- planted: begin -->\n", "<!-- planted: end -->\n"
TIMES = 8               # longer than without a defect a replay takes at most, and
SECONDS = 10            # seconds more, of processor time
UNNOTICED = "Unnoticed: "
SAYS = [
    re.compile(r"^(fuzz: .*)$", re.M),
    re.compile(r"^(memalloc: .*?)(?: [(]?0x.*| at .*)?$", re.M),
    re.compile(r"^(os_fake: .*)$", re.M),
    re.compile(r"^(replay: takes too long)$", re.M),
    re.compile(r"^SUMMARY: (\w+Sanitizer: \S+)", re.M),
    re.compile(r": (runtime error: .*)$", re.M),
]


class Defect:
    def __init__(self, path):
        words, self.changes = edits.parse_patch(path.read_text())
        self.name = path.stem
        self.what, *rest = words.split("\n")
        self.unnoticed = " ".join(rest).removeprefix(UNNOTICED) if rest else ""
        if ": " not in self.what or not self.changes or (
                rest and not rest[0].startswith(UNNOTICED)):
            raise Broken(f"{self.name}: not what is wrong, its kind, and a patch")


def defects(top=TOP):
    return [Defect(path) for path in sorted((top / FOLDER).glob("*.patch"))]


# ---- replay --------------------------------------------------------------------------------------

def oracle_of(ran):
    """What stopped a run."""
    for pattern in SAYS:
        found = pattern.search(ran.err)
        if found:
            return found[1].rstrip(":,")
    if ran.code in (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL):
        return "time-out"
    return signal.Signals(-ran.code).name if ran.code < 0 else f"exit {ran.code}"


class Stopped:
    def __init__(self, variant, program, ran):
        inputs = ran.out.strip().splitlines() or ["?"]
        self.target = program.name
        self.oracle = oracle_of(ran)
        self.input = os.path.basename(inputs[-1])
        self.noperations = 0
        if self.oracle.startswith("fuzz:"):
            again = variant.run(program, SECONDS, inputs[-1:], FUZZ_VERBOSE="1")
            self.noperations = sum(not line.startswith((" ", "fuzz:", "memalloc:"))
                                   for line in again.err.splitlines())

    def __str__(self):
        after = f", operation {self.noperations}" if self.noperations else ""
        return f"{self.target}: {self.oracle} ({self.input}{after})"


def stop(build, programs, defect, directory):
    """@programs: seconds for each. Return: what stops a defect first, or None."""
    variant = rebuild.Variant(build, directory, edits.apply_patch(build.top, defect.changes,
                                                                  defect.name))
    try:
        variant.compile(set().union(*(build.objects(one.path) for one in programs)))
        for program, seconds in programs.items():
            ran = variant.run(program, seconds)
            if ran is not None and not ran.passed:
                return Stopped(variant, program, ran)
        return None
    except rebuild.Fails as failure:
        raise Broken(f"{defect.name}: does not build\n{failure}") from None
    finally:
        variant.remove()


def sound_programs(build, suite, times=TIMES, seconds=SECONDS):
    """Programs of a suite that have parts of lib/, must pass, and how long each may take then."""
    programs = {}
    for program in build.programs(suite):
        if not any(build.sources[one].startswith("lib/") for one in build.objects(program.path)):
            continue
        ran = rebuild.run([str(build.build / program.path), *program.args])
        if not ran.passed:
            raise Broken(f"{program.name}: fails without any defect: {oracle_of(ran)}")
        programs[program] = seconds + times * ran.seconds
    return programs


def verdict(defect, stopped):
    """What is said of a defect, and whether that is as it should be."""
    if stopped is None and not defect.unnoticed:
        return "NOT STOPPED", False
    if stopped is not None and defect.unnoticed:
        return f"stopped, though it says otherwise: {stopped}", False
    return f"stopped by {stopped}" if stopped else f"not stopped: {defect.unnoticed}", True


def plant(build, chosen):
    """Return: {name: what stopped it}, and whether all is as it should be."""
    programs = sound_programs(build, "corpus")
    found, sound = {}, bool(programs)
    with (tempfile.TemporaryDirectory(prefix="memalloc-planted-") as directory,
          concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool):
        for defect, stopped in zip(chosen, pool.map(
                lambda one: stop(build, programs, one, pathlib.Path(directory, one.name)),
                chosen)):
            found[defect.name] = stopped
            text, right = verdict(defect, stopped)
            print(f"{defect.name}: {text}", flush=True)
            sound = sound and right
    return found, sound


# ---- the table -----------------------------------------------------------------------------------

def cell(text):
    return text.replace("|", "\\|")


def table(chosen, found):
    lines = ["| planted | what is wrong: what kind of bug | target | stopped by |\n",
             "|---|---|---|---|\n"]
    for defect in chosen:
        one = found[defect.name]
        by = f"{one.target} | `{one.oracle}`" if one else f"- | nothing: {defect.unnoticed}"
        lines.append(f"| `{defect.name}` | {cell(defect.what)} | {by} |\n")
    return "".join(lines)


def table_of(text):
    """What stands between the markers."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise Broken(f"{README}: the markers of the table do not stand there once each")
    return text.split(BEGIN)[1].split(END)[0]


def write(chosen, found):
    text = (TOP / README).read_text()
    (TOP / README).write_text(text.replace(BEGIN + table_of(text) + END,
                                           BEGIN + table(chosen, found) + END))


def check(top):
    """Complaints: what does not apply any more, and what the table has wrong."""
    complaints = []
    try:
        listed = table_of((top / README).read_text())
        chosen = defects(top)
    except Broken as broken:
        return [str(broken)]
    for defect in chosen:
        row = f"| `{defect.name}` | {cell(defect.what)} | "
        try:
            edits.apply_patch(top, defect.changes, defect.name)
        except Broken as broken:
            complaints.append(str(broken))
        if row not in listed or (defect.unnoticed and defect.unnoticed not in listed):
            complaints.append(f"{README}: has no row of {defect.name} as it is")
    if len(listed.splitlines()) != len(chosen) + 2:
        complaints.append(f"{README}: the table has other rows than {FOLDER} has defects")
    return complaints


ROW = "| `a` | one less: off by one | heap | `fuzz: x` |\n"
PATCH = "one less: off by one\n--- a/lib/a.c\n+++ b/lib/a.c\n@@ -1,2 +1,2 @@\n int a;\n-b\n+c\n"
SOUND = {"lib/a.c": "int a;\nb\n", "fuzz/planted/a.patch": PATCH,
         "fuzz/README.md": f"text\n{BEGIN}| head |\n|---|\n{ROW}{END}"}
CASES = [
    (None, SOUND),
    ("stands 0 times", {**SOUND, "lib/a.c": "int a;\n\nb\n"}),
    ("stands 2 times", {**SOUND, "lib/a.c": "int a;\nb\nint a;\nb\n"}),
    ("there is no lib/a.c", {**SOUND, "lib/a.c": None}),
    ("no row of a as it is", {**SOUND, "fuzz/planted/a.patch": "more: " + PATCH}),
    ("no row of b", {**SOUND, "fuzz/planted/b.patch": PATCH}),
    ("other rows", {**SOUND, "fuzz/README.md": SOUND["fuzz/README.md"].replace(ROW, ROW * 2)}),
    ("do not stand there once", {**SOUND, "fuzz/README.md": "text\n"}),
    ("not what is wrong", {**SOUND, "fuzz/planted/a.patch": "less\n" + PATCH}),
]


def selftest():
    """What a run is judged by, beside the cases."""
    yield from rules.unnoticed(check, CASES)
    texts = [(-6, "fuzz: world: W4 x\n", "fuzz: world: W4 x"), (-11, "", "SIGSEGV"),
             (-6, "a\nmemalloc: double free of 0x12\n", "memalloc: double free of"),
             (-14, "", "time-out"), (-9, "", "time-out"), (3, "", "exit 3")]
    for code, err, oracle in texts:
        if oracle_of(rebuild.Ran(code, "", err, 0)) != oracle:
            yield f"not said of {code}, {err!r}: {oracle}"
    with rules.tree(SOUND) as top:
        defect = defects(top)[0]
    for unnoticed, stopped, right in [("", None, False), ("", "x", True), ("why", "x", False),
                                      ("why", None, True)]:
        defect.unnoticed = unnoticed
        if verdict(defect, stopped)[1] != right:
            yield f"judged wrongly: {unnoticed!r}, {stopped}"


def arguments():
    parser = argparse.ArgumentParser(description="Plant defects, and replay the corpora.")
    parser.add_argument("build", nargs="?", help="a build directory that is up to date")
    parser.add_argument("--only", metavar="WORD", action="append", default=[],
                        help="defects with this in their names")
    parser.add_argument("--write", action="store_true", help="write the table in README.md")
    parser.add_argument("--texts", action="store_true", help="only look whether they apply")
    parser.add_argument("--selftest", action="store_true")
    options = parser.parse_args()
    if not (options.texts or options.selftest) and options.build is None:
        parser.error("where is the build?")
    return options


def main():
    options = arguments()
    if options.texts or options.selftest:
        wrong = list(selftest() if options.selftest else check(TOP))
        print("\n".join(wrong))
        return 1 if wrong else 0
    try:
        chosen = [one for one in defects()
                  if not options.only or any(word in one.name for word in options.only)]
        found, sound = plant(rebuild.Build(options.build), chosen)
        if options.write and sound:
            write(chosen, found)
    except Broken as broken:
        print(broken)
        return 1
    nstopped = sum(one is not None for one in found.values())
    print(f"{len(found)} defects, {nstopped} stopped")
    return 0 if sound and found else 1


if __name__ == "__main__":
    sys.exit(main())
