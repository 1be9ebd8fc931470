#!/usr/bin/env python3
"""Write the named seeds of the target whose OS refuses at every call; see seeds.py.

seeds_oom.py [--check] build/fuzz/seq corpus/oom
"""

from seeds import (COMPACT, EXIT, FORK, GIVE, HARDENED, HOSTILE, OTHER, RESERVE, RESET,
                   SEEDS as OF_HEAP, STEP, TRIM, aligned, by, calloc, cat, do, free, header, main,
                   malloc, resize, run, run_free)

# Byte 3: the kinds of calls that are refused in a second round.
MAP, UNMAP, RESIZE, MOVE, PURGE, GUARD = 1, 2, 4, 8, 16, 32


def rounds(kinds=0, first=0, heading=header()):
    """The configuration, the kinds of the second round, and where the places begin."""
    return [f'{heading[0]} {kinds:02x} {first:02x}']


def small():
    return run(0, 8, 24) + calloc(8, 300) + resize(8, 2000) + run_free(0, 8)


def large():
    return (malloc(0, 40000) + calloc(1, 50000) + resize(0, 90000) + resize(1, 34000) +
            aligned(2, 16, 40000) + free(0) + do(TRIM, 1) + calloc(0, 60000))


def direct():
    return (malloc(0, HOSTILE[12]) + malloc(1, HOSTILE[12]) + resize(0, HOSTILE[9]) +
            resize(0, HOSTILE[12]) + aligned(2, 25, 100) + free(1))


def threads():
    return (run(0, 8, 1000) + by(1, run(8, 8, 1000) + run_free(0, 8) + do(EXIT)) +
            run(0, 8, 1000) + run_free(8, 8) + do(FORK) + do(COMPACT) + do(GIVE))


def growing():
    """Each region is twice as long as the one before."""
    return cat(malloc(i, 60000) for i in range(40))


def every_class():
    """Slabs of each class, with traces: more metadata than memory."""
    return cat(malloc(i, 8 + 16 * i) for i in range(64)) + cat(
        malloc(64 + i, (1 << 10 + i // 8) + (i % 8 << 7 + i // 8) - 8) for i in range(40))


PARTS = {'small': small, 'large': large, 'direct': direct, 'threads': threads}
SEEDS = {name: rounds(MAP, 0) + part() for name, part in PARTS.items()}
SEEDS.update({f'{name}-{word}': rounds(MAP | GUARD, i, header(seed=bits)) + part()
              for i, (word, bits) in enumerate(HARDENED.items())
              for name, part in PARTS.items() if word in ('all', 'waiting-guards', 'sampled')})
SEEDS.update({
    'growing': rounds() + growing(),
    'growing-first-of-16k': rounds(0, 1, header(best=1, first=2)) + growing(),
    'many-descriptors': rounds(MAP, 0, header(first=3)) + run(0, 65, 4000) + run(65, 65, 33000) +
        run_free(65, 65, 0x55) + do(GIVE) + run(130, 65, 9000),
    'every-class-traced': rounds(0, 0, header(seed=0x80)) + every_class(),
    'no-unmap': rounds(UNMAP) + large() + do(GIVE) + direct() + do(GIVE),
    'no-resize': rounds(RESIZE) + direct() + large() + do(GIVE),
    'no-move': rounds(MOVE, 0) + direct(),
    'no-purge': rounds(PURGE, 0, header(retain=1, old=1)) + large() + do(STEP, 60) +
        run_free(0, 3) + do(STEP, 60) + calloc(1, 60000),
    'second-instance': rounds(MAP) + small() + do(OTHER) + small() + large() + do(RESET) + small(),
    'reserve': rounds(MAP) + do(RESERVE, 4 << 20) + small() + do(RESERVE, 8 << 20) + large(),
    'limit': rounds(MAP, 0, header(limit=2)) + growing(),
    'little-memory': rounds(MAP, 0, header(small=1)) + cat(malloc(i, 1 << 20) for i in range(9)),
    'pages-of-64k': rounds(GUARD, 0, header(pages=7, seed=1)) + small() + large(),
    'stocks': rounds(MAP, 0, header(waits=1)) + small() + threads() + small(),
    'quarantine': rounds(MAP, 0, header(waits=3, seed=2)) + small() + threads() + small(),
    'calloc-recycled': rounds(PURGE) + OF_HEAP['calloc-recycled'][1:],
})


if __name__ == '__main__':
    main(SEEDS, __doc__)
