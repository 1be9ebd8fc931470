#!/usr/bin/env python3
"""What fuzz/continuous reads and keeps, without any engine: reports, the state, the page."""

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

from farm import children, corpora, crashes, page, said, store

PATIENCE = 100  # seconds; what takes longer hangs, on a busy machine, too
FORKED = """INFO: -fork=1: fuzzing in separate process(s)
#14357: cov: 0 ft: 0 corp: 0 exec/s 0 oom/timeout/crash: 0/0/0 time: 0s job: 1 dft_time: 0
  NEW_FUNC: 0x5650c5030 in LLVMFuzzerTestOneInput /top/fuzz/fuzz_heap.c:33
#37922: cov: 9 ft: 10 corp: 2 exec/s 37 oom/timeout/crash: 0/0/1 time: 1s job: 2 dft_time: 0
"""
ALONE = """#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 28Mb
#1024\tREDUCE cov: 8 ft: 12 corp: 5/9b lim: 4 exec/s: 512 rss: 29Mb L: 2/4 MS: 1 EraseBytes-
"""
STATS = """start_time        : 1700000000
execs_done        : 4022
execs_per_sec     : 670.33
corpus_count      : 12
edges_found       : 345
bitmap_cvg        : 5.27%
target_mode       : persistent shmem_testcase deferred
"""
FRAMES = """    #6 0x7f56 in abort stdlib/./stdlib/abort.c:79:7
    #7 0x5565 in model_fail /top/build-fuzz/../fuzz/model.c:16:2
    #8 0x5565 in {function} /top/build-fuzz/../fuzz/world.c:{line}:3
    #9 0x5565 in LLVMFuzzerTestOneInput /top/build-fuzz/../fuzz/fuzz_heap.c:39:3
SUMMARY: libFuzzer: deadly signal
"""
SUMMARY = "SUMMARY: AddressSanitizer: heap-use-after-free ../lib/pool.c:7:3 in ma_pool_alloc\n"
REPORTED = """    #9 0x5565 in act /top/build-fuzz/../lib/report.c:273:3
    #11 0x5565 in report_twice /top/build-fuzz/../lib/remote.c:182:2
    #12 0x5565 in receive /top/build-fuzz/../lib/remote.c:203:3
"""
IN_LIB = "    #0 0x4f in ma_pool_alloc /x/fuzz/deep/memalloc/build/../lib/pool.c:7:3\n"

# What a program said, how it ended, and what that makes it: oracle, rule, site.
REPORTS = [
    ("fuzz: world: W4 slabs hold 12 objects\n" + FRAMES.format(function="look", line=5), -6,
     ("world", "W4 slabs hold N objects", "fuzz/world.c look")),
    ("memalloc: bug in memalloc itself: ../lib/slab.c:172: fresh < nslots\n", -6,
     ("bug in memalloc itself", "../lib/slab.c: fresh < nslots", "")),
    ("memalloc: bad size, ignored\nmemalloc: double free: 0x7f12 was freed\nmemalloc:   at 0x1\n",
     -6, ("double free", "0x was freed", "")),
    ("memalloc: double free: 0x7f12 was freed\n" + REPORTED, -6,
     ("double free", "0x was freed", "lib/remote.c receive")),
    (IN_LIB + SUMMARY, 1, ("heap-use-after-free", "", "lib/pool.c ma_pool_alloc")),
    ("../lib/fit.c:9:14: runtime error: shift exponent 70 is too large\n", 1,
     ("runtime error", "shift exponent N is too large", "")),
    ("SUMMARY: libFuzzer: out-of-memory (malloc(9))\n", 71, ("out-of-memory", "", "")),
    ("SUMMARY: libFuzzer: timeout\n", 70, ("timeout", "", "")),
    ("replay: takes too long\n", -6, ("takes too long", "", "")),
    ("", -11, ("signal 11", "", "")),
    ("", None, ("timeout", "", "")),
]


def test_status_lines():
    assert said.status(FORKED) == (37922, 9, 10, 2, 37)
    assert said.status(ALONE) == (1024, 8, 12, 5, 512)
    assert said.status(FORKED + "#99999: cov: 7 ft: 7 corp: 7 exec/s 7 ") == (37922, 9, 10, 2, 37)
    assert said.status("") is None and said.status("INFO: Seed: 1\n") is None


def test_statistics():
    found = said.statistics(STATS)
    assert found["execs_done"] == 4022 and found["edges_found"] == 345
    assert found["execs_per_sec"] == 670.33 and found["bitmap_cvg"] == 5.27
    assert found["target_mode"] == "persistent shmem_testcase deferred"
    assert said.statistics("") == {} and said.statistics("half a li") == {}


