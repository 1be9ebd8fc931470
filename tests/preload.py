"""Run programs with and without a preloaded library, measure them, and prove that the library was there.

A Runner runs commands in one directory, in a small environment of its own, all with the library or all
without it. It waits with wait4(), so that times and peak memory are those the kernel counted for the
command and the children it waited for, and watches /proc/PID/maps to see in which programs the library
really was: Runner.prove() fails unless it was seen in each of them.

The kernel starts a child's peak memory at what its parent has in memory, so users of this module must
keep themselves small: data goes through files, never through this process.
"""

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
POLL_SECONDS = 0.002
LOADER_ERROR = "ERROR: ld.so: object"
REPORT = "memalloc: "


class Failed(Exception):
    """A command did not do what it should; str() says it in a word or two, detail in lines."""

    def __init__(self, what, detail=""):
        super().__init__(what)
        self.detail = detail


@dataclass
class Cost:
    """What commands took: seconds are summed, bytes are the largest of them."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: int = 0

    def add(self, other):
        self.wall += other.wall
        self.cpu += other.cpu
        self.peak = max(self.peak, other.peak)


@dataclass
class Finished:
    """A command that ended."""

    argv: list
    code: int
    stdout: Path
    stderr: Path
    cost: Cost

    @property
    def output(self):
        return self.stdout.read_text(errors="replace")

    @property
    def errors(self):
        return self.stderr.read_text(errors="replace")

    @property
    def death(self):
        """The name of the signal that ended it, or None."""
        return signal.Signals(-self.code).name if self.code < 0 else None


class Watcher(threading.Thread):
    """Strikes programs off a set when they are seen with the library mapped, in one session of processes."""

    def __init__(self, session, library, unseen):
        super().__init__(daemon=True)
        self.session = session
        self.library = library
        self.unseen = unseen
        self.stop = threading.Event()

    def run(self):
        while self.unseen and not self.stop.is_set():
            for pid in self.processes():
                self.look(pid)
            self.stop.wait(POLL_SECONDS)

    def processes(self):
        """Process ids of the session."""
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                if os.getsid(int(name)) == self.session:
                    yield name
            except ProcessLookupError:
                pass

    def look(self, pid):
        """Strike the program off if the library is mapped in it. It may end at any moment."""
        try:
            name = Path("/proc", pid, "comm").read_text().strip()
            if name in self.unseen and self.library in Path("/proc", pid, "maps").read_text():
                self.unseen.discard(name)
        except OSError:
            pass


class Running:
    """A command that was started. As a context manager it leaves nothing running."""

    def __init__(self, argv, process, watcher, stdout, stderr):
        self.argv = argv
        self.process = process
        self.watcher = watcher
        self.stdout = stdout
        self.stderr = stderr
        self.started = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.returncode is None:
            self.kill()
            self.wait()

    def kill(self):
        """End the command and its children: they are one session and process group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def wait(self):
        _, status, usage = os.wait4(self.process.pid, 0)
        wall = time.monotonic() - self.started
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.watcher:
            self.watcher.stop.set()
            self.watcher.join()
        cost = Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
        return Finished(self.argv, self.process.returncode, self.stdout, self.stderr, cost)

    def ended(self, within):
        """Whether it has ended, or does within so many seconds. It must still be waited for."""
        deadline = time.monotonic() + within
        while os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def finish(self, timeout):
        """Wait for the end. Failed if it does not come in time, or the loader could not load the library."""
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), self.kill()))
        timer.start()
        try:
            finished = self.wait()
        finally:
            timer.cancel()
        if late.is_set():
            raise Failed(f"timed out ({timeout} s)", describe(finished))
        if LOADER_ERROR in finished.errors:
            raise Failed("library not loaded", describe(finished))
        return finished


def describe(finished, nlines=12):
    """The command, how it ended and the last lines it wrote to stderr, for a person to read."""
    command = " ".join(str(word) for word in finished.argv)
    ended = finished.death or f"exit code {finished.code}"
    lines = finished.errors.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith(REPORT)), len(lines) - nlines)
    return "\n".join([f"{command[:200]}: {ended}"] + lines[max(first, 0):][:nlines])


