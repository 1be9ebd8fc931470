#!/usr/bin/python3
"""Real programs on the drop-in library: what they produce must be what they produce without it.

Usage: programs.py LIBRARY [--only NAME]... [--quick] [--markdown] [--allow-missing] | programs.py --list

Each program runs twice on the same input, in the same directory, without and with LIBRARY; one line tells
whether the results were equal, and what it took. Exit code 1 if any differs, dies, or is not installed.
Peaks below about 15 MiB are shown as that: it is what a child begins with (see preload.py).
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from demo import sqlite
from inputs import Inputs
from preload import PATH, REPORT, Failed, Runner, library_path, mib, ratio, sha256

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
WORKLOADS = TESTS / "workloads"
PYTHON = "/usr/bin/python3"
PYTHON_ENV = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
PERL_SHA = "/usr/lib/*/perl/*/Digest/SHA.pm"  # not in perl-base, which is always there
PYTHON_SUITE = "/usr/lib/python3*/test/libregrtest"
ADDRESS_SPACE = 64 << 20
REDIS_SAVED = {"BGREWRITEAOF": r"aof_last_rewrite_time_sec:\d", "BGSAVE": r"rdb_last_bgsave_time_sec:\d"}

# Tests of Python's own suite that work the allocator and tell the same on every run; those that take long first.
QUICK_TESTS = "test_dict test_json test_list test_set test_zlib".split()
FULL_TESTS = """
    test_subprocess test_threading test_pickle test_lzma test_weakref test_fork1 test_ast test_decimal
    test_array test_bigmem test_bytes test_bz2 test_codecs test_collections test_csv test_ctypes test_deque test_descr
    test_exceptions test_functools test_gc test_generators test_hashlib test_heapq test_itertools test_long
    test_memoryio test_memoryview test_mmap test_pyexpat test_re test_sort test_struct test_thread test_traceback
    test_unicode test_unicodedata test_xml_etree_c
""".split() + QUICK_TESTS


@dataclass(frozen=True)
class Setting:
    """What all programs share."""

    inputs: Inputs
    sources: Path
    quick: bool


@dataclass(frozen=True)
class Program:
    """A program: what it needs (a command or a file -> its Debian package), and how to run it once.

    run(runner, setting) returns what can be compared, as a dictionary of texts.
    """

    name: str
    needs: dict
    run: Callable

    def missing(self):
        return sorted({package for what, package in self.needs.items() if not installed(what)})


PROGRAMS = []


def runs(name, needs):
    """Register a function as the run of a program."""
    def register(function):
        PROGRAMS.append(Program(name, needs, function))
        return function
    return register


def installed(what):
    return bool(glob.glob(what)) if what.startswith("/") else shutil.which(what, path=PATH) is not None


def sha256_of_files(directory, pattern):
    return "\n".join(f"{path.name} {sha256(path)}" for path in sorted(directory.glob(pattern)))


def compile_sources(runner, setting, command, under):
    """Compile the library's sources; the objects."""
    names = sorted(setting.sources.glob("lib/*.c"))
    names = names[:5] if setting.quick else names
    options = ["-std=gnu11", "-O2", "-g", "-I", setting.sources / "lib", "-c"]
    runner.run([command, *options, *names], under=under)
    runner.note = f"{len(names)} objects"
    return {"objects": sha256_of_files(runner.directory, "*.o")}


@runs("gcc", {"gcc": "gcc"})
def gcc(runner, setting):
    return compile_sources(runner, setting, "gcc", ["gcc", "cc1"])


@runs("clang", {"clang": "clang"})
def clang(runner, setting):
    return compile_sources(runner, setting, "clang", ["clang"])


def git_results(runner, repository):
    """What a repository has in it, and whether git finds it sound."""
    def ask(*words):
        finished = runner.run(["git", "-C", repository, *words])
        return sha256(finished.stdout) + "\n" + finished.errors

    return {
        f"{repository}: fsck": ask("fsck", "--full", "--strict"),
        f"{repository}: objects": ask("rev-list", "--all", "--objects"),
        f"{repository}: changes": ask("log", "-p", "--stat", "--no-color"),
        f"{repository}: archive": ask("archive", "--format=tar", "HEAD"),
    }


