#!/usr/bin/python3
"""Tests of compare.py and growth.py with made-up numbers, and of counting.py with tiny programs."""

import argparse
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

import counting
import growth
import picture
import preloads
import results
import tables
import workloads


def cost(cycles=100, rss=1 << 20, **others):
    return {"wall": 1.0, "user": 0.5, "system": 0.25, "faults": 10, "rss": rss, "cycles_user": cycles,
            "cycles_kernel": 0, "instructions_user": 1000, "instructions_kernel": 500, **others}


def ran(workload, allocator, digest="same", failed="", number=0, **words):
    return {"round": number, "workload": workload, "allocator": allocator, "failed": failed,
            "digest": None if failed else digest, "cost": None if failed else cost(**words)}


def data(runs, **words):
    return {"machine": "a machine", "rounds": 3, "missing": [], "unpermitted": [], "runs": runs,
            "workloads": list(dict.fromkeys(run["workload"] for run in runs)),
            "allocators": {run["allocator"]: "" for run in runs}, **words}


def three_groups():
    runs = []
    for workload, cycles in (("small/pairs", 50), ("traces/git", 100), ("real/z3", 200)):
        runs += [ran(workload, "glibc"), ran(workload, "memalloc-fast", cycles=cycles),
                 ran(workload, "lifo", cycles=40, rss=2 << 20)]
    return data(runs)


class Numbers(unittest.TestCase):
    def test_median_of_rounds(self):
        runs = [ran("real/a", "glibc", number=i, cycles=cycles) for i, cycles in enumerate((900, 100, 200))]
        self.assertEqual(results.Results(data(runs)).cells["real/a", "glibc"].medians["cycles"], 200)

    def test_sums_of_what_is_counted_apart(self):
        medians = results.cell([ran("a", "b", cycles_kernel=11)], "same").medians
        self.assertEqual((medians["cycles"], medians["CPU time"], medians["instructions"]), (111, 0.75, 1500))

    def test_ratio_to_glibc(self):
        found = results.Results(three_groups())
        self.assertEqual(found.ratio("small/pairs", "memalloc-fast", "cycles"), 0.5)
        self.assertEqual(found.ratio("small/pairs", "lifo", "RSS"), 2)

    def test_geometric_mean(self):
        found = results.Results(three_groups())
        self.assertAlmostEqual(found.mean(results.ALL, "memalloc-fast", "cycles").value, 1)
        self.assertAlmostEqual(found.mean("real", "memalloc-fast", "cycles").value, 2)
        self.assertEqual(found.members("traces"), ["traces/git"])

    def test_the_fastest_is_first(self):
        self.assertEqual(results.Results(three_groups()).allocators, ["lifo", "glibc", "memalloc-fast"])

    def test_without_glibc_the_first_is_compared_with(self):
        self.assertEqual(results.Results(data([ran("real/a", "scudo"), ran("real/a", "other")])).base, "scudo")

    def test_kernel_is_not_counted(self):
        runs = [ran("real/a", name, cycles_kernel=None) for name in ("glibc", "scudo")]
        self.assertEqual(results.Results(data(runs)).cells["real/a", "glibc"].medians["cycles"], 100)

    def test_nothing_is_counted(self):
        gone = dict.fromkeys(counting.EVENTS)
        found = results.Results(data([{**ran("real/a", "glibc"), "cost": {**cost(), **gone}}]))
        self.assertEqual(found.metrics, ["CPU time", "wall", "RSS", "faults"])

    def test_commands_of_a_workload_are_summed(self):
        whole = counting.total([cost(rss=5), cost(rss=7, cycles_kernel=None)])
        self.assertEqual((whole["cycles_user"], whole["wall"], whole["rss"]), (200, 2.0, 7))
        self.assertIsNone(whole["cycles_kernel"])