def judge_end(finished):
    """Failed unless the command ended with 0 and without a report of a violation."""
    if finished.death:
        raise Failed(f"died ({finished.death})", describe(finished))
    if finished.code != 0:
        raise Failed(f"exit code {finished.code}", describe(finished))
    if any(line.startswith(REPORT) for line in finished.errors.splitlines()):
        raise Failed("violation reported", describe(finished))


class Runner:
    """Runs commands in an emptied directory, all with the library, or all without if it is None."""

    def __init__(self, directory, library=None, timeout=300):
        self.directory = Path(directory)
        self.library = str(library) if library else None
        self.timeout = timeout
        self.cost = Cost()
        self.note = ""  # whatever the user wants to say about the run
        self.ncommands = 0
        self.started = set()  # names of programs that must have the library
        self.unseen = set()  # those of them in which it was not seen yet
        shutil.rmtree(self.directory, ignore_errors=True)
        self.home = self.directory / "home"
        self.home.mkdir(parents=True)

    def environment(self, extra):
        env = {"PATH": PATH, "HOME": str(self.home), "TMPDIR": str(self.home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        env.update(extra or {})
        if self.library:
            env["LD_PRELOAD"] = self.library
            if "MEMALLOC_OPTIONS" in os.environ:
                env["MEMALLOC_OPTIONS"] = os.environ["MEMALLOC_OPTIONS"]
        return env

    def start(self, argv, stdin=None, env=None, address_space=None, under=None):
        """Start argv.

        address_space limits it (bytes, RLIMIT_AS); under names the programs that must have the library, if
        that is not argv[0] alone.
        """
        self.ncommands += 1
        argv = [str(word) for word in argv]
        stdout, stderr = (self.home / f"{self.ncommands}.{kind}" for kind in ("out", "err"))
        with open(stdin or os.devnull, "rb") as source, open(stdout, "wb") as out, open(stderr, "wb") as err:
            process = subprocess.Popen(
                argv, stdin=source, stdout=out, stderr=err, cwd=self.directory, env=self.environment(env),
                start_new_session=True, preexec_fn=limiter(address_space))
        return Running(argv, process, self.watch(process, under or [os.path.basename(argv[0])]), stdout, stderr)

    def watch(self, process, names):
        """A watcher for the programs in which the library was not seen yet, or None if there are none."""
        self.unseen.update(set(names) - self.started)
        self.started.update(names)
        if not self.library or not self.unseen:
            return None
        watcher = Watcher(process.pid, self.library, self.unseen)
        watcher.start()
        return watcher

    def prove(self):
        """Failed unless the library was seen in each program at least once; single commands may be too brief."""
        if self.library and self.unseen:
            raise Failed("library not seen in " + ", ".join(sorted(self.unseen)))

    def finish(self, running, check=True, counted=True):
        """Wait for what start() started; its cost is added unless it ran beside something that is counted."""
        finished = running.finish(self.timeout)
        if counted:
            self.cost.add(finished.cost)
        if check:
            judge_end(finished)
        return finished

    @contextmanager
    def serve(self, argv, **options):
        """Run a server while its clients run. If one fails and the server has died, that is what is told."""
        with self.start(argv, **options) as server:
            try:
                yield server
            except Failed:
                if server.process.returncode is None and server.ended(within=2):
                    self.finish(server)
                raise

    def run(self, argv, check=True, counted=True, **options):
        """Run argv to its end. Options are those of start()."""
        with self.start(argv, **options) as running:
            return self.finish(running, check, counted)


def limiter(address_space):
    """What the child does before it becomes the program.

    That there is one makes Popen use fork() and not vfork(): a child of vfork() begins with all of our
    memory as its peak, a child of fork() with the pages that are copied.
    """
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if address_space is not None:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    return limit


def library_path(name):
    """The absolute path of a library, fit for LD_PRELOAD."""
    path = os.path.realpath(name)
    if not os.path.isfile(path):
        raise SystemExit(f"{name}: no such library")
    if any(char in path for char in " :"):
        raise SystemExit(f"{path}: LD_PRELOAD allows no space and no colon in the path")
    return path


def sha256(path):
    """Of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def ratio(with_it, without):
    """How many times as much, as text."""
    return f"{with_it / without:.2f}" if without else "-"


def mib(size):
    """Bytes as MiB, as text."""
    return f"{size / 2**20:.1f}"
