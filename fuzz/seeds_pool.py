#!/usr/bin/env python3
"""Write the named seeds of the target of the memory pool alone; see seeds.py.

seeds_pool.py [--check] build/fuzz/seq corpus/pool
"""

from seeds import (CHECK, CLOCK, FAIL_AT, FAIL_FROM, LIFT, MOVE, PURGE, RESERVE, RESET, RESIZE,
                   STEP, TRIM, UNMAP, aligned, calloc, cat, config, do, free, main, malloc, resize,
                   run, run_aligned, run_free)

CLOCK_BACK, GUARD, GUARD_ALL, LIFT_GUARDS, SOMEBODY, MEANWHILE = (
    f'other {i}' for i in range(6))
GIVE = 'give'
PAGE, REGION = 4096, 64 << 20
AT_ONCE, AFTER_40, AFTER_100, AFTER_1000 = range(4)     # ms that free pages stay
K64, DEFAULT, K16, K256 = range(4)                      # the first region
NO_LIMIT, TO_256K, TO_1M, TO_8M, TO_80M, ODD = 0, 3, 4, 5, 6, 7
UPWARDS, DOWNWARDS, EVERY_OTHER, NEVER = range(4)       # how all is freed at the end


def begin(best=0, pages=0, age=AT_ONCE, place=0, keep=0, first=K256, limit=NO_LIMIT, few=0,
          refused=0, how=UPWARDS, across=0):
    """The configuration: README.md has the table."""
    return config(best | pages << 1 | age << 3 | place << 5 | keep << 6 | across << 7,
                  first | limit << 2 | few << 6 | refused << 7, how)


def pages(slot, n):
    return malloc(slot, n * PAGE)


def both(name, *steps, **options):
    """With either policy."""
    return {f'{name}-{word}': begin(best=best, **options) + cat(steps)
            for best, word in enumerate(['first', 'best'])}


def guard(slot, front, back):
    return do(GUARD, slot | front << 8 | back << 10)


def row(*sizes):
    """Blocks of so many pages, from slot 0 on, end to end."""
    return cat(pages(i, n) for i, n in enumerate(sizes))


def holes(*sizes):
    """Holes of so many pages, with a page between them; the slots of holes are even."""
    return row(*[n for size in sizes for n in (size, 1)]) + cat(
        free(2 * i) for i in range(len(sizes)))


def late(n):
    """The clock goes back before some frees, so that what is freed later is older."""
    return row(*[1] * 2 * n) + do(CLOCK, 200) + cat(
        do(CLOCK_BACK, i % 7 * 9) + free(2 * i) + do(CLOCK, i % 5) for i in range(n))


def refused(n, what, steps):
    return do(what, n) + steps + do(LIFT) + steps


def each_refused(steps, calls, whats):
    return cat(refused(n, what, steps) for what in whats for n in range(calls))


def some_of_all():
    return (pages(0, 4) + pages(1, 70) + calloc(2, 300000) + aligned(3, 16, 9000) + free(0) +
            resize(1, 100000) + resize(1, 200000) + resize(2, 400000) + resize(2, 5000) +
            guard(1, 1, 1) + pages(4, 2000) + free(1) + free(4) + do(TRIM, 3) + free(2) + free(3) +
            do(GIVE, 0))


