"""The status page: one file of HTML, which is XML, too.

It needs nothing else, and tells all that it shows in words, too.
"""

import time
from xml.sax.saxutils import escape, quoteattr

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 28
POINTS_MAX = 300
ENGINES = {"libfuzzer": "libFuzzer", "afl": "AFL++"}

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --soft: #595959;
  --rule: #d4d4d4; --libfuzzer: #0b5cad; --afl: #a34700; --bad: #b00020; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #161616;
  --soft: #b0b0b0; --rule: #444444; --libfuzzer: #7ab8ff; --afl: #ffb070; --bad: #ff8a95; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .5rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child, .words { text-align: left; }
.bad { color: var(--bad); font-weight: 600; }
.soft { color: var(--soft); }
svg { width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); }
.axis { stroke: var(--rule); fill: none; }
.libfuzzer { stroke: var(--libfuzzer); } .afl { stroke: var(--afl); stroke-dasharray: 6 3; }
polyline { fill: none; stroke-width: 2; }
"""


def age(seconds):
    """How long ago, in the largest unit that says it."""
    if seconds is None:
        return "never"
    for unit, size in ("d", 86400), ("h", 3600), ("min", 60):
        if seconds >= size:
            return f"{seconds / size:.{1 if seconds < 10 * size else 0}f} {unit}"
    return f"{max(0, seconds):.0f} s"


def when(stamp):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(stamp)) + " UTC"


def spread(rows):
    """At most so many of them, the first and the last among them."""
    if len(rows) <= POINTS_MAX:
        return rows
    step = (len(rows) - 1) / (POINTS_MAX - 1)
    return [rows[round(i * step)] for i in range(POINTS_MAX)]


def line(rows, engine, top):
    """The points of one engine's line; coverage is what it had at most so far."""
    first, last = rows[0]["t"], rows[-1]["t"]
    points = []
    for row in rows:
        if engine in row:
            x = LEFT + (row["t"] - first) / max(1, last - first) * (WIDTH - LEFT - RIGHT)
            y = TOP + (1 - row[engine] / top) * (HEIGHT - TOP - BOTTOM)
            points.append(f"{x:.1f},{y:.1f}")
    return " ".join(points)


def chart(target, rows):
    """Coverage over time as SVG; its words say what it shows."""
    rows = spread(rows)
    used = [engine for engine in ENGINES if any(engine in row for row in rows)]
    if not used or len(rows) < 2:
        return '<p class="soft">There is no coverage to draw yet.</p>'
    top = max(1, max(row[engine] for row in rows for engine in used if engine in row))
    words = "; ".join(f"{ENGINES[engine]} from {values[0]} to {values[-1]}" for engine in used
                      for values in [[row[engine] for row in rows if engine in row]])
    span = age(rows[-1]["t"] - rows[0]["t"])
    floor, edge = HEIGHT - BOTTOM, WIDTH - RIGHT
    name = quoteattr(f"chart-{target}")
    drawn = "".join(f'<polyline class="{engine}" points="{line(rows, engine, top)}"/>'
                    for engine in used)
    return f"""<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby={name}
 xmlns="http://www.w3.org/2000/svg">
<title id={name}>{escape(target)}: edges covered over {span}: {words}</title>
<path class="axis" d="M{LEFT} {TOP}V{floor}H{edge}M{LEFT} {TOP}H{edge}"/>
<text x="{LEFT - 6}" y="{TOP + 5}" text-anchor="end">{top}</text>
<text x="{LEFT - 6}" y="{floor + 4}" text-anchor="end">0</text>
<text x="{LEFT}" y="{HEIGHT - 8}">{span} ago</text>
<text x="{edge}" y="{HEIGHT - 8}" text-anchor="end">{when(rows[-1]["t"])}</text>
{drawn}</svg>"""


def table(caption, heads, rows):
    """@rows are lists of cells that are escaped already; the first one is a head."""
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(row[1:])}</tr>\n' for row in rows)
    return (f'<div class="wide"><table><caption>{caption}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n")


def cell(value, kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f"<td{kind}>{escape(str(value))}</td>"


def targets_table(lines):
    """@lines: {target: what turns.Farm.line() says of it}."""
    rows = [[escape(target), cell(one["running"] or "waits", "words"), cell(one["rate"]),
             cell(one["coverage"]), cell(one["corpus"]),
             cell(one["crashes"], "bad" if one["crashes"] else ""), cell(one["find"])]
            for target, one in lines.items()]
    heads = ["target", "now", "executions/s", "edges", "corpus", "failures", "last find"]
    return table("Edges: libFuzzer's, then AFL++'s, which count differently. Last find: how long "
                 "ago.", heads, rows)


def failures_table(failures):
    if not failures:
        return "<p>Nothing failed.</p>\n"
    rows = [[f'<a href={quoteattr("crashes/" + one["name"] + "/")}>{escape(one["name"])}</a>',
             cell(f'{one["oracle"]}: {one["rule"]}' if one["rule"] else one["oracle"], "words"),
             cell(one["site"] or "unknown", "words"), cell(one["smallest"]), cell(one["count"]),
             cell(when(one["first"]))] for one in failures]
    heads = ["folder", "what", "where", "bytes", "times", "first"]
    return table("The youngest first.", heads, rows)


def key(used):
    """Which line is whose, in the form of the lines."""
    return "<p>" + " ".join(
        f'<svg viewBox="0 0 30 10" style="width:30px" aria-hidden="true" '
        f'xmlns="http://www.w3.org/2000/svg"><polyline class="{engine}" points="0,5 30,5"/></svg> '
        f"{ENGINES[engine]}" for engine in used) + "</p>\n"


def html(lines, histories, failures, notes, now):
    """All of the page."""
    used = [engine for engine in ENGINES
            if any(engine in row for rows in histories.values() for row in rows)]
    charts = "".join(f"<h3>{escape(target)}</h3>\n{chart(target, rows)}\n"
                     for target, rows in histories.items())
    said = "".join(f"<p>{escape(note)}</p>\n" for note in notes)
    return f"""<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="refresh" content="60"/><title>memalloc: continuous fuzzing</title>
<style>{STYLE}</style></head>
<body><main>
<h1>memalloc: continuous fuzzing</h1>
<p>As of {when(now)}.</p>
{said}<h2>Targets</h2>
{targets_table(lines)}<h2>Failures</h2>
{failures_table(failures)}<h2>Coverage over time</h2>
{key(used) if used else ""}{charts}</main></body>
</html>
"""
