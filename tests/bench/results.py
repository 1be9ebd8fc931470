"""From raw runs to numbers: medians, ratios to glibc, geometric means. What failed never becomes a number.

The data are what compare.py writes as JSON: "runs" has one entry for each round, workload and allocator, with a
"cost" (see counting.py) and the "digest" of what the workload made, or with a "failed" that says why it has none.
"""

import collections
import math
import statistics
from dataclasses import dataclass, field

BASE = "glibc"
OURS = "memalloc-"
BOUNDS = ["bump", "lifo"]
ALL = "all"
DIFFERS = "its output differs"


def added(*names):
    """A metric that is a sum; what the kernel does counts only where it can be counted."""
    def value(cost):
        parts = [cost[name] for name in names if cost[name] is not None]
        return sum(parts) if cost[names[0]] is not None else None
    return value


# Title -> its value in a cost, None where it was not counted. The first that is there orders the tables.
METRICS = {
    "cycles": added("cycles_user", "cycles_kernel"),
    "CPU time": added("user", "system"),
    "wall": added("wall"),
    "instructions": added("instructions_user", "instructions_kernel"),
    "RSS": added("rss"),
    "faults": added("faults"),
}


def rounds_text(data):
    return "1 round" if data["rounds"] == 1 else f"{data['rounds']} rounds"


@dataclass
class Cell:
    """A workload under an allocator."""

    failed: str = ""
    medians: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Mean:
    """A geometric mean of ratios, over n of the workloads it should be over."""

    value: float
    n: int
    of: int


def usual(runs):
    """The digest that most of the runs have."""
    counts = collections.Counter(run["digest"] for run in runs if not run["failed"])
    return counts.most_common(1)[0][0] if counts else None


def cell(runs, digest):
    failed = [run["failed"] for run in runs if run["failed"]]
    failed += [DIFFERS for run in runs if not run["failed"] and run["digest"] != digest]
    if failed or not runs:
        return Cell(failed[0] if failed else "it did not run")
    medians = {}
    for name, value in METRICS.items():
        values = [value(run["cost"]) for run in runs]
        medians[name] = None if None in values else statistics.median(values)
    return Cell(medians=medians)


class Results:
    def __init__(self, data):
        self.data = data
        self.workloads = list(data["workloads"])  # group/name
        names = list(data["allocators"])
        self.base = BASE if BASE in names else names[0]
        by = collections.defaultdict(list)
        for run in data["runs"]:
            by[run["workload"], run["allocator"]].append(run)
        self.cells = {}
        for workload in self.workloads:
            expected = usual(by[workload, self.base])
            if expected is None:
                expected = usual([run for name in names for run in by[workload, name]])
            for name in names:
                self.cells[workload, name] = cell(by[workload, name], expected)
        self.metrics = [metric for metric in METRICS if any(
            one.medians.get(metric) is not None for one in self.cells.values())]
        self.allocators = sorted(names, key=lambda name: (self.speed(name), names.index(name)))

    @property
    def groups(self):
        return list(dict.fromkeys(workload.split("/")[0] for workload in self.workloads))

    def members(self, group):
        return [one for one in self.workloads if group in (ALL, one.split("/")[0])]

    def ratio(self, workload, allocator, metric):
        """To glibc's; None where one of the two has no number."""
        ours = self.cells[workload, allocator].medians.get(metric)
        base = self.cells[workload, self.base].medians.get(metric)
        return ours / base if ours and base else None

    def mean(self, group, allocator, metric):
        """Over the workloads of a group that both could run; None without any."""
        members = [one for one in self.members(group) if not self.cells[one, self.base].failed]
        ratios = [self.ratio(one, allocator, metric) for one in members]
        known = [ratio for ratio in ratios if ratio is not None]
        if not known:
            return None
        return Mean(math.exp(math.fsum(map(math.log, known)) / len(known)), len(known), len(members))

    def speed(self, allocator):
        mean = self.mean(ALL, allocator, self.metrics[0]) if self.metrics else None
        return mean.value if mean else math.inf

    def failures(self):
        """(workload, allocator, why), of all."""
        return [(workload, name, one.failed) for (workload, name), one in self.cells.items() if one.failed]