@runs("git", {"git": "git"})
def git(runner, setting):
    """A repository from a stream of changes and the project's own: clone, gc, fsck, log, archive."""
    (runner.home / ".gitconfig").write_text(
        "[gc]\nauto = 0\n[safe]\ndirectory = *\n[init]\ndefaultBranch = main\n[pack]\nthreads = 2\n")
    runner.run(["git", "init", "--quiet", "--bare", "made.git"])
    runner.run(["git", "-C", "made.git", "fast-import", "--quiet"], stdin=setting.inputs.git_stream())
    results = {}
    for origin, name in (("made.git", "made"), (setting.sources / "project.git", "project")):
        if not (runner.directory / origin).exists():
            continue
        runner.run(["git", "clone", "--quiet", "--no-local", origin, name])
        runner.run(["git", "-C", name, "gc", "--quiet", "--prune=now"])
        results.update(git_results(runner, name))
    return results


def redis_client(runner, *words, **options):
    """Run redis-cli; what it says. The server's cost is what counts, its clients only run beside it."""
    return runner.run(["redis-cli", "-s", "redis.sock", *words], counted=False, **options).output.strip()


def redis_wait(runner):
    """Wait until the server answers."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (runner.directory / "redis.sock").exists() and redis_client(runner, "PING") == "PONG":
            return
        time.sleep(0.05)
    raise Failed("redis-server does not answer")


def redis_benchmark(runner, setting):
    """A bounded number of requests of many kinds, in a database of its own that is emptied afterwards."""
    nrequests = "2000" if setting.quick else "40000"
    kinds = "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset"
    runner.run(["redis-benchmark", "-s", "redis.sock", "--dbnum", "1", "-q", "-c", "20", "-P", "4", "-d", "300",
                "-n", nrequests, "-r", "20000", "-t", kinds], counted=False)
    return redis_client(runner, "-n", "1", "FLUSHDB", "ASYNC")


def redis_results(runner):
    return {
        "keys": redis_client(runner, "DBSIZE"),
        "digest": redis_client(runner, "DEBUG", "DIGEST"),
        "errors": "\n".join(re.findall(r"total_error_replies:\d+", redis_client(runner, "INFO"))),
    }


@runs("redis", {"redis-server": "redis-server", "redis-cli": "redis-tools", "redis-benchmark": "redis-tools"})
def redis(runner, setting):
    """Load data, run redis-benchmark beside them, save from a forked child, reload; nothing may have changed."""
    server = ["redis-server", "--port", "0", "--unixsocket", "redis.sock", "--dir", runner.directory, "--save", "",
              "--lazyfree-lazy-user-del", "yes", "--enable-debug-command", "yes"]
    with runner.serve(server) as running:
        redis_wait(runner)
        results = {"load": redis_client(runner, "--pipe", stdin=setting.inputs.redis_commands()).splitlines()[-1]}
        redis_benchmark(runner, setting)
        results.update(redis_results(runner))
        redis_save(runner, "BGREWRITEAOF")
        redis_save(runner, "BGSAVE")
        redis_client(runner, "DEBUG", "RELOAD")
        results["digest after reload"] = redis_client(runner, "DEBUG", "DIGEST")
        redis_client(runner, "SHUTDOWN", "NOSAVE")
        runner.finish(running)
    runner.note = f"{results['keys']} keys; Debian's uses jemalloc when left alone"
    return results


def redis_save(runner, command):
    """Have a forked child save; wait until it has."""
    redis_client(runner, command)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        info = redis_client(runner, "INFO", "persistence")
        if not re.search(r"(in_progress|scheduled):1", info):
            break
        time.sleep(0.05)
    if not re.search(REDIS_SAVED[command], info) or "status:err" in info:
        raise Failed(f"redis-server: {command} failed", info)


@runs("perl", {"perl": "perl", PERL_SHA: "perl"})
def perl(runner, setting):
    return {"output": runner.run(["perl", WORKLOADS / "text.pl", setting.inputs.text()],
                                 env={"PERL_HASH_SEED": "0"}).output}


@runs("lua", {"lua5.4": "lua5.4"})
def lua(runner, setting):
    return {"output": runner.run(["lua5.4", WORKLOADS / "tables.lua", setting.inputs.text()]).output}


@runs("node", {"node": "nodejs"})
def node(runner, setting):
    files = [setting.inputs.text(), setting.inputs.json(20_000_000)]
    return {"output": runner.run(["node", WORKLOADS / "workers.js", *files]).output}


@runs("xz", {"xz": "xz-utils"})
def xz(runner, setting):
    """Compress with two threads, decompress with two."""
    shutil.copy(setting.inputs.text(), runner.directory / "text")
    runner.run(["xz", "-T2", "-4", "--block-size=3MiB", "--keep", "text"])
    restored = runner.run(["xz", "-T2", "--decompress", "--stdout", "text.xz"]).stdout
    return {"compressed": sha256(runner.directory / "text.xz"), "restored": sha256(restored)}


@runs("sqlite3", {"sqlite3": "sqlite3"})
def sqlite3(runner, setting):
    return sqlite(runner, setting.inputs)


@runs("python3", {"python3": "python3"})
def python3(runner, setting):
    return {"output": runner.run([PYTHON, WORKLOADS / "objects.py", setting.inputs.text()], env=PYTHON_ENV).output}


@runs("python3-tests", {"python3": "python3", PYTHON_SUITE: "libpython3.11-testsuite"})
def python3_tests(runner, setting):
    """Python's own unit tests: the outcome of each."""
    names = QUICK_TESTS if setting.quick else FULL_TESTS
    command = [PYTHON, "-m", "test", "-j2", "--junit-xml", "outcomes.xml", "--tempdir", runner.directory, *names]
    finished = runner.run(command, env=PYTHON_ENV, check=False)
    outcomes = python_outcomes(runner.directory / "outcomes.xml")
    if finished.code or not outcomes:
        raise Failed("tests failed", python_failures(finished.output))
    runner.note = f"{len(outcomes)} tests"
    return {"outcomes": "\n".join(outcomes)}


