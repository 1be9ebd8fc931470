#!/usr/bin/env python3
"""Functions, files and lines for the stacks in memalloc's reports.

    program 2>&1 | memalloc-symbolize
    memalloc-symbolize report.txt

Where a report says

    memalloc:     #0 0x7f21a3c04074 /usr/lib/libfoo.so.1+0x1234

this says which function that is, and where in the sources, for as far as the file has debug
information. A call that was inlined has a line of its own, before that of its caller. In reports as
JSON each frame gets a list "symbols". All other lines stay as they are.

Needs llvm-symbolizer or addr2line. Ends with 1 when something could not be looked up, with 2 when
there is nothing to read.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

TOOLS = {
    "llvm-symbolizer": ["--output-style=GNU", "--addresses", "--functions=linkage", "--demangle", "--inlining"],
    "addr2line": ["-a", "-f", "-C", "-i"],
}

FRAME = re.compile(r"(?P<head>.*\bmemalloc: +#\d+ +0x[0-9a-f]+) +(?P<module>\S.*)\+(?P<offset>0x[0-9a-f]+)(?P<end>\s*)$", re.S)
ADDRESS = re.compile(r"0x[0-9a-f]+$")
PLACE = re.compile(r"(?P<file>.*?):(?P<line>\d+|\?)(:\d+)?( \(discriminator \d+\))?$")
NOWHERE = re.compile(r"\[.*\]$|\?*$")  # the kernel's own pages, or nothing known
UNKNOWN = "??"


def symbol(function, place):
    """What is known, without what is not; None when that is nothing."""
    match = PLACE.match(place)
    known = {}
    if function != UNKNOWN:
        known["function"] = function
    if match and match["file"] != UNKNOWN:
        known["file"] = match["file"]
        if match["line"] not in ("?", "0"):
            known["line"] = int(match["line"])
    return known or None


def answers(output):
    """The tools' output: for each address itself, then pairs of function and place; as lists of symbols."""
    found = []
    lines = output.splitlines()
    while lines:
        line = lines.pop(0)
        if ADDRESS.match(line):
            found.append([])
        elif found and lines:
            found[-1].append(symbol(line, lines.pop(0)))
    return [[one for one in symbols if one] for symbols in found]


class Symbolizer:
    """Looks up addresses in files, each once."""

    def __init__(self, tool):
        self.tool = tool
        self.cache = {}
        self.told = set()

    def tell(self, about, what):
        """Say what is wrong with a file, once."""
        if about not in self.told:
            self.told.add(about)
            print(f"memalloc-symbolize: {about}: {what}", file=sys.stderr)

    def ask(self, module, offsets):
        """Ask the tool about offsets in a file. A return address is behind the call, even in another function."""
        asked = "".join(f"{max(offset - 1, 0):#x}\n" for offset in offsets)
        options = TOOLS[kind_of(self.tool)]
        ran = subprocess.run([self.tool, *options, "-e", module], input=asked, capture_output=True, text=True,
                             errors="surrogateescape")
        found = answers(ran.stdout)
        if ran.stderr.strip() or len(found) != len(offsets):
            self.tell(module, ran.stderr.strip().split("\n")[0] or f"{self.tool} gave no answer")
        return found if len(found) == len(offsets) else [[]] * len(offsets)

    def problem(self, module):
        if self.tool is None:
            return "cannot be looked up without llvm-symbolizer or addr2line; install llvm or binutils"
        if not os.path.isfile(module):
            return "there is no such file"
        return None if os.access(module, os.R_OK) else "cannot be read"

    def look_up(self, frames):
        """Fill the cache for (file, offset) pairs, asking once per file."""
        missing = {}
        for module, offset in frames:
            if (module, offset) not in self.cache and not NOWHERE.match(module):
                missing.setdefault(module, {})[offset] = None
        for module, offsets in missing.items():
            problem = self.problem(module)
            if problem:
                self.tell(module, problem)
            found = [[]] * len(offsets) if problem else self.ask(module, list(offsets))
            self.cache.update(((module, offset), symbols) for offset, symbols in zip(offsets, found))

    def symbols(self, module, offset):
        """The innermost first; empty when nothing is known."""
        return self.cache.get((module, offset), [])


def kind_of(tool):
    return "addr2line" if "addr2line" in os.path.basename(tool) else "llvm-symbolizer"


def text_of(known):
    place = ":".join(str(known[key]) for key in ("file", "line") if key in known)
    return " ".join(part for part in (known.get("function", UNKNOWN), place) if part)


def text_lines(symbolizer, match):
    """The lines that take the place of one."""
    symbols = symbolizer.symbols(match["module"], int(match["offset"], 16))
    if not symbols:
        return [match.string]
    *inlined, outer = [f"{match['head']} in {text_of(known)}" for known in symbols]
    module = f"({match['module']}+{match['offset']})"
    return [f"{line} (inlined){match['end']}" for line in inlined] + [f"{outer} {module}{match['end']}"]


def json_frames(report):
    """The frames of a report that are well-formed."""
    stacks = report.get("stacks")
    for stack in stacks.values() if isinstance(stacks, dict) else []:
        for frame in stack if isinstance(stack, list) else []:
            try:
                yield frame, frame["module"], int(frame["offset"], 16)
            except (KeyError, TypeError, ValueError):
                continue


def json_line(symbolizer, line):
    """The line with symbols, or as it was when it is no report."""
    try:
        report = json.loads(line)
    except ValueError:
        return line
    if not isinstance(report, dict) or "memalloc" not in report:
        return line
    frames = list(json_frames(report))
    symbolizer.look_up([(module, offset) for _, module, offset in frames])
    for frame, module, offset in frames:
        frame["symbols"] = symbolizer.symbols(module, offset)
    return json.dumps(report, separators=(",", ":"), ensure_ascii=False) + line[len(line.rstrip()):]


def symbolized(symbolizer, lines):
    """All lines, each as soon as it can be told; a stack is looked up as a whole."""
    stack = []

    def finish():
        symbolizer.look_up([(match["module"], int(match["offset"], 16)) for match in stack])
        for match in stack:
            yield from text_lines(symbolizer, match)
        stack.clear()

    for line in lines:
        match = FRAME.match(line)
        if match:
            stack.append(match)
            continue
        yield from finish()
        yield json_line(symbolizer, line) if line.lstrip().startswith("{") else line
    yield from finish()


def arguments():
    parser = argparse.ArgumentParser(prog="memalloc-symbolize", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", help="llvm-symbolizer or addr2line, of this name or path")
    parser.add_argument("report", nargs="?", help="a file with reports among other lines; else stdin")
    return parser.parse_args()


def main():
    options = arguments()
    names = [options.tool] if options.tool else TOOLS
    symbolizer = Symbolizer(next(filter(None, map(shutil.which, names)), None))
    try:
        source = open(options.report or 0, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        print(f"memalloc-symbolize: {options.report}: {error.strerror}", file=sys.stderr)
        return 2
    if options.tool and symbolizer.tool is None:
        print(f"memalloc-symbolize: {options.tool}: there is no such command", file=sys.stderr)
        return 2
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", line_buffering=True)
    with source:
        for line in symbolized(symbolizer, source):
            sys.stdout.write(line)
    return 1 if symbolizer.told else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BrokenPipeError, KeyboardInterrupt):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads on: Python need not say so, too
        sys.exit(1)
