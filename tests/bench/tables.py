"""The results as Markdown."""

import results

BEGIN, END = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"
FAILED = "failed"
UNKNOWN = "-"
TITLES = {results.ALL: "All workloads", "small": "Small programs", "traces": "Recorded traces", "real": "Real programs"}
NOTES = {
    "bump": "never frees",
    "lifo": "checks nothing, returns nothing",
}


def table(rows):
    """Rows of texts as Markdown; the first is the head. Numbers, which are all but the first column, to the right."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]

    def line(row):
        cells = [text.rjust(width) if column else text.ljust(width)
                 for column, (text, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)) + "|"
    return [line(rows[0]), rule, *map(line, rows[1:])]


def mean_text(mean):
    if mean is None:
        return UNKNOWN
    return f"{mean.value:.2f}" + (f" ({mean.n} of {mean.of})" if mean.n < mean.of else "")


def ratio_text(found, workload, allocator, metric):
    if found.cells[workload, allocator].failed:
        return FAILED
    ratio = found.ratio(workload, allocator, metric)
    return UNKNOWN if ratio is None else f"{ratio:.2f}"


def absolute_text(found, workload, metric):
    """What the allocator that others are compared with took."""
    cell = found.cells[workload, found.base]
    value = cell.medians.get(metric)
    if cell.failed or value is None:
        return FAILED if cell.failed else UNKNOWN
    scale, unit = {"cycles": (1e6, "M"), "instructions": (1e6, "M"), "RSS": (1 << 20, "MiB"),
                   "faults": (1e3, "k")}.get(metric, (1, "s"))
    return f"{value / scale:.{0 if unit == 'M' else 2 if unit == 's' else 1}f} {unit}"


def group_table(found, group):
    rows = [["allocator", *found.metrics]]
    for name in found.allocators:
        has_none = all(found.cells[one, name].failed for one in found.members(group))
        rows.append([name, *(FAILED if has_none else mean_text(found.mean(group, name, metric))
                             for metric in found.metrics)])
    return table(rows)


def workload_table(found, metric):
    others = [name for name in found.allocators if name != found.base]
    rows = [["workload", found.base, *others]]
    for workload in found.workloads:
        rows.append([workload, absolute_text(found, workload, metric),
                     *(ratio_text(found, workload, name, metric) for name in others)])
    return table(rows)


def startup_table(startup):
    rows = [["allocator", "start and end, ms", "system calls", "RSS, MiB"]]
    for name, one in sorted(startup.items(), key=lambda item: item[1]["wall"]):
        calls = one["syscalls"]
        rows.append([name, f"{one['wall'] * 1e3:.2f}", UNKNOWN if calls is None else str(calls),
                     f"{one['rss'] / (1 << 20):.1f}"])
    return table(rows)


def listed(head, lines):
    return [head, "", *(f"- {line}" for line in lines), ""] if lines else []


def failures(found):
    return listed("Failed:", [f"{workload}: {name}: {why}" for workload, name, why in found.failures()])


def introduction(found):
    data = found.data
    ran = f"{len(found.workloads)} workloads, medians of {results.rounds_text(data)}, on {data['machine']}"
    lines = [f"{ran}. Ratios to {found.base}, geometric means; less is better; sorted by {found.metrics[0]}."]
    if any(name in found.allocators for name in results.BOUNDS):
        notes = "; ".join(f"{name}: {NOTES[name]}" for name in results.BOUNDS if name in found.allocators)
        lines.append(f"Not allocators that one could use, but bounds: {notes}.")
    if data["unpermitted"]:
        lines.append(f"Not counted, because this system does not permit it: {', '.join(data['unpermitted'])}.")
    return [*lines, ""]


def report(data, details=True):
    """Lines of Markdown; with details, a table of all workloads for each metric."""
    lines = []
    if data["runs"]:
        found = results.Results(data)
        if not found.metrics:
            return ["Nothing ran.", "", *failures(found)]
        lines += introduction(found)
        groups = found.groups
        for group in ([results.ALL] if len(groups) > 1 else []) + groups:
            lines += [f"{TITLES[group]} ({len(found.members(group))}):", "", *group_table(found, group), ""]
        for metric in found.metrics if details else []:
            lines += [f"Each workload, {metric}:", "", *workload_table(found, metric), ""]
        lines += failures(found)
    if data.get("startup"):
        lines += ["Start-up of a program that does nothing:", "", *startup_table(data["startup"]), ""]
    lines += listed("Not there:", data["missing"])
    versions = [f"{name} {version}" for name, version in data["allocators"].items() if version]
    return [*lines, f"Versions: {', '.join(versions)}."] if versions else lines


def with_report(readme, lines):
    """The README with the lines in their place."""
    if BEGIN not in readme or END not in readme:
        raise SystemExit(f"the README has no lines {BEGIN.strip()} and {END.strip()}")
    before, rest = readme.split(BEGIN, 1)
    return before + BEGIN + "\n".join(lines).rstrip("\n") + "\n" + END + rest.split(END, 1)[1]
