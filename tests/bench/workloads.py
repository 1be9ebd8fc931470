"""What is run under each allocator: own programs ("small"), recorded traces ("traces"), real programs ("real").

A workload's run(session) runs commands that are counted, and perhaps helpers that are not, in a directory of its own.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import counting
from scripts import Scripts

SMALL = """pairs random buffers grow exchange server churn large aligned zeroed fragment scratch sh tree""".split()
GROUPS = ["small", "traces", "real"]
SEARCH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin"
PYTHON = "/usr/bin/python3"
LIB = Path(__file__).resolve().parents[2] / "lib"
COMPILED = ["heap", "pool", "slab"]
CHUNK = 1 << 20
GIT_CONFIG = "[gc]\nauto = 0\n[safe]\ndirectory = *\n[init]\ndefaultBranch = main\n[pack]\nthreads = 1\n"


@dataclass(frozen=True)
class Workload:
    group: str
    name: str
    run: Callable
    needs: tuple = ()  # pairs of a command or path, and what to call it when it is missing

    @property
    def id(self):
        return f"{self.group}/{self.name}"

    def missing(self):
        return sorted({package for what, package in self.needs if shutil.which(what, path=SEARCH) is None})


class Session:
    """One run of a workload: counts its commands and remembers what they made."""

    def __init__(self, directory, scripts, own):
        self.directory = Path(directory)
        self.scripts = scripts
        self.own = own
        self.environment = {"PATH": SEARCH, "HOME": str(directory), "LC_ALL": "C", "PYTHONHASHSEED": "0",
                            "PYTHONDONTWRITEBYTECODE": "1", "GIT_CONFIG_NOSYSTEM": "1"}
        self.costs = []
        self.sum = hashlib.sha256()

    def start(self, argv, stdin="/dev/null", stdout="/dev/null", own=None):
        return counting.Command(argv, environment=self.environment, own={**self.own, **(own or {})},
                                directory=str(self.directory), stdin=stdin, stdout=stdout)

    def finish(self, command):
        self.costs.append(command.finish())

    def run(self, argv, stdin="/dev/null", own=None):
        """Run a command that is counted; what it prints is part of the results."""
        stdout = self.directory / "stdout"
        self.finish(self.start(argv, stdin, stdout, own))
        self.made(stdout)

    def helper(self, argv, stdin="/dev/null"):
        """Run a command that is not counted, without the allocator; what it printed."""
        try:
            with open(stdin, "rb") as file:
                ran = subprocess.run([str(word) for word in argv], env=self.environment, cwd=self.directory, stdin=file,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        except subprocess.TimeoutExpired as why:
            raise counting.Failed(f"{argv[0]} took too long") from why
        if ran.returncode != 0:
            raise counting.Failed(f"{argv[0]}: exit code {ran.returncode}")
        return ran.stdout

    def made(self, path):
        """A file is part of the results."""
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                self.sum.update(chunk)

    def said(self, text):
        self.sum.update(text)


# ---- real programs ---------------------------------------------------------------------------------------------------


def python3(session):
    session.run([PYTHON, session.scripts.python()], own={"PYTHONMALLOC": "malloc"})


def perl(session):
    session.run(["perl", session.scripts.perl()], stdin=session.scripts.inputs.text())


def lua(session):
    session.run(["lua5.4", session.scripts.lua()])


def sqlite3(session):
    session.run(["sqlite3", ":memory:"], stdin=session.scripts.sql())


def cc1(session):
    """The compiler proper on some of our own sources, which the preprocessor has seen before."""
    program = session.helper(["gcc", "-print-prog-name=cc1"]).decode().strip()
    for name in COMPILED:
        source = session.directory / f"{name}.i"
        session.helper(["gcc", "-E", "-D_GNU_SOURCE", f"-I{LIB}", LIB / f"{name}.c", "-o", source])
        assembly = source.with_suffix(".s")
        session.run([program, "-quiet", "-fpreprocessed", "-O2", source, "-o", assembly])
        session.made(assembly)


def z3(session):
    session.run(["z3", session.scripts.smt()])


def gs(session):
    page = session.directory / "pages.pgm"
    session.run(["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=pgmraw", "-r72", f"-sOutputFile={page}",
                 session.scripts.postscript()])
    session.made(page)


def git(session):
    """A made history: clone, gc, log."""
    (session.directory / ".gitconfig").write_text(GIT_CONFIG)
    origin = session.scripts.directory / "made.git"
    if not origin.exists():
        session.helper(["git", "init", "--quiet", "--bare", origin])
        session.helper(["git", "-C", origin, "fast-import", "--quiet"], stdin=session.scripts.inputs.git_stream())
    session.run(["git", "clone", "--quiet", "--no-local", origin, "clone"])
    session.run(["git", "-C", "clone", "gc", "--quiet", "--prune=now"])
    session.run(["git", "-C", "clone", "log", "-p", "--stat", "--no-color"])
    session.run(["git", "-C", "clone", "fsck", "--full", "--strict"])


def redis_client(session, *words, **options):
    return session.helper(["redis-cli", "-s", "socket", *words], **options)


def redis_wait(session, server):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not server.has_ended():
        with contextlib.suppress(counting.Failed):
            if redis_client(session, "PING").strip() == b"PONG":
                return
        time.sleep(0.01)
    raise counting.Failed("redis-server does not answer")


def redis(session):
    """Only the server is counted. What it holds is compared after commands that are the same every time."""
    server = session.start(["redis-server", "--port", "0", "--unixsocket", "socket", "--save", "", "--appendonly",
                            "no", "--enable-debug-command", "yes"])
    try:
        redis_wait(session, server)
        redis_client(session, "--pipe", stdin=session.scripts.inputs.redis_commands())
        session.said(redis_client(session, "DBSIZE") + redis_client(session, "DEBUG", "DIGEST"))
        session.helper(["redis-benchmark", "-s", "socket", "-q", "-n", "30000", "-P", "8", "-d", "300", "-r", "20000",
                        "-t", "set,get,lpush,hset,sadd,zadd"])
        redis_client(session, "SHUTDOWN", "NOSAVE")
    except counting.Failed as why:
        server.kill()
        try:
            server.finish()
        except counting.Failed as end:
            if end.code != -signal.SIGKILL:
                raise  # the server failed before its clients did
        raise why
    session.finish(server)


# Name, what it needs (command and Debian package), how it runs.
REAL = [
    ("python3", ((PYTHON, "python3"),), python3),
    ("perl", (("perl", "perl"),), perl),
    ("lua", (("lua5.4", "lua5.4"),), lua),
    ("sqlite3", (("sqlite3", "sqlite3"),), sqlite3),
    ("redis", (("redis-server", "redis-server"), ("redis-benchmark", "redis-tools")), redis),
    ("cc1", (("gcc", "gcc"),), cc1),
    ("z3", (("z3", "z3"),), z3),
    ("gs", (("gs", "ghostscript"),), gs),
    ("git", (("git", "git"),), git),
]


# ---- all -------------------------------------------------------------------------------------------------------------


def program(path, *words):
    """A workload that is one program, whose output tells nothing to compare."""
    def run(session):
        session.finish(session.start([path, *words]))
    return run


def small_workloads(programs, scale):
    words = [] if scale is None else [str(scale)]
    for name in SMALL:
        path = os.path.join(os.path.abspath(programs), "programs", name)
        yield Workload("small", name, program(path, *words), ((path, path),))


def trace_workloads(programs, traces):
    replay = os.path.join(os.path.abspath(programs), "trace", "replay")
    for path in sorted(path for path in Path(traces).iterdir() if path.is_file()):
        yield Workload("traces", path.name.split(".")[0], program(replay, path.resolve()), ((replay, replay),))


def workloads(programs=None, traces=None, scale=None):
    found = []
    if programs:
        found += small_workloads(programs, scale)
        found += trace_workloads(programs, traces) if traces else []
    return found + [Workload("real", name, run, needs) for name, needs, run in REAL]


def chosen(found, only):
    """Those whose name, group, or group/name is among the words; all without any."""
    known = {word for workload in found for word in (workload.group, workload.name, workload.id)}
    unknown = [word for word in only if word not in known and word not in GROUPS]
    if unknown:
        raise SystemExit(f"there are no such workloads: {', '.join(unknown)}")
    return [one for one in found if not only or {one.group, one.name, one.id} & set(only)]


def run(workload, own, base):
    """Cost and checksum of one run in an empty directory below base; Failed when it did not end well."""
    scripts = Scripts(os.path.join(base, "inputs"))
    directory = os.path.join(base, "run")
    os.makedirs(scripts.directory, exist_ok=True)
    os.makedirs(directory)
    try:
        session = Session(directory, scripts, own)
        workload.run(session)
        return counting.total(session.costs), session.sum.hexdigest()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
