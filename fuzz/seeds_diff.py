#!/usr/bin/env python3
"""Write the named seeds of the target that compares two instances; see seeds.py.

seeds_diff.py [--check] build/fuzz/seq corpus/diff
"""

from seeds import (CHECK, COMPACT, EXIT, FORK, GIVE, HOSTILE, OTHER, RESET, SEEDS as OF_HEAP, SHARED,
                   STEP, TRIM, aligned, by, calloc, cat, do, free, header, main, malloc, resize, run,
                   run_aligned, run_free)

# Byte 3: how the second instance differs from the first. README.md has the table.
HARDENING = {'alike': 0, 'fast': 1, 'strict': 2, 'stocks': 3, 'quarantine': 4, 'large-guards': 5,
             'waiting': 6, 'sampled': 7}
OTHER_FIT, ONE_HEAP, OTHER_FIRST, NO_LIMIT, OTHER_AGE = 8, 16, 32, 64, 128


def differ(how, heading=header()):
    """The configuration, and how the second one differs."""
    return [f'{heading[0]} {how:02x}']


def everything():
    """Each kind of step, small and large, by two threads."""
    return (run(0, 32, 24) + run_free(0, 32, 0x55) + run(0, 32, 40) + calloc(40, 300) +
            aligned(41, 12, 100, zero=1) + malloc(42, 40000) + resize(42, 60000) + resize(42, 20) +
            malloc(43, HOSTILE[12]) + resize(43, HOSTILE[9]) + malloc(44, HOSTILE[0]) +
            by(1, run(64, 20, 1000) + run_free(0, 16) + calloc(84, 70000) + free(42)) +
            run_aligned(90, 8, 9, 500) + do(COMPACT) + do(SHARED) + do(CHECK) +
            by(1, do(EXIT)) + run(0, 16, 1000) + do(FORK) + do(STEP, 60) + do(TRIM, 1) + do(GIVE))


def alternating():
    """The other one acts first, from step to step."""
    return cat(malloc(i, 100 * i) + do(OTHER) + free(i // 2) for i in range(24))


def of_heap(name):
    return OF_HEAP[name][1:]


SEEDS = {f'everything-{word}': differ(how | OTHER_FIT, header(waits=how % 4)) + everything()
         for word, how in HARDENING.items()}
SEEDS.update({f'hardened-{word}': differ(how | ONE_HEAP, header(seed=0x9f)) + everything()
              for word, how in HARDENING.items()})
SEEDS.update({
    'one-heap': differ(ONE_HEAP) + everything() + everything(),
    'alternating': differ(2) + alternating(),
    'only-one-has-a-limit': differ(NO_LIMIT, header(limit=1)) +
        cat(malloc(i, 30000) for i in range(12)) + resize(3, 100000) + run_free(0, 12),
    'pages-of-64k': differ(2 | OTHER_FIT | OTHER_FIRST, header(pages=7)) + everything(),
    'little-memory': differ(2, header(small=1)) + cat(malloc(i, 1 << 20) for i in range(12)) +
        resize(0, 2 << 20),
    'ends-with-all-objects': differ(OTHER_AGE | 2) + everything() + do(RESET) + everything(),
    'every-size-class': differ(2) + of_heap('every-size-class'),
    'aligned-every': differ(2 | OTHER_FIT) + of_heap('aligned-every'),
    'realloc-growth': differ(2) + of_heap('realloc-growth'),
    'realloc-shrink': differ(2 | OTHER_FIT) + of_heap('realloc-shrink'),
    # A sampled object always moves, even to its own size: at the limit only the other one is resized.
    'sampled-stays-at-limit': ['config 00 34 2e dc'] + run_aligned(1, 59, 15, 13838) +
        cat(resize(0, 9728) for _ in range(40)),
    'calloc-recycled': differ(3) + of_heap('calloc-recycled'),
})


if __name__ == '__main__':
    main(SEEDS, __doc__)
