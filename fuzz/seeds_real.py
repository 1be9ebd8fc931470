#!/usr/bin/env python3
"""Write seeds of the heap's fuzz target that are pieces of what real programs did.

seeds_real.py BUILD FUZZER CORPUS    writes CORPUS/real-PROGRAM-N, and removes those that were there

BUILD has the drop-in, which records the programs, and the tool seq; FUZZER is fuzz_heap built with libFuzzer,
without sanitizers at best. Of each recording, pieces are taken at many offsets, with several configurations; the
piece that shows the fuzzer most that neither the other files in CORPUS nor the pieces chosen before show is chosen
next. What programs do depends on their versions: the seeds are kept with the sources, not made anew.
"""

import pathlib
import subprocess
import sys
import tempfile

TRACES = pathlib.Path(__file__).resolve().parent.parent / "tests/bench/trace/traces.py"
PROGRAMS = ["sqlite3", "python3", "git", "redis"]
# Plain; with an order of slots, samples and a quarantine; with large pages, traces and a second kind of fit.
CONFIGS = ["000000", "02100a", "053040", "398085"]
NOFFSETS = 40
NOPERATIONS = 400
SIZE_MAX = 3 * 1024
NCHOSEN = 4
EVENTS_AT = 16  # where the number of events stands in a recording


def features(fuzzer, paths, directory):
    """Numbers of what the files show the fuzzer: edges, and how often they were taken."""
    control, inputs, empty = directory / "control", directory / "inputs", directory / "empty"
    for folder in inputs, empty:
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
    for number, path in enumerate(paths):
        (inputs / str(number)).write_bytes(path.read_bytes())
    control.unlink(missing_ok=True)
    subprocess.run([fuzzer, "-merge=1", "-max_len=4096", f"-merge_control_file={control}", empty, inputs], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = [line.split() for line in control.read_text().splitlines()]
    return {int(word) for words in lines if words and words[0] == "FT" for word in words[2:]}


def piece(seq, trace, skip, config):
    """As many operations as there is room for."""
    count = NOPERATIONS
    while True:
        data = subprocess.run([seq, "from-trace", "--config", config, "--skip", str(skip), "--first", str(count), trace],
                              check=True, capture_output=True).stdout
        if len(data) <= SIZE_MAX:
            return data
        count = count * SIZE_MAX // len(data) - 1


def pieces(seq, trace, directory):
    nevents = int.from_bytes(trace.read_bytes()[EVENTS_AT:EVENTS_AT + 8], "little")
    for number in range(NOFFSETS):
        for config in CONFIGS:
            path = directory / f"{trace.stem}.{number}.{config}"
            path.write_bytes(piece(seq, trace, nevents * number // NOFFSETS, config))
            yield path


def choose(fuzzer, candidates, known, directory):
    """The pieces to keep; what they show is known from then on."""
    shown = {path: features(fuzzer, [path], directory) for path in candidates}
    for _ in range(NCHOSEN):
        best = max(candidates, key=lambda path: len(shown[path] - known))
        if not shown[best] - known:
            return
        print(f"{best.name}: {best.stat().st_size} bytes, {len(shown[best] - known)} features more", flush=True)
        known |= shown[best]
        yield best


def main(build, fuzzer, corpus):
    build, corpus = pathlib.Path(build).resolve(), pathlib.Path(corpus)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        only = [word for program in PROGRAMS for word in ("--only", program)]
        subprocess.run([sys.executable, TRACES, "--build", build, *only, directory], check=True)
        for path in corpus.glob("real-*"):
            path.unlink()
        known = features(fuzzer, sorted(corpus.iterdir()), directory)
        for trace in sorted(directory.glob("*.trace")):
            candidates = list(pieces(build / "fuzz/seq", trace, directory))
            for number, path in enumerate(choose(fuzzer, candidates, known, directory), 1):
                (corpus / f"real-{trace.stem}-{number}").write_bytes(path.read_bytes())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
