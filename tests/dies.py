#!/usr/bin/env python3
"""Run a program that misuses memory: it must die by SIGABRT, and say why.

dies.py [--preload LIBRARY] TEXT PROGRAM ARGUMENT...
                      the first line on stderr begins with "memalloc: TEXT: 0x"
dies.py [--preload LIBRARY] --control PROGRAM ARGUMENT...
                      the program ends with 0, and nothing stands on stderr
dies.py --selftest    shows that other ends of a program are noticed
"""

import argparse
import os
import re
import resource
import signal
import subprocess
import sys

SECONDS_MAX = 60
REPORT = r"memalloc: {}: 0x[0-9a-f]+ .+\n(memalloc:   .+\n)+"


def without_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, preload):
    environment = dict(os.environ)
    if preload:
        environment["LD_PRELOAD"] = os.path.abspath(preload)
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment,
                          preexec_fn=without_core, timeout=SECONDS_MAX, errors="replace")


def control_complaints(ran):
    if ran.returncode != 0:
        yield f"ended with {ran.returncode}, not with 0"
    if ran.stderr:
        yield "wrote to stderr"


def death_complaints(ran, text):
    if ran.returncode != -signal.SIGABRT:
        yield f"ended with {ran.returncode}, not by SIGABRT"
    if not re.fullmatch(REPORT.format(re.escape(text)), ran.stderr):
        yield f"did not report {text!r}, or wrote more than a report"


def judge(command, text=None, preload=None):
    """What is wrong with how the command ended; text is None for a control."""
    try:
        ran = run(command, preload)
    except subprocess.TimeoutExpired:
        return [f"did not end within {SECONDS_MAX} s"]
    wrong = list(death_complaints(ran, text) if text else control_complaints(ran))
    return wrong and wrong + [ran.stdout + ran.stderr]


def shell(script):
    return ["/bin/sh", "-c", script]


def selftest():
    """Ends of programs, and whether they are what is expected."""
    said = "echo 'memalloc: double free: 0x1 is gone' >&2; echo 'memalloc:   thread 1' >&2; "
    ends = [
        (True, shell("exit 0"), None),
        (False, shell("exit 1"), None),
        (False, shell("echo oops >&2"), None),
        (False, shell("kill -ABRT $$"), None),
        (True, shell(said + "kill -ABRT $$"), "double free"),
        (False, shell(said + "kill -SEGV $$"), "double free"),
        (False, shell(said + "exit 0"), "double free"),
        (False, shell(said + "exit 134"), "double free"),
        (False, shell(said + "kill -ABRT $$"), "invalid free"),
        (False, shell("echo oops >&2; " + said + "kill -ABRT $$"), "double free"),
        (False, shell("kill -ABRT $$"), "double free"),
    ]
    wrong = [command for expected, command, text in ends if expected == bool(judge(command, text))]
    return [f"judged wrongly: {command[-1]}" for command in wrong]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preload")
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--selftest", action="store_true")
    parser.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.selftest:
        complaints = selftest()
    elif options.control:
        complaints = judge(options.words, None, options.preload)
    else:
        complaints = judge(options.words[1:], options.words[0], options.preload)
    for line in complaints:
        print(line)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
