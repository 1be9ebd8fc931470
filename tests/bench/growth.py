#!/usr/bin/python3
"""How the cost of an operation grows: with threads, with live objects, with the bytes of the heap.

growth.py --preload LIBRARY --programs DIRECTORY [--only threads,live,heap] [--rounds N] [--memory BYTES] ...
growth.py --from-json FILE [--markdown FILE] [--svg FILE]

Runs DIRECTORY/peers/growth threads N, growth live N and growth heap BYTES under each allocator, in turn; the first
number that it prints is nanoseconds of CPU time per operation. A curve ends where the program ends with exit code 77,
or where the next point would need more than --memory.
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

import counting
import picture
import preloads
import tables
import workloads

POINTS = {
    "threads": [1, 2, 4, 8, 16, 32, 64],
    "live": [10 ** power for power in range(3, 9)],
    "heap": [1 << power for power in range(20, 35, 2)],
}
TITLES = {"threads": "threads", "live": "live objects", "heap": "bytes in the heap"}
POLITE = 77
UNITS = [(1 << 30, " GiB"), (1 << 20, " MiB")]
TIMEOUT = 600
COLOURS = ["#8c959f", "#60a5fa", "#2563eb", "#0891b2", "#e8912d", "#2a9d55", "#d6409f", "#a475f9", "#b8860b", "#64748b"]


def label(kind, point):
    """A point of a curve as people write it."""
    if kind == "heap":
        size, unit = next(one for one in UNITS if point >= one[0])
        return f"{point // size}{unit}"
    for power, letter in ((10 ** 6, "M"), (10 ** 3, "k")):
        if point >= power:
            return f"{point // power} {letter}"
    return str(point)


def run_point(program, kind, point, own, base):
    """Nanoseconds per operation and peak memory; Failed when there are none."""
    stdout = os.path.join(base, "stdout")
    command = counting.Command([program, kind, str(point)], environment={"PATH": workloads.SEARCH, "LC_ALL": "C"},
                               own=own, directory=base, stdout=stdout, timeout=TIMEOUT)
    cost = command.finish()
    number = re.search(r"\d+(\.\d+)?", Path(stdout).read_text())
    if number is None:
        raise counting.Failed("it printed no number")
    return float(number.group()), cost["rss"]


class Curve:
    """One allocator's; it ends at the first point that is too much."""

    def __init__(self):
        self.points = {}  # point -> median
        self.end = ""
        self.peaks = {}  # point -> peak memory

    def is_too_large(self, kind, point, memory):
        """As memory grew from the first point to the last, it will; some allocators need a lot for the first alone."""
        if kind == "heap" and point > memory:
            return True
        if kind == "threads" or not self.peaks:
            return False
        (first, base), (last, peak) = min(self.peaks.items()), max(self.peaks.items())
        slope = (peak - base) / (last - first) if last > first else 0
        return peak + slope * (point - last) > memory


def measure_kind(kind, found, program, options, base):
    curves = {name: Curve() for name in found}
    for point in POINTS[kind]:
        values = {name: [] for name in found}
        for number in range(options.rounds):
            names = list(found)
            for name in names[number % len(names):] + names[:number % len(names)]:
                curve = curves[name]
                if curve.end:
                    continue
                if curve.is_too_large(kind, point, options.memory):
                    curve.end = "memory limit"
                    continue
                try:
                    value, rss = run_point(program, kind, point, found[name][0], base)
                    values[name].append(value)
                    curve.peaks[point] = max(rss, curve.peaks.get(point, 0))
                except counting.Failed as why:
                    curve.end = "enough" if why.code == POLITE else f"failed at {label(kind, point)}: {why}"
        for name, some in values.items():
            if some and not curves[name].end:
                curves[name].points[point] = statistics.median(some)
        print(f"{kind} {label(kind, point)}", file=sys.stderr)
    return {name: {"points": list(curve.points.items()), "end": curve.end} for name, curve in curves.items()}


# ---- showing ---------------------------------------------------------------------------------------------------------


def kind_table(kind, curves):
    points = sorted({point for curve in curves.values() for point, _ in curve["points"]})
    rows = [["allocator", *(label(kind, point) for point in points)]]
    for name, curve in curves.items():
        values = dict(map(tuple, curve["points"]))
        end = tables.FAILED if curve["end"].startswith("failed") else tables.UNKNOWN
        rows.append([name, *(f"{values[point]:.1f}" if point in values else end for point in points)])
    return tables.table(rows)


