#!/usr/bin/env python3
"""memalloc-symbolize finds the functions and lines of a program whose stacks are known.

test_symbolize.py SCRIPT CC    CC are the words of a command, ':' between them
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Writes its own stack, as a report does. The call of last() is the end of outer(): what it would
# return to is another function.
SOURCE = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
static const char *name;
static uintptr_t pc[4];
static void frame(int i)
{
    printf("memalloc:     #%d 0x%lx %s+0x%lx\n", i, pc[i], name, pc[i] - (uintptr_t)__ehdr_start);
}
__attribute__((noinline, noreturn)) static void last(void)
{
    pc[1] = (uintptr_t)__builtin_return_address(0);
    printf("memalloc: double free: 0x1234 was freed\n");
    for (int i = 0; i < 3; i++)
        frame(i);
    printf("memalloc:   thread 1\n");
    exit(0);
}
__attribute__((noinline)) static void leaf(int i)
{
    pc[i] = (uintptr_t)__builtin_return_address(0);
}
static inline __attribute__((always_inline)) void inlined(void)
{
    leaf(0); /* inlined */
    __asm__ volatile("");
}
__attribute__((noinline, noreturn)) static void outer(void)
{
    pc[2] = (uintptr_t)__builtin_return_address(0);
    inlined(); /* outer, inlined */
    last(); /* outer, last */
}
__attribute__((noinline)) void behind(void)
{
    puts("behind");
}
int main(int argc, char **argv)
{
    name = argv[0];
    outer(); /* main */
    return argc;
}
"""

FRAME = re.compile(r"(memalloc:     #\d+ 0x[0-9a-f]+) (.*)\+(0x[0-9a-f]+)$")


def line_of(comment):
    """The number of the source line with a comment."""
    return next(i for i, line in enumerate(SOURCE.split("\n"), 1) if f"/* {comment} */" in line)


class Bench:
    """A program, its report, and ways to run the script on it."""

    def __init__(self, script, cc, directory):
        self.script, self.directory = script, directory
        self.source = directory / "nest.c"
        self.program = directory / "a program"
        self.source.write_text(SOURCE)
        options = ["-g", "-O2", "-fno-sanitize=all", "-fPIE", "-pie", "-w"]
        subprocess.run([*cc, *options, str(self.source), "-o", str(self.program)], check=True)
        self.report = subprocess.run([self.program], check=True, capture_output=True, text=True).stdout

    def run(self, *args, text=None, env=None):
        return subprocess.run([sys.executable, self.script, *args], input=self.report if text is None else text,
                              capture_output=True, text=True, env=env)

    def frames(self):
        return [FRAME.match(line).groups() for line in self.report.splitlines() if FRAME.match(line)]

    def expected(self):
        """The report as it should be told."""
        first, zero, one, two, thread = self.report.splitlines()
        (head0, module, offset0), (head1, _, offset1), (head2, _, offset2) = self.frames()
        return [first,
                f"{head0} in inlined {self.source}:{line_of('inlined')} (inlined)",
                f"{head0} in outer {self.source}:{line_of('outer, inlined')} ({module}+{offset0})",
                f"{head1} in outer {self.source}:{line_of('outer, last')} ({module}+{offset1})",
                f"{head2} in main {self.source}:{line_of('main')} ({module}+{offset2})",
                thread]


def is_equal(actual, expected):
    assert actual == expected, f"\n{actual}\nis not\n{expected}"


def test_text(bench, tool):
    ran = bench.run("--tool", tool)
    is_equal(ran.stderr, "")
    is_equal(ran.stdout.splitlines(), bench.expected())
    is_equal(ran.returncode, 0)


def test_file(bench, tool):
    path = bench.directory / "report.txt"
    path.write_text("before\n" + bench.report + bench.report + "no end of line")
    ran = bench.run("--tool", tool, path, text="")
    is_equal(ran.stdout, "\n".join(["before", *bench.expected(), *bench.expected(), "no end of line"]))


def test_json(bench, tool):
    frames = [{"pc": head.split()[-1], "module": module, "offset": offset} for head, module, offset in bench.frames()]
    report = {"memalloc": 1, "kind": "double free", "stacks": {"detected": frames, "freed": [], "odd": [{"pc": "0x1"}]}}
    text = json.dumps(report) + "\n"
    ran = bench.run("--tool", tool, text=text + '{"other": 1}\n{broken\n')
    first, *rest = ran.stdout.splitlines()
    is_equal(rest, ['{"other": 1}', "{broken"])
    told = json.loads(first)
    names = [[known["function"] for known in frame["symbols"]] for frame in told["stacks"]["detected"]]
    is_equal(names, [["inlined", "outer"], ["outer"], ["main"]])
    is_equal(told["stacks"]["detected"][2]["symbols"][0]["line"], line_of("main"))
    for frame in told["stacks"]["detected"]:
        del frame["symbols"]
    is_equal(told, report)


