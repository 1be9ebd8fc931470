#!/usr/bin/env python3
"""What the checks cost: cycles of real programs and of loops under several sets of options.

cost.py PRELOAD_LIBRARY [--rounds N] [--only NAME[,NAME ...]] [--set OPTIONS ...]

Each program runs once per round and set of options, in turn, so that a busy machine slows all of them
alike; the least of the rounds counts. OPTIONS are values of MEMALLOC_OPTIONS; the first is what the others
are compared with. Without any: everything off, fast, default, strict. The cycles are those of all the
program's processes, in the program and in the system, counted by perf.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent

OFF = "profile=fast:guards=none:fill=0:quarantine=0:exit_check_ms=0"
SETS = [OFF, "profile=fast", "profile=default", "profile=strict"]

LOOP = r"""
#include <stdlib.h>
int main(int argc, char **argv)
{
	long n = atol(argv[2]);
	unsigned x = 1, most = (unsigned)atoi(argv[1]);
	static void *ptr[256];

	for (long i = 0; i < n && argc == 3; i++) {
		unsigned k;

		x = x * 1103515245 + 12345;
		k = (x >> 16) & 255;
		free(ptr[k]);
		ptr[k] = malloc(1 + (x >> 8) % most);
		*(volatile char *)ptr[k] = 1;
	}
	return 0;
}
"""

PAIRS = r"""
#include <stdlib.h>
int main(int argc, char **argv)
{
	long n = atol(argv[1]);

	for (long i = 0; i < n && argc == 2; i++) {
		void *volatile ptr = malloc(16 + (size_t)(i & 31) * 16);

		free(ptr);
	}
	return 0;
}
"""

REDIS = """redis-server --port 0 --unixsocket {0}/s --save '' --appendonly no --daemonize no >/dev/null &
for i in 1 2 3 4 5 6 7 8 9 10; do [ -S {0}/s ] && break; sleep 0.1; done
env -u LD_PRELOAD redis-benchmark -s {0}/s -q -n 60000 -d 300 -r 20000 -t set,get,lpush,hset >/dev/null
env -u LD_PRELOAD redis-cli -s {0}/s shutdown nosave; wait"""


def compiled(directory, name, source):
    path = directory / name
    path.with_suffix(".c").write_text(source)
    subprocess.run(["cc", "-O2", "-fno-builtin", path.with_suffix(".c"), "-o", path], check=True)
    return str(path)


def programs(directory):
    """Name -> command. The environment has the library preloaded."""
    loop = compiled(directory, "loop", LOOP)
    pairs = compiled(directory, "pairs", PAIRS)
    lib = TESTS.parent / "lib"
    sources = " ".join(str(lib / name) for name in ("heap.c", "pool.c", "slab.c", "options.c", "memalloc.c"))
    repo = directory / "repo"
    return {
        "pairs": [pairs, "10000000"],
        "small": [loop, "500", "5000000"],
        "large": [loop, "200000", "200000"],
        "python3": [sys.executable, "-c", PYTHON],
        "python3-malloc": ["env", "PYTHONMALLOC=malloc", sys.executable, "-c", PYTHON],
        "sqlite3": ["sh", "-c", f"sqlite3 :memory: < {sqlite_script(directory)}"],
        "cc1": ["sh", "-c", f"gcc -O2 -D_GNU_SOURCE -I{lib} -S -o /dev/null -x c {lib}/heap.c && "
                            f"for f in {sources}; do gcc -O1 -D_GNU_SOURCE -I{lib} -S -o /dev/null $f; done"],
        "git": ["sh", "-c", f"rm -rf {repo}; git clone -q --no-local {TESTS.parent} {repo} && "
                            f"git -C {repo} gc -q && git -C {repo} log --stat >/dev/null"],
        "redis": ["sh", "-c", REDIS.format(directory)],
    }


PYTHON = """
import json, random
random.seed(1)
data = [{"k%d" % i: [random.random() for _ in range(5)], "s": "x" * random.randint(1, 200)}
        for i in range(12000)]
for _ in range(3):
    data = json.loads(json.dumps(data))
words = {}
for i in range(200000):
    words.setdefault(str(i % 5000), []).append(i)
"""


def sqlite_script(directory):
    path = directory / "script.sql"
    path.write_text("""
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
insert into t select i, 'row ' || (i * 7919 % 60000) || ' of the table', i * 0.5 from n;
create index tb on t(b);
select count(*), sum(length(b)) from t where b like '%77%';
select b, count(*) from t group by substr(b, 1, 6) order by 2 desc limit 5;
update t set b = b || '!' where a % 3 = 0;
delete from t where a % 5 = 0;
pragma integrity_check;
""")
    return path


def cycles(command, environment):
    """Cycles of the command and its children; None when it failed."""
    counted = subprocess.run(["perf", "stat", "-x,", "-e", "cycles:u,cycles:k", *command], env=environment,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    if counted.returncode != 0:
        return None
    return sum(int(line.split(",")[0]) for line in counted.stderr.splitlines() if ",cycles:" in line)


def environment(library, options):
    return {**os.environ, "LD_PRELOAD": str(library), "MEMALLOC_OPTIONS": options,
            "LC_ALL": "C"}


def measure(command, library, sets, rounds):
    least = {}
    for _ in range(rounds):
        for options in sets:
            n = cycles(command, environment(library, options))
            if n is None:
                return None
            least[options] = min(n, least.get(options, n))
    return [least[options] for options in sets]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--set", dest="options", action="append", metavar="OPTIONS")
    args = parser.parse_args()
    sets = args.options or SETS
    if shutil.which("perf") is None:
        sys.exit("cost.py: perf is missing (Debian: linux-perf)")
    for i, options in enumerate(sets):
        print(f"{i}: {options}")
    # In memory: a disk's cycles would be counted, too.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        for name, command in programs(pathlib.Path(directory)).items():
            if args.only and name not in args.only.split(","):
                continue
            row = measure(command, args.library.resolve(), sets, args.rounds)
            if row is None:
                print(f"{name:14} failed")
                continue
            print(f"{name:14} {row[0] / 1e6:8.0f} M cycles  " + "  ".join(f"{n / row[0]:.3f}" for n in row),
                  flush=True)


if __name__ == "__main__":
    main()
