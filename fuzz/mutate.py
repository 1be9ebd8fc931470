#!/usr/bin/env python3
"""How many small changes of memalloc the corpora and the unit tests stop: a mutation score.

mutate.py BUILD --results FILE [--sample N] [--seed S] [--jobs J] [--only corpus|unit]
mutate.py BUILD --results FILE --report        only says what FILE holds
mutate.py --selftest                           shows that what is wrong is noticed

The mutants of the rooms that hold memory (ROOMS; mutants.py has the rules) are put into an order
that depends on the seed, and evaluated one after the other until N of them count: those that build,
and to other objects than the sources and the mutants before do. FILE has a line for each, so that a
run that was ended goes on where it was; --only adds one half of what is asked to what is there.

A mutant is stopped by the corpora when a program that replays one fails, and by the unit tests when
one of them does: those of its room come first, then the quickest.
"""

import argparse
import concurrent.futures
import hashlib
import json
import math
import os
import pathlib
import random
import re
import signal
import sys
import tempfile
import threading

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(1, str(TOP / "tests"))

import mutants
import planted
import rebuild
from edits import Broken

ROOMS = re.compile(r"lib/(meta|pagemap|maxtree|region|fit|pool|direct|decay|guard|waitlist|slab"
                   r"|sizeclass|large|quarantine|stock|heap|bins|remote|supply|fast|fill|canary"
                   r"|block)(_internal)?\.[ch]$")
STAGES = ("corpus", "unit")
PLAIN = ("-w", "-g0")
TIMES, SECONDS = 5, 3       # a mutant's run takes at most that much longer
Z = 1.96                    # of 95 %


def sources(top):
    """What a result depends on, as {path: text}."""
    paths = [path for folder in ("lib", "fuzz", "tests") for path in (top / folder).rglob("*.[ch]")]
    return {str(path.relative_to(top)): path.read_text() for path in sorted(paths)}


