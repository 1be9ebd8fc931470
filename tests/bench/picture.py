"""Pictures as SVG, light or dark as the reader's system is; they have a background of their own, should a page differ."""

from html import escape

import results

WIDTH = 860
STYLE = """
.page { fill: #ffffff }
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px } .small { font-size: 12px; fill: #59636e }
.ours { fill: #2563eb; stroke: #2563eb } .peer { fill: #8c959f; stroke: #8c959f } .bound { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
.pale { fill-opacity: .4; stroke-opacity: .5 } .rule { stroke: #59636e; stroke-dasharray: 2 3 } .axis { stroke: #d1d9e0 }
.strong { font-weight: 600 } .curve { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 }
.ours { fill: #6ea8fe; stroke: #6ea8fe } .peer { fill: #6e7681; stroke: #6e7681 } .bound { stroke: #6e7681 }
.rule { stroke: #9198a1 } .axis { stroke: #3d444d }
}
"""
MOST = 3.0  # longer bars are cut off
ROW, BAR = 34, 11
NAMES, PANEL, GAP = 130, 262, 100
TOP = 62
NUMBER = 32  # how wide a number is


def svg(height, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
    page = f'<rect width="{WIDTH}" height="{height}" rx="6" class="page"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", page, *parts, "</svg>", ""])


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def kind_of(name):
    if name.startswith(results.OURS):
        return "ours"
    return "bound" if name in results.BOUNDS else "peer"


def bar(x, y, height, mean, longest, kind):
    """A bar and its number behind it."""
    if mean is None:
        return [text(x + 4, y + height, "failed", "small")]
    width, one = min(mean.value, longest) / longest * PANEL, PANEL / longest
    end = one if one - NUMBER < width < one else width  # not across the rule at 1
    partly = f" ({mean.n} of {mean.of})" if mean.n < mean.of else ""
    return [f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="1.5" class="{kind}"/>',
            text(x + end + 5, y + height - 0.5, f"{mean.value:.2f}{partly}", "small")]


def panel(found, x, title, metric, series):
    """Bars of all allocators; series: the groups that have one each."""
    means = {(group, name): found.mean(group, name, metric) for group in series for name in found.allocators}
    longest = min(MOST, max([1.2, *(mean.value for mean in means.values() if mean)]))
    parts = [text(x, 22, title, "title")]
    for row, name in enumerate(found.allocators):
        height = BAR if len(series) > 1 else 2 * BAR - 4
        for i, group in enumerate(series):
            kind = kind_of(name) + (" pale" if i else "")
            parts += bar(x, TOP + row * ROW + i * (BAR + 2), height, means[group, name], longest, kind)
    bottom = TOP + len(found.allocators) * ROW
    at = x + PANEL / longest
    return [*parts, line(x, TOP - 6, x, bottom, "axis"), line(at, TOP - 6, at, bottom, "rule")]


def bars(data):
    """What the allocators cost, in cycles and in memory."""
    found = results.Results(data)
    groups = found.groups
    series = [results.ALL, "real"] if len(groups) > 1 and "real" in groups else [results.ALL]
    over = "real programs" if groups == ["real"] else "all workloads"
    legend = f"upper: {over}; lower, pale: real programs" if len(series) > 1 else over
    speed = found.metrics[0]
    what = "CPU cycles" if speed == "cycles" else speed
    left, right = NAMES, NAMES + PANEL + GAP
    parts = [*panel(found, left, f"{what}, {found.base} = 1", speed, series),
             *panel(found, right, f"Peak memory, {found.base} = 1", "RSS", [results.ALL]),
             text(left, 41, legend, "small"), text(right, 41, over, "small")]
    for row, name in enumerate(found.allocators):
        kind = "strong" if kind_of(name) == "ours" else ""
        parts.append(text(NAMES - 10, TOP + row * ROW + BAR + 5, name, kind, "end"))
    bottom = TOP + len(found.allocators) * ROW
    note = f"Geometric means of medians of {results.rounds_text(data)}; shorter is better."
    if any(name in results.BOUNDS for name in found.allocators):
        note += " Dashed: bounds, which never free (bump) or check and return nothing (lifo)."
    return svg(bottom + 34, [*parts, text(left, bottom + 20, note, "small")])
