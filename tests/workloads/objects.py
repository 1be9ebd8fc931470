"""What Python programs do with memory: objects, cycles, text, compression, a database, threads, fork.

Usage: objects.py TEXT. Expects PYTHONMALLOC=malloc. Prints results that must not depend on the allocator.
"""

import collections
import decimal
import gc
import hashlib
import multiprocessing
import re
import sqlite3
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

LOG_LINE = re.compile(
    r'^(?P<ip>[\d.]+) - - \[(?P<day>[\d-]+)\] "GET (?P<path>[^?]*)\?[^"]*" (?P<status>\d+) (?P<size>\d+)$', re.M)


class Node:
    """A node of a tree with links to its parent, so that only the cycle collector can free it."""

    def __init__(self, parent, value):
        self.parent = parent
        self.value = value
        self.children = []
        if parent:
            parent.children.append(self)

    def total(self):
        return self.value + sum(child.total() for child in self.children)


def tree(depth, value=1, parent=None):
    node = Node(parent, value)
    if depth:
        for i in range(4):
            tree(depth - 1, (value * 31 + i) % 1009, node)
    return node


def trees():
    totals = [tree(6, seed).total() for seed in range(12)]
    gc.collect()
    return totals


def words(text):
    counts = collections.Counter(re.findall(r"[a-z]+", text))
    by_length = collections.defaultdict(list)
    for word in sorted(counts):
        by_length[len(word)].append(word)
    return counts.most_common(5), {length: len(found) for length, found in sorted(by_length.items())}


def log_lines(text):
    sizes = collections.defaultdict(int)
    for match in LOG_LINE.finditer(text):
        sizes[match["path"], match["status"]] += int(match["size"])
    return sorted(sizes.items())[:10]


def compression(text):
    def round_trip(level):
        packed = zlib.compress(text.encode(), level)
        return len(packed), zlib.decompress(packed) == text.encode()

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(round_trip, (1, 3, 6)))


def database(text):
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE lines (n INTEGER PRIMARY KEY, line TEXT)")
        connection.executemany("INSERT INTO lines VALUES (?, ?)", enumerate(text.splitlines()))
        connection.execute("CREATE INDEX by_line ON lines (line)")
        return connection.execute("SELECT count(*), min(line), max(length(line)) FROM lines").fetchone()


def number(digits):
    with decimal.localcontext() as context:
        context.prec = digits
        return hashlib.sha256(str(decimal.Decimal(2).sqrt()).encode()).hexdigest()


def strings(seed):
    """Lists that grow, strings that are joined and split, a dictionary that grows and shrinks."""
    table = {}
    for i in range(150_000):
        table[f"{seed}-{i * 7919 % 100_003}"] = [i, str(i) * (i % 9)]
        if i % 3 == 0:
            table.pop(f"{seed}-{i * 31 % 100_003}", None)
    text = ",".join(f"{key}={value[1]}" for key, value in sorted(table.items()))
    return hashlib.sha256("|".join(reversed(text.split(","))).encode()).hexdigest()


def in_processes():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(strings, range(4))


def in_threads():
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(strings, range(4)))


def main():
    if sys.getallocatedblocks() != 0:
        raise SystemExit("Python's own allocator is in use: PYTHONMALLOC=malloc was not honoured")
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    print("trees", trees())
    print("words", words(text))
    print("log", log_lines(text))
    print("compression", compression(text[:2_000_000]))
    print("database", database(text))
    print("number", number(30_000))
    print("threads", in_threads())
    print("processes", in_processes())


if __name__ == "__main__":
    main()
