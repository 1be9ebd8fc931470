#!/usr/bin/env python3
"""Write the named seeds of the target of explicit pools; see seeds.py.

seeds_pools.py [--check] build/fuzz/seq corpus/pools
"""

from seeds import (CHECK, COMPACT, FAIL_AT, FAIL_FROM, FORK, GIVE, LIFT, OTHER, RESET, STEP, TRIM,
                   aligned, calloc, cat, config, do, free, main, malloc, resize, run, run_free)

NPLACES = 5
FAST, DEFAULT, STRICT = range(3)
PLACE, CREATE, DEAD, OVERFLOW, UNALIGNED, SWEEP = (f'other {i}' for i in (0, 1, 2, 4, 5, 6))
LIST, EMPTY = 'other 3 0', 'other 7 0'
NULL = 8        # instead of a dead handle


def begin(profile=DEFAULT, pages=0, little=0, best=0, keep=0, seed=0):
    """The configuration: README.md has the table."""
    return config(profile | pages << 2 | little << 4 | best << 5 | keep << 6, seed)


def create(place, fit=0, limit=0, initial=0, name=0, bad=0):
    return do(PLACE, place) + do(CREATE, fit | limit << 1 | initial << 4 | name << 7 | bad << 15)


def wrong(slot, to, realloc=0):
    return do('give-wrong-pool', slot, realloc, to)


def mixed(slot):
    """Small and large objects in slots from that one on."""
    return (run(slot, 8, 40) + calloc(slot + 8, 3000) + aligned(slot + 9, 12, 100) +
            malloc(slot + 10, 40000) + resize(slot + 10, 70000) + resize(slot + 8, 20) +
            calloc(slot + 11, 60000) + resize(slot + 12, 100) + resize(slot + 12, 0))


def all_places():
    return cat(create(i, i % 2, 0, i, 10 * i) + mixed(16 * i) for i in range(1, NPLACES))


def every_limit():
    """Until nothing is left, then free a part and go on."""
    return cat(create(1, fit, limit) + cat(run(0, 32, n) for n in (24, 1000, 5000, 40000)) +
               run_free(0, 32, 0x55) + run(32, 32, 3000) + do(EMPTY) + run(0, 8, 24) + do(RESET)
               for limit in range(8) for fit in range(2))


def no_pool():
    """A handle that is dead, or none at all, to each entry."""
    return (create(1) + mixed(0) + create(2) + malloc(0, 10) + do(PLACE, 1) + do(RESET) +
            cat(do(DEAD, which << 3 | entry) for which in (0, NULL) for entry in range(8)))


def swapped():
    """Objects of each place to each other one."""
    return all_places() + do(PLACE, 0) + mixed(0) + cat(
        wrong(16 * i + j, to, j % 2) for i in range(NPLACES) for to in range(NPLACES)
        for j in (0, 3, 8, 9, 10))


def refused(n, what):
    return (do(what, n) + create(1, 1) + mixed(0) + do(EMPTY) + mixed(0) + do(RESET) + do(LIFT) +
            create(1) + mixed(0) + do(RESET))


SEEDS = {f'all-places-{word}': begin(profile, pages) + all_places() + do(LIST) + do(FORK) + do(CHECK) +
         cat(do(PLACE, i) + run_free(16 * i, 8, 0x55) + do(COMPACT) + do(TRIM, i) + do(STEP, 250) +
             do(SWEEP, i) for i in range(NPLACES)) + do(LIST)
         for word, profile, pages in [('fast', FAST, 0), ('default', DEFAULT, 0),
                                      ('strict', STRICT, 0), ('pages-of-64k', DEFAULT, 3)]}
SEEDS.update({
    'every-limit': begin() + every_limit(),
    'every-limit-strict': begin(STRICT) + every_limit(),
    'every-initial': begin() + cat(create(i % 4 + 1, 0, 0, i) + malloc(i, 100) + do(LIST) +
                                   do(RESET) for i in range(8)),
    'limit-below-initial': begin() + create(1, 0, 5, 5) + malloc(0, 100) + run(1, 20, 30000),
    'names': begin() + cat(create(1, 0, 0, 0, n) + do(LIST) + do(RESET)
                           for n in (0, 1, 30, 31, 32, 255)),
    'bad-options': begin() + cat(create(1, 0, 0, 0, n, bad) for bad in (1, 2, 3) for n in range(4)),
    'by-default': begin() + cat(do(OTHER) + mixed(16 * i) for i in range(1, NPLACES)),
    'reset-and-go-on': begin() + create(1, 1, 7, 0, 9) + cat(mixed(0) + do(EMPTY) for _ in range(4)),
    'ends-with-all-objects': begin() + all_places() + cat(do(PLACE, i) + do(RESET) + create(i) +
                                                          mixed(16 * i) for i in (3, 1, 4, 2)),
    'handles-come-again': begin() + cat(create(i % 4 + 1) + malloc(i, 30) + do(PLACE, i % 3 + 1) +
                                        do(RESET) + do(DEAD, i % 8 << 3) for i in range(20)),
    'no-pool': begin() + no_pool(),
    'wrong-pool': begin() + swapped(),
    'wrong-pool-strict': begin(STRICT) + swapped(),
    'absurd': begin() + create(1) + do(OVERFLOW, 0) + do(OVERFLOW, 999) + do(UNALIGNED, 0) +
        do(UNALIGNED, 24) + do(UNALIGNED, 2 ** 63 + 1) + malloc(0, 2 ** 64 - 1) + aligned(1, 63, 1),
    'free-from-elsewhere': begin() + all_places() + do(PLACE, 0) + cat(free(16 * i) +
        resize(16 * i + 10, 90000) for i in range(1, NPLACES)) + do(GIVE),
    'little-memory': begin(little=1) + cat(create(i, i % 2, 0, 4) + cat(
        malloc(16 * i + j, 1 << 20) for j in range(6)) for i in range(1, NPLACES)),
    'refused-at': begin() + cat(refused(n, FAIL_AT) for n in range(10)),
    'refused-from': begin(STRICT) + cat(refused(n, FAIL_FROM) for n in range(10)),
})


if __name__ == '__main__':
    main(SEEDS, __doc__)
