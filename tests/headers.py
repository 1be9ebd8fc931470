#!/usr/bin/env python3
"""Each header of lib/ compiles alone, and twice; memalloc.h also as strict C11 and as C++.

headers.py CC CXX             checks them, with the compilers (words of a command, ':' between them)
headers.py CC CXX --selftest  shows that it finds a header that does not
"""

import subprocess
import sys

import rules

C = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
STRICT_C = ["-std=c11", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-Wstrict-prototypes"]
STRICT_CXX = ["-std=c++11", "-pedantic-errors", "-Wall", "-Wextra", "-Werror"]


def compiles(compiler, language, options, header):
    """Empty, or what the compiler says about a source that includes the header twice."""
    command = [*compiler, "-x", language, *options, f"-I{header.parent}", "-fsyntax-only", "-"]
    source = f'#include "{header.name}"\n' * 2 + "extern int not_empty;\n"
    ran = subprocess.run(command, input=source, capture_output=True, text=True)
    if ran.returncode == 0:
        return []
    first = next((line for line in ran.stderr.split("\n") if "error" in line), ran.stderr)
    return [f"lib/{header.name} does not compile alone as {language}: {first}"]


def checker(cc, cxx):
    """The check, for two compilers."""
    def check(top):
        complaints = []
        for header in sorted((top / "lib").glob("*.h")):
            complaints += compiles(cc, "c", C, header)
        public = top / "lib/memalloc.h"
        complaints += compiles(cc, "c", STRICT_C, public)
        complaints += compiles(cxx, "c++", STRICT_CXX, public)
        return complaints
    return check


PUBLIC = {"lib/memalloc.h": "extern int sound;\n"}
CASES = [
    (None, PUBLIC),
    ("a.h does not compile alone", PUBLIC | {"lib/a.h": "extern size_t needs_stddef;\n"}),
    ("a.h does not compile alone", PUBLIC | {"lib/a.h": "struct twice {\n\tint a;\n};\n"}),
    ("memalloc.h does not compile alone as c++", {"lib/memalloc.h": "extern int new;\n"}),
]


if __name__ == "__main__":
    cc, cxx = (sys.argv.pop(1).split(":") for _ in range(2))
    sys.exit(rules.main(checker(cc, cxx), CASES))