def python_failures(output):
    """What a person wants to see of the output of failed tests."""
    lines = output.splitlines()
    telling = [line for line in lines if line.startswith((REPORT, "FAIL:", "ERROR:", "Fatal Python error"))]
    return "\n".join(telling[:20] + lines[-12:])


def python_outcomes(path):
    """One line for each test case: its name and how it ended."""
    if not path.exists():
        return []
    lines = []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        ended = [child.tag for child in case if child.tag in ("error", "failure", "skipped")]
        lines.append(f"{case.get('name')} {' '.join(ended) or case.get('result')}")
    return sorted(lines)


@runs("sqlite3-64MiB", {"sqlite3": "sqlite3"})
def sqlite3_limited(runner, setting):
    """With `ulimit -v 65536`."""
    command = ["sqlite3", "-batch", "-bail", ":memory:"]
    return {"answers": runner.run(command, stdin=WORKLOADS / "shop_small.sql", env={"LC_ALL": "C"},
                                  address_space=ADDRESS_SPACE).output}


@runs("python3-64MiB", {"python3": "python3"})
def python3_limited(runner, setting):
    """With `ulimit -v 65536`, used up more than once."""
    env = {**PYTHON_ENV, "LC_ALL": "C"}
    return {"output": runner.run([PYTHON, WORKLOADS / "small.py"], env=env, address_space=ADDRESS_SPACE).output}


@runs("exhaust-64MiB", {"gcc": "gcc"})
def exhaust(runner, setting):
    """A loop that allocates until NULL, and goes on."""
    path = setting.sources / "exhaust"
    finished = runner.run([path], address_space=ADDRESS_SPACE, check=False)
    if not finished.output.endswith("went on\n") or finished.code:
        raise Failed("did not go on", f"{finished.death or finished.code}: {finished.output}{finished.errors}")
    return {"output": finished.output}


def prepare(directory):
    """A copy of what is compiled and cloned, so that both runs see the same even if someone edits it meanwhile."""
    sources = directory / "sources"
    shutil.copytree(ROOT / "lib", sources / "lib")
    if installed("gcc"):
        subprocess.run(["gcc", "-O2", "-o", sources / "exhaust", TESTS / "examples/exhaust.c"], check=True)
    if installed("git") and (ROOT / ".git").exists():
        command = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--mirror", ROOT, sources / "project.git"]
        subprocess.run(command, check=True)
    return sources


