#!/usr/bin/env python3
"""Traces from end to end: test_traces.py LIBRECORD REPLAY TRACED BROKEN PRELOAD TRACE

What is printed of a trace written here by hand; what a known program is recorded to do, and that this can
be performed again; that bad files are refused, and that BROKEN, an allocator, is found out; that TRACE, of a
real program, runs.
"""

import os
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HEADER = struct.Struct("<8sIIQQQ")
THREAD, FREE, MALLOC, CALLOC, REALLOC, REALLOCARRAY, VALLOC, ALIGNED_ALLOC, MEMALIGN, POSIX_MEMALIGN = range(10)

# Thread 1 frees what thread 0 allocated; slot 0 is used twice.
EVENTS = bytes([
    MALLOC, 0, 100,
    POSIX_MEMALIGN, 1, 0x80, 0x20, 6,
    REALLOC, 0, 0xc8, 0x01,
    THREAD, 1,
    FREE, 0,
    CALLOC, 0, 0,
    REALLOCARRAY, 2, 1,
    THREAD, 0,
    FREE, 1,
    FREE, 2,
])
LIST = """\
0 malloc #0 100
0 posix_memalign #1 4096 align 64
0 realloc #0 200
1 free #0
1 calloc #0 0
1 reallocarray #2 1
0 free #1
0 free #2
"""
STATS = """\
events 8
threads 2
objects 3
free 3
malloc 1
calloc 1
realloc 1
reallocarray 1
posix_memalign 1
frees by another thread 2 (66.7 %)
peak live bytes 4296
peak live objects 3
live at the end 1
size 0..0 1 (20.0 %)
size 1..1 1 (20.0 %)
size 64..127 1 (20.0 %)
size 128..255 1 (20.0 %)
size 4096..8191 1 (20.0 %)
"""
# What the program does when it works, beyond what it does when it does not.
WORK = {
    "events": 366, "free": 155, "malloc": 100, "calloc": 100, "realloc": 6, "reallocarray": 1, "valloc": 1,
    "aligned_alloc": 1, "memalign": 1, "posix_memalign": 1, "frees by another thread": 150,
    "peak live bytes": 15150 + 200000, "live at the end": 50, "threads": 1,
}


def trace(events=EVENTS, magic=b"memtrace", version=1, nthreads=2, nevents=8, nobjects=3, nbytes=None):
    return HEADER.pack(magic, version, nthreads, nevents, nobjects, len(events) if nbytes is None else nbytes) + events


def single(*events, nevents=1, nobjects=1):
    return trace(bytes(events), nthreads=1, nevents=nevents, nobjects=nobjects)


