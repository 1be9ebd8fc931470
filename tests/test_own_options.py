#!/usr/bin/env python3
"""What a program puts into memalloc_options is heard, and what its user says overrides it.

test_own_options.py PROGRAM             for a program linked with libmemalloc, or
test_own_options.py PROGRAM LIBRARY     for one that has the library preloaded
"""

import os
import subprocess
import sys


def run(program, library, options=None):
    """What the program writes to stderr."""
    environment = dict(os.environ)
    environment.pop("MEMALLOC_OPTIONS", None)
    if options is not None:
        environment["MEMALLOC_OPTIONS"] = options
    if library:
        environment["LD_PRELOAD"] = os.path.abspath(library)
    return subprocess.run([program], env=environment, capture_output=True, text=True, timeout=60, check=True).stderr


def main(program, library=None):
    said = run(program, library)
    assert "memalloc: memalloc_options: unknown option: nonsense=1;" in said, said
    for entry in "profile=strict", "seed=4711", "retain=4711", "sample=1000":
        assert f"\n  {entry}  " in said, (entry, said)
    said = run(program, library, "seed=5:profile=fast:other")
    assert "memalloc: MEMALLOC_OPTIONS: unknown option: other;" in said, said
    for entry in "profile=fast", "seed=5", "retain=4711", "sample=0":
        assert f"\n  {entry}  " in said, (entry, said)
    assert run(program, library, "help=0").count("\n") == 1


if __name__ == "__main__":
    main(*sys.argv[1:])
