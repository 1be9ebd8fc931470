#!/usr/bin/env python3
"""The lower bounds run programs, and growth says what it should.

test_peers.py GROWTH LIBRARY...  runs GROWTH with tiny numbers and with wrong words, alone and under each LIBRARY, and
                                 sqlite3, perl and python3 under each, which must print what they print without it
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

GROWTH, *LIBRARIES = map(os.path.abspath, sys.argv[1:])
LINE = re.compile(r"\d+\.\d\d ns of CPU time per operation: (\w+ \d+), \d+ operations\n")
SQL = """create table a (x integer primary key, y text);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
    insert into a select i, printf('%0*d', i % 50 + 1, i * 7919 % 3001) from n;
    create index b on a (y); delete from a where x % 3 = 0; update a set y = y || y;
    select count(*), sum(length(y)), group_concat(distinct length(y)) from a group by x % 7 order by y;"""
COMMANDS = [
    ["sqlite3", ":memory:", SQL],
    ["perl", "-e", "$h{$_ % 999} .= 'x' x ($_ % 77) for 1..30000; print join ',', map length, @h{sort keys %h}"],
    ["python3", "-c", "import json; a = {str(i): ['x' * (i % 99)] * 3 for i in range(9999)}; "
                      "print(json.loads(json.dumps(a)) == a, hash(tuple(range(9999))))"],
]


def run(command, library=None):
    environment = {**os.environ, "PYTHONMALLOC": "malloc", **({"LD_PRELOAD": library} if library else {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


class Bounds(unittest.TestCase):
    def test_programs(self):
        for command in COMMANDS:
            if shutil.which(command[0]) is None:
                continue
            expected = run(command)
            self.assertEqual((expected.returncode, expected.stderr), (0, ""))
            for library in LIBRARIES:
                with self.subTest(library=library, program=command[0]):
                    ran = run(command, library)
                    self.assertEqual((ran.returncode, ran.stderr), (0, ""))
                    self.assertEqual(ran.stdout, expected.stdout)


class Growth(unittest.TestCase):
    def test_tiny(self):
        for point in ("threads 1", "threads 3", "live 1", "live 10", "heap 1", "heap 100000"):
            for library in (None, *LIBRARIES):
                if "heap" in point and "bump" in (library or ""):
                    continue  # 2 GB
                with self.subTest(point=point, library=library):
                    ran = run([GROWTH, *point.split()], library)
                    if ran.returncode == 77:
                        self.skipTest("others have all the memory")
                    self.assertEqual((ran.returncode, ran.stderr), (0, ""))
                    self.assertEqual(LINE.fullmatch(ran.stdout)[1], point)

    def test_too_little_memory(self):
        for point in ("live 1000000", "heap 300000000"):
            with self.subTest(point=point):
                limited = ["sh", "-c", f"ulimit -v 30000; exec {GROWTH} {point}"]
                ran = run(limited)
                self.assertEqual((ran.returncode, ran.stdout), (77, ""))
                self.assertIn("memory", ran.stderr)

    def test_bad_commands(self):
        for words in ("", "live", "live 0", "live -1", "live 1k", "live 1 2", "live 1000000001", "threads 1025", "age 1",
                      "heap 99999999999999999999", "heap 0x10"):
            with self.subTest(words=words):
                ran = run([GROWTH, *words.split()])
                self.assertEqual((ran.returncode, ran.stdout), (2, ""))
                self.assertIn("usage", ran.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