def report(data):
    lines = []
    for kind, curves in data["curves"].items():
        lines += [f"Nanoseconds of CPU time per operation, by {TITLES[kind]}:", "", *kind_table(kind, curves), ""]
        ends = {name: curve["end"] for name, curve in curves.items()}
        lines += tables.listed("Failed:", [f"{name}: {end.removeprefix('failed ')}" for name, end in ends.items()
                                           if end.startswith("failed")])
    return lines + tables.listed("Not there:", data["missing"])


def chart(kind, curves, colours, x, y, width, height):
    """Curves over a logarithmic scale of points; the height is linear, from 0."""
    points = sorted({point for curve in curves.values() for point, _ in curve["points"]})
    values = sorted(value for curve in curves.values() for _, value in curve["points"])
    parts = [picture.text(x, y - 14, f"ns per operation, by {TITLES[kind]}", "title")]
    if not points:
        return parts
    most = min(values[-1], 6 * values[len(values) // 2]) * 1.05 or 1
    at = {point: x + width * i / max(1, len(points) - 1) for i, point in enumerate(points)}
    for i in range(5):
        level = y + height - height * i / 4
        parts += [picture.line(x, level, x + width, level, "axis"),
                  picture.text(x - 6, level + 4, f"{most * i / 4:.0f}", "small", "end")]
    shown = points if len(points) < 8 else points[::2]
    parts += [picture.text(at[point], y + height + 18, label(kind, point), "small", "middle") for point in shown]
    for name, curve in curves.items():
        dots = [(at[point], y + height - height * min(value, most) / most) for point, value in curve["points"]]
        path = " ".join(f"{dot[0]:.1f},{dot[1]:.1f}" for dot in dots)
        parts.append(f'<polyline points="{path}" class="curve" stroke="{colours[name]}"/>')
        parts += [f'<circle cx="{dot[0]:.1f}" cy="{dot[1]:.1f}" r="2.5" fill="{colours[name]}"/>' for dot in dots]
    return parts


def drawing(data):
    names = list(dict.fromkeys(name for curves in data["curves"].values() for name in curves))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    parts, columns = [], 5
    for i, name in enumerate(names):
        x, y = 50 + i % columns * 160, 22 + i // columns * 20
        parts += [f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" fill="{colours[name]}"/>',
                  picture.text(x + 18, y, name)]
    top = 75 + (len(names) - 1) // columns * 20
    for kind, curves in data["curves"].items():
        parts += chart(kind, curves, colours, 50, top, picture.WIDTH - 80, 190)
        top += 265
    return picture.svg(top - 30, parts)


def arguments():
    parser = argparse.ArgumentParser(description="How the cost of an operation grows.")
    preloads.add_arguments(parser)
    parser.add_argument("--only", metavar="KINDS", type=preloads.words_of, default=list(POINTS),
                        help="of threads,live,heap")
    parser.add_argument("--rounds", metavar="N", type=int, default=3)
    parser.add_argument("--memory", metavar="BYTES", type=int, default=4 << 30, help="otherwise 4 GiB")
    parser.add_argument("--json", metavar="FILE", help="write the curves")
    parser.add_argument("--from-json", metavar="FILE", help="run nothing, show what was written before")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--svg", metavar="FILE")
    options = parser.parse_args()
    if not options.from_json and not options.programs:
        parser.error("where are the programs?")
    if set(options.only) - POINTS.keys():
        parser.error(f"--only is of {', '.join(POINTS)}")
    return options


def measure(options):
    program = os.path.join(os.path.abspath(options.programs), "peers", "growth")
    if not os.access(program, os.X_OK):
        raise SystemExit(f"there is no {program}")
    found, missing = preloads.find(options)
    with tempfile.TemporaryDirectory(prefix="memalloc-growth-", dir=preloads.memory()) as base:
        curves = {kind: measure_kind(kind, found, program, options, base) for kind in options.only}
    return {"curves": curves, "missing": missing}


def main():
    options = arguments()
    data = json.loads(Path(options.from_json).read_text()) if options.from_json else measure(options)
    if options.json:
        Path(options.json).write_text(json.dumps(data, indent=1) + "\n")
    if options.markdown:
        Path(options.markdown).write_text("\n".join(report(data)) + "\n")
    else:
        print("\n".join(report(data)))
    if options.svg:
        Path(options.svg).write_text(drawing(data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
