#!/usr/bin/env python3
"""Write the named seeds of the image target; see seeds.py.

seeds_image.py [--check] build/fuzz/seq corpus/image
"""

from seeds import (COMPACT, EXIT, HARDENED, OTHER, TRIM, aligned, by, calloc, cat, do, free, header,
                   main, malloc, resize, run, run_free)

SIZES = [0, 24, 100, 249, 600, 1017, 5000, 32760, 40000, 300032]
ENTRIES = range(4)
PIECES = (0, 64, 128, 192)


def anywhere(kind, region, at, how):
    return do(kind, region, how, at)


def behind(slot, at, length, value):
    return do('write-behind', slot, at % 64 | length, value)


def before(slot, at, length, value):
    return do('write-before', slot, at % 64 | length, value)


def give(slot, entry, at):
    return do('give-interior', slot, entry, (at + 256) % 65536)


def flip(field, bit, which=0):
    return [f'other {field} {bit | which << 9}']


def look():
    return do('give-foreign', 0, 0, 0)


def many(slot, count, n):
    return run(slot, count, n) if n < 65536 else cat(malloc(slot + i, n) for i in range(count))


def live(n):
    """Objects of a size, some of them freed, one by another thread."""
    return many(0, 12, n) + run_free(0, 12, 0x24) + by(1, free(8)) + calloc(20, n) + free(20)


def around(n):
    """All writes around live objects, then each entry."""
    return (live(n) + cat(behind(i, i * 7, PIECES[i % 4], 0x1234 + i) for i in (0, 1, 3, 4)) +
            cat(before(i, i * 5, PIECES[i % 4], 0xffff) for i in (6, 7, 9)) + look() +
            cat(give(i, e, 0) for i, e in zip((0, 1, 3, 4), ENTRIES)) + resize(6, n + 1) +
            resize(7, 2 * n) + many(0, 12, n) + run_free(0, 12))


def stale(n):
    """Writes all over the place, then as many objects again."""
    return (live(n) + cat(anywhere('write-stale', r, at, 0x20 * (at % 7) + at % 31)
                          for r in (0, 2) for at in range(5, 65536, 4681)) +
            many(12, 12, n) + look() + run_free(0, 24) + many(0, 24, n))


def strangers(n):
    """Any address to each entry."""
    return live(n) + cat(anywhere('give-stale', 0, at, 64 * e + at % 17)
                         for e in ENTRIES for at in range(0, 65536, 9362)) + run_free(0, 24)


SEEDS = {}
for n in SIZES:
    SEEDS[f'around-{n}'] = header(waits=SIZES.index(n) % 4) + around(n)
    SEEDS[f'stale-{n}'] = header(waits=(SIZES.index(n) + 1) % 4) + stale(n)
for word, bits in HARDENED.items():
    SEEDS[f'{word}-all'] = header(waits=2, seed=bits) + cat(
        around(n) for n in (40, 1000, 40000)) + do(COMPACT)
    SEEDS[f'{word}-stale'] = header(waits=1, seed=bits) + cat(stale(n) for n in (40, 1000, 40000))
SEEDS.update({
    'strangers': header(waits=2) + cat(strangers(n) for n in (24, 600, 40000)),
    'strangers-of-a-pool': header(waits=2) + live(100) + do(OTHER) + malloc(30, 100) +
        strangers(600) + cat(do('give-wrong-pool', s, e, 9) for s in (0, 30) for e in ENTRIES),
    'claims': header() + live(200) + cat(do('claim-wrong', s, 0, s * 37) for s in range(24)),
    'a-thread-ends-with-damage': header(waits=2) + live(100) + behind(0, 16, 192, 0xffff) +
        by(1, malloc(13, 100)) + do(EXIT) + run(0, 12, 100) + do(COMPACT) + do(TRIM, 0),
    'aligned': header(waits=3) + aligned(0, 13, 100) + aligned(1, 16, 9000) + before(0, 3, 0, 1) +
        behind(1, 20, 192, 7) + free(0) + free(1) + look(),
})
FLIPPED = live(100) + run(12, 4, 600) + malloc(16, 40000) + malloc(17, 300032) + free(17)
for field in range(52):
    SEEDS[f'flip-{field}'] = header(waits=2 if field % 2 else 1, seed=0x80 * (field % 3 > 1)) + \
        FLIPPED + flip(field, 5 * field % 64, field % 3)

if __name__ == '__main__':
    main(SEEDS, __doc__)
