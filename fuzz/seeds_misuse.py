#!/usr/bin/env python3
"""Write the named seeds of the misuse target; see seeds.py.

seeds_misuse.py [--check] build/fuzz/seq corpus/misuse
"""

from seeds import (COMPACT, EXIT, HARDENED, OTHER, aligned, by, calloc, cat, do, free, header, main,
                   malloc, run)

ENTRIES = range(3)
SIZES = [0, 1, 8, 24, 40, 56, 100, 248, 249, 600, 1000, 1016, 1017, 3000, 20000, 32760, 40000,
         300032]


def end(slot, thread=0):
    return by(thread, free(slot)) if thread else free(slot)


def stale(back, entry):
    """back: 15 is the pointer that was freed last."""
    return do('give-stale', back, entry, 0)


def interior(slot, entry, at):
    return do('give-interior', slot, entry, at % 65536)


def foreign(which, entry, slot):
    return do('give-foreign', slot, entry, which)


def wrong_pool(slot, entry):
    return do('give-wrong-pool', slot, entry, 0)


def overflow(slot, at, bits, sweep):
    return do('write-behind', slot, at % 8 << 3 | (0 if sweep else 64), bits)


def stale_write(back, at, taken=0):
    return do('write-stale', back, taken, at % 65536)


def underflow(slot, at, bits, later):
    return do('write-before', slot, at % 8 << 3 | at % 8 | later << 6, bits)


def claim(slot, how, more):
    return do('claim-wrong', slot, how, more)


def everything(n):
    """Each misuse once, with objects of n bytes."""
    return (cat(malloc(i, n) for i in range(8)) +
            cat(overflow(i, i, 0xff, i % 2) for i in range(8)) +
            cat(interior(2, e, at) for e in ENTRIES for at in (0, 7, n // 2, n)) +
            cat(foreign(w, e, 3) for e in ENTRIES for w in range(8)) +
            end(0) + cat(stale(15, e) for e in ENTRIES) +
            cat(stale_write(15, at) for at in (0, 5, n // 2, max(n, 1) - 1)) +
            end(1, 1) + cat(stale(15, e) for e in ENTRIES) + malloc(9, n) +
            cat(stale(b, e) for e in ENTRIES for b in (14, 15)) + stale_write(14, 3) +
            claim(4, 1, 7) + claim(5, 3, 0) + claim(6, 0, 0) + claim(7, 2, 4) + stale(15, 0) +
            do(OTHER) + malloc(10, n) + cat(wrong_pool(s, e) for s in (2, 10) for e in ENTRIES) +
            end(10) + stale(15, 0) + do(EXIT) + stale(15, 0) + do(OTHER) + do(EXIT) +
            end(2) + stale(15, 0) + do(COMPACT) + stale(15, 0) + stale_write(15, 1))


SEEDS = {f'everything-{n}': header(waits=1 + i % 2) + everything(n) for i, n in enumerate(SIZES)}
SEEDS.update({f'{word}-{n}': header(seed=bits) + everything(n)
              for word, bits in HARDENED.items() for n in (24, 1000, 40000)})
SEEDS.update({
    'aligned': header() + cat(aligned(i, 4 + i, 100) + overflow(i, 0, 1, 0) for i in range(16)),
    'a-slab-is-full': header() + run(0, 64, 100) + cat(end(i) + stale(15, 0) for i in range(64)),
    'in-front': header() + cat(run(0, 64, n) + cat(
        underflow(s, at, 1 << at, at % 2) for s in (7, 20, 33) for at in range(8))
        for n in (0, 1, 5, 8, 24, 100, 900, 3000, 20000)),
    'in-front-of-sampled': header(seed=4) + cat(run(0, 64, n) + cat(
        underflow(s, s, 1, s % 2) for s in range(64)) for n in (100, 24000)),
    'large-that-waits': header(seed=0x11) + cat(malloc(0, n) + malloc(1, n) + end(0) + stale_write(
        15, at) + calloc(2, n) + end(1) + calloc(3, n) for n, at in (
            (40000, 0), (40000, 39999), (100000, 5000), (200000, 1), (250000, 65535))),
    'large-that-is-taken': header(seed=0x11) + cat(malloc(0, n) + malloc(1, n) + end(0) + end(1) +
        stale_write(14, at, 1) + stale_write(15, at, 1) + stale_write(14, 1, 1) for n, at in (
            (40000, 0), (40000, 39999), (100000, 5000), (140000, 1))),
    'nothing-was-freed': header() + stale(0, 0) + stale_write(0, 0) + malloc(0, 10),
})


if __name__ == '__main__':
    main(SEEDS, __doc__)