class Failures(unittest.TestCase):
    def found(self, *runs):
        return results.Results(data([ran("real/a", "glibc"), ran("real/b", "glibc"), *runs]))

    def test_one_failed_round_fails_the_cell(self):
        found = self.found(ran("real/a", "scudo"), ran("real/a", "scudo", failed="z3: SIGSEGV", number=1))
        self.assertEqual(found.cells["real/a", "scudo"].failed, "z3: SIGSEGV")
        self.assertIsNone(found.ratio("real/a", "scudo", "cycles"))

    def test_other_output_fails(self):
        found = self.found(ran("real/a", "scudo", digest="other"), ran("real/b", "scudo"))
        self.assertEqual(found.failures(), [("real/a", "scudo", results.DIFFERS)])
        mean = found.mean("real", "scudo", "cycles")
        self.assertEqual((mean.n, mean.of), (1, 2))
        self.assertEqual(tables.mean_text(mean), "1.00 (1 of 2)")
        self.assertIn("1.00 (1 of 2)", picture.bars(found.data))

    def test_never_a_number(self):
        found = self.found(ran("real/a", "scudo", failed="no"), ran("real/b", "scudo", failed="no"))
        self.assertIsNone(found.mean("real", "scudo", "cycles"))
        row = next(line for line in tables.workload_table(found, "cycles") if "real/a" in line)
        self.assertEqual([word.strip() for word in row.split("|")[2:-1]], ["0 M", "failed"])
        self.assertEqual(tables.group_table(found, "real")[-1].count("failed"), len(found.metrics))
        self.assertIn(">failed<", picture.bars(found.data))

    def test_glibc_failed(self):
        found = results.Results(data([ran("real/a", "glibc", failed="no"), ran("real/a", "scudo")]))
        self.assertIsNone(found.ratio("real/a", "scudo", "cycles"))
        self.assertEqual(found.failures(), [("real/a", "glibc", "no")])

    def test_nothing_ran(self):
        text = "\n".join(tables.report(data([ran("real/a", "glibc", failed="no such file")])))
        self.assertIn("Nothing ran", text)
        self.assertIn("no such file", text)


class Showing(unittest.TestCase):
    def test_markdown(self):
        text = "\n".join(tables.report({**three_groups(), "missing": ["scudo: it is not installed"],
                                        "unpermitted": ["cycles_kernel"]}))
        for part in ("| allocator     | cycles |", "All workloads (3):", "Real programs (1):", "| real/z3     |",
                     "- scudo: it is not installed", "cycles_kernel", "lifo: checks nothing"):
            self.assertIn(part, text)

    def test_rows_are_equally_wide(self):
        lines = tables.group_table(results.Results(three_groups()), results.ALL)
        self.assertEqual(len({len(line) for line in lines}), 1)

    def test_startup(self):
        startup = {"slow": {"wall": 0.002, "rss": 3 << 20, "syscalls": None},
                   "fast": {"wall": 0.001, "rss": 1 << 20, "syscalls": 29}}
        lines = tables.report({**data([]), "startup": startup})
        rows = [[word.strip() for word in line.split("|")[1:-1]] for line in lines if line.startswith("| ")][1:]
        self.assertEqual(rows, [["fast", "1.00", "29", "1.0"], ["slow", "2.00", "-", "3.0"]])

    def test_readme(self):
        readme = f"a\n{tables.BEGIN}old\n{tables.END}b\n"
        self.assertEqual(tables.with_report(readme, ["new", ""]), f"a\n{tables.BEGIN}new\n{tables.END}b\n")
        with self.assertRaises(SystemExit):
            tables.with_report("a\n", ["new"])

    def test_picture(self):
        text = picture.bars(three_groups())
        root = xml.etree.ElementTree.fromstring(text)
        words = ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
        names = [word for word in words if word in ("glibc", "lifo", "memalloc-fast")]
        self.assertEqual(names, ["lifo", "glibc", "memalloc-fast"])
        self.assertIn("prefers-color-scheme: dark", text)

    def test_growth(self):
        curves = {"live": {"glibc": {"points": [[1000, 10.0], [1000000, 20.25]], "end": ""},
                           "scudo": {"points": [[1000, 12.5]], "end": "failed at 1 M: SIGSEGV"},
                           "other": {"points": [[1000, 13]], "end": "enough"}}}
        lines = growth.report({"curves": curves, "missing": []})
        for part in ("| glibc     | 10.0 |   20.2 |", "| scudo     | 12.5 | failed |", "| other     | 13.0 |      - |",
                     "- scudo: at 1 M: SIGSEGV"):
            self.assertIn(part, lines)
        xml.etree.ElementTree.fromstring(growth.drawing({"curves": {**curves, "heap": {}}}))
        self.assertEqual([growth.label("heap", 1 << 34), growth.label("live", 10 ** 8), growth.label("threads", 64)],
                         ["16 GiB", "100 M", "64"])

    def test_growth_keeps_to_the_memory_limit(self):
        curve = growth.Curve()
        self.assertTrue(curve.is_too_large("heap", 2000, 1000))
        self.assertFalse(curve.is_too_large("live", 2000, 1000))
        curve.peaks = {100: 500}
        self.assertFalse(curve.is_too_large("live", 1000, 1000))
        curve.peaks[1000] = 900
        self.assertFalse(curve.is_too_large("live", 1200, 1000))
        self.assertTrue(curve.is_too_large("live", 2000, 1000))
        self.assertFalse(curve.is_too_large("threads", 2000, 1000))