def test_reports():
    for report, code, expected in REPORTS:
        assert said.signature(report, code) == expected, (said.signature(report, code), expected)


def test_same_and_different():
    def digest(line="fuzz: world: W4 wrong", function="look", number=5):
        text = f"{line}\n{FRAMES.format(function=function, line=number)}"
        return said.signature(text, -6).digest()
    assert digest() == digest(number=6)
    assert len({digest(), digest("fuzz: world: W5 wrong"), digest("fuzz: model: W4 wrong"),
                digest(function="list")}) == 4
    assert said.word("Heap use, after FREE!") == "heap-use-after-free"
    assert said.word("") == "unknown"


def test_shortened():
    def fails(data):
        return b"a" in data and b"z" in data
    assert crashes.shortened(b"11a2222z33333333333333333", fails) == b"az"
    assert crashes.shortened(b"az", fails) == b"az" and crashes.shortened(b"", fails) == b""
    assert crashes.shortened(b"12345", lambda data: False) == b"12345"


def test_store(top):
    state = store.Store(top / "state")
    state.open()
    assert state.load() == {}
    state.save({"a": 1})
    assert state.load() == {"a": 1}
    state.known("x").add("one")
    assert "one" in state.known("x") and "two" not in state.known("x")
    assert [state.remember("t", {"n": n}) for n in range(3)][-1] == [{"n": n} for n in range(3)]
    with open(state.path / "history" / "t.jsonl", "a") as file:
        file.write('{"n": 3')
    assert state.remember("t", {"n": 4}) == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 4}]
    assert state.history("t")[-1] == {"n": 4}
    complains(lambda: store.Store(top / "state").open(), f"in use by process {os.getpid()}")
    (top / "file").write_text("")
    complains(lambda: store.Store(top / "file" / "state").open(), "cannot be kept in")
    free, store.FREE_MIN = store.FREE_MIN, 1 << 62
    complains(state.look, "has only")
    store.FREE_MIN = free
    (state.path / "status.json").write_text("{")
    complains(state.load, "is no JSON")


def complains(action, words):
    try:
        action()
    except store.Trouble as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"no complaint with {words!r}")


def test_no_room(top):
    """A file that cannot be written whole stays what it was."""
    path = top / "whole"
    path.write_text("what was there")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        store.replace(path, "x" * 100000)
    except OSError:
        pass
    else:
        raise AssertionError("there was room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "what was there" and not list(top.glob("*.new"))


def test_thinned():
    rows = store.thinned(list(range(3 * store.HISTORY_MAX)))
    assert len(rows) <= store.HISTORY_MAX and rows[0] == 0 and rows[-1] == 3 * store.HISTORY_MAX - 1
    assert rows == sorted(rows) and store.thinned([1, 2]) == [1, 2]


def test_corpora(top):
    state = store.Store(top)
    for name, data in ("main/queue/id:0", "a"), ("main/queue/id:1", "b"), ("s/queue/id:0", "a"):
        path = top / "afl" / "t" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)
    state.folder("known")
    crash = top / "afl" / "t" / "main" / "crashes.2020" / "id:7"
    crash.parent.mkdir()
    crash.write_text("c")
    assert corpora.exchange(state, "t") == 2 and corpora.exchange(state, "t") == 0
    corpus = top / "corpus" / "t"
    assert sorted(path.read_text() for path in corpus.iterdir()) == ["a", "b"]
    assert [path.read_text() for path in (top / "failed" / "t").iterdir()] == ["c"]
    fresh = corpora.begin_merge(state, "t")
    assert corpora.end_merge(state, "t", fresh) == (2, 2) and corpora.count(corpus) == 2
    fresh = corpora.begin_merge(state, "t")
    (fresh / "one").write_text("b")
    assert corpora.end_merge(state, "t", fresh) == (2, 1) and not fresh.exists()
    assert [path.name for path in corpus.iterdir()] == ["one"]


class Asked:
    """Instead of children.Children: what was asked for."""

    def output(self, command, seconds, **environment):
        return " ".join(map(str, command)), 0