def fingerprint(texts, top):
    """The same only for the same sources and the same corpora."""
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for path in sorted((top / "corpus").rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(top)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def all_mutants(texts, seed):
    found = [one for path, text in texts.items() if ROOMS.match(path)
             for one in mutants.mutants(path, text)]
    random.Random(seed).shuffle(found)
    return found


# ---- one mutant ----------------------------------------------------------------------------------

class Lab:
    """A build, and what is known of it without any mutant."""

    def __init__(self, build, directory, stages):
        self.build = rebuild.Build(build)
        self.directory = pathlib.Path(directory)
        self.texts = sources(self.build.top)
        self.programs, self.pulled = {}, {}
        for stage in stages:
            self.programs[stage] = planted.sound_programs(self.build, stage, TIMES, SECONDS)
            for program in self.programs[stage]:
                self.pulled[program.path] = self.parts(program.path)
        self.objects = set().union(*self.pulled.values())
        self.base = rebuild.Variant(self.build, self.directory / "base", {})
        self.base.directory.mkdir()
        self.plain = {one: self.digest(self.base.compile_one(one, PLAIN))
                      for one in sorted(self.objects) if ROOMS.match(self.build.sources[one])}
        self.must_pass()
        self.lock = threading.Lock()

    def must_pass(self):
        """All programs, built as those of mutants are, without a mutant; which is then equal."""
        output = min(self.plain)
        source = self.build.sources[output]
        same = rebuild.Variant(self.build, self.directory / "same", {source: self.texts[source]})
        if self.digest(same.compile_one(output, PLAIN)) != self.plain[output]:
            raise Broken(f"{source}: without a mutant, another object")
        for programs in self.programs.values():
            for program in programs:
                ran = self.base.run(program, programs[program])
                if ran is not None and not ran.passed:
                    raise Broken(f"{program.name}: fails without a mutant: "
                                 f"{planted.oracle_of(ran)}\n{ran.err[-2000:]}")

    def parts(self, path):
        """The objects that a program consists of, those that it takes out of archives included."""
        build = self.build
        words = [os.devnull if word == path else word for word in build.link(path)]
        ran = rebuild.run([*words, "-Wl,--trace"], cwd=build.build)
        lines = {os.path.normpath(line) for line in ran.out.splitlines()}
        found = {one for one in build.objects(path) if one in lines}
        for line in lines:
            member = re.match(r"(.*\.a)\((.*)\)$", line)
            found |= {one for one in build.objects(path)
                      if member and os.path.basename(one) == member[2]}
        for part in build.made_of(path):
            if ".so" in part:
                found |= build.objects(part)
        return found

    def dependents(self, mutant):
        if mutant.file.endswith(".c"):
            return {one for one in self.objects if self.build.sources[one] == mutant.file}
        users = mutants.users(self.texts, mutant.function)
        return {one for one in self.objects if self.build.sources[one] in users}

    def digest(self, path):
        """Of an object, what numbers of its own names and lines of debugging left aside."""
        stripped = path.with_suffix(".stripped")
        ran = rebuild.run(["objcopy", "--strip-unneeded", "-R", ".comment", str(path),
                           str(stripped)])
        if not ran.passed:
            raise Broken(ran.err)
        return hashlib.sha256(stripped.read_bytes()).hexdigest()[:20]

    def plain_digest(self, output):
        with self.lock:
            if output not in self.plain:
                self.plain[output] = self.digest(self.base.compile_one(output, PLAIN))
            return self.plain[output]

    def build_mutant(self, variant, mutant):
        """Return: its fate, and what tells it from others."""
        outputs = sorted(self.dependents(mutant))
        try:
            for output in outputs:
                variant.compile_one(output, PLAIN)
        except rebuild.Fails:
            return "does not build", ""
        digests = {one: self.digest(variant.changed[one]) for one in outputs}
        for output, digest in digests.items():
            if digest == self.plain_digest(output):
                del variant.changed[output]
        if not variant.changed:
            return "equal", ""
        return "counts", hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:20]

    def order(self, mutant, programs):
        room = pathlib.Path(mutant.file).stem.removesuffix("_internal")
        return sorted(programs, key=lambda one: (not one.name.startswith(f"test_{room}"),
                                                 programs[one]))

    def killer(self, variant, mutant, stage):
        """Return: what stops a mutant, "" for nothing."""
        programs = self.programs[stage]
        for program in self.order(mutant, programs):
            if not self.pulled[program.path] & variant.changed.keys():
                continue
            try:
                ran = variant.run(program, programs[program])
            except rebuild.Fails:
                return f"{program.name}: does not link"
            if not ran.passed:
                failed = re.search(r"^\[  FAILED  \] (\w+)$", ran.err, re.M)
                return f"{program.name}: {failed[1] if failed else planted.oracle_of(ran)}"
        return ""


def record_of(mutant):
    return {"name": mutant.name, "file": mutant.file, "function": mutant.function,
            "line": mutant.line, "kind": mutant.kind, "old": mutant.old, "new": mutant.new}


def evaluate(lab, mutant, record, stages, results):
    """Add to a record what it lacks."""
    directory = lab.directory / hashlib.sha256(mutant.name.encode()).hexdigest()[:16]
    variant = rebuild.Variant(lab.build, directory,
                              {mutant.file: mutant.text(lab.texts[mutant.file])})
    try:
        fate, digest = lab.build_mutant(variant, mutant)
        if "fate" not in record:
            record["fate"] = results.admit(fate, digest)
            record["digest"] = digest
        for stage in stages:
            if record["fate"] == "counts" and stage not in record:
                record[stage] = lab.killer(variant, mutant, stage)
    finally:
        variant.remove()
    return record


# ---- results -------------------------------------------------------------------------------------

class Results:
    """A file with a line of JSON for each mutant; a later line adds to an earlier one."""

    def __init__(self, path, head):
        self.path, self.records, self.digests = pathlib.Path(path), {}, set()
        self.lock = threading.Lock()
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        for line in lines[1:]:
            try:
                record = json.loads(line)
            except ValueError:
                continue    # the end of a run that was ended
            self.records.setdefault(record["name"], {}).update(record)
            self.digests.add(record.get("digest"))
        if lines and json.loads(lines[0]) != head:
            raise Broken(f"{path} is of other sources, corpora or another seed: {lines[0]}")
        if not lines:
            self.path.write_text(json.dumps(head) + "\n")
        elif not self.path.read_text().endswith("\n"):
            self.write("\n")

    def write(self, text):
        with self.lock, self.path.open("a") as file:
            file.write(text)

    def add(self, record):
        self.records[record["name"]] = record
        self.write(json.dumps(record) + "\n")

    def admit(self, fate, digest):
        """The fate of a mutant that may be the same as an earlier one."""
        with self.lock:
            if fate == "counts" and digest in self.digests:
                return "equal to another"
            self.digests.add(digest)
            return fate


