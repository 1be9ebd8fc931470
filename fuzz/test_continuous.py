#!/usr/bin/env python3
"""fuzz/continuous on a target with two bugs: it finds both, and whatever ends it, nothing is left.

test_continuous.py TOY

TOY is its source. Exit code 77, which meson takes for skipped, without a clang that has libFuzzer.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import run
from farm import children, corpora, crashes, store
from test_farm import PATIENCE, wait

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
BUGS = {"left": b"Le", "right": b"Ri"}
QUICK = ["--no-build", "--cores", "1", "--turn", "4", "--every", "1", "--minimize-seconds", "2"]
BAD = [
    (["--cores", "0"], "--cores: invalid number above 0 value: '0'"),
    (["--minutes", "soon"], "--minutes: invalid number above 0"),
    (["--engines", "libfuzzer,other"], "no engine other; there are libfuzzer, afl"),
    (["--targets", "toy,"], "an empty name in 'toy,'"),
    (["--targets", "toy,trap"], "there is no target trap; known are toy"),
    (["--build", "/nowhere", "--engines", "libfuzzer"], "there is no target at all"),
    (["--state", "/dev/null/x"], "the state cannot be kept in /dev/null/x: Not a directory"),
    (["--frequently"], "unrecognized arguments: --frequently"),
]


def compiled(compiler, folder):
    """Build the toy with an engine; whether that can be done here."""
    (folder / "fuzz").mkdir(parents=True)
    ran = subprocess.run([compiler, "-g", "-O1", "-fsanitize=fuzzer", sys.argv[1],
                          "-o", folder / "fuzz" / "fuzz_toy"], capture_output=True)
    return ran.returncode == 0


class Lab:
    def __init__(self, top):
        self.top, self.state = top, store.Store(top / "state")
        self.page = self.state.path / "index.html"

    def command(self, *words):
        return [str(HERE / "continuous"), "--state", str(self.state.path),
                "--build", str(self.top / "libfuzzer"), "--afl-build", str(self.top / "afl"),
                *QUICK, *words]

    def start(self, *words):
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def run(self, *words):
        ran = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=PATIENCE)
        return ran.returncode, ran.stdout + ran.stderr

    def running(self):
        return children.marked(f"{self.state.path}:")

    def failures(self):
        return {facts["oracle"]: facts for facts in crashes.known(self.state)}


def test_options(lab):
    for words, told in BAD:
        code, said = lab.run(*words)
        assert code == 2 and told in said, (words, code, said)
    code, said = lab.run("--help")
    words = ("--minutes", "--cores", "--targets", "--state", "--engines", "--merge", "--once")
    assert code == 0 and all(word in said for word in words), said


def test_found(lab):
    """Both bugs; each once, minimised, and on the page; a second one is not let in; Ctrl-C ends."""
    first = lab.start()
    wait(lambda: set(lab.failures()) >= set(BUGS))
    wait(lambda: lab.page.exists() and "toy-right" in lab.page.read_text()
         and "toy-left" in lab.page.read_text())
    code, said = lab.run()
    assert code == 2 and f"is in use by process {first.pid}" in said, said
    wait(lab.running)  # it may be between two turns
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 1 and "without afl: " in said and "toy: left: L1" in said, said
    assert not lab.running()
    assert set(lab.failures()) == set(BUGS), lab.failures()
    for oracle, facts in lab.failures().items():
        folder = lab.state.path / "crashes" / facts["name"]
        assert facts["name"].startswith(f"toy-{oracle}-"), facts
        assert facts["site"] == f"fuzz/farm/toy.c look_{oracle}", facts
        assert (folder / "minimised").read_bytes() == BUGS[oracle], facts
        assert (folder / "input").read_bytes()[:2] == BUGS[oracle], facts
        assert f"fuzz: {oracle}: " in (folder / "report.txt").read_text(), facts
    root = xml.etree.ElementTree.parse(lab.page).getroot()
    assert any(one.get("role") == "img" for one in root.iter("{http://www.w3.org/2000/svg}svg"))


def test_goes_on(lab):
    """A second start knows what the first did, and finds nothing new."""
    before, rows = lab.state.load()["targets"]["toy"], len(lab.state.history("toy"))
    code, said = lab.run("--once", "--engines", "libfuzzer")
    assert code == 0, said
    after = lab.state.load()["targets"]["toy"]
    assert after["libfuzzer"]["executions"] > before["libfuzzer"]["executions"] > 0
    assert after["merged"] == before["merged"] and len(lab.state.history("toy")) > rows
    assert set(lab.failures()) == set(BUGS), lab.failures()
    assert not list((lab.state.path / "failed" / "toy").iterdir())
    assert sum(facts["count"] for facts in lab.failures().values()) > len(BUGS)


def test_merge(lab):
    corpus = lab.state.path / "corpus" / "toy"
    for i in range(20):
        (corpus / f"more{i}").write_bytes(b"nothing" * i)
    before = corpora.count(corpus)
    code, said = lab.run("--merge")
    after = corpora.count(corpus)
    assert code == 0 and f"toy: merged, {before} inputs became {after}" in said, said
    assert 0 < after <= before - 19


def test_killed(lab):
    one = lab.start()
    wait(lambda: len(lab.running()) >= 2)
    one.kill()
    one.communicate()
    wait(lambda: not lab.running())
    assert json.loads((lab.state.path / "status.json").read_text())["targets"]["toy"]
    code, said = lab.run("--minutes", "0.1", "--engines", "libfuzzer", "--turn", "99")
    assert code == 0 and "toy" in said and not lab.running(), said


def test_both_engines(lab):
    """What AFL++ finds goes to libFuzzer."""
    if shutil.which("afl-fuzz") is None or not compiled("afl-clang-fast", lab.top / "afl"):
        print("left out: there is no AFL++", flush=True)
        return
    code, said = lab.run("--once", "--cores", "3", "--turn", "4")
    assert code == 0 and "without" not in said and "rests" not in said, said
    status = lab.state.load()
    assert status["targets"]["toy"]["afl"]["executions"] > 0, said
    assert sorted(status["order"]) == ["toy-afl0", "toy-afl1", "toy-libfuzzer0"]
    queue = {path.read_bytes() for path in corpora.queue(lab.state.path / "afl" / "toy")}
    shared = {path.read_bytes() for path in (lab.state.path / "corpus" / "toy").iterdir()}
    assert queue and queue <= shared
    assert set(lab.failures()) == set(BUGS) and not lab.running()


def main():
    compiler = run.compiler()
    with tempfile.TemporaryDirectory(prefix="memalloc-continuous-") as name:
        top = pathlib.Path(name).resolve()
        if compiler is None or not compiled(compiler, top / "libfuzzer"):
            print("skipped: there is no clang with libFuzzer")
            return SKIPPED
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        lab = Lab(top)
        for test in (test_options, test_found, test_goes_on, test_merge, test_killed,
                     test_both_engines):
            test(lab)
            print(f"{test.__name__}: ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
