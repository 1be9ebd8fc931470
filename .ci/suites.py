"""Builds and tests in several ways, and counts from what meson has logged of each test."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]

# What the parent's threads hold when a child is forked, gcc's ASan waits for in the child.
WITHOUT_FORKS = ["stress"]

# Distributions protect stacks, which must not reach what runs outside of Valgrind's simulation.
# Name, compilers, and the arguments of meson setup; suites that are left out.
BUILDS = [
    ("gcc-release", "gcc", "g++",
     ["--buildtype=release", "-Db_lto=true", "-Dc_args=-fstack-protector-all"]),
    ("clang14-release", "clang-14", "clang++-14", ["--buildtype=release"]),
    ("gcc-sanitized", "gcc", "g++", ["--buildtype=debugoptimized", *SANITIZE], WITHOUT_FORKS),
    ("clang19-sanitized", "clang-19", "clang++-19", ["--buildtype=debugoptimized", *SANITIZE]),
    ("clang19-memory", "clang-19", "clang++-19",
     ["--buildtype=debugoptimized", "-Db_sanitize=memory", "-Db_lundef=false"]),
    ("clang14-thread", "clang-14", "clang++-14",
     ["--buildtype=debugoptimized", "-Db_sanitize=thread", "-Db_lundef=false"]),
]


def run(*command, **environment):
    """Run a command; whether it ended well."""
    print("+", *command, flush=True)
    return subprocess.run(command, env={**os.environ, **environment}).returncode == 0


def counts(directory):
    """Passed and failed tests of all runs in a build directory. What was skipped has failed, too."""
    passed, failed = 0, []
    for log in sorted(pathlib.Path(directory, "meson-logs").glob("testlog*.json")):
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            if entry["result"] in ("OK", "EXPECTEDFAIL"):
                passed += 1
            else:
                failed.append(f"{directory}: {log.stem}: {entry['name']}: {entry['result']}")
    return passed, failed


def readme_test():
    """What the README says: make test, a build with gcc and assertions, natively and under Valgrind.

    Then planted defects, here only: what stops them does not depend on the compiler.
    """
    done = run("make", "test", "MESON_FLAGS=--werror")
    planted = run("meson", "test", "-C", "build-test", "--print-errorlogs", "--suite", "planted",
                  "--logbase", "testlog-planted")
    return "build-test", done and planted


def build_and_test(name, cc, cxx, options, without=()):
    without = [word for suite in ["planted", *without] for word in ("--no-suite", suite)]
    directory = f"build-ci-{name}"
    compilers = {"CC": cc, "CXX": cxx}
    done = (run("meson", "setup", directory, "--werror", *options, **compilers)
            and run("meson", "compile", "-C", directory)
            and run("meson", "test", "-C", directory, "--print-errorlogs", *without))
    return directory, done


def main():
    for directory in ["build-test", *(f"build-ci-{name}" for name, *_ in BUILDS)]:
        shutil.rmtree(directory, ignore_errors=True)
    passed, failed, started = 0, [], time.monotonic()
    for step in [readme_test, *(lambda build=build: build_and_test(*build) for build in BUILDS)]:
        directory, done = step()
        some_passed, some_failed = counts(directory)
        if not some_failed and (not done or some_passed == 0):
            some_failed = [f"{directory}: a command failed, or nothing was tested"]
        passed += some_passed
        failed += some_failed
        print(f"= {directory}: {some_passed} passed, {len(some_failed)} failed, "
              f"{time.monotonic() - started:.0f} s since the start", flush=True)
    for line in failed:
        print("FAILED", line)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