# What is wrong, and a file of which that is so.
BAD = [
    ("too short for a trace", b""),
    ("too short for a trace", trace()[:39]),
    ("not a trace", trace(magic=b"memtracf")),
    ("a version that is not known", trace(version=2)),
    ("an impossible number of threads", trace(nthreads=0)),
    ("an impossible number of threads", trace(nthreads=257)),
    ("an impossible number of events", trace(nevents=1 << 63)),
    ("an impossible number of objects", trace(nobjects=1 << 40)),
    ("events without objects", trace(nobjects=0)),
    ("the file is truncated", trace()[:-1]),
    ("the file is truncated", trace(nbytes=(1 << 64) - 1)),
    (f"byte {40 + len(EVENTS) + 1}: the last event is cut off", trace(EVENTS + bytes([FREE]), nevents=9)),
    ("more events than the header says", trace(nevents=7)),
    ("fewer events than the header says", trace(nevents=9)),
    ("no such thread", trace(nthreads=1)),
    ("no such object", trace(nobjects=2)),
    ("no such operation", single(POSIX_MEMALIGN + 1, 0, 0)),
    ("no such alignment", single(MEMALIGN, 0, 1, 31)),
    ("no such alignment", single(POSIX_MEMALIGN, 0, 1, 2)),
    ("the size is beyond all bounds", single(MALLOC, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
    ("the size is beyond all bounds", single(MALLOC, 0, *[0x80] * 20)),
    ("a realloc to nothing", single(REALLOC, 0, 0)),
    ("a free of what is not allocated", single(FREE, 0)),
    ("an allocation in a place that is taken", single(MALLOC, 0, 1, MALLOC, 0, 1, nevents=2)),
]
# As much as a trace may ask for, a thousand times.
TOO_MUCH = single(*(byte for i in range(100) for byte in (MALLOC, i, 0x80, 0x80, 0x80, 0x80, 0x80, 4)),
                  nevents=100, nobjects=100)


def run(words, code=0, **environment):
    """What the command wrote to stdout, or to stderr if it is to fail."""
    ran = subprocess.run([os.fspath(word) for word in words], env={**os.environ, **environment},
                         capture_output=True, text=True, timeout=60)
    assert ran.returncode == code, (words, ran)
    return ran.stderr if code else ran.stdout


def written(path, data):
    path.write_bytes(data)
    return path


def numbers(stats):
    """The first number of each line."""
    found = {}
    for line in stats.splitlines():
        words = line.split(" (")[0].split()
        found[" ".join(words[:-1])] = int(words[-1])
    return found


def stats_of(replay, path):
    return numbers(run([replay, "--stats", path]))


def test_printed(replay, directory):
    path = written(directory / "hand", trace())
    assert run([replay, "--list", path]) == LIST, run([replay, "--list", path])
    assert run([replay, "--stats", path]) == STATS, run([replay, "--stats", path])
    run([replay, path, "100"])


def test_bad_files(replay, directory):
    for why, data in BAD:
        path = written(directory / "bad", data)
        for words in [path], ["--list", path], ["--stats", path]:
            said = run([replay, *words], code=2)
            assert said.endswith(f"{why}\n"), (why, said)
    path = written(directory / "bad", TOO_MUCH)
    assert "needs more memory than there is" in run([replay, path], code=2)
    assert "No such file" in run([replay, directory / "none"], code=2)
    for words in [], ["--what", path], [path, "0"], [path, "1", "2"]:
        run([replay, *words], code=2)


def test_broken_allocator(replay, broken, directory):
    """It gives objects of 48 bytes the same place, others one of their own."""
    for size, code in (48, 1), (40, 0):
        path = written(directory / "twice", single(MALLOC, 0, size, MALLOC, 1, size, FREE, 0, FREE, 1,
                                                   nevents=4, nobjects=2))
        said = run([replay, path], code=code, LD_PRELOAD=broken)
        assert "an object has changed" in said or code == 0, said


def test_recorded(record, replay, traced, preload, directory):
    """The library in use counts, too: what it does for a thread is there without any work."""
    found = {}
    for doing in "idle", "work":
        path = directory / doing
        run([traced, doing], LD_PRELOAD=record, MEMTRACE=os.fspath(path))
        found[doing] = stats_of(replay, path)
        for library in "", preload:
            run([replay, path, "50"], LD_PRELOAD=library)
    for name, number in WORK.items():
        more = found["work"].get(name, 0) - found["idle"].get(name, 0)
        assert more == number, (name, more, number)
    assert found["idle"]["events"] < 10, found


def test_recorder(record, replay, traced, directory):
    """Which programs are recorded, how much of them, and where to."""
    path = directory / "only"
    run([traced, "work"], LD_PRELOAD=record, MEMTRACE=os.fspath(path), MEMTRACE_ONLY="another")
    assert not path.exists()
    run([traced, "work"], LD_PRELOAD=record, MEMTRACE=os.fspath(path), MEMTRACE_ONLY="traced", MEMTRACE_EVENTS="33")
    assert stats_of(replay, path)["events"] == 33
    assert path.stat().st_size < 1000
    shell = f"{traced} work; {traced} work; (:)"
    run(["sh", "-c", shell], LD_PRELOAD=record, MEMTRACE=f"{directory}/shell.%p", MEMTRACE_ONLY="traced")
    files = sorted(directory.glob("shell.*"))
    assert len(files) == 2 and all(file.name[6:].isdigit() for file in files), files
    assert stats_of(replay, files[0]) == stats_of(replay, files[1])
    # One file is the first program's: those it starts do not write over it.
    path = directory / "one"
    run(["sh", "-c", shell], LD_PRELOAD=record, MEMTRACE=os.fspath(path))
    assert "posix_memalign" not in stats_of(replay, path)


def test_killed(record, replay, directory):
    """A file is a trace, however the program ends; here it has a child that goes on without being recorded."""
    path = directory / "killed"
    program = "import os, signal\npid = os.fork()\nx = [str(i) for i in range(5000)]\n" \
              "if pid: os.waitpid(pid, 0); os.kill(os.getpid(), signal.SIGKILL)"
    run([sys.executable, "-c", program], code=-signal.SIGKILL,
        LD_PRELOAD=record, MEMTRACE=os.fspath(path), PYTHONMALLOC="malloc")
    assert stats_of(replay, path)["malloc"] > 5000
    run([replay, path])


def main(record, replay, traced, broken, preload, real):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        test_printed(replay, directory)
        test_bad_files(replay, directory)
        test_broken_allocator(replay, broken, directory)
        test_recorded(record, replay, traced, preload, directory)
        test_recorder(record, replay, traced, directory)
        test_killed(record, replay, directory)
    for library in "", preload:
        run([replay, real, "3"], LD_PRELOAD=library)


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
