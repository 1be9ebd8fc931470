"""What failed: told apart, minimised, listed.

Each input is run once more by itself. What it is told by and where (said.Signature) makes the name
of its folder, STATE/crashes/TARGET-ORACLE-HASH; of those with the same one the first is minimised,
and some of the others are kept. When an engine's way to minimise ends at another failure, that one
is looked at, too, and parts of the first are left out one by one, as long as it fails alike.

    input        as it was found          report.txt   what the program said of it
    minimised    smaller, fails alike     listing.txt  as text, by fuzz/seq
    also/        others like it           bug.c        as a program in C, by fuzz/seq
    facts.json   the signature, how many, since when

A folder is made under another name first: when it has its own, it is complete.
"""

import json
import os
import shutil
import threading
import time

import run

from . import engines, store
from . import said

RUN_SECONDS = 90
TRIES = 3
ALSO_MAX = 10
SETTLED = 1     # seconds without a change, after which an engine has written all of a file


def shortened(data, fails):
    """Without the parts, ever smaller ones, without which @fails(data) is still true."""
    size = len(data) // 2
    while size > 0:
        start = 0
        while start < len(data):
            less = data[:start] + data[start + size:]
            if less and fails(less):
                data = less
            else:
                start += size
        size //= 2
    return data


class Triage(threading.Thread):
    """Looks at what lies in STATE/failed, one after the other, while engines run."""

    def __init__(self, state, children, programs, tool, seconds):
        super().__init__(daemon=True)
        self.state, self.children, self.programs = state, children, programs
        self.tool, self.seconds = tool, seconds
        self.ending, self.trouble, self.fresh = threading.Event(), None, []

    def run(self):
        try:
            while not self.ending.is_set():
                if not self.look_once():
                    self.ending.wait(0.5)
        except Exception as error:  # the main thread tells of it, and ends
            self.trouble = error

    def waiting(self):
        folder = self.state.path / "failed"
        return sorted(path for target in self.programs for path in (folder / target).glob("[!.]*")
                      if path.is_file())

    def look_once(self):
        """Look at one input; Return: whether there was one."""
        settled = [path for path in self.waiting()
                   if time.time() - path.stat().st_mtime >= SETTLED]
        for path in settled[:1]:
            if not path.name.startswith("slow-unit-"):
                self.look_at(path, path.parent.name)
            if not self.ending.is_set():
                path.unlink()
            return True
        return False

    def look_at(self, path, target):
        report, code, program = self.failing_run(path, target)
        if self.ending.is_set():
            return
        if code == 0:
            signature = said.Signature("not again", "", "")
        else:
            signature = said.signature(report, code)
        name = f"{target}-{said.word(signature.oracle)}-{signature.digest()}"
        folder = self.state.path / "crashes" / name
        if folder.exists():
            self.count_again(folder, path)
        else:
            self.make(folder, path, program, signature, report)

    def failing_run(self, path, target):
        """Run an input with each engine's program until one fails; its report, code and program.

        Threads do not always fail: each has some tries.
        """
        report, code, program = "", 0, None
        for program in [*self.programs[target].values()] * TRIES:
            report, code = self.children.output([program, *self.arguments(program), path],
                                                RUN_SECONDS, **self.sandbox())
            if code != 0:
                break
        return report, code, program

    def sandbox(self):
        return {"TMPDIR": str(self.state.folder("tmp", "triage"))}

    def arguments(self, program):
        """Only libFuzzer's own main() has options."""
        of_libfuzzer = any(one.get("libfuzzer") == program for one in self.programs.values())
        return [*run.LIMITS, "-runs=1"] if of_libfuzzer else []

    def count_again(self, folder, path):
        facts = json.loads((folder / "facts.json").read_text())
        facts["count"] += 1
        facts["last"] = time.time()
        also = folder / "also"
        also.mkdir(exist_ok=True)
        if facts["count"] <= ALSO_MAX + 1:
            shutil.copyfile(path, also / store.digest(path.read_bytes()))
        store.replace(folder / "facts.json", json.dumps(facts, indent=1) + "\n")

    def make(self, folder, path, program, signature, report):
        fresh = folder.with_name("." + folder.name)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        shutil.copyfile(path, fresh / "input")
        (fresh / "report.txt").write_text(report)
        fails = signature.oracle != "not again"
        is_smaller = fails and self.minimise(fresh, program, signature, path.parent)
        smallest = fresh / ("minimised" if is_smaller else "input")
        if self.ending.is_set():
            return
        target, now = path.parent.name, time.time()
        self.list(fresh, smallest, target)
        facts = {"target": target, "count": 1, "first": now, "last": now, **signature._asdict(),
                 "bytes": (fresh / "input").stat().st_size, "smallest": smallest.stat().st_size}
        store.replace(fresh / "facts.json", json.dumps(facts, indent=1) + "\n")
        os.rename(fresh, folder)
        self.fresh.append((folder, facts))

    def minimise(self, folder, program, signature, failed):
        """Write a smaller input that fails alike; Return: whether there is one.

        What fails in another way is put into the folder @failed.
        """
        smaller, whole = folder / "minimised", folder / "input"
        if self.arguments(program):
            command = [program, *run.LIMITS, "-minimize_crash=1",
                       f"-max_total_time={self.seconds}", f"-exact_artifact_path={smaller}", whole]
        else:
            command = ["afl-tmin", "-t", "10000", "-i", whole, "-o", smaller, "--", program]
        self.children.output(command, self.seconds + RUN_SECONDS, **self.sandbox(),
                             AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1")
        if not smaller.exists() or self.ending.is_set():
            return False
        if self.fails_alike(smaller, program, signature):
            return True
        data = smaller.read_bytes()
        (failed / f"crash-{store.digest(data)}").write_bytes(data)
        return self.shorten(whole, smaller, program, signature)

    def fails_alike(self, path, program, signature):
        report, code = self.children.output([program, *self.arguments(program), path],
                                            RUN_SECONDS, **self.sandbox())
        return code != 0 and said.signature(report, code) == signature

    def shorten(self, whole, smaller, program, signature):
        """Leave out what is not needed, as long as there is time; Return: whether there was any."""
        limit = time.monotonic() + self.seconds

        def fails(data):
            if self.ending.is_set() or time.monotonic() > limit:
                return False
            smaller.write_bytes(data)
            return self.fails_alike(smaller, program, signature)
        before = whole.read_bytes()
        after = shortened(before, fails)
        smaller.write_bytes(after)
        return len(after) < len(before)

    def list(self, folder, path, target):
        """As text and as a program, where the bytes are operations."""
        if target not in engines.SEQUENCES or self.tool is None:
            return
        for words, name in (("list",), "listing.txt"), (("c",), "bug.c"):
            config = ["--config", engines.SEQUENCES[target]]
            said_of_it, _ = self.children.output([self.tool, *words, *config, path], RUN_SECONDS)
            (folder / name).write_text(said_of_it)


def known(state):
    """The facts of all that failed, the youngest first, with the name of their folder."""
    found = []
    for path in (state.path / "crashes").glob("[!.]*/facts.json"):
        found.append({"name": path.parent.name, **json.loads(path.read_text())})
    return sorted(found, key=lambda facts: -facts["first"])
