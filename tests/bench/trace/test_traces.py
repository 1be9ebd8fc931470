#!/usr/bin/env python3
"""Traces from end to end: test_traces.py REPLAY TRACED BROKEN PRELOAD TRACE

What is printed of a trace written here by hand; what a known program is recorded to do, and that this can
be performed again; that bad files are refused, and that BROKEN, an allocator, is found out; that TRACE, of a
real program, runs.
"""

import os
import resource
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


class Recorder:
    """Runs programs under the drop-in, which records them."""

    def __init__(self, library, replay, directory):
        self.library, self.replay, self.directory = library, replay, directory
        self.said = ""

    def run(self, words, name, options="", code=0, **more):
        """Return: the files of that name, in the order of theirs."""
        record = f"record={self.directory}/{name}:{options}"
        env = {**os.environ, "LD_PRELOAD": self.library, "MEMALLOC_OPTIONS": record, "PYTHONMALLOC": "malloc"}
        ran = subprocess.run([os.fspath(word) for word in words], env=env, capture_output=True, text=True, timeout=60,
                             **more)
        assert ran.returncode == code, (words, ran)
        self.said = ran.stderr
        return sorted(self.directory.glob(name.replace("%p", "*")))

    def stats(self, path):
        return stats_of(self.replay, path)

    def python(self, program, name, options="", code=0, **more):
        return self.run([sys.executable, "-Sc", program], name, options, code, **more)

    def usual(self):
        """What the interpreter allocates for nothing."""
        path, = self.python("pass", "usual")
        usual = self.stats(path)["malloc"]
        path.unlink()
        return usual


def test_recorded(recorder, traced):
    """What the system does for a thread is there without any work."""
    found = {}
    for doing in "idle", "work":
        path, = recorder.run([traced, doing], doing)
        found[doing] = recorder.stats(path)
        for library in "", recorder.library:
            run([recorder.replay, path, "50"], LD_PRELOAD=library)
    for name, number in WORK.items():
        more = found["work"].get(name, 0) - found["idle"].get(name, 0)
        assert more == number, (name, more, number)
    assert found["idle"]["events"] < 10, found
    path, = recorder.run([traced, "idle"], "background", "background=1")
    assert recorder.stats(path) == found["idle"], "a thread of the library's own is recorded"


def test_how_much(recorder, traced):
    path, = recorder.run([traced, "work"], "some", "record_events=33")
    assert recorder.stats(path)["events"] == 33
    assert path.stat().st_size < 1000


def test_names(recorder, traced):
    """Who is recorded, and where to. A child of fork() has a file; what it becomes has the next name."""
    shell = ["sh", "-c", f"{traced} work; {traced} work; (:)"]
    found = [recorder.stats(path) for path in recorder.run(shell, "shell.%p")]
    found = [stats for stats in found if "posix_memalign" in stats]
    assert len(found) == 2 and found[0] == found[1], found
    assert recorder.said == ""
    # One file is the first program's: what it starts does not write over it, nor does another run.
    path, = recorder.run(shell, "one")
    assert "posix_memalign" not in recorder.stats(path)
    assert f"record: cannot create {path}; nothing is recorded" in recorder.said, recorder.said
    before = path.read_bytes()
    recorder.run([traced, "work"], "one")
    assert path.read_bytes() == before
    # A name without a directory is of that where the program starts, wherever it goes.
    recorder.python("import os; os.chdir('/')", "unused", "record=here", cwd=recorder.directory)
    here = recorder.directory / "here"
    assert here.stat().st_size == HEADER.size + HEADER.unpack(here.read_bytes()[:HEADER.size])[-1]


def test_ends(recorder):
    """A file is a trace, however the program ends. Where it is not ended, its file is as long as it was."""
    work = "import os, signal, sys\nx = [str(i) for i in range(50000)]\n"
    usual = recorder.usual()
    for name, end, code in [("exit", "sys.exit(3)", 3), ("_exit", "os._exit(4)", 4),
                            ("signal", "os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
                            ("kill", "os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
                            ("abort", "os.abort()", -signal.SIGABRT), ("exec", "os.execv('/bin/true', ['true'])", 0)]:
        paths = recorder.python(work + end, f"{name}.%p", code=code)
        assert len(paths) == 1 + (name == "exec"), paths
        assert recorder.stats(paths[0])["malloc"] >= usual + 50000, name
        run([recorder.replay, paths[0]])
    assert recorder.stats(paths[1])["events"] < 1000, "what replaced the program is in its file"


def test_fork(recorder):
    """A child has a file of its own or none, and in its parent's there is nothing of it."""
    program = "import os\npid = os.fork()\nn = 50000 if pid else 500000\nx = [str(i) for i in range(n)]\n" \
              "if pid: os.waitpid(pid, 0)"
    usual = recorder.usual()
    parent, = recorder.python(program, "parent")
    assert usual + 50000 <= recorder.stats(parent)["malloc"] < usual + 200000, recorder.stats(parent)
    both = [recorder.stats(path)["malloc"] for path in recorder.python(program, "both.%p")]
    assert len(both) == 2 and usual + 50000 <= min(both) < usual + 200000 and max(both) >= 500000, (usual, both)


def test_no_room(recorder, traced):
    """The recording ends, the program does not."""
    def limit(size=1 << 19):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    work = "import sys\nfor i in range(20):\n    x = [str(i) for i in range(20000)]\nsys.exit(7)"
    path, = recorder.python(work, "full", code=7, preexec_fn=limit)
    assert f"memalloc: record: no room for more in {path}; the recording ends\n" == recorder.said, recorder.said
    assert path.stat().st_size <= 1 << 19
    assert recorder.stats(path)["events"] > 50000
    path, = recorder.run([traced, "work"], "small", preexec_fn=lambda: limit(1 << 10))
    assert f"memalloc: record: no room for {path}; nothing is recorded\n" == recorder.said, recorder.said
    assert path.stat().st_size == 0
    assert recorder.run([traced, "work"], "nowhere/file") == []
    assert "record: cannot create" in recorder.said, recorder.said
    assert recorder.run([traced, "work"], "large", "record_events=60000000",
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))) == []
    assert "record: no memory for so many events; nothing is recorded" in recorder.said, recorder.said


def main(replay, traced, broken, preload, real):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name).resolve()
        recorder = Recorder(preload, replay, directory)
        test_printed(replay, directory)
        test_bad_files(replay, directory)
        test_broken_allocator(replay, broken, directory)
        test_recorded(recorder, traced)
        test_how_much(recorder, traced)
        test_names(recorder, traced)
        test_ends(recorder)
        test_fork(recorder)
        test_no_room(recorder, traced)
    for library in "", preload:
        run([replay, real, "3"], LD_PRELOAD=library)


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
