#!/usr/bin/env python3
"""Record the allocations of real programs, and time their replay.

traces.py [--build DIR] [--only NAME]... [--events N] [DIRECTORY]     records into DIRECTORY (build/traces)
traces.py --small FILE                                                 the trace that is kept with the sources
traces.py --time [--library FILE]... [--runs N] [DIRECTORY]            CPU nanoseconds of an event of each, without
                                                                       a library and with each: least of N runs

The inputs are made from nothing, so a recording is the same again, but for what programs do by the clock.
A program that is not installed is left out.
"""

import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
WORKLOADS = ROOT / "tests" / "workloads"
SOURCE = ROOT / "lib" / "slab.c"
HEADER = struct.Struct("<8sIIQQQ")

sys.path.insert(0, os.fspath(HERE.parents[1]))
from inputs import Inputs  # noqa: E402

NCOMMITS = 1000
NFILES = 60
REQUESTS = "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset"


class Recorder:
    """Runs programs in a directory, and records some with what they start."""

    def __init__(self, build, directory, events):
        self.library = build / "lib/libmemalloc-preload.so"
        self.directory = directory
        self.events = events

    def environment(self):
        return {**os.environ, "LD_PRELOAD": os.fspath(self.library),
                "MEMALLOC_OPTIONS": f"record={self.directory}/trace.%p:record_events={self.events}"}

    def run(self, words, record=False, stdin=None, **environment):
        """Run it to its end."""
        env = self.environment() if record else os.environ
        with open(stdin or os.devnull, "rb") as file:
            subprocess.run([os.fspath(word) for word in words], cwd=self.directory, env={**env, **environment},
                           stdin=file, stdout=subprocess.DEVNULL, check=True)

    def largest(self):
        """The trace with the most events, as long as its header says."""
        traces = [(*HEADER.unpack(path.open("rb").read(HEADER.size))[3::2], path)
                  for path in self.directory.glob("trace.*")]
        _, nbytes, path = max(traces)
        os.truncate(path, HEADER.size + nbytes)
        return path


# ---- programs -------------------------------------------------------------------------------------

def sqlite3(recorder):
    """Build the shop's database, ask and change it."""
    Inputs(recorder.directory / "input", 0.2).shop()
    (recorder.directory / "run").mkdir()
    words = ["sqlite3", "-batch", "-bail", "run/shop.db"]
    script = recorder.directory / "script"
    text = "".join((WORKLOADS / name).read_text() for name in ("shop_build.sql", "shop_query.sql"))
    script.write_text(text.replace("../input/", "input/"))
    recorder.run(words, True, stdin=script)


