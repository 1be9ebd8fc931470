#!/usr/bin/env python3
"""With mode=passthrough a memory checker tells of its own objects: test_passthrough.py LIBMEMALLOC.A [--without Valgrind]

The misuses are those of misuse.c, what is right is in passing.c. Of each report the words are looked for that only
an object of the checker's own malloc is told with: how far from which block, and the stacks of who made and ended it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import matrix

REGION = r"(.*\n)+?.*is located %s bytes .*SIZE-byte region" + r"(.*\n)+?.*allocated by(.*\n)+?.*\bmake\b"
FREED = r"(.*\n)+?.*is located 3 bytes inside of SIZE-byte region(.*\n)+?.*freed by(.*\n)+?.*\b%s\b" \
    + r"(.*\n)+?.*allocated by(.*\n)+?.*\bmake\b"
ASAN = {
    "overflow": "heap-buffer-overflow" + REGION % "0",
    "over-read": "heap-buffer-overflow" + REGION % "0",
    "use-after-free": "heap-use-after-free" + FREED % "take_back",
    "use-after-resize": "heap-use-after-free" + FREED % "use_after_resize",
    "use-after-destroy": "heap-use-after-free" + FREED % "memalloc_pool_destroy",
    "use-after-reset": "heap-use-after-free" + FREED % "memalloc_pool_reset",
    "double-free": r"attempting double-free(.*\n)+?.*SIZE-byte region(.*\n)+?.*freed by(.*\n)+?.*\btake_back\b",
    "free-interior": r"attempting free on address which was not malloc\(\)-ed" + REGION % "1",
    "leak": r"Direct leak of SIZE byte\(s\)(.*\n)+?.*\bmake\b",
}
MSAN = {"uninitialised": r"use-of-uninitialized-value(.*\n)+?.*created by a heap allocation(.*\n)+?.*\bmake\b"}
TSAN = {"race": r"data race(.*\n)+?.*heap block of size SIZE(.*\n)+?.*\b(make|race)\b"}
MEMCHECK = {kind: text for kind, text in matrix.MEMCHECK.items()
            if kind in ("overflow", "use-after-free", "uninitialised", "leak", "double-free", "use-after-destroy",
                        "use-after-reset")}
WANTED = [("memcheck", "gcc", MEMCHECK), ("address", "gcc", ASAN), ("address", "clang-19", ASAN),
          ("memory", "clang-19", MSAN), ("thread", "clang-14", TSAN)]


class Passing(matrix.Program):
    """The programs of a tool, with what is to be seen in them."""

    def __init__(self, tool, cc, expected, library, directory):
        self.expected = expected
        super().__init__(tool, cc, library, directory)
        flags = ["-g"] if tool in matrix.VALGRIND else ["-g", f"-fsanitize={tool}"]
        self.path["passing"] = os.path.join(directory, f"passing-{tool}-{cc}")
        self.build("passing", flags, library)

    def run_passing(self, *words):
        command = [self.path["passing"], *words]
        if self.tool in matrix.VALGRIND:
            command[:0] = ["valgrind", "--error-exitcode=99", *matrix.VALGRIND[self.tool]]
        return subprocess.run(command, capture_output=True, text=True, errors="replace",
                              preexec_fn=matrix.without_core, timeout=matrix.SECONDS_MAX)

    def wrong(self):
        """(what it is, what was said) of each that is not as it should be."""
        ran = self.run_passing()
        if ran.returncode != 0 or ran.stderr.count("memalloc: ") or self.reports(ran.stdout + ran.stderr):
            yield "what is right", ran.stdout + ran.stderr
        ran = self.run_passing("wrong-pool")
        if "memalloc: wrong pool: 0x" not in ran.stderr:
            yield "wrong pool", ran.stdout + ran.stderr
        for kind, pattern in self.expected.items():
            for place in matrix.WHERE.get(kind, matrix.PLACES):
                size = matrix.SIZES[place] if self.tool == "memcheck" else matrix.SIZES[place].replace(",", "")
                _, said = self.run(kind, place)
                if not re.search(pattern.replace("SIZE", size).replace("OWN", "alloc'd"), said):
                    yield f"{kind}, {place}", said


def alone(directory, library):
    """Without a checker, or where there is no malloc below, it says so, and memalloc serves."""
    path = os.path.join(directory, "alone")
    subprocess.run(["gcc", f"-I{matrix.LIB}", "-o", path, matrix.HERE / "misuse.c", library, "-pthread"], check=True)
    ran = subprocess.run([path, "right", "heap"], capture_output=True, text=True, timeout=matrix.SECONDS_MAX)
    return ran.returncode == 0 and ran.stderr == (
        "memalloc: mode=passthrough has no effect: no memory checker looks on\n")


def main():
    library, *rest = sys.argv[1:]
    os.environ["MEMALLOC_OPTIONS"] = "mode=passthrough"
    os.environ["TSAN_OPTIONS"] = "exitcode=0"
    tried, failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="memalloc-passthrough-") as directory:
        if not alone(directory, library):
            print("without a checker: not said, or not served")
            failed += 1
        for tool, cc, expected in WANTED:
            if not shutil.which(cc) or (tool in matrix.VALGRIND and (rest or not shutil.which("valgrind"))):
                print(f"left out: {tool} with {cc}: not here")
                continue
            tried += 1
            for what, said in Passing(tool, cc, expected, library, directory).wrong():
                print(f"{tool} ({cc}): {what}: not told as it should be:\n{said[-5000:]}")
                failed += 1
    print(f"{tried} tools, {failed} wrong")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
