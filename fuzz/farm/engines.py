"""The programs that fuzz: which are there, their command lines, what they tell as they run."""

import shutil

import run

from . import said

NAMES = ("libfuzzer", "afl")
AFL_COMPILERS = ("afl-clang-fast",)
AFL_SETUP = ["-Dfuzz_engine=afl"]
AFL_ENVIRONMENT = {
    "AFL_AUTORESUME": "1",
    "AFL_FINAL_SYNC": "1",
    "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1",
    "AFL_NO_AFFINITY": "1",
    "AFL_NO_UI": "1",
    "AFL_SKIP_CPUFREQ": "1",
}
AFL_SCHEDULES = ("explore", "fast", "coe", "rare", "exploit")
MERGE_SECONDS = 1800

# Targets whose bytes are operations, with how many bytes of configuration stand before them.
SEQUENCES = {"heap": 3, "misuse": 3, "image": 3, "diff": 4, "oom": 5, "pool": 3, "pools": 2, "slab": 3, "threads": 3}


class Lane:
    """One engine on one target, which has turns."""

    def __init__(self, target, engine, program, number=0):
        self.target, self.engine, self.program, self.number = target, engine, program, number

    def __str__(self):
        return f"{self.target}, {self.engine}{f' {self.number}' if self.number else ''}"

    def name(self):
        return f"{self.target}-{self.engine}{self.number}"


def reason_without(engine):
    """Why an engine cannot be used here; None when it can."""
    if engine == "libfuzzer":
        return None if run.compiler() else "there is no clang"
    missing = [name for name in ("afl-fuzz", *AFL_COMPILERS) if shutil.which(name) is None]
    return f"there is no {missing[0]}" if missing else None


def build(engine, directory):
    """Build all targets of an engine; subprocess.CalledProcessError when that fails."""
    if engine == "libfuzzer":
        run.build(directory, run.compiler(), run.SETUP)
    else:
        run.build(directory, AFL_COMPILERS[0], AFL_SETUP)


def libfuzzer_command(lane, store, seconds):
    """A parent that starts children, and goes on when one of them fails."""
    failed = store.folder("failed", lane.target)
    corpora = [store.folder("corpus", lane.target), *run.seeds(lane.target)]
    words = run.dictionary(lane.program)
    return [lane.program, *run.LIMITS, "-fork=1", "-ignore_crashes=1", "-ignore_ooms=1",
            "-ignore_timeouts=1", f"-max_total_time={seconds}", f"-artifact_prefix={failed}/",
            *([f"-dict={words}"] if words else []), *corpora]


def afl_command(lane, store, seconds):
    """Number 0 is the main one, which reads what libFuzzer found, too."""
    corpus = store.folder("corpus", lane.target)
    first = store.folder("tmp", f"first-{lane.name()}")
    (first / "one").write_bytes(b"0")
    for path in [path for folder in run.seeds(lane.target) for path in folder.iterdir()]:
        shutil.copy(path, first / path.name)
    words = run.dictionary(lane.program)
    if lane.number == 0:
        who = ["-M", "main", "-F", corpus]
    else:
        schedule = AFL_SCHEDULES[lane.number % len(AFL_SCHEDULES)]
        who = ["-S", f"secondary{lane.number}", "-p", schedule]
    length = next(word for word in run.LIMITS if word.startswith("-max_len=")).partition("=")[2]
    return ["afl-fuzz", "-G", length, "-t", "10000", "-V", seconds, "-i", first,
            "-o", store.folder("afl", lane.target), *(["-x", words] if words else []), *who,
            "--", lane.program]


def command(lane, store, seconds):
    """Return: the command line, and what is put into its environment."""
    tmp = store.folder("tmp", lane.name())
    if lane.engine == "libfuzzer":
        return libfuzzer_command(lane, store, seconds), {"TMPDIR": str(tmp)}
    return afl_command(lane, store, seconds), {"TMPDIR": str(tmp), **AFL_ENVIRONMENT}


def merge_command(lane, store, fresh):
    """All of the corpus that adds to its coverage, into an empty folder."""
    return [lane.program, *run.LIMITS, "-merge=1", fresh, store.folder("corpus", lane.target)]


def afl_folder(lane, store):
    who = "main" if lane.number == 0 else f"secondary{lane.number}"
    return store.path / "afl" / lane.target / who


def told(lane, store, log):
    """What an engine says of itself now: executions, coverage, features; {} when it is silent."""
    if lane.engine == "libfuzzer":
        status = said.status(tail(log))
        if status is None:
            return {}
        return {"executions": status.executions, "coverage": status.coverage,
                "features": status.features}
    try:
        found = said.statistics((afl_folder(lane, store) / "fuzzer_stats").read_text())
    except OSError:
        return {}
    return {"executions": found.get("execs_done", 0), "coverage": found.get("edges_found", 0),
            "features": found.get("corpus_count", found.get("paths_total", 0))}


def tail(path, size=1 << 16):
    """The end of a file as text."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def complaint(log):
    """The line of an engine's log that tells best why it ended."""
    lines = [line.strip() for line in tail(log).splitlines() if line.strip()]
    telling = [line for line in lines if "ERROR" in line or "PROGRAM ABORT" in line]
    return (telling or lines or ["it said nothing"])[-1][:200]
