#!/usr/bin/env python3
"""fuzz/oss-fuzz/build.sh does what OSS-Fuzz and ClusterFuzzLite expect, in an environment like theirs.

test_oss_fuzz.py    exits with 77 where no clang is that links a fuzzer
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

import run

TOP = pathlib.Path(__file__).resolve().parent.parent
COMPILERS = ["clang-19", "clang-14", "clang"]
# As their base images set them, for the address sanitizer.
FLAGS = ("-O1 -fno-omit-frame-pointer -gline-tables-only -fsanitize=address -fsanitize-address-use-after-scope "
         "-fsanitize=fuzzer-no-link")
EXPECTED = sorted(path.name for path in (TOP / "corpus").iterdir() if path.name != "regress")


def links(cc, directory):
    """Whether a compiler has libFuzzer."""
    source = pathlib.Path(directory, "least.c")
    source.write_text("int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n > 9; }\n")
    return shutil.which(cc) and subprocess.run([cc, "-fsanitize=fuzzer", source, "-o", source.with_suffix("")],
                                               capture_output=True).returncode == 0


def complaints(out):
    """What is wrong with what was built."""
    found = sorted(path.name[len("fuzz_"):] for path in out.iterdir() if os.access(path, os.X_OK))
    if found != EXPECTED:
        yield f"targets are {found}, there are corpora of {EXPECTED}"
    for name in found:
        target = out / f"fuzz_{name}"
        seeds = out / f"seeds-{name}"
        with zipfile.ZipFile(out / f"{target.name}_seed_corpus.zip") as archive:
            archive.extractall(seeds)
        there = {path.name for folder in run.seeds(name) for path in folder.iterdir()}
        if {path.name for path in seeds.iterdir()} != there:
            yield f"{name}: seeds are missing"
        words = out / f"{target.name}.dict"
        if words.exists() != (name == "options"):
            yield f"{name}: the dictionary is missing, or nobody's"
        if "[libfuzzer]" not in (out / f"{target.name}.options").read_text():
            yield f"{name}: no options"
        few = sorted(seeds.iterdir())[:20]
        ran = subprocess.run([target, "-runs=1", "-timeout=60", *([f"-dict={words}"] if words.exists() else []), *few],
                             capture_output=True, text=True, errors="replace",
                             env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        if ran.returncode:
            yield f"{name}: ended with {ran.returncode}\n{ran.stderr[-3000:]}"


def main():
    with tempfile.TemporaryDirectory(prefix="memalloc-oss-fuzz-") as directory:
        cc = next((name for name in COMPILERS if links(name, directory)), None)
        if cc is None:
            print("no clang that links a fuzzer")
            return 77
        out, work = pathlib.Path(directory, "out"), pathlib.Path(directory, "work")
        out.mkdir()
        work.mkdir()
        environment = {**os.environ, "CC": cc, "CXX": cc.replace("clang", "clang++"), "CFLAGS": FLAGS, "CXXFLAGS": FLAGS,
                       "LIB_FUZZING_ENGINE": "-fsanitize=fuzzer", "SANITIZER": "address", "OUT": str(out),
                       "SRC": str(TOP.parent), "WORK": str(work)}
        ran = subprocess.run([TOP / "fuzz/oss-fuzz/build.sh"], capture_output=True, text=True, env=environment)
        if ran.returncode:
            print(ran.stdout[-3000:], ran.stderr[-3000:])
            return 1
        wrong = list(complaints(out))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