def python3(recorder):
    """Parse JSON and serialise it."""
    path = Inputs(recorder.directory / "input").json(2_400_000)
    recorder.run(["/usr/bin/python3", WORKLOADS / "json_round_trip.py", path], True, PYTHONMALLOC="malloc",
                 PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")


def history(file):
    """A history for git fast-import: files grow, one or two with each commit."""
    for number in range(1, NCOMMITS + 1):
        file.write(f"commit refs/heads/main\ncommitter A <a@b> {number + 10 ** 9} +0000\ndata 6\nchange\n")
        for name in {number % NFILES, number * number % NFILES}:
            text = "".join(f"line {i * name % 100} of file {name}, changed by {number - number % (i % 7 + 1)}\n"
                           for i in range(20 + number % 300))
            file.write(f"M 644 inline dir{name % 7}/file{name}\ndata {len(text)}\n{text}\n")


def git(recorder):
    """Pack a history again from nothing, with two threads."""
    script = recorder.directory / "history"
    with script.open("w") as file:
        history(file)
    recorder.run(["git", "init", "-q", "--bare", "repo"])
    recorder.run(["git", "-C", "repo", "fast-import", "--quiet"], stdin=script)
    recorder.run(["git", "clone", "-q", "--bare", "--no-local", "repo", "clone"], True)
    recorder.run(["git", "-C", "clone", "-c", "pack.threads=2", "repack", "-adfq"], True)


def redis(recorder):
    """Serve redis-benchmark."""
    words = ["redis-server", "--port", "0", "--unixsocket", "sock", "--save", "", "--lazyfree-lazy-user-del", "yes",
             "--daemonize", "no"]
    server = subprocess.Popen(words, cwd=recorder.directory, env=recorder.environment(),
                              stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if (recorder.directory / "sock").exists():
                break
            time.sleep(0.05)
        recorder.run(["redis-benchmark", "-s", "sock", "-q", "-c", "20", "-P", "4", "-d", "300", "-n", "8000",
                      "-r", "5000", "-t", REQUESTS])
        recorder.run(["redis-cli", "-s", "sock", "FLUSHALL", "ASYNC"])
        time.sleep(0.5)  # its thread frees
        recorder.run(["redis-cli", "-s", "sock", "SHUTDOWN", "NOSAVE"])
    finally:
        if server.poll() is None:
            time.sleep(1)
            server.terminate()
        server.wait(30)


def compile_with(compiler):
    def compile_source(recorder):
        """Optimize one of our own sources, preprocessed."""
        recorder.run([compiler, "-D_GNU_SOURCE", "-E", SOURCE, "-o", "source.i"])
        recorder.run([compiler, "-std=c11", "-w", "-O2", "-c", "source.i", "-o", "source.o"], True)
    return compile_source


PROGRAMS = {
    "sqlite3": (["sqlite3"], sqlite3),
    "python3": (["/usr/bin/python3"], python3),
    "git": (["git"], git),
    "redis": (["redis-server", "redis-benchmark", "redis-cli"], redis),
    "cc1": (["gcc"], compile_with("gcc")),
    "clang": (["clang-14"], compile_with("clang-14")),
}


def small(recorder):
    """A few hundred rows, in memory."""
    script = recorder.directory / "script"
    script.write_text("""\
        CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
        WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300)
        INSERT INTO things SELECT x, 'name' || (x * 7919 % 1000), x * x % 97 FROM c;
        CREATE INDEX things_name ON things (name);
        SELECT n, count(*), group_concat(name) FROM things GROUP BY n ORDER BY 2 DESC LIMIT 3;
        SELECT a.name, b.name FROM things a JOIN things b ON a.n = b.n AND a.id < b.id ORDER BY 1, 2 LIMIT 50;
        DELETE FROM things WHERE id % 3 = 0;
        UPDATE things SET name = name || '.' || n;
        """)
    recorder.run(["sqlite3", ":memory:"], True, stdin=script)


# ---- recording and replaying ----------------------------------------------------------------------

def record(program, path, build, events):
    with tempfile.TemporaryDirectory() as name:
        recorder = Recorder(build, Path(name), events)
        program(recorder)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(recorder.largest(), path)


def record_all(names, directory, build, events):
    for name in names:
        needed, program = PROGRAMS[name]
        if not all(shutil.which(command) for command in needed):
            print(f"{name}: not installed")
            continue
        path = directory / f"{name}.trace"
        record(program, path, build, events)
        stats = subprocess.run([build / "tests/bench/trace/replay", "--stats", path], capture_output=True, text=True,
                               check=True).stdout
        print(f"{name}: {path}, {path.stat().st_size} bytes, {stats.splitlines()[0]}", flush=True)


def nanoseconds(replay, path, library):
    """Of an event. Short traces are performed several times: the clock is to show something."""
    nevents = HEADER.unpack(path.open("rb").read(HEADER.size))[3]
    words = [replay, path, str(1 + 1_000_000 // max(1, nevents))]
    ran = subprocess.run(words, env={**os.environ, "LD_PRELOAD": library}, capture_output=True, text=True)
    found = re.search(r"cpu per event ([\d.]+) ns", ran.stdout)
    return float(found.group(1)) if found and ran.returncode == 0 else float("nan")


def time_all(directory, build, libraries, nruns):
    """The allocators in turn, so that what else happens on the machine happens to all."""
    libraries = ["", *map(os.path.abspath, libraries)]
    print("trace", *(Path(library).name or "none" for library in libraries), sep="\t")
    for path in sorted(directory.glob("*.trace")):
        runs = [[nanoseconds(build / "tests/bench/trace/replay", path, library) for library in libraries]
                for _ in range(nruns)]
        print(path.stem, *(f"{min(column):.1f}" for column in zip(*runs)), sep="\t", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--only", action="append", choices=PROGRAMS)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--small", type=Path, metavar="FILE")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--library", action="append", default=[])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    build = options.build.resolve()
    directory = options.directory or build / "traces"
    if options.small:
        record(small, options.small, build, options.events)
    elif options.time:
        time_all(directory, build, options.library, options.runs)
    else:
        record_all(options.only or PROGRAMS, directory, build, options.events)


if __name__ == "__main__":
    main()