def sample(results, order, n):
    """The first @n that count, in their order; all that were looked at until then."""
    counted, looked = [], []
    for mutant in order:
        record = results.records.get(mutant.name)
        if record is None or "fate" not in record or len(counted) == n:
            break
        looked.append(record)
        if record["fate"] == "counts":
            counted.append(record)
    return counted, looked


def work(lab, results, order, n, stages, jobs):
    """Evaluate until @n mutants count, some at a time."""
    at = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        while at < len(order) and len(sample(results, order, n)[0]) < n or at == 0:
            some, at = order[at:at + 4 * jobs], at + 4 * jobs
            waiting = []
            for mutant in some:
                record = dict(results.records.get(mutant.name) or record_of(mutant))
                if "fate" in record and (record["fate"] != "counts" or
                                         all(stage in record for stage in stages)):
                    continue
                waiting.append(pool.submit(evaluate, lab, mutant, record, stages, results))
            for one in concurrent.futures.as_completed(waiting):
                results.add(one.result())
                say(one.result())


def say(record):
    stages = ", ".join(f"{stage}: {record[stage] or 'SURVIVES'}" for stage in STAGES
                       if stage in record)
    print(f"{record['fate']}: {record['name'].splitlines()[0]} [{record['function']}] {stages}",
          flush=True)


# ---- report --------------------------------------------------------------------------------------

def wilson(k, n):
    """The 95 % interval of a share, as Wilson has it."""
    if n == 0:
        return 0.0, 1.0
    p, zz = k / n, Z * Z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share(k, n):
    low, high = wilson(k, n)
    return f"{k}/{n} = {100 * k / n if n else 0:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def stopped(record, stages):
    return any(record.get(stage) for stage in stages)


def groups(counted, key):
    found = {}
    for record in counted:
        found.setdefault(key(record), []).append(record)
    return sorted(found.items())


def report(counted, looked):
    """The lines of a report."""
    stages = [stage for stage in STAGES if any(stage in one for one in counted)]
    counted = [one for one in counted if all(stage in one for stage in stages)]
    fates = ", ".join(f"{len(some)} {fate}" for fate, some in groups(looked, lambda r: r["fate"]))
    yield f"{len(looked)} mutants: {fates}"
    for stage in stages:
        total = sum(stopped(r, [stage]) for r in counted)
        yield f"stopped by {stage}: {share(total, len(counted))}"
    if len(stages) == 2:
        total = sum(stopped(r, stages) for r in counted)
        yield f"stopped by either: {share(total, len(counted))}"
    for title, key in (("file", lambda r: r["file"]), ("kind", lambda r: r["kind"]),
                       ("function", lambda r: f"{r['file']}: {r['function']}")):
        columns = [*stages, *["either"] * (len(stages) == 2)]
        yield f"\nstopped of all, by {title}: {', '.join(columns)}"
        for name, some in groups(counted, key):
            numbers = [sum(stopped(r, [stage]) for r in some) for stage in stages]
            numbers += [sum(stopped(r, stages) for r in some)] * (len(stages) == 2)
            yield f"  {name}: {' '.join(map(str, numbers))} of {len(some)}"
    for stage in columns:
        yield f"\nnot stopped by {stage}:"
        yield from survivors(counted, stages if stage == "either" else [stage])


def survivors(counted, stages):
    for record in sorted(counted, key=lambda r: (r["file"], r["line"])):
        if not stopped(record, stages):
            old, new = (" ".join(record[key].split()) for key in ("old", "new"))
            yield (f"  {record['file']}:{record['line']} {record['function']}: {record['kind']}: "
                   f"{old} => {new}")


