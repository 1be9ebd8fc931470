"""Programs that are started, and their end: none outlives the one that started it.

Engines start programs of their own, and put them into groups and sessions of their own, too. So
each child gets a mark in its environment, which all of its children inherit: MARK=STATE:RUN. Who
has the mark is found in /proc. Three end them:

- end() of the run itself;
- the keeper, a process that waits until the run is gone, by SIGKILL too: its input ends then;
- the next run on the same state, would the keeper be gone, too.

children.py MARK is the keeper.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

MARK = "MEMALLOC_FUZZ_FARM"
PATIENCE = 5


def marked(mark):
    """Processes whose mark is @mark, or begins with it when it ends with a colon."""
    wanted, found = f"{MARK}={mark}".encode(), []

    def is_wanted(word):
        return word == wanted or (mark.endswith(":") and word.startswith(wanted))
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it is gone, or not ours
        if any(map(is_wanted, words)):
            found.append(int(path.name))
    return [pid for pid in found if pid != os.getpid()]


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue  # it ended meanwhile


def end_marked(mark, patience=PATIENCE):
    """End them all, gently first; Return: how many there were."""
    first = marked(mark)
    send(first, signal.SIGTERM)
    limit = time.monotonic() + patience
    while marked(mark) and time.monotonic() < limit:
        time.sleep(0.1)
    for _ in range(50):
        left = marked(mark)
        if not left:
            break
        send(left, signal.SIGKILL)
        time.sleep(0.1)
    return len(first)


class Children:
    """All programs of one run on a state."""

    def __init__(self, state):
        self.all_runs = f"{state}:"
        self.run_mark = f"{state}:{os.getpid()}.{time.time_ns()}"
        self.keeper = None

    def begin(self):
        """End what an earlier run left, and start the keeper; Return: how many were left."""
        left = end_marked(self.all_runs)
        self.keeper = subprocess.Popen([sys.executable, __file__, self.run_mark],
                                       stdin=subprocess.PIPE, start_new_session=True)
        return left

    def environment(self, **more):
        return {**os.environ, **more, MARK: self.run_mark}

    def start(self, command, log, environment, cwd=None):
        """A program whose output goes to the file @log."""
        with open(log, "wb") as file:
            return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=file,
                                    stderr=subprocess.STDOUT, cwd=cwd, start_new_session=True,
                                    env=self.environment(**environment))

    def output(self, command, seconds, **environment):
        """Run a program to its end; what it said, and its code, None if it took too long."""
        child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors="replace", start_new_session=True,
                                 env=self.environment(**environment))
        try:
            said, _ = child.communicate(timeout=seconds)
            return said, child.returncode
        except subprocess.TimeoutExpired:
            end_group(child, 1)
            said, _ = child.communicate()
            return said, None

    def end(self):
        """End all programs of this run; the keeper goes when it sees its input end."""
        end_marked(self.run_mark)
        if self.keeper is not None:
            self.keeper.stdin.close()
            self.keeper.wait()
            self.keeper = None


def end_group(child, patience=PATIENCE):
    """End a child and its group; what has left the group ends with its parent, or at the end."""
    for number in signal.SIGTERM, signal.SIGKILL:
        try:
            os.killpg(child.pid, number)
        except OSError:
            break  # the group is empty
        try:
            child.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
    child.wait()


def keep(mark):
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_marked(mark, patience=1)


if __name__ == "__main__":
    keep(sys.argv[1])
