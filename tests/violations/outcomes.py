"""Run a one-bug program, and tell what came of the bug."""

import collections
import os
import re
import signal
import subprocess
from dataclasses import dataclass

SECONDS_MAX = 20
UNHARMED, HARMED, UNSET = 10, 11, 99  # bug.h
LOADER_ERROR = "ERROR: ld.so"

NAMED, UNNAMED, CRASH, PREVENTED, VULNERABLE, NOT_SET_UP = OUTCOMES = [
    "named", "unnamed", "crash", "prevented", "vulnerable", "not set up"]
RANKS = {NAMED: 0, UNNAMED: 1, CRASH: 1, PREVENTED: 2, VULNERABLE: 3, NOT_SET_UP: 4}


@dataclass(frozen=True)
class Case:
    """A program with arguments, and the kind of violation memalloc must report; None: it can only prevent it."""

    name: str
    program: str
    arguments: tuple
    expected: str


@dataclass(frozen=True)
class Ran:
    """How a process ended: code is None when it did not."""

    code: int
    text: str  # of stderr


@dataclass(frozen=True)
class Cell:
    """All runs of a case under an allocator."""

    outcome: str        # the worst
    nruns: int
    nworst: int         # runs that ended so
    ran: Ran            # the first of these
    false_alarm: str    # what was wrong with the control, or empty

    @property
    def rate(self):
        return "" if self.nworst == self.nruns else f" {self.nworst}/{self.nruns}"


def environment(allocator):
    """A small one, in which nothing else influences an allocator."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", **dict(allocator.env)}


def run(command, allocator, seconds=SECONDS_MAX):
    """Run in a session of its own, so that no child is left behind."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=environment(allocator), start_new_session=True, errors="replace") as process:
        try:
            _, text = process.communicate(timeout=seconds)
            return Ran(process.returncode, text)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            _, text = process.communicate()
            return Ran(None, text)


def classify(ran, allocator, expected):
    """
    The outcome of one run. Some allocators report and go on: that counts when the report names the error, otherwise
    only the harm does. To end with another code than those of bug.h is to be stopped, if something was said.
    """
    if LOADER_ERROR in ran.text:
        return NOT_SET_UP
    if ran.code is None:
        return VULNERABLE
    if ran.code in (UNSET, 0):
        return NOT_SET_UP
    if allocator.named(expected, ran.text):
        return NAMED
    if ran.code in (UNHARMED, HARMED):
        return PREVENTED if ran.code == UNHARMED else VULNERABLE
    if ran.text:
        return UNNAMED
    return CRASH if ran.code < 0 else NOT_SET_UP


def alarm(ran):
    """What is wrong with how a control ended; empty when nothing is."""
    if ran.code is None:
        return "the control did not end"
    if ran.code == UNSET:
        return ""  # so does the bug: nothing is known about this case
    if ran.code != 0:
        return f"the control ended with {ran.code}: {first_line(ran.text)}"
    return f"the control said: {first_line(ran.text)}" if ran.text else ""


def first_line(text):
    """Without addresses and process numbers, which differ each time."""
    line = next(iter(text.splitlines()), "")
    return re.sub(r"0x[0-9a-f]+|\b\d{4,}\b", "...", line)


def judge(case, allocator, programs, repeat, seconds=SECONDS_MAX):
    """Run a case and its control; its cell. A case that does not end is not repeated."""
    command = [os.path.join(programs, case.program)]
    false_alarm = alarm(run([*command, "control", *case.arguments], allocator, seconds))
    runs = collections.defaultdict(list)
    for _ in range(repeat):
        ran = run([*command, *case.arguments], allocator, seconds)
        runs[classify(ran, allocator, case.expected)].append(ran)
        if ran.code is None:
            break
    worst = max(runs, key=lambda outcome: (RANKS[outcome], outcome == CRASH))
    return Cell(worst, sum(map(len, runs.values())), len(runs[worst]), runs[worst][0], false_alarm)
