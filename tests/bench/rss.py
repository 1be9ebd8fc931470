#!/usr/bin/env python3
"""Statistics against the kernel: what memalloc says is resident, and what a real program has, at its exit.

rss.py PRELOAD_LIBRARY [--options OPTIONS] [--quiet] [-- COMMAND ...]

Runs COMMAND with the library and stats=1, and stops it when it is about to be no more: then its memory is
still there and is read from /proc/PID/smaps. Without COMMAND: python3, every object from malloc, and sqlite3,
both with all their data alive at the end. Columns, in MiB:

estimate    what the library computes from its own counts
asked       the same pages, by mincore(2)
anonymous   of the process: pages of mappings without a name, where the library's lie. The program's own
            anonymous memory is in there, too: stacks of threads, what it maps itself, .bss
rss         of the process, with the pages of files

Only the process that is started is looked at, not its children.
"""

import argparse
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

SEIZE, CONTINUE, TRACE_EXIT, EVENT_EXIT = 0x4206, 7, 0x40, 6
MIB = 1 << 20

# Both end without giving back what they have: that is what exit() in the middle does.
PYTHON = """
import ctypes
data = {}
for i in range(%d):
    data["key %%d" %% i] = [i, float(i), "x" * (i %% 300), (i, i + 1)]
%s
ctypes.CDLL(None).exit(0)
"""
HALF = 'for i in range(0, len(data), 2): del data["key %d" % i]'

SQL = """
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 400000)
insert into t select i, 'row ' || (i * 7919 % 60000) || ' of the table, with some more words', i * 0.5 from n;
create index tb on t(b);
create table u as select * from t where a % 2;
update t set b = b || '!' where a % 3 = 0;
drop table u;
.exit 1
"""


def ptrace(request, pid, data):
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.ptrace
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if call(request, pid, None, data) != 0:
        raise OSError(ctypes.get_errno(), "ptrace: " + os.strerror(ctypes.get_errno()))


def sums(pid):
    """Bytes: resident, anonymous in mappings without a name."""
    rss = anonymous = 0
    nameless = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        mapping = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)", line)
        if mapping:
            nameless = mapping[1] == ""
        elif line.startswith("Rss:"):
            rss += int(line.split()[1]) << 10
        elif line.startswith("Anonymous:") and nameless:
            anonymous += int(line.split()[1]) << 10
    return rss, anonymous


def until_exit(process):
    """Let it run; its memory at the end. None if it was killed."""
    pid = process.pid
    ptrace(SEIZE, pid, TRACE_EXIT)
    seen = None
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            process.returncode = os.waitstatus_to_exitcode(status)
            return seen
        event, sig = status >> 16, os.WSTOPSIG(status)
        if event == EVENT_EXIT:
            seen = sums(pid)
        ptrace(CONTINUE, pid, None if event or sig == signal.SIGTRAP else sig)


def number(text, words):
    found = re.search(rf"^ *(\d+)  {re.escape(words)}$", text, re.M)
    return int(found[1]) if found else None


def run(library, options, command, stdin=None):
    """What the library wrote, and (rss, anonymous)."""
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory, "log")
        env = {**os.environ, "LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc",
               "MEMALLOC_OPTIONS": f"{options}:stats=1:log_path={log}"}
        process = subprocess.Popen(command, env=env, stdin=stdin, stdout=subprocess.DEVNULL)
        seen = until_exit(process)
        written = log.with_name(f"log.{process.pid}")
        if seen is None or not written.exists():
            sys.exit(f"rss.py: {command[0]}: no statistics were written")
        return written.read_text(), seen


def show(name, text, seen, quiet):
    rss, anonymous = seen
    estimate = number(text, "resident (estimate)")
    asked = number(text, "resident (asked from the OS)")
    if not quiet:
        print(text, end="")
    row = "  ".join(f"{n / MIB:9.2f}" for n in (estimate, asked, anonymous, rss))
    print(f"{name:24} {row}  {100 * estimate / asked - 100:+.2f} %  {100 * estimate / anonymous - 100:+.2f} %",
          flush=True)


def programs(directory):
    """Name, command, standard input."""
    script = pathlib.Path(directory, "script.sql")
    script.write_text(SQL)
    python = "/usr/bin/python3"
    yield "python3", [python, "-c", PYTHON % (200000, "")], None
    yield "python3, half freed", [python, "-c", PYTHON % (200000, HALF)], None
    yield "sqlite3", ["sqlite3", ":memory:"], script


def main():
    args = sys.argv[1:]
    command = []
    if "--" in args:
        at = args.index("--")
        args, command = args[:at], args[at + 1:]
    parser = argparse.ArgumentParser(usage="rss.py PRELOAD_LIBRARY [--options OPTIONS] [--quiet] [-- COMMAND ...]")
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("--options", default="profile=default")
    parser.add_argument("--quiet", action="store_true", help="only the rows")
    options = parser.parse_args(args)
    library = options.library.resolve()
    print(f"{'MiB at exit':24} {'estimate':>9}  {'asked':>9}  {'anonymous':>9}  {'rss':>9}  to asked, anonymous")
    if command:
        text, seen = run(library, options.options, command)
        show(os.path.basename(command[0]), text, seen, options.quiet)
        return
    with tempfile.TemporaryDirectory() as directory:
        for name, words, script in programs(directory):
            with open(script or os.devnull, "rb") as stdin:
                text, seen = run(library, options.options, words, stdin)
            show(name, text, seen, options.quiet)


if __name__ == "__main__":
    main()
