#!/usr/bin/env python3
"""Run every fuzz target for a while, with libFuzzer: fuzz/run.py [--seconds N] [--build DIRECTORY] [TARGET ...]

Builds what it needs, with AddressSanitizer and UndefinedBehaviorSanitizer, in build-fuzz. What is found is
kept in BUILD/found/TARGET and is where the next run begins; inputs that fail are in BUILD/crashes/TARGET.
One line per target at the end; exit code 1 when an input failed, 2 when nothing could be run.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILERS = ["clang-14", "clang-19", "clang"]
SETUP = ["-Dfuzz_engine=libfuzzer", "-Doptimization=2", "-Db_sanitize=address,undefined", "-Db_lundef=false",
         "-Dc_args=-fno-sanitize-recover=all"]
LIMITS = ["-max_len=300", "-timeout=30", "-rss_limit_mb=4096", "-print_final_stats=1"]
STATISTICS = {"executions": "number_of_executed_units", "per second": "average_exec_per_sec",
              "new inputs": "new_units_added"}


def compiler():
    """The first clang that is there; None without any."""
    return next((name for name in COMPILERS if shutil.which(name)), None)


def build(directory, cc, setup):
    """Build the targets of one engine, as @setup tells meson; what has been set up stays as it is."""
    if not (directory / "build.ninja").exists():
        subprocess.run(["env", f"CC={cc}", "meson", "setup", directory, ROOT, *setup], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", directory, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def programs(directory):
    """All targets of a build, {name: path}."""
    paths = (path for path in sorted((directory / "fuzz").glob("fuzz_*"))
             if path.is_file() and os.access(path, os.X_OK))
    return {path.name[len("fuzz_"):]: path for path in paths}


def targets(directory, asked):
    found = programs(directory)
    unknown = [name for name in asked if name not in found]
    if unknown or not found:
        print(f"fuzz: there is no target {', '.join(unknown) or 'at all'}; known are {', '.join(found)}", file=sys.stderr)
        sys.exit(2)
    return {name: path for name, path in found.items() if not asked or name in asked}


def seeds(name):
    """The folders that the project has for a target: what covers it, what once failed."""
    folders = [ROOT / "corpus" / name, ROOT / "corpus" / "regress" / name]
    return [folder for folder in folders if folder.is_dir()]


def dictionary(program):
    """Where an engine finds words of the target's language; None when it has none."""
    path = program.with_name(program.name + ".dict")
    return path if path.exists() else None


def last(pattern, text):
    matches = re.findall(pattern, text)
    return matches[-1] if matches else "?"


def run(name, program, directory, seconds):
    """Return: the line to print, and the inputs that failed."""
    found, crashes = directory / "found" / name, directory / "crashes" / name
    for folder in found, crashes:
        folder.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    words = dictionary(program)
    ran = subprocess.run([program, *LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={crashes}/",
                          *([f"-dict={words}"] if words else []), found, *seeds(name)],
                         capture_output=True, text=True, errors="replace")
    failed = sorted(set(crashes.iterdir()) - before)
    words = [f"{last(f'stat::{key}: *([0-9]+)', ran.stderr)} {word}" for word, key in STATISTICS.items()]
    words += [f"coverage {last('cov: ([0-9]+)', ran.stderr)}", f"{len(failed)} failed"]
    if ran.returncode != 0:
        words.append(last(r"(?m)^(?:fuzz|memalloc): .*|^SUMMARY: .*", ran.stderr))
    return f"{name:10} {', '.join(words)}", failed, ran.returncode


def main():
    parser = argparse.ArgumentParser(description="Run every fuzz target for a while, with libFuzzer.")
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="only these")
    parser.add_argument("--seconds", type=int, default=60, help="of each target; 60 unless told")
    parser.add_argument("--build", metavar="DIRECTORY", type=pathlib.Path, default=ROOT / "build-fuzz")
    options = parser.parse_args()
    cc = compiler()
    if cc is None:
        sys.exit("fuzz: there is no clang")
    build(options.build.resolve(), cc, SETUP)
    worst = 0
    for name, program in targets(options.build.resolve(), options.targets).items():
        line, failed, code = run(name, program, options.build.resolve(), options.seconds)
        print(line, *failed, sep="\n  ", flush=True)
        worst = max(worst, 1 if code != 0 else 0)
    return worst


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        print(f"fuzz: {' '.join(map(str, error.cmd[:3]))} failed", file=sys.stderr)
        sys.exit(2)