def test_other_lines(bench, tool):
    text = ("hello\n\nmemalloc: heap overflow: 0x1 behind\nmemalloc:     #0 0x7ffd [vdso]+0x123\n"
            "memalloc:     #1 0x12\n  #2 0x7 /bin/sh+0x1\n\udcff is no UTF-8\n")
    ran = subprocess.run([sys.executable, bench.script, "--tool", tool], input=text.encode(errors="surrogateescape"),
                         capture_output=True)
    is_equal(ran.stdout.decode(errors="surrogateescape"), text)
    is_equal((ran.stderr, ran.returncode), (b"", 0))


def test_prefix(bench, tool):
    """What a log puts before each line stays."""
    ran = bench.run("--tool", tool, text="".join(f"Jan  1 host[7]: {line}\n" for line in bench.report.splitlines()))
    is_equal(ran.stdout.splitlines(), [f"Jan  1 host[7]: {line}" for line in bench.expected()])


def test_no_such_module(bench, tool):
    line = "memalloc:     #{} 0x7f21a3c04074 /nowhere/libfoo.so.1+0x1234\n"
    text = line.format(0) + line.format(1) + "end\n" + line.format(2)
    ran = bench.run("--tool", tool, text=text)
    is_equal(ran.stdout, text)
    is_equal(ran.stderr, "memalloc-symbolize: /nowhere/libfoo.so.1: there is no such file\n")
    is_equal(ran.returncode, 1)


def test_no_object_file(bench, tool):
    text = f"memalloc:     #0 0x7f21a3c04074 {bench.source}+0x1234\n"
    ran = bench.run("--tool", tool, text=text)
    is_equal(ran.stdout, text)
    assert ran.stderr.startswith(f"memalloc-symbolize: {bench.source}: ") and ran.returncode == 1, ran


def test_without_debug_information(bench, tool):
    stripped = bench.directory / "stripped"
    subprocess.run(["strip", "-o", stripped, bench.program], check=True)
    text = bench.report.replace(str(bench.program), str(stripped))
    ran = bench.run("--tool", tool, text=text)
    is_equal((ran.stdout, ran.stderr, ran.returncode), (text, "", 0))


def test_each_is_asked_once(bench, tool):
    """One process for the program's frames, however often they come."""
    wrapper = bench.directory / f"counting-{os.path.basename(tool)}"
    wrapper.write_text(f'#!/bin/sh\necho >>"{bench.directory}/count"\nexec "{tool}" "$@"\n')
    wrapper.chmod(0o755)
    ran = bench.run("--tool", wrapper, text=bench.report * 3)
    is_equal(ran.stdout.splitlines(), bench.expected() * 3)
    is_equal((bench.directory / "count").read_text(), "\n")
    (bench.directory / "count").unlink()


def test_without_tools(bench):
    ran = bench.run(env={"PATH": str(bench.directory)})
    is_equal(ran.stdout, bench.report)
    assert "install llvm or binutils" in ran.stderr and ran.returncode == 1, ran


def test_nothing_to_read(bench):
    ran = bench.run("/nowhere/report.txt")
    is_equal((ran.stdout, ran.returncode), ("", 2))
    is_equal(ran.stderr, "memalloc-symbolize: /nowhere/report.txt: No such file or directory\n")
    ran = bench.run("--tool", "no-such-tool")
    is_equal((ran.stdout, ran.returncode), ("", 2))
    is_equal(ran.stderr, "memalloc-symbolize: no-such-tool: there is no such command\n")


def test_default_tool(bench):
    is_equal(bench.run().stdout.splitlines(), bench.expected())


def test_nobody_reads(bench):
    ran = subprocess.run(["/bin/sh", "-c", '"$0" "$1" "$2" | head -n 1', sys.executable, bench.script, "/dev/stdin"],
                         input=bench.report * 2000, capture_output=True, text=True)
    is_equal((ran.stdout.splitlines(), ran.stderr), (bench.expected()[:1], ""))


WITH_TOOL = [test_text, test_file, test_json, test_other_lines, test_prefix, test_no_such_module, test_no_object_file,
             test_without_debug_information, test_each_is_asked_once]
ALONE = [test_without_tools, test_nothing_to_read, test_default_tool, test_nobody_reads]


def main():
    script, words = sys.argv[1:]
    tools = [tool for tool in map(shutil.which, ("llvm-symbolizer", "addr2line")) if tool]
    assert tools, "neither llvm-symbolizer nor addr2line is installed"
    with tempfile.TemporaryDirectory(prefix="memalloc-symbolize-") as name:
        bench = Bench(script, words.split(":"), pathlib.Path(name))
        for test in WITH_TOOL:
            for tool in tools:
                test(bench, tool)
                print(f"{test.__name__}, {tool}: ok")
        for test in ALONE:
            test(bench)
            print(f"{test.__name__}: ok")


if __name__ == "__main__":
    main()