@dataclass
class Line:
    """One line of the table."""

    name: str
    result: str
    costs: list
    note: str = ""
    detail: str = ""

    @property
    def columns(self):
        if len(self.costs) < 2:
            return [self.name, self.result] + [""] * 7
        without, with_it = self.costs
        seconds = [f"{without.wall:.2f}", f"{with_it.wall:.2f}", ratio(with_it.wall, without.wall)]
        peaks = [mib(without.peak), mib(with_it.peak), ratio(with_it.peak, without.peak)]
        return [self.name, self.result, *seconds, *peaks, self.note]


def judge(program, library, setting, directory):
    """Run a program without and with the library; its line of the table."""
    results, costs = [], []
    for which in (None, library):
        runner = Runner(directory / "run", which)
        try:
            results.append(program.run(runner, setting))
            runner.prove()
        except Failed as failed:
            where = "" if which else "without the library: "
            return Line(program.name, f"{where}{failed}", costs, "", failed.detail)
        costs.append(runner.cost)
    detail = difference(*results)
    return Line(program.name, "DIFFERENT" if detail else "ok", costs, runner.note, detail)


def difference(without, with_it):
    """The first difference of two runs' results, for a person to read; empty if there is none."""
    for what in sorted(without.keys() | with_it.keys()):
        old, new = (results.get(what, "(nothing)").splitlines() for results in (without, with_it))
        if old == new:
            continue
        at = next((i for i, pair in enumerate(zip(old, new)) if pair[0] != pair[1]), min(len(old), len(new)))
        lines = [lines[at] if at < len(lines) else "(nothing)" for lines in (old, new)]
        return f"{what}, line {at + 1}:\nwithout: {lines[0][:300]}\nwith:    {lines[1][:300]}"
    return ""


HEADINGS = ["program", "result", "s without", "with", "ratio", "MiB without", "with", "ratio", "note"]
WIDTHS = [15, 12, 10, 8, 7, 12, 9, 7, 0]
LEFT = (0, 1, 8)


def print_columns(columns, markdown):
    if markdown:
        print("| " + " | ".join(columns) + " |", flush=True)
        return
    cells = [f"{cell:{'<' if i in LEFT else '>'}{WIDTHS[i]}}" for i, cell in enumerate(columns)]
    print(" ".join(cells).rstrip(), flush=True)


def print_head(markdown):
    print_columns(HEADINGS, markdown)
    if markdown:
        print("|---|---|" + "---:|" * 6 + "---|")


def run_all(programs, library, options):
    """Run the programs, print the table; the lines of those that are not ok."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="memalloc-programs-") as name:
        directory = Path(name)
        inputs = Inputs(directory / "input", 0.1 if options.quick else 1.0)
        setting = Setting(inputs, prepare(directory), options.quick)
        print_head(options.markdown)
        for one in programs:
            if one.missing():
                line = Line(one.name, "missing", [], "", "Debian packages: " + " ".join(one.missing()))
            else:
                line = judge(one, library, setting, directory)
            print_columns(line.columns, options.markdown)
            if line.result != "ok":
                failed.append(line)
    return failed


def choose(names):
    unknown = set(names) - {one.name for one in PROGRAMS}
    if unknown:
        raise SystemExit("no such program: " + " ".join(sorted(unknown)))
    return [one for one in PROGRAMS if not names or one.name in names]


def arguments():
    parser = argparse.ArgumentParser(description="Real programs on the drop-in library, compared with a run without.")
    parser.add_argument("library", nargs="?", help="the library to preload")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="only this; may be repeated")
    parser.add_argument("--list", action="store_true", help="list the programs and the Debian packages they need")
    parser.add_argument("--quick", action="store_true", help="a tenth of the input")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--allow-missing", action="store_true", help="a program that is not installed is no failure")
    options = parser.parse_args()
    if not options.library and not options.list:
        parser.error("which library?")
    return options


def main():
    options = arguments()
    programs = choose(options.only)
    if options.list:
        for one in programs:
            print(f"{one.name:15} {' '.join(sorted(set(one.needs.values())))}")
        return 0
    failed = run_all(programs, library_path(options.library), options)
    for line in failed:
        print(f"\n{line.name}: {line.result}\n{line.detail}", file=sys.stderr)
    if options.allow_missing:
        failed = [line for line in failed if line.result != "missing"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
