"""Who runs when: each engine on each target has a lane, and lanes have turns on the cores."""

import signal
import time

from . import children, corpora, crashes, engines, page, store

GRACE = 60           # seconds that an engine may need to end after its turn
DAY = 24 * 3600      # between merges
REST_MAX = 3600
DRAIN = 600
BACKLOG_MAX = 200    # failures of a target that were not looked at; it waits until there are fewer


class Turn:
    """A program that runs for a lane."""

    def __init__(self, lane, child, log, seconds, before):
        self.lane, self.child, self.log, self.before = lane, child, log, before
        self.began = time.monotonic()
        self.deadline = self.began + seconds + GRACE
        self.executions, self.fresh, self.heard = 0, None, False

    def elapsed(self):
        return max(1e-3, time.monotonic() - self.began)


class Farm:
    """@lanes in the order of their turns; @options as the command line has them."""

    def __init__(self, state, kids, lanes, tool, options, notes):
        self.state, self.kids, self.lanes = state, kids, lanes
        self.options, self.notes = options, notes
        self.targets = sorted({lane.target for lane in lanes})
        self.status = state.load()
        self.status.setdefault("targets", {})
        programs = {target: {lane.engine: lane.program for lane in lanes if lane.target == target}
                    for target in self.targets}
        self.triage = crashes.Triage(state, kids, programs, tool, options.minimize_seconds)
        self.running, self.rest, self.failed = [], {}, {}
        self.left = len(lanes) if options.once or options.merge else None
        self.ending, self.asked, self.worked, self.told = False, False, False, 0
        for target in self.targets:
            self.status["targets"].setdefault(target, {}).setdefault("merged", time.time())

    # ---- turns -----------------------------------------------------------------------------------

    def next_lane(self):
        """The one that waits longest, which may run now; None without any."""
        order = self.status.setdefault("order", [])
        known = {lane.name(): lane for lane in self.lanes}
        order[:] = [name for name in order if name in known]
        order += [name for name in known if name not in order]
        busy = {turn.lane.name() for turn in self.running}
        for name in order:
            if (name not in busy and self.rest.get(name, 0) <= time.monotonic()
                    and self.backlog(known[name].target) < BACKLOG_MAX):
                order.remove(name)
                order.append(name)
                return known[name]
        return None

    def backlog(self, target):
        return corpora.count(self.state.folder("failed", target))

    def is_merge_due(self, lane):
        merged = self.status["targets"][lane.target]["merged"]
        has_corpus = corpora.count(self.state.folder("corpus", lane.target)) > 0
        return (lane.engine == "libfuzzer" and has_corpus
                and (self.options.merge or time.time() - merged >= DAY))

    def start(self, lane, seconds):
        log = self.state.path / "log" / f"{lane.name()}.txt"
        fresh, before = None, 0
        if self.is_merge_due(lane):
            corpora.exchange(self.state, lane.target)
            fresh, seconds = corpora.begin_merge(self.state, lane.target), engines.MERGE_SECONDS
            command, environment = engines.merge_command(lane, self.state, fresh), {}
            environment["TMPDIR"] = str(self.state.folder("tmp", lane.name()))
        else:
            command, environment = engines.command(lane, self.state, seconds)
            if lane.engine == "afl":
                before = engines.told(lane, self.state, log).get("executions", 0)
        child = self.kids.start(command, log, environment, self.state.folder("tmp", lane.name()))
        turn = Turn(lane, child, log, seconds, before)
        turn.fresh = fresh
        self.running.append(turn)

    def hear(self, turn):
        """Take into the status what an engine tells of itself."""
        told = {} if turn.fresh else engines.told(turn.lane, self.state, turn.log)
        if not told:
            return
        done = told["executions"] - turn.before
        done = told["executions"] if done < 0 else done
        all_of = self.status["targets"][turn.lane.target]
        mine = all_of.setdefault(turn.lane.engine, {"executions": 0})
        built = turn.lane.program.stat().st_mtime
        if mine.get("built") != built:
            mine.update(built=built, coverage=0, features=0)
        if told["coverage"] > mine["coverage"] or told["features"] > mine["features"]:
            all_of["find"] = time.time()
        for key in "coverage", "features":
            mine[key] = max(mine[key], told[key])
        mine["executions"] += done - turn.executions
        turn.executions = done
        if done > 0:
            turn.heard = self.worked = True
            mine["rate"] = round(done / turn.elapsed())

    def finish(self, turn):
        """A turn is over: by itself, or by now."""
        children.end_group(turn.child)
        self.hear(turn)
        self.running.remove(turn)
        code, name = turn.child.returncode, turn.lane.name()
        if turn.fresh is not None:
            self.finish_merge(turn, code)
        elif not turn.heard and not self.ending and time.monotonic() < turn.deadline - GRACE:
            self.failed[name] = self.failed.get(name, 0) + 1
            rest = min(REST_MAX, 15 * 2 ** self.failed[name])
            self.rest[name] = time.monotonic() + rest
            self.say(f"{turn.lane}: ended at once, rests for {page.age(rest)}: "
                     f"{engines.complaint(turn.log)}")
        else:
            self.failed.pop(name, None)
        self.exchange(turn.lane.target)
        if self.left is not None:
            self.left -= 1

    def exchange(self, target):
        """Not while the corpus is merged: what came to it meanwhile would be lost."""
        if not any(turn.fresh for turn in self.running if turn.lane.target == target):
            corpora.exchange(self.state, target)

    def finish_merge(self, turn, code):
        target = turn.lane.target
        if code != 0:
            if not self.ending:
                self.say(f"{target}: the merge failed: {engines.complaint(turn.log)}")
                self.status["targets"][target]["merged"] = time.time() - DAY + 3600
            return
        before, after = corpora.end_merge(self.state, target, turn.fresh)
        self.status["targets"][target]["merged"] = time.time()
        self.worked = True
        self.say(f"{target}: merged, {before} inputs became {after}")

    # ---- what is told ----------------------------------------------------------------------------

    def say(self, text):
        print(text, flush=True)

    def line(self, target, failures):
        """What is known of a target, as words for the terminal and the page."""
        one = self.status["targets"][target]
        known = [one[engine] for engine in engines.NAMES if engine in one]
        running = [turn for turn in self.running if turn.lane.target == target]
        find = one.get("find")
        doing = ["merge" if turn.fresh else turn.lane.engine for turn in running]
        return {"running": ", ".join(doing),
                "rate": " + ".join(str(each.get("rate", 0)) for each in known) or "0",
                "coverage": " + ".join(str(each["coverage"]) for each in known) or "0",
                "corpus": corpora.count(self.state.folder("corpus", target)),
                "crashes": sum(1 for facts in failures if facts["target"] == target),
                "find": page.age(None if find is None else time.time() - find)}

    def tell(self):
        """One line for each target; the same on the page, and on disk."""
        for turn in self.running:
            self.hear(turn)
        for target in {turn.lane.target for turn in self.running}:
            self.exchange(target)
        failures, lines, histories, now = crashes.known(self.state), {}, {}, time.time()
        for target in self.targets:
            one = lines[target] = self.line(target, failures)
            self.say(f"{target:10} {one['running'] or 'waits':16} {one['rate']} exec/s, "
                     f"coverage {one['coverage']}, corpus {one['corpus']}, "
                     f"{one['crashes']} failures, last find {one['find']}")
            histories[target] = self.state.remember(target, self.row(target, one, now))
        self.state.save(self.status)
        text = page.html(lines, histories, failures, self.notes, now)
        store.replace(self.state.path / "index.html", text)
        self.told = time.monotonic()

    def row(self, target, one, now):
        known = self.status["targets"][target]
        engine_rows = {engine: known[engine]["coverage"] for engine in engines.NAMES
                       if engine in known}
        return {"t": round(now), **engine_rows, "corpus": one["corpus"], "failures": one["crashes"]}

    def tell_failures(self):
        while self.triage.fresh:
            folder, facts = self.triage.fresh.pop(0)
            self.say(f"{facts['target']}: {facts['oracle']}: {facts['rule'] or facts['site']}, "
                     f"{facts['smallest']} bytes: {folder}")

    # ---- the loop --------------------------------------------------------------------------------

    def ask_to_end(self, *_):
        self.asked = True
        self.end_soon()

    def end_soon(self):
        self.ending = True
        self.triage.ending.set()

    def fill(self, end):
        """Give free cores to those that wait."""
        while len(self.running) < self.options.cores and not self.ending:
            if self.left is not None and self.left <= len(self.running):
                return
            lane = self.next_lane()
            if lane is None:
                return
            self.start(lane, max(1, round(min(self.options.turn, end - time.monotonic()))))

    def loop(self):
        end = time.monotonic() + self.options.minutes * 60
        while not self.ending and time.monotonic() < end and self.left != 0:
            self.state.look()
            if self.triage.trouble is not None:
                raise self.triage.trouble
            self.fill(end)
            for turn in list(self.running):
                if turn.child.poll() is not None or time.monotonic() > turn.deadline:
                    self.finish(turn)
            self.tell_failures()
            if time.monotonic() - self.told >= self.options.every:
                self.tell()
            time.sleep(0.2)

    def drain(self):
        """Look at what failed before the end, unless asked to end now."""
        limit = time.monotonic() + DRAIN
        while (self.triage.is_alive() and self.triage.waiting() and not self.ending
               and time.monotonic() < limit):
            time.sleep(0.2)

    def run(self):
        """Return: how many failures are new."""
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, self.ask_to_end)
        nknown = len(crashes.known(self.state))
        self.triage.start()
        try:
            self.loop()
            for turn in list(self.running):
                self.finish(turn)
            self.drain()
            self.tell_failures()
            self.tell()
        finally:
            self.end_soon()
            self.kids.end()
            self.triage.join()
        return len(crashes.known(self.state)) - nknown