SEEDS = {
    'nothing': begin(),
    'all-of-a-block': begin(first=K16) + pages(0, 4) + free(0) + pages(1, 4) + free(1),
    'another-region': begin(first=K16) + row(4, 8, 16, 3) + cat(free(i) for i in (2, 0, 3, 1)),
    'end-with-everything-in-place': begin(how=NEVER) + row(3, 5, 7) + calloc(9, 100000) + free(1),
    'regions-side-by-side-do-not-merge': begin(first=K16, how=EVERY_OTHER) + row(4, 8, 16, 32) +
        cat(free(i) for i in (1, 2, 0, 3)) + do(CHECK),
    'ends-and-begins-again': begin(age=AFTER_40) + cat(
        row(3, 5, 7) + free(1) + do(RESET) + do(STEP, 20) for _ in range(3)),
    'limit-odd': begin(limit=ODD, first=K64) + run(0, 60, 5 * PAGE) + run_free(0, 60, 0x77) +
        calloc(60, 65536) + pages(61, 40) + calloc(60, 2 ** 30),
    'limit-below-first': begin(limit=TO_256K, first=DEFAULT) + pages(0, 64) + pages(1, 1) +
        free(0) + pages(0, 63) + pages(1, 1) + calloc(2, 1),
    'few-bytes': begin(few=1) + cat(malloc(i, 1 << 20) for i in range(9)) + free(3) +
        malloc(9, 1 << 20),
    'refused-at-first-call': begin(refused=1),
    'zero-and-too-large': begin() + malloc(0, 0) + malloc(0, REGION + 1) + malloc(1, REGION) +
        malloc(2, 2 ** 64 - 1) + aligned(3, 27, 1) + aligned(4, 26, 1) + aligned(5, 63, 1) +
        calloc(6, 0) + calloc(6, 2 ** 63) + calloc(6, 2 ** 47) + resize(1, 2 ** 64 - 1),
    'reserve-before-first': begin() + do(RESERVE, 200 << 20) + pages(0, 1) + do(GIVE, 0) +
        do(RESERVE, 0) + pages(1, 1),
    'reserve-later': begin(first=K16) + pages(0, 1) + do(RESERVE, 130 << 20) +
        do(RESERVE, 130 << 20) + do(RESERVE, 2 ** 41) + do(RESERVE, 2 ** 40) + do(GIVE, 2),
    'reserve-to-limit': begin(limit=TO_80M) + do(RESERVE, 100 << 20) + pages(0, 1) +
        do(RESERVE, 79 << 20) + do(RESERVE, 81 << 20),
    'direct': begin(limit=TO_8M) + calloc(0, 1 << 20) + calloc(1, 1 << 20) + pages(2, 3) +
        resize(0, 2 << 20) + resize(2, 3 << 12) + resize(1, 2 << 20) + resize(1, 100) +
        resize(1, 7 << 20) + free(0) + do(STEP, 0) + do(GIVE, 1),
    'place-has-holes': begin(place=1, first=K16) + row(4, 8, 16, 32, 64) + do(SOMEBODY, 40) +
        cat(free(i) + do(GIVE, 0) for i in (1, 3)) + pages(5, 65) + pages(6, 130) + do(SOMEBODY, 0),
    'place-in-a-region': begin(place=1, first=DEFAULT) + row(300, 200, 300, 1000) + cat(
        free(i) + do(GIVE, 0) for i in (2, 0)) + row(300, 200, 200) + do(RESERVE, 6 << 20),
    'kept-for-a-while': begin(age=AFTER_100, keep=1) + row(3, 1, 5, 1, 7, 1, 200, 1) + cat(
        free(i) + do(STEP, 5) for i in (0, 2, 4, 6)) + cat(do(STEP, 5) for _ in range(6)),
    'merged-with-older': begin(age=AFTER_100) + row(6, 2, 1, 2, 6, 1) + free(0) + do(STEP, 15) +
        free(1) + do(STEP, 10) + free(4) + do(STEP, 3) + free(3) + do(STEP, 15) + do(STEP, 20),
    'cut-from-older': begin(age=AFTER_100) + row(20, 1, 20, 1) + free(0) + do(STEP, 10) + free(2) +
        do(STEP, 10) + pages(4, 3) + aligned(5, 15, 3 * PAGE) + do(STEP, 10) + free(4) + free(5) +
        do(STEP, 16) + do(STEP, 25),
    'more-than-a-step': begin(age=AFTER_40, first=DEFAULT) + row(*[1] * 40) +
        run_free(0, 40, 0x55) + cat(do(STEP, 4) for _ in range(6)),
    'one-region-stays': begin(age=AFTER_40, keep=1, first=K64) + row(16, 32) + free(0) + free(1) +
        do(STEP, 9) + do(STEP, 9) + do(STEP, 20) + row(3) + free(0) + do(TRIM, 5) + do(GIVE, 0),
    'purge-refused': begin(age=AFTER_100) + row(3, 1, 4, 1) + free(0) + do(CLOCK, 5) + free(2) +
        do(PURGE, 0) + do(STEP, 25) + do(STEP, 10) + do(STEP, 20) + do(PURGE, 0) + do(GIVE, 0) +
        do(STEP, 30),
    'clock-goes-back': begin(age=AFTER_100) + row(3, 1, 3, 1) + do(CLOCK, 100) + free(0) +
        do(CLOCK_BACK, 150) + free(2) + do(STEP, 0) + do(GIVE, 0) + do(STEP, 25) + do(STEP, 60),
    'late-frees': begin(age=AFTER_40, first=DEFAULT) + late(20) + cat(
        do(STEP, 6) for _ in range(12)),
    'very-late-free': begin(age=AFTER_1000, first=DEFAULT) + row(*[1] * 100) + do(CLOCK, 200) +
        cat(free(2 * i) + do(CLOCK, 1) for i in range(45)) + do(CLOCK_BACK, 700) + free(90) +
        do(STEP, 255) + do(STEP, 2) + do(STEP, 200),
    'guarded-pages-are-not-physical': begin(age=AFTER_100) + row(8, 8, 8, 1) + guard(0, 3, 3) +
        guard(1, 1, 0) + do(GUARD_ALL, 2) + free(1) + do(STEP, 10) + free(0) + do(STEP, 10) +
        free(2) + do(STEP, 5) + do(STEP, 20),
    'guards-refused': begin() + pages(0, 8) + pages(1, 8) + cat(
        do(FAIL_AT, n) + guard(i, 2, 1) + do(FAIL_FROM, 0) + free(i) + do(LIFT_GUARDS, i) +
        do(LIFT) + do(GUARD_ALL, i) + resize(i, 5 * PAGE) for n in range(3) for i in range(2)),
    'extend-into-older': begin(age=AFTER_100) + row(2, 9, 2, 9, 1) + free(1) + do(STEP, 10) +
        free(3) + resize(0, 5 * PAGE) + resize(2, 11 * PAGE) + resize(0, 11 * PAGE) +
        resize(0, 12 * PAGE) + resize(0, PAGE) + do(STEP, 16) + do(STEP, 25),
    'freed-while-the-os-unmaps': begin(age=AFTER_40) + cat(
        row(5, 9, 4, 200, 5, 9) + do(MEANWHILE, slot) + free(5) + do(what, n) + run_free(0, 6) +
        do(MEANWHILE, 3) + do(STEP, 10) + do(GIVE, 0)
        for slot in (4, 3, 0) for what, n in ((STEP, 10), (GIVE, 0), (TRIM, 1), (GIVE, 20))),
    'freed-while-the-os-refuses-to-unmap': begin(age=AFTER_40, best=1, first=K16) + cat(
        row(4, 3, 5, 16) + do(what, 0) + do(MEANWHILE, 2) + free(3) + free(0) + do(STEP, 10) +
        do(MEANWHILE, 1) + do(GIVE, 0) + do(LIFT) + do(STEP, 10) + do(MEANWHILE, 2) + do(GIVE, 0)
        for what in (UNMAP, FAIL_FROM, FAIL_AT)),
    'contents-stay': begin() + row(3, 80, 5, 70) + calloc(9, 500000) + guard(1, 2, 1) + free(2) +
        do(GIVE, 0) + resize(9, 900000) + resize(3, 100 * PAGE) + resize(1, 3 * PAGE) + do(CHECK),
}
SEEDS.update({
    'moves': begin() + pages(9, 1) + calloc(0, 1 << 20) + calloc(1, 1 << 20) + calloc(2, 1 << 20) +
        do(MOVE, 0) + resize(0, 2 << 20) + do(LIFT) + cat(
            do(FAIL_AT, n) + resize(0, 2 << 20) for n in range(4)) + do(LIFT) +
        resize(0, 3 << 20) + resize(1, 3 << 20) + resize(0, 4 << 20) + calloc(3, 1 << 20) +
        do(UNMAP, 0) + resize(0, 5 << 20) + resize(0, 4 << 20) + do(MOVE, 0) + resize(0, 9 << 20),
    'move-and-unmap-refused': begin() + pages(9, 1) + calloc(0, 1 << 20) + calloc(1, 1 << 20) +
        do(FAIL_FROM, 2) + resize(0, 2 << 20) + do(LIFT) + free(0) + do(FAIL_FROM, 0) + free(1),
    'few-bytes-half-by-half': begin(few=1, first=DEFAULT) + row(200, 200, 200, 300) + cat(
        pages(4 + i, 40 >> i) for i in range(5)) + do(RESERVE, 3 << 20) + do(RESERVE, 1 << 20),
    'few-bytes-to-the-last': begin(few=1, first=DEFAULT) + cat(pages(i, 60) for i in range(12)) + run(12, 30, 10 * PAGE) +
        run_free(0, 12) + do(GIVE, 0) + calloc(0, 600000) + calloc(1, 600000) + calloc(2, 600000),
    'extend-to-a-whole-region': begin() + do(RESERVE, REGION) + pages(0, 1) + resize(0, REGION) +
        resize(0, REGION + 1) + free(0) + malloc(1, REGION) + resize(1, PAGE),
    'extend-too-far': begin() + row(2, 3, 1) + free(1) + resize(0, 6 * PAGE) + resize(0, 7 * PAGE) +
        resize(0, 5 * PAGE),
    'another-leaf': begin(across=1) + cat(pages(i, 1000) for i in range(3)) + aligned(
        4, 23, 9 << 20) + calloc(5, 40 << 20) + do(CHECK) + do(RESET) + calloc(0, 3 << 20),
    'resize-into-another-leaf': begin(across=1) + pages(0, 1) + calloc(2, 3 << 20) + cat(
        do(FAIL_AT, n) + resize(2, 9 << 20) + do(LIFT) for n in range(3)) + resize(2, 20 << 20) +
        resize(2, 1),
    'grow-without-another-leaf': begin(across=1) + cat(
        do(FAIL_AT, n) + pages(n, 2000) + do(LIFT) for n in range(1, 6)) + pages(0, 3000),
})
SEEDS.update({f'pages-of-{word}': begin(pages=n, age=AFTER_40) + some_of_all() + cat(
    do(STEP, 4) for _ in range(4)) for n, word in ((2, '16k'), (3, '64k'))})
