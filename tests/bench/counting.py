"""Run a command and count what it took: time, cycles, instructions, memory, page faults.

The kernel counts cycles and instructions of the command, its children and its threads from the moment that the
command is executed (perf_event_open); where that is not permitted, they are None.

A process' peak memory begins with that of the process that executed it. So that Python's is not what is told of a
small program, a shell starts the command and ends before that runs, and this process adopts it and waits for it.
"""

import contextlib
import ctypes
import os
import platform
import shlex
import signal
import struct
import subprocess
import threading
import time

PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}.get(platform.machine())
PERF_TYPE_HARDWARE, CYCLES, INSTRUCTIONS = 0, 0, 1
DISABLED, INHERIT, NOT_USER, NOT_KERNEL, NOT_HYPERVISOR, ENABLE_ON_EXEC = (1 << bit for bit in (0, 1, 4, 5, 6, 12))
TOTAL_TIMES = 3  # read_format: time enabled, time running
EVENTS = {
    "cycles_user": (CYCLES, NOT_KERNEL),
    "cycles_kernel": (CYCLES, NOT_USER),
    "instructions_user": (INSTRUCTIONS, NOT_KERNEL),
    "instructions_kernel": (INSTRUCTIONS, NOT_USER),
}
PR_SET_CHILD_SUBREAPER = 36
SUMMED = ("wall", "user", "system", "faults", *EVENTS)
NO_PRELOAD = "ERROR: ld.so: object"
LOG_BYTES = 4096

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A command did not do what it should; str() tells what, in a few words; code is its exit code, if it has one."""

    def __init__(self, what, code=None):
        super().__init__(what)
        self.code = code


def perf_event_open(pid, config, flags):
    """A file descriptor that counts the process, or None where that is not permitted."""
    flags |= DISABLED | INHERIT | NOT_HYPERVISOR | ENABLE_ON_EXEC
    attributes = struct.pack("=IIQQQQQIIQQ", PERF_TYPE_HARDWARE, 72, config, 0, 0, TOTAL_TIMES, flags, 0, 0, 0, 0)
    fd = libc.syscall(PERF_EVENT_OPEN, attributes, pid, -1, -1, 8) if PERF_EVENT_OPEN else -1
    return fd if fd >= 0 else None


def counted(fd):
    """The count, extrapolated where the counter was shared; None where it never ran."""
    count, enabled, running = struct.unpack("=QQQ", os.read(fd, 24))
    return round(count * enabled / running) if running else None


def adopt_orphans():
    """Be the parent of processes whose parent ends."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def exports(environment):
    return " ".join(f"export {name}={shlex.quote(value)};" for name, value in environment.items())


class Command:
    """A command that runs; finish() waits for it.

    environment is all that it gets; own is added for it alone, not for the shell that starts it.
    """

    def __init__(self, argv, *, environment, own, directory, stdin="/dev/null", stdout="/dev/null", timeout=60.0):
        adopt_orphans()
        self.argv = [str(word) for word in argv]
        self.log = os.path.join(directory, "stderr")
        files = f"<{shlex.quote(str(stdin))} >{shlex.quote(str(stdout))} 2>{shlex.quote(self.log)}"
        script = f'exec 3<&0; (read go <&3; {exports(own)} exec "$@" 3<&- {files}) & echo $!'
        with subprocess.Popen(["/bin/sh", "-c", script, "sh", *self.argv], env=environment, cwd=directory,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as shell:
            self.session = shell.pid
            self.pid = int(shell.stdout.readline())
            shell.wait()
            self.counters = {name: perf_event_open(self.pid, *event) for name, event in EVENTS.items()}
            self.timer = threading.Timer(timeout, self.kill)
            self.timer.daemon = True
            self.timer.start()
            self.begun = time.perf_counter()
            shell.stdin.write(b"go\n")

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.session, signal.SIGKILL)

    def has_ended(self):
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def finish(self):
        """What it took, as a dictionary; Failed unless it ended well."""
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except BaseException:
            self.close()
            raise
        wall = time.perf_counter() - self.begun
        is_late = not self.timer.is_alive()
        self.timer.cancel()
        counts = {name: None if fd is None else counted(fd) for name, fd in self.counters.items()}
        self.close()
        self.judge(status, is_late)
        return {"wall": wall, "user": usage.ru_utime, "system": usage.ru_stime, "rss": usage.ru_maxrss * 1024,
                "faults": usage.ru_minflt + usage.ru_majflt, **counts}

    def close(self):
        """End what the command left behind, so that it cannot disturb the next."""
        for fd in filter(None, self.counters.values()):
            os.close(fd)
        self.counters = {}
        self.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.session, 0):
                pass

    def judge(self, status, is_late):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            said = file.read(LOG_BYTES)
        code = os.waitstatus_to_exitcode(status)
        name = os.path.basename(self.argv[0])
        if NO_PRELOAD in said:
            raise Failed("the library cannot be preloaded")
        if is_late:
            raise Failed(f"{name} took too long")
        if code != 0:
            end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            first = said.strip().split("\n")[0]
            raise Failed(f"{name}: {end}" + (f" ({first})" if first else ""), code)


def total(costs):
    """Of several commands, one after the other: everything is summed, but memory is the largest."""
    costs = list(costs)
    summed = {name: None if any(cost[name] is None for cost in costs) else sum(cost[name] for cost in costs)
              for name in SUMMED}
    return {**summed, "rss": max(cost["rss"] for cost in costs)}


def unpermitted():
    """Events that cannot be counted here."""
    missing = []
    for name, event in EVENTS.items():
        fd = perf_event_open(0, *event)
        if fd is None:
            missing.append(name)
        else:
            os.close(fd)
    return missing