def test_failures(top):
    """What is not written yet waits; what does not fail alone is kept; operations are listed."""
    state = store.Store(top)
    for folder in "failed/heap", "failed/options", "crashes", "known":
        (top / folder).mkdir(parents=True)
    programs = {"heap": {"libfuzzer": top / "fuzz_heap"}, "options": {}}
    triage = crashes.Triage(state, Asked(), programs, "seq", 1)
    path = top / "failed" / "heap" / "crash-1"
    path.write_text("x")
    assert triage.waiting() == [path] and not triage.look_once() and path.exists()
    os.utime(path, (1, 1))
    assert triage.look_once() and not path.exists()
    facts, = crashes.known(state)
    folder = top / "crashes" / facts["name"]
    assert facts["oracle"] == "not again" and facts["name"].startswith("heap-not-again-")
    assert (folder / "input").read_text() == "x" and not (folder / "minimised").exists()
    fresh = folder.with_name("." + folder.name) / "input"
    assert (folder / "listing.txt").read_text() == f"seq list --config 3 {fresh}"
    assert (folder / "bug.c").read_text() == f"seq c --config 3 {fresh}"
    for i in range(crashes.ALSO_MAX + 5):
        path.write_text(f"x{i}")
        os.utime(path, (1, 1))
        assert triage.look_once()
    facts, = crashes.known(state)
    assert facts["count"] == crashes.ALSO_MAX + 6
    assert len(list((folder / "also").iterdir())) == crashes.ALSO_MAX
    triage.list(top, path, "options")
    assert not (top / "listing.txt").exists()


SESSION = """import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"], start_new_session=True)
time.sleep(99)"""
STARTER = """import os, pathlib, sys, time
from farm import children
kids = children.Children(sys.argv[1])
kids.begin()
kids.start([sys.executable, "-c", sys.argv[2]], sys.argv[1] + ".log", {})
time.sleep(99)"""


def test_children(top):
    """Of a process that is killed nothing is left, nor what has left the group of its child."""
    state = str(top / "kids")
    starter = subprocess.Popen([sys.executable, "-c", STARTER, state, SESSION],
                               cwd=pathlib.Path(__file__).resolve().parent)
    wait(lambda: len(children.marked(state + ":")) == 2)
    starter.kill()
    starter.wait()
    wait(lambda: not children.marked(state + ":"))
    kids = children.Children(state)
    kids.start([sys.executable, "-c", SESSION], top / "log", {})
    wait(lambda: len(children.marked(state + ":")) == 2)
    again = children.Children(state)
    assert again.begin() == 2 and not children.marked(state + ":")
    again.end()


def wait(is_so):
    limit = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < limit, "it takes too long"
        time.sleep(0.05)


def test_page(top):
    rows = [{"t": 1000 + 60 * i, "libfuzzer": 100 + i, "afl": 90, "corpus": i} for i in range(999)]
    line = {"running": "", "rate": "1 + 2", "coverage": "1098 + 90", "corpus": 1, "crashes": 1,
            "find": "never"}
    failure = {"name": "a<b-1", "oracle": "o<", "rule": "r & \"s\"", "site": "", "smallest": 1,
               "count": 2, "first": 1000, "target": "a<b"}
    text = page.html({"a<b": line, "new": line}, {"a<b": rows, "new": rows[:1]}, [failure],
                     ["without afl: there is no <afl>"], 2000)
    root = xml.etree.ElementTree.fromstring(text)
    svg = "{http://www.w3.org/2000/svg}"
    drawn = [one for one in root.iter(svg + "svg") if one.get("role") == "img"]
    assert len(drawn) == 1 and len(drawn[0].findall(svg + "polyline")) == 2
    for one in drawn[0].findall(svg + "polyline"):
        points = [tuple(map(float, point.split(","))) for point in one.get("points").split()]
        assert 2 < len(points) <= page.POINTS_MAX and points == sorted(points, key=lambda p: p[0])
        assert all(0 <= x <= page.WIDTH and 0 <= y <= page.HEIGHT for x, y in points)
    assert "from 100 to 1098" in drawn[0].find(svg + "title").text
    assert "://" not in text.replace("http://www.w3.org/", "") and "r &amp; \"s\"" in text
    assert "without afl" in text and "prefers-color-scheme: dark" in text
    xml.etree.ElementTree.fromstring(page.html({}, {}, [], [], 0))


def test_age():
    ages = [page.age(seconds) for seconds in (None, 0, 59, 90, 3600 * 5, 86400 * 30)]
    assert ages == ["never", "0 s", "59 s", "1.5 min", "5.0 h", "30 d"], ages


def main():
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory(prefix="memalloc-farm-") as top:
                test(*[pathlib.Path(top)] * test.__code__.co_argcount)
            print(f"{name}: ok", flush=True)


if __name__ == "__main__":
    main()
