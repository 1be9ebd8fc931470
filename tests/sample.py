#!/usr/bin/env python3
"""tests/examples/sample.c prints two lists: with its two objects, and without.

sample.py PROGRAM
"""

import re
import subprocess
import sys

BLOCK = re.compile(r"  region \d+  0x[0-9a-f]+  (\d+)  (.+)")
LIVE = re.compile(r"slab of (\d+)-byte slots: (\d+) live")
TOTAL = re.compile(r"total: (\d+) blocks, .*?(\d+) bytes mapped")


def lists(output):
    """The two lists, as lines."""
    parts = output.split("memory pool: ")
    assert parts[0] == "" and len(parts) == 3, f"not two lists: {output}"
    return [part.splitlines()[1:] for part in parts[1:]]


def live_slots(lines):
    """Slot sizes of the slabs with live slots, with how many; blocks and bytes must add up."""
    *blocks, total = lines
    rows = [BLOCK.fullmatch(line).groups() for line in blocks]
    nblocks, mapped = TOTAL.match(total).groups()
    assert len(rows) == int(nblocks), f"{nblocks} blocks? {lines}"
    assert sum(int(size) for size, _ in rows) == int(mapped), f"{mapped} bytes? {lines}"
    slabs = [LIVE.match(state).groups() for _, state in rows if LIVE.match(state)]
    return {int(size): int(live) for size, live in slabs if live != "0"}


def main():
    ran = subprocess.run([sys.argv[1]], capture_output=True, text=True)
    print(ran.stdout + ran.stderr)
    assert ran.returncode == 0 and ran.stderr == "", f"ended with {ran.returncode}"
    before, after = (live_slots(lines) for lines in lists(ran.stdout))
    assert len(before) == 2 and set(before.values()) == {1}, f"not two objects: {before}"
    assert 100 < min(before) < 200 < max(before) < 250, f"of other sizes: {before}"
    assert after == {}, f"objects are left: {after}"


if __name__ == "__main__":
    main()
