#!/usr/bin/env python3
"""What a user of the preload library sees of a report, and can set about it.

test_reports.py LIBRARY PROGRAMS SYMBOLIZE    PROGRAMS: the directory of the one-bug programs
"""

import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile

UNHARMED = 10  # as bug.h


def without_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Runner:
    def __init__(self, library, programs):
        self.library, self.programs = os.path.abspath(library), pathlib.Path(programs).resolve()

    def __call__(self, options, program, *words, cwd=None):
        environment = {**os.environ, "LD_PRELOAD": self.library, "MEMALLOC_OPTIONS": options}
        return subprocess.run([self.programs / program, *words], env=environment, cwd=cwd, capture_output=True,
                              text=True, preexec_fn=without_core, timeout=60, stdin=subprocess.DEVNULL)


def expect(ran, status, *texts):
    assert ran.returncode == status, (ran.returncode, status, ran.stderr)
    for text in texts:
        assert text in ran.stderr, (text, ran.stderr)


def check_actions(run):
    bug = "double_free", "24", "0"
    expect(run("", *bug), -signal.SIGABRT, "memalloc: double free: 0x")
    expect(run("on_violation=exit", *bug), 1, "memalloc: double free: 0x")
    expect(run("on_violation=exit:7", *bug), 7, "memalloc: double free: 0x")
    expect(run("exitcode=9:on_violation=exit", *bug), 9, "memalloc: double free: 0x")
    expect(run("on_violation=trap", *bug), -signal.SIGILL, "memalloc: double free: 0x")
    went_on = run("on_violation=report", *bug)
    expect(went_on, UNHARMED, "memalloc: double free: 0x")
    assert went_on.stderr.count("memalloc: double free: ") == 1, went_on.stderr


def check_log(run):
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory, "log")
        ran = run(f"log_path={log}", "double_free", "24", "0")
        assert ran.returncode == -signal.SIGABRT and ran.stderr == "", ran
        (written,) = pathlib.Path(directory).iterdir()
        assert written.name.startswith("log.") and written.name[4:].isdigit(), written
        assert "memalloc: double free: 0x" in written.read_text()
        assert written.stat().st_mode & 0o077 == 0
        # A pipe that nobody reads is no file.
        pipe = subprocess.run(["sh", "-c", f'mkfifo {log}.$$; exec "$0" 24 0', run.programs / "double_free"],
                              env={**os.environ, "LD_PRELOAD": run.library, "MEMALLOC_OPTIONS": f"log_path={log}"},
                              capture_output=True, text=True, preexec_fn=without_core, timeout=60)
        expect(pipe, -signal.SIGABRT, "memalloc: double free: 0x")
        expect(run(f"log_path={log}/nowhere", "double_free", "24", "0"), -signal.SIGABRT,
               "memalloc: double free: 0x", "nowhere")


def check_json(run):
    ran = run("report=json:stacks=full:seed=5", "overflow_terminator", "24")
    facts, stacks = (json.loads(line) for line in ran.stderr.splitlines())
    assert facts["kind"] == "heap overflow" and facts["requested"] == 24 and facts["slot"] == 32, facts
    assert facts["seed"] == "5" and facts["profile"] == "default" and "terminator" in facts["guess"], facts
    assert set(stacks["stacks"]) == {"detected", "allocated"}, stacks


def check_stacks(run, symbolize):
    for options in "stacks=full", "profile=strict:stacks=full", "sample=1":
        ran = run(options, "double_free", "200", "0")
        expect(ran, -signal.SIGABRT, "memalloc:   detected here\n", "memalloc:   allocated by\n",
               "memalloc:   freed by\n", f"{run.programs}/double_free+0x")
        named = subprocess.run([sys.executable, symbolize], input=ran.stderr, capture_output=True, text=True,
                               timeout=60).stdout
        assert named.count(" in main ") >= 3, named
    assert "allocated by" not in run("", "double_free", "200", "0").stderr


def check_faults(run):
    hunt = "sample=1:handle_segv=1"
    expect(run(hunt, "read_overflow", "1008", "16"), -signal.SIGABRT,
           "memalloc: bad access: 0x", "behind the end of an object was to be read", "allocated by")
    expect(run(hunt, "overflow_free", "1008", "1", "66"), -signal.SIGABRT,
           "memalloc: heap overflow: 0x", "was to be written")
    expect(run(hunt, "read_after_free", "24"), -signal.SIGABRT,
           "memalloc: bad access: 0x", "was to be read after its object was freed", "freed by")
    expect(run(hunt, "write_after_free", "24", "0"), -signal.SIGABRT,
           "memalloc: write after free: 0x", "was to be written after its object was freed", "freed by")
    # Without it the program dies as it would of any fault.
    expect(run("sample=1", "read_after_free", "24"), -signal.SIGSEGV)


def check_every_so_often(run):
    """The damage is found at one of the next allocations, not only at the end."""
    ran = run("check=1:exit_check_ms=0", "overflow_neighbour", "24", "8")
    expect(ran, -signal.SIGABRT, "memalloc: heap overflow: 0x")
    expect(run("exit_check_ms=0", "overflow_neighbour", "24", "8"), UNHARMED)


def main(library, programs, symbolize):
    run = Runner(library, programs)
    check_actions(run)
    check_log(run)
    check_json(run)
    check_stacks(run, symbolize)
    check_faults(run)
    check_every_so_often(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