# ---- main ----------------------------------------------------------------------------------------

C_TEXT = """#define LIMIT 3
static int clamp(const int *at, int n)
{
	MA_ASSERT(n > 0);
	if (n > 7)
		n = 7;
	return at[0] + n;
}
"""
C_KINDS = {("relation", ">="), ("reversed relation", "<="), ("condition", "(!(n > 7))"),
           ("constant", "6"), ("constant", "8"), ("constant", "1"), ("statement", ";"),
           ("result", "0"), ("arithmetic", "-")}


def selftest():
    found = mutants.mutants("lib/a.c", C_TEXT)
    if {(one.kind, one.new) for one in found} != C_KINDS or any(one.line < 5 for one in found):
        yield f"other mutants than there are: {found}"
    if any(one.text(C_TEXT).count("\n") != C_TEXT.count("\n") for one in found):
        yield "a mutant moves lines"
    if any(abs(a - b) > 0.0005 for a, b in zip(wilson(8, 10), (0.4902, 0.9433))):
        yield f"not the interval that Wilson has: {wilson(8, 10)}"
    headers = {"a.h": "int inner(void)\n{\n}\nint outer(void)\n{\n\treturn inner();\n}\n",
               "a.c": "x = outer();", "b.c": "x = other();"}
    if mutants.users(headers, "inner") != {"a.c"}:
        yield f"not those who use it: {mutants.users(headers, 'inner')}"
    yield from selftest_results()


def selftest_results():
    order = mutants.mutants("lib/a.c", C_TEXT)[:3]
    with tempfile.TemporaryDirectory(prefix="memalloc-mutants-") as directory:
        path = pathlib.Path(directory, "results")
        results = Results(path, {"seed": 1})
        results.add({**record_of(order[0]), "fate": results.admit("counts", "a"), "digest": "a"})
        results.add({**record_of(order[1]), "fate": results.admit("counts", "a"), "corpus": ""})
        results.write('{"name": "torn')
        again = Results(path, {"seed": 1})
        counted, looked = sample(again, order, 3)
        if len(counted) != 1 or [one["fate"] for one in looked] != ["counts", "equal to another"]:
            yield f"read back as something else: {looked}"
        counted[0]["corpus"] = "heap: stopped"
        lines = list(report(counted, looked))
        if "stopped by corpus: 1/1 = 100.0 % (20.7 to 100.0)" not in lines:
            yield f"reported as something else: {lines}"
        try:
            Results(path, {"seed": 2})
            yield "results of another seed are taken"
        except Broken:
            pass


def arguments():
    parser = argparse.ArgumentParser(description="How many mutants the corpora and tests stop.")
    parser.add_argument("build", nargs="?", help="a build directory that is up to date")
    parser.add_argument("--results", metavar="FILE", help="a line for each mutant")
    parser.add_argument("--sample", metavar="N", type=int, default=100, help="mutants that count")
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="of the order")
    parser.add_argument("--jobs", metavar="J", type=int, default=1, help="at a time")
    parser.add_argument("--only", choices=STAGES, help="ask only these")
    parser.add_argument("--report", action="store_true", help="evaluate nothing more")
    parser.add_argument("--selftest", action="store_true")
    options = parser.parse_args()
    if not options.selftest and not (options.build and options.results):
        parser.error("where is the build, and what file is for the results?")
    return options


def main():
    options = arguments()
    if options.selftest:
        wrong = list(selftest())
        print("\n".join(wrong))
        return 1 if wrong else 0
    stages = [options.only] if options.only else list(STAGES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # and remove what is temporary
    try:
        texts = sources(rebuild.Build(options.build).top)
        order = all_mutants(texts, options.seed)
        results = Results(options.results, {"seed": options.seed,
                                            "sources": fingerprint(texts, TOP)})
        if not options.report:
            with tempfile.TemporaryDirectory(prefix="memalloc-mutate-") as directory:
                lab = Lab(options.build, directory, stages)
                work(lab, results, order, options.sample, stages, options.jobs)
    except (Broken, rebuild.Fails) as broken:
        print(broken)
        return 1
    print(*report(*sample(results, order, options.sample)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
