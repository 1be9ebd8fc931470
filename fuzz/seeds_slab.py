#!/usr/bin/env python3
"""Write the named seeds of the target of the lives of slots; see seeds.py.

seeds_slab.py [--check] build/fuzz/seq corpus/slab
"""

from seeds import (CHECK, COMPACT, FORK, aligned, calloc, cat, config, do, free, main, malloc,
                   resize, run, run_aligned, run_free)

PROBE, DAMAGE, DAMAGE_FREE = (f'other {i}' for i in range(3))
NONE, OF_3, OF_16, OF_40 = range(4)                      # places of the quarantine
ANY, TO_4096, TO_500, TO_100000 = range(4)               # bytes that wait there
NO_STOCK, ALL_64, ALL_5, ALL_16 = range(4)               # entries of a stock
TO_8K, TO_256, TO_64K, TO_2K = range(4)                  # bytes of a stock
QUIET_0, QUIET_2, QUIET_32, QUIET_8 = range(4)           # entries that stay behind
UPWARDS, DOWNWARDS, EVERY_OTHER = range(3)               # how all is freed at the end


def begin(places=NONE, most=ANY, stock=NO_STOCK, unfilled=0, redzone=0, bytes_=TO_8K,
          quiet=QUIET_0, pages=0, best=0, wait=0, how=UPWARDS):
    """The configuration: README.md has the table."""
    return config(places | most << 2 | stock << 4 | unfilled << 6 | redzone << 7,
                  bytes_ | quiet << 2 | pages << 4 | best << 6 | wait << 7, how)


KINDS = {'plain': {}, 'quarantine': dict(places=OF_16), 'stock': dict(stock=ALL_64),
         'quiet': dict(stock=ALL_64, quiet=QUIET_32, places=OF_40),
         'redzone': dict(places=OF_40, redzone=1),
         'filled': dict(places=OF_3, redzone=1, unfilled=1),
         'unfilled': dict(stock=ALL_16, unfilled=1)}


def each(name, *steps, **options):
    """In each way in which slots can wait."""
    return {f'{name}-{word}': begin(**{**kind, **options}) + cat(steps)
            for word, kind in KINDS.items()}


def free_many(first, n):
    return cat(run_free(i, min(64, first + n - i)) for i in range(first, first + n, 64))


def come_and_go(n, size):
    """One after the other, and some at a time."""
    return (cat(malloc(0, size) + free(0) for _ in range(n)) + run(0, n, size) +
            run_free(0, n, 0x55) + run(64, n, size) + free_many(0, 128) + run(0, n, size))


def slabs_come_and_go(size, n):
    """More slabs of a class than one; in the middle one becomes empty."""
    return (cat(run(32 * i, 32, size) for i in range(n)) + run_free(64, 64) +
            run_free(0, 64, 0xaa) + run(64, 40, size) + run_free(0, 64) + run(160, 32, size))


def every_size():
    return cat(malloc(i % 64, size) for i, size in enumerate(
        s + d for s in [16 * k for k in range(1, 20)] + [320 * k for k in range(1, 30)]
        for d in (-9, -8, -7)))


SEEDS = {'nothing': begin(), 'nothing-to-have': begin(redzone=1, pages=3)}
SEEDS.update(each('come-and-go', come_and_go(20, 40), do(CHECK)))
SEEDS.update(each('slabs-come-and-go', slabs_come_and_go(500, 7)))
SEEDS.update(each('larger', slabs_come_and_go(5000, 4), how=DOWNWARDS))
SEEDS.update(each('every-size', every_size(), do(COMPACT), how=EVERY_OTHER))
SEEDS.update(each('resize', cat(malloc(i, 10 * i) for i in range(20)), cat(
    resize(i, n) for n in (33, 34, 35, 200, 8, 700, 2000, 2100) for i in range(20))))
SEEDS.update(each('resize-to-the-limit', malloc(0, 32000) + malloc(1, 30000) + cat(resize(
    0, n) + resize(1, n) for n in (32759, 32760, 32744, 32743, 32736, 30000))))
SEEDS.update(each('zeroed', cat(calloc(i, n) + free(i) + calloc(i, n) for i, n in enumerate(
    (1, 100, 248, 249, 250, 1000, 3000)))))
SEEDS.update(each('aligned', run_aligned(0, 30, 3, 24), run_free(0, 30, 0x33), cat(
    aligned(i, i % 12, 10 * i) for i in range(24))))
SEEDS.update(each('fork', run(0, 40, 100), run_free(0, 40, 0x77), do(FORK), run(0, 40, 100),
                  do(FORK), run_free(0, 40)))
SEEDS.update(each('compact', run(0, 60, 300), run_free(0, 60, 0x7f), do(COMPACT), run(64, 60, 300),
                  free_many(0, 124), do(COMPACT), do(COMPACT), run(0, 9, 300)))
SEEDS.update(each('probes', run(0, 9, 40), run(9, 9, 900), run_free(0, 18, 0x55), cat(
    do(PROBE, n) for n in (0, 1, 15, 16, 47, 48, 64, 960, 1024, 5000, 16383, 16384, 40000))))
SEEDS.update(each('damage', cat(malloc(i, n) for i, n in enumerate((
    1, 8, 20, 40, 200, 230, 248, 249, 300, 900, 1010, 1200, 6000))), cat(
        do(DAMAGE, i | at << 8) for i in range(13) for at in (0, 1, 7, 8, 9, 12, 15, 16, 23))))
SEEDS.update(each('damage-of-free', run(0, 40, 40), run(64, 20, 400), run_free(0, 64, 0xee) + run_free(64, 20), cat(
    do(DAMAGE_FREE, n) for n in (0, 5, 63, 64, 100, 16384, 16400, 16800, 16900, 17000, 20000))))
SEEDS.update({f'stock-{word}': begin(stock=stock, bytes_=bytes_, quiet=quiet) + come_and_go(
    30, 100) + come_and_go(10, 1000) for word, stock, bytes_, quiet in (
        ('of-5', ALL_5, TO_8K, QUIET_2), ('of-few-bytes', ALL_64, TO_256, QUIET_8),
        ('of-many-bytes', ALL_64, TO_64K, QUIET_32), ('of-16', ALL_16, TO_2K, QUIET_8))})
SEEDS.update({f'quarantine-{word}': begin(places=places, most=most) + come_and_go(30, 30) +
              come_and_go(10, 900) + do(COMPACT) + come_and_go(9, 200) + come_and_go(4, 2000)
              for word, places, most in (
                  ('of-3', OF_3, ANY), ('of-4096-bytes', OF_40, TO_4096),
                  ('of-500-bytes', OF_16, TO_500), ('of-100000-bytes', OF_40, TO_100000))})
SEEDS.update({f'pages-of-{word}': begin(pages=n, stock=ALL_64, wait=1, best=1) +
              slabs_come_and_go(600, 7) + every_size() for n, word in ((2, '16k'), (3, '64k'))})
SEEDS['wait'] = begin(wait=1) + slabs_come_and_go(900, 7) + do(COMPACT) + slabs_come_and_go(900, 7)


if __name__ == '__main__':
    main(SEEDS, __doc__)