class Choosing(unittest.TestCase):
    def test_workloads(self):
        found = workloads.workloads("/programs")
        self.assertEqual([one.id for one in workloads.chosen(found, ["real/z3", "pairs"])], ["small/pairs", "real/z3"])
        self.assertEqual({one.group for one in workloads.chosen(found, ["small"])}, {"small"})
        self.assertEqual(workloads.chosen(found, ["pairs"])[0].missing(), ["/programs/programs/pairs"])
        with self.assertRaises(SystemExit):
            workloads.chosen(found, ["nonsense"])

    def test_allocators(self):
        options = argparse.Namespace(preload=None, programs=None, allocator=[("mine", "/no/such.so")],
                                     allocators=["glibc", "mine", "nonsense"])
        found, missing = preloads.find(options)
        self.assertEqual(list(found), ["glibc"])
        self.assertEqual(missing, ["mine: such.so is not there", "nonsense: is not known"])


class Counting(unittest.TestCase):
    def count(self, script, own=None, **words):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "out")
            command = counting.Command(["/bin/sh", "-c", script], environment={"PATH": "/usr/bin:/bin"},
                                       own=own or {}, directory=directory, stdout=path, **words)
            return command.finish(), path.read_text()

    def test_what_python_has_in_memory_is_not_counted(self):
        ballast = bytearray(b"x") * (64 << 20)
        self.assertLess(self.count(":")[0]["rss"], 16 << 20)
        self.assertEqual(len(ballast), 64 << 20)

    def test_children_count(self):
        loop = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; :"
        alone, in_child = self.count(loop)[0], self.count(f"sh -c '{loop}' & wait")[0]
        if alone["instructions_user"] is not None:
            self.assertLess(alone["instructions_user"] * 0.9, in_child["instructions_user"])

    def test_environment_is_the_command_s(self):
        self.assertEqual(self.count('echo "$WORDS"', {"WORDS": "a 'b' $c"})[1], "a 'b' $c\n")

    def test_failures_are_told(self):
        for script, what in (("echo why >&2; exit 3", "sh: exit code 3 (why)"), ("kill -SEGV $$", "sh: SIGSEGV")):
            with self.assertRaises(counting.Failed) as caught:
                self.count(script)
            self.assertEqual(str(caught.exception), what)
        with self.assertRaisesRegex(counting.Failed, "preloaded"):
            self.count(":", {"LD_PRELOAD": "/no/such.so"})
        with self.assertRaisesRegex(counting.Failed, "too long"):
            self.count("sleep 5", timeout=0.1)


if __name__ == "__main__":
    unittest.main()
