#!/usr/bin/env python3
"""Every misuse under every memory checker: each must be seen, once, and nothing where nothing is wrong.

matrix.py LIBRARY [--instrumented SANITIZER --cc COMPILER] [--without Valgrind] [--only WORD]... [--write README]

LIBRARY is libmemalloc.a. Without --instrumented it is the plain one, which is tried under Valgrind and in
programs built with each sanitizer of each compiler that is there. With it, LIBRARY was built with that sanitizer,
and programs are, too. misuse.c beside this file has the misuses, and the places: heap, pool, large objects; states.c
asks the tool itself which bytes it takes for whose, call by call. Double and invalid frees are for memalloc to tell
where a sanitizer looks on, which knows nothing of frees that are not its own.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LIB = HERE.parent.parent / "lib"
SECONDS_MAX = 120
SIZES = {"heap": "21", "pool": "21", "large": "300,000"}
PLACES = list(SIZES)
WHERE = {"states": ["all"], "second-life": ["heap", "pool"], "use-after-destroy": ["pool"],
         "use-after-reset": ["pool"]}
CONTROLS = ["right", "keep", "hand-over"]
STATES = "states"  # not of misuse.c
KNOW_BYTES = ["memcheck", "address", "memory"]
BEGIN, END = "<!-- tools: begin -->", "<!-- tools: end -->"

MADE = r"(.*\n)*?.*\bmake\b"  # the frame of misuse.c that allocates
TAKEN = r"(.*\n)*?.*\btake_back\b"

# What memcheck says; SIZE is the object's, OWN how it calls an object that is live.
MEMCHECK = {
    "overflow": r"Invalid write of size 1\n(.*\n)+?.* is 0 bytes after a block of size SIZE OWN" + MADE,
    "over-read": r"Invalid read of size 1\n(.*\n)+?.* is 0 bytes after a block of size SIZE OWN" + MADE,
    "use-after-free": r"Invalid read of size 1\n(.*\n)+?.* is 3 bytes inside a block of size SIZE free'd" + TAKEN
                      + r"(.*\n)+?.*Block was alloc'd at" + MADE,
    "second-life": r"Invalid read of size 1\n(.*\n)+?.* is 3 bytes inside a block of size SIZE free'd" + TAKEN
                   + r"(.*\n)+?.*Block was alloc'd at" + MADE,
    "write-after-free": r"Invalid write of size 1\n(.*\n)+?.* is 3 bytes inside a block of size SIZE free'd" + TAKEN,
    "use-after-resize": r"Invalid read of size 1\n(.*\n)+?.* is 3 bytes inside a block of size SIZE free'd",
    "use-after-destroy": r"Invalid read of size 1\n(.*\n)+?.* is 3 bytes inside a block of size SIZE free'd",
    "use-after-reset": r"Invalid read of size 1\n(.*\n)+?.* is 3 bytes inside a block of size SIZE free'd",
    "uninitialised": r"Conditional jump or move depends on uninitialised value(.*\n)+?.*created by a heap allocation" + MADE,
    "leak": r" SIZE bytes in 1 blocks are definitely lost" + MADE,
    "double-free": r"Invalid free\(\)(.*\n)+?.* is 0 bytes inside a block of size SIZE free'd" + TAKEN,
    "resize-freed": r"Invalid free\(\)(.*\n)+?.*\bresize_freed\b(.*\n)+?.* is 0 bytes inside a block of size SIZE free'd" + TAKEN,
    "free-interior": r"Invalid free\(\)(.*\n)+?.* is 1 bytes inside a block of size SIZE OWN" + MADE,
}

# What AddressSanitizer says, and the section that memalloc adds.
POISON = r"ERROR: AddressSanitizer: use-after-poison(.*\n)+?memalloc: %s: 0x.*\n(memalloc:  .*\n)*?memalloc:   %s"
ASAN = {
    "overflow": POISON % ("heap overflow", "object 0x.* SIZE bytes requested"),
    "over-read": POISON % ("bad access", "object 0x.* SIZE bytes requested"),
    "use-after-free": POISON % ("bad access", "freed by"),
    "write-after-free": POISON % ("write after free", "freed by"),
    "use-after-resize": POISON % ("bad access", "freed by"),
    "use-after-destroy": r"ERROR: AddressSanitizer: (SEGV|use-after-poison)",
    "use-after-reset": r"ERROR: AddressSanitizer: (SEGV|use-after-poison)",
    "double-free": r"memalloc: double free: 0x",
    "resize-freed": r"memalloc: bad realloc: 0x",
    "free-interior": r"memalloc: invalid free: 0x",
}

MSAN = {
    "uninitialised": r"WARNING: MemorySanitizer: use-of-uninitialized-value(.*\n)+?.*in uninitialised"
                     r"(.*\n)+?.*Memory was marked as uninitialized",
    "use-after-free": r"WARNING: MemorySanitizer: use-of-uninitialized-value(.*\n)+?.*in use_after_free",
}

TSAN = {
    "race": r"WARNING: ThreadSanitizer: data race",
    "race-with-free": r"WARNING: ThreadSanitizer: data race(.*\n)+?.*\brace_with_free\b",
}

HELGRIND = {"race": r"Possible data race during write of size 1 at 0x(.*\n)+?.*\brace\b"}
DRD = {"race": r"Conflicting store by thread \d+ at 0x(.*\n)+?.*\brace\b"}

REPORTS = r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|^memalloc: (?!bug)\w[\w -]*: 0x"
VALGRIND = {"memcheck": ["--leak-check=full", "--track-origins=yes"], "helgrind": ["--tool=helgrind"],
            "drd": ["--tool=drd"]}
EXPECTED = {"memcheck": MEMCHECK, "helgrind": HELGRIND, "drd": DRD, "address": ASAN, "memory": MSAN, "thread": TSAN}
COMPILERS = {"address": ["gcc", "clang-14", "clang-19"], "memory": ["clang-14", "clang-19"],
             "thread": ["gcc", "clang-14", "clang-19"]}


def without_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Program:
    """misuse.c, built for a tool."""

    def __init__(self, tool, cc, library, directory):
        self.tool, self.cc = tool, cc
        self.name = tool if tool in VALGRIND else f"{tool} ({cc})"
        self.path = {}
        flags = ["-gdwarf-4", "-DMA_VALGRIND"] if tool in VALGRIND else ["-g", f"-fsanitize={tool}"]
        if tool == "memory":
            flags.append("-fsanitize-memory-track-origins")
        for name in ("misuse", "states"):
            self.path[name] = pathlib.Path(directory, f"{name}-{tool}-{os.path.basename(cc.split()[-1])}")
            self.build(name, flags, library)

    def build(self, name, flags, library):
        command = [*self.cc.split(), "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-fno-builtin",
                   *flags, f"-I{LIB}", "-o", self.path[name], HERE / f"{name}.c", library, "-pthread"]
        subprocess.run(command, check=True)

    def run(self, kind, place):
        command = [self.path["states"]] if kind == STATES else [self.path["misuse"], kind, place]
        if self.tool in VALGRIND:
            command[:0] = ["valgrind", "--num-callers=30", *VALGRIND[self.tool]]
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                             preexec_fn=without_core, timeout=SECONDS_MAX)
        return ran.returncode, ran.stdout + ran.stderr

    def reports(self, text):
        """How many there are, of the tool or of memalloc in its place."""
        if self.tool in VALGRIND:
            return int(re.search(r"ERROR SUMMARY: \d+ errors from (\d+) contexts", text)[1])
        found = re.findall(REPORTS, text, re.M)
        if self.tool == "address" and found and found[0].startswith("ERROR"):
            found = [line for line in found if not line.startswith("memalloc")]  # its section
        return len(found)

    def complaint(self, kind, place):
        """None, or what is wrong about what was seen."""
        status, text = self.run(kind, place)
        n = self.reports(text)
        if kind == STATES:
            return None if n == 0 and status == 0 and "\n0 wrong\n" in text else text[-6000:]
        if kind in CONTROLS:
            return None if n == 0 and status == 0 else f"{n} reports where nothing is wrong, ended with {status}"
        pattern = EXPECTED[self.tool][kind].replace("SIZE", SIZES[place] if self.tool == "memcheck"
                                                    else SIZES[place].replace(",", ""))
        pattern = pattern.replace("OWN", "client-defined" if place == "pool" else "alloc'd")
        if not re.search(pattern, text):
            return "not seen, or not told as it should be:\n" + text[-6000:]
        return None if n == 1 else f"{n} reports instead of one:\n" + text[-6000:]


def programs(args, directory):
    """What can be built here; what is missing is told."""
    if args.instrumented:
        return [Program(args.instrumented, args.cc, args.library, directory)]
    wanted = [(tool, "gcc") for tool in VALGRIND if not args.without] + [(tool, cc) for tool, ccs in COMPILERS.items() for cc in ccs]
    made = []
    for tool, cc in wanted:
        if shutil.which(cc) and (tool not in VALGRIND or shutil.which("valgrind")):
            made.append(Program(tool, cc, args.library, directory))
        else:
            print(f"left out: {tool} with {cc}: not here")
    return made


def cells(made, only):
    for program in made:
        for kind in [STATES, *CONTROLS, *EXPECTED[program.tool]]:
            if kind == STATES and program.tool not in KNOW_BYTES:
                continue
            for place in WHERE.get(kind, PLACES):
                whole = f"{program.name} {kind} {place}"
                if not only or any(all(part in whole for part in word.split()) for word in only):
                    yield program, kind, place


def table(tried, failed):
    """One row a misuse, one column a tool."""
    kinds = dict.fromkeys(kind for _, kind, _ in tried)
    names = list(dict.fromkeys(program.name for program, _, _ in tried))
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for kind in kinds:
        row = []
        for name in names:
            places = [place for p, k, place in tried if p.name == name and k == kind]
            bad = [place for place in places if (name, kind, place) in failed]
            word = "silent" if kind in CONTROLS else "as they should be" if kind == STATES else "seen"
            row.append("" if not places else f"**not {', '.join(bad)}**" if bad else word)
        yield f"| {kind} | " + " | ".join(row) + " |"


def written(path, lines):
    text = path.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    path.write_text(text[:begin] + "\n" + "\n".join(lines) + "\n" + text[end:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--instrumented", choices=sorted(COMPILERS))
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--without", choices=["Valgrind"])
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--write", type=pathlib.Path)
    args = parser.parse_args()
    failed = set()
    with tempfile.TemporaryDirectory(prefix="memalloc-tools-") as directory:
        tried = list(cells(programs(args, directory), args.only))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for (program, kind, place), wrong in zip(tried, pool.map(lambda c: c[0].complaint(*c[1:]), tried)):
                if wrong:
                    failed.add((program.name, kind, place))
                    print(f"{program.name}: {kind}, {place}: {wrong}")
    lines = list(table(tried, failed))
    if args.write and not args.only:
        written(args.write, lines)
    print(*lines, sep="\n")
    print(f"{len(tried) - len(failed)} of {len(tried)} as they should be")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