SEEDS.update(both('holes', holes(4, 8, 3, 8, 5, 8), pages(20, 3), pages(21, 8), pages(22, 4),
                  pages(23, 5), pages(24, 6), pages(25, 1)))
SEEDS.update(both('holes-freed-in-another-order', row(5, 1, 5, 1, 5, 1, 5, 1), cat(
    free(i) for i in (4, 0, 6, 2)), cat(pages(10 + i, 5) for i in range(4))))
SEEDS.update(both('merge', row(*[3] * 12), cat(free(i) for i in (
    0, 2, 1, 4, 6, 5, 11, 9, 10, 8, 7)), pages(0, 20)))
SEEDS.update(both('aligned', cat(aligned(i, 12 + i % 9, (i + 1) * PAGE) for i in range(24)),
                  run_free(0, 24, 0x55), run_aligned(24, 20, 15, 2 * PAGE), run_free(0, 44, 0xaa),
                  first=DEFAULT))
SEEDS.update(both('aligned-in-bins', holes(9, 9, 9, 17, 17), run_aligned(30, 6, 15, 6 * PAGE),
                  aligned(40, 16, 17 * PAGE)))
SEEDS.update(both('oom-at-every-call', each_refused(some_of_all(), 20, [FAIL_AT]), first=K16))
SEEDS.update(both('oom-from-every-call', each_refused(some_of_all(), 12, [FAIL_FROM]), first=K16))
SEEDS.update(both('nothing-goes-back', each_refused(some_of_all() + row(4, 1, 4, 1, 4) + cat(
    free(i) for i in (0, 2, 4)) + do(STEP, 30) + do(GIVE, 0) + do(GIVE, 1), 2,
    [UNMAP, PURGE, MOVE, RESIZE]), age=AFTER_40))
SEEDS.update(both('no-descriptors', do(RESERVE, 60 << 20), pages(0, 1), do(FAIL_FROM, 0), cat(
    run_aligned(32 * b + 1, 31, 15, 3 * PAGE) for b in range(7)), resize(0, 1), do(LIFT),
    run_free(0, 64, 0x33)))


if __name__ == '__main__':
    main(SEEDS, __doc__)
