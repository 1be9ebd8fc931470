#!/usr/bin/env python3
"""Write the named seeds of the heap's fuzz target: as text, which the tool fuzz/seq encodes.

seeds.py build/fuzz/seq corpus/heap            writes them; what a fuzzer found stays as it is
seeds.py --check build/fuzz/seq corpus/heap    fails if a file is another
"""

import pathlib
import subprocess
import sys

# ---- the words of the text -----------------------------------------------------------------------

OTHER, RESET, EXIT, COMPACT = 'switch-instance', 'end-instance', 'exit-thread', 'compact'
SHARED, TRIM, GIVE, STEP = 'compact-shared', 'trim', 'give-all', 'decay'
RESERVE, FORK, LIFT, CHECK, CLOCK = 'reserve', 'fork', 'lift', 'compare', 'clock'
FAIL_AT, FAIL_FROM = 'refuse-at', 'refuse-from'
UNMAP, RESIZE, MOVE, PURGE = 'refuse-unmap', 'refuse-resize-at', 'refuse-move', 'refuse-purge-at'

MAX = 2 ** 63 - 1
HOSTILE = [2 ** 64 - 1, MAX, MAX + 1, 2 ** 64 - 8, MAX - 8, MAX - 8 - 4096, MAX & ~0xffff, 2 ** 47,
           2 ** 40, 64 << 20, (64 << 20) - 7, (32 << 20) - 8, (32 << 20) - 7, (16 << 20) - 8,
           32768 - 8, 32768 - 7]


def header(best=0, waits=0, pages=0, retain=0, old=0, first=0, limit=0, small=0, seed=0):
    """The configuration. waits: 0 none, 1 four, 2 32, 3 64. pages: 6 for 16k, 7 for 64k.

    seed: its bits choose hardening, too.
    """
    return config(best | waits << 1 | pages << 3 | retain << 6 | old << 7,
                  first | limit << 2 | (0x30 if limit else 0) | small << 7, seed)


def config(*data):
    return ['config ' + bytes(data).hex(' ')]


def malloc(slot, n):
    return [f'malloc {slot} {n}']


def calloc(slot, n):
    return [f'calloc {slot} {n}']


def aligned(slot, shift, n, zero=0):
    return [f'aligned_alloc {slot} {n} align {1 << shift}{" zero" if zero else ""}']


def resize(slot, n):
    return [f'realloc {slot} {n}']


def free(slot):
    return [f'free {slot}']


def by(thread, steps):
    """The steps of a thread that is not the first."""
    return [f't{thread} {step}' for step in steps]


def run(slot, count, n):
    return [f'malloc {slot}..{slot + count - 1} {n}']


def run_aligned(slot, count, shift, n):
    return [f'aligned_alloc {slot}..{slot + count - 1} {n} align {1 << shift}']


def run_free(slot, count, mask=0xff):
    return [f'free {slot}..{slot + count - 1}' + (f' mask {mask:02x}' if mask < 0xff else '')]


def do(what, *more):
    return [' '.join([what, *map(str, more)])]


def cat(lists):
    return [line for one in lists for line in one]


# ---- the seeds -----------------------------------------------------------------------------------

def every_class():
    return cat(malloc(i % 32, n) for i, n in enumerate(
        [0, 1, 8, 9, 24, 25, 56, 120, 121, 136, 137, 248, 249, 504, 1016, 1017, 2040, 4088, 4089,
         8184, 16376, 32760, 32761, 40000, 65528, 65529, 131064, 131065]))


def holes():
    """Three holes of four, three and eight pages; then requests that fit each policy's choice."""
    blocks = [20000, 33000, 16376, 33000, 12280, 33000, 32761 + 4096, 33000]
    steps = [malloc(i, n if n >= 32761 else 32761 + n) for i, n in enumerate(blocks)]
    return cat(steps + [free(2), free(4), free(6), malloc(8, 33000), malloc(9, 40000),
                        malloc(10, 36865), malloc(11, 45000), aligned(12, 14, 34000)])


def every_call_fails():
    part = (malloc(0, 40) + calloc(1, 300) + aligned(2, 13, 100) + malloc(3, 40000) +
            resize(3, 60000) + resize(0, 4000) + by(1, free(1)) + do(EXIT) + malloc(4, 300) +
            run_free(0, 8) + do(GIVE))
    return cat(do(FAIL_AT, n) + part + do(LIFT) for n in range(24))


def nothing_goes_back(kind):
    """Refuse one kind of call, from the next one on and then once."""
    part = (malloc(0, 40000) + malloc(1, 50000) + malloc(2, HOSTILE[12]) + free(0) + do(TRIM, 0) +
            calloc(0, 40000) + malloc(3, HOSTILE[12]) + resize(1, 34000) +
            resize(2, HOSTILE[9]) + resize(3, HOSTILE[9]) +
            resize(3, HOSTILE[12]) + free(1) + do(GIVE) + calloc(1, 50000) + free(2) + do(GIVE) +
            free(3))
    return part + do(kind, 0) + part + do(LIFT) + do(GIVE) + part


def while_moving():
    """A mapping cannot grow where it is, and the OS refuses at each call of the move."""
    return cat(malloc(0, HOSTILE[12]) + malloc(1, HOSTILE[12]) + do(FAIL_AT, n) +
               resize(0, HOSTILE[9]) + do(LIFT) + resize(0, HOSTILE[9]) + free(0) + free(1)
               for n in range(6))


def while_growing():
    """A region is mapped, and then the OS refuses the memory for what describes it."""
    return cat(do(FAIL_AT, n) + do(RESERVE, HOSTILE[9]) + do(LIFT) + do(GIVE) + malloc(0, 100) +
               do(FAIL_AT, n) + malloc(1, HOSTILE[11]) + malloc(2, HOSTILE[12]) + do(GIVE)
               for n in range(5))


def hostile_sizes():
    steps = []
    for i in list(range(9)) + [14, 15]:
        steps += [malloc(0, HOSTILE[i]), calloc(1, HOSTILE[i]), aligned(2, 12, HOSTILE[i]),
                  aligned(3, 63, HOSTILE[i]), malloc(4, 100), resize(4, HOSTILE[i]),
                  malloc(5, 40000), resize(5, HOSTILE[i])]
    return cat(steps)


def many_regions():
    steps = [malloc(i, (16384 << i) - 8) for i in range(2, 10)]
    steps += [malloc(10, HOSTILE[13]), malloc(11, HOSTILE[11])]
    steps += [malloc(12 + i, HOSTILE[12]) for i in range(8)]
    return cat(steps + [free(i) for i in range(2, 20, 3)] + [do(GIVE)] +
               [malloc(12 + i, HOSTILE[12]) for i in range(8)])


def while_carving(nblocks):
    """Descriptors run out while the OS refuses: at the first or second of two, by @nblocks."""
    return cat([do(RESERVE, 12 << 20)] + [malloc(i, 33000) for i in range(nblocks)] +
               [do(FAIL_FROM, 0)] +
               [run_aligned(32 * b + 8, 24, 16, 36857) for b in range(8)] +
               [do(LIFT), do(GIVE)])


def few_descriptors(n):
    """The OS refuses everything, and @n aligned blocks take most of the memory for descriptors."""
    return do(FAIL_FROM, 0) + cat(run_aligned(32 + i, min(n - i, 32), 16, 36857)
                                  for i in range(0, n, 32))


SEEDS = {
    'compact-tells-others': header() + run(0, 9, 40) + by(1, malloc(20, 40) + cat(
        free(i) for i in range(1, 6)) + do(COMPACT)) + run(0, 30, 40),
    'emptied-slabs-make-due': header(old=1) + run(0, 60, 3000) + do(CLOCK, 30) + run_free(0, 20) +
        do(COMPACT) + do(CLOCK, 40) + run_free(20, 40) + run(0, 9, 3000),
    'nothing': header(),
    'malloc-free-one': header() + malloc(0, 100) + free(0),
    'every-size-class': header() + every_class(),
    'every-size-class-16k-pages': header(pages=6) + every_class(),
    'every-size-class-64k-pages': header(pages=7, waits=2) + every_class(),
    'realloc-growth': header() + cat(resize(0, n) for n in (
        1, 8, 9, 100, 101, 136, 300, 1000, 4000, 5000, 20000, 32760, 32761, 40000, 65528, 131064,
        262136, 1048568, 4194304)),
    'realloc-shrink': header() + cat(resize(0, n) for n in (
        4194304, 1048568, 65536, 65535, 40000, 32761, 32760, 20000, 5000, 300, 100, 9, 1, 0)),
    'realloc-between-neighbours': header() + cat([
        malloc(0, 40000), malloc(1, 40000), malloc(2, 33000), free(1), resize(0, 60000),
        resize(0, 81664), resize(0, 81920), resize(0, 40000), resize(0, 81664), resize(0, 33000),
        do(GIVE), resize(0, 50000)]),
    'slack-around-a-byte': header() + malloc(0, 4088) + cat(
        resize(0, n) + do(CHECK) for n in range(3842, 3856)),
    'fill-slab-free-half-refill': header() + run(0, 64, 240) + run_free(0, 64, 0x55) +
        run(0, 64, 200) + run_free(0, 64, 0xf0) + calloc(1, 240) + run_free(0, 64),
    'thousand-small-slots': header(waits=1) + cat(
        run(32 * b, 32, 8) for b in range(8)) + run_free(224, 64, 0xaa),
    'quarantine-wraps': header(waits=1) + run(0, 16, 100) + run_free(0, 16) + run(0, 16, 100) +
        do(COMPACT) + run_free(0, 16) + do(EXIT),
    'quarantine-holds-last-slot': header(waits=3) + run(0, 8, 4000) + run_free(0, 8) +
        do(GIVE) + run(0, 8, 4000),
    'calloc-recycled': header(old=1) + cat([
        malloc(0, 1000), malloc(1, 40), malloc(2, 40000), malloc(3, 30000), free(0), free(1),
        free(2), free(3), calloc(0, 1000), calloc(1, 40), calloc(2, 40000), calloc(3, 30000),
        free(2), do(TRIM, 0), calloc(2, 40000)]),
    'small-in-recycled-block': header(old=1) + malloc(0, 50000) + free(0) + run(0, 64, 40) +
        run(0, 64, 200),
    'free-by-another-thread': header(waits=1) + run(0, 32, 1000) + by(1, run_free(0, 32, 0x0f)) +
        run(0, 32, 1000) + by(1, free(9)) + resize(9, 900) + do(COMPACT),
    'free-by-a-thread-without-heap': header() + malloc(0, 100) + by(1, free(0)) +
        malloc(0, 100) + do(SHARED),
    'resize-by-another-thread': header() + cat([
        malloc(0, 100), malloc(1, 40000), *[by(1, resize(*slot_size)) for slot_size in (
            (0, 101), (0, 4000), (1, 50000), (1, 100))], resize(1, 101), free(0), free(1)]),
    'remote-free-then-adopt': header(waits=1) + run(0, 24, 1000) + do(EXIT) +
        by(1, run_free(0, 24, 0x03) + run(0, 12, 1000)) +
        by(2, run(12, 12, 1000) + do(EXIT) + run_free(0, 24)),
    'exit-with-pending-frees': header(waits=1) + run(0, 24, 1000) +
        by(1, malloc(30, 1000) + run_free(0, 24, 0x55)) + do(EXIT) + run(0, 8, 1000) + do(EXIT) +
        by(1, do(EXIT) + do(SHARED)),
    'adopt-after-remote-free': header() + run(0, 24, 1000) + do(EXIT) +
        by(1, free(0) + free(5)) +
        run(24, 8, 1000) + do(SHARED),
    'fork': header() + run(0, 16, 1000) + by(1, run_free(0, 16, 0x0f)) + do(FORK) +
        run(0, 16, 1000) + do(EXIT) + run_free(0, 16, 0x33) + do(FORK),
    'stock-after-slab': header(waits=1) + do(RESERVE, 8 << 20) + malloc(0, 8) + do(FAIL_FROM, 0) +
        cat(malloc(i, 16 * i - 8) for i in range(2, 64)) + do(LIFT) +
        cat(malloc(i + 1, 16 * i - 8) for i in range(2, 64)) + run_free(2, 65),
    'first-fit-holes': header(first=3) + holes(),
    'best-fit-holes': header(best=1, first=3) + holes(),
    'merge-left-right-both': header() + run(0, 16, 40000) + cat(free(i) for i in (
        0, 2, 1, 4, 6, 5, 15, 13, 14, 9, 8, 11, 10)),
    'aligned-every': header() + cat(aligned(i, 4 + i, 100 * i + 1) for i in range(17)),
    'aligned-every-best': header(best=1) + cat(
        aligned(i, 4 + i, 100 * i + 1, 1) for i in range(17)),
    'aligned-1m': header() + cat([
        aligned(0, 20, 1), aligned(1, 20, 40000), malloc(2, 50000), free(0),
        aligned(0, 20, 65529), resize(1, 65529), resize(1, 100), free(2), do(GIVE)]),
    'aligned-huge': header() + aligned(0, 25, 100) + aligned(1, 26, 40000) +
        aligned(2, 27, 100) + aligned(3, 63, 8) + aligned(2, 25, HOSTILE[12]) +
        resize(2, HOSTILE[9]) + resize(2, HOSTILE[12]) + free(2),
    'huge-and-mremap': header() + malloc(0, HOSTILE[12]) + resize(0, HOSTILE[10]) +
        malloc(1, HOSTILE[12]) + resize(0, HOSTILE[12]) + resize(1, HOSTILE[9]) +
        resize(0, HOSTILE[10]) +
        resize(0, 65536) + free(1) + calloc(0, HOSTILE[12]) + do(GIVE),
    'hostile-sizes': header() + hostile_sizes(),
    'hostile-sizes-best-limited': header(best=1, limit=2) + hostile_sizes(),
    'limit-reached': header(limit=1) + run(0, 32, 30000) + run_free(0, 32, 0x11) +
        run(0, 8, 8000) + malloc(8, 1048568) + aligned(9, 20, 100) + resize(10, 60000),
    'limit-reached-with-waiting-slots': header(limit=1, waits=3) + run(0, 32, 8000) +
        run_free(0, 32) + run(0, 32, 4000) + by(1, run_free(0, 32)) + malloc(0, 131064),
    'os-exhausted': header(small=1) + run(0, 64, 60000) + run(0, 64, 30000) + malloc(0, 4194296) +
        run_free(0, 64) + malloc(0, 2097144),
    'oom-at-every-call': header(waits=1) + every_call_fails(),
    'oom-at-every-call-best': header(best=1) + every_call_fails(),
    'oom-from-now-on': header() + cat(
        malloc(0, 100) + do(FAIL_FROM, n) + run(1, 30, 3000) + resize(0, 50000) + free(0) +
        run_free(1, 30) + do(LIFT) for n in range(6)),
    'oom-while-carving': header() + while_carving(1),
    'oom-while-carving-second': header() + while_carving(2),
    'oom-while-carving-best': header(best=1) + while_carving(1),
    'oom-while-carving-best-second': header(best=1) + while_carving(2),
    'oom-while-growing': header(first=2) + malloc(0, 8) + while_growing(),
    'oom-while-growing-best': header(best=1, first=2) + while_growing(),
    'oom-while-moving': header() + while_moving(),
    'unmap-refused': header() + nothing_goes_back(UNMAP),
    'resize-refused': header() + nothing_goes_back(RESIZE),
    'move-refused': header() + nothing_goes_back(MOVE),
    'purge-refused': header() + nothing_goes_back(PURGE),
    'refused-at-first-call': config(0, 0x40, 0),
    'batch-is-full': header() + run(0, 64, 8) + by(1, malloc(64, 8) + run_free(0, 64)) + do(CHECK),
    'no-memory-for-a-batch': header() + do(RESERVE, 15 << 20) + run(0, 24, 1000) +
        by(1, malloc(30, 1000)) + few_descriptors(224) + by(1, run_free(0, 24)) + do(LIFT) +
        do(COMPACT),
    'owner-ends-overlooked': header() + do(RESERVE, 15 << 20) + run(0, 24, 1000) +
        by(1, malloc(30, 1000)) + few_descriptors(224) + by(1, run_free(0, 20)) + do(LIFT) +
        by(0, malloc(31, 40000)) + do(EXIT),
    'no-memory-for-a-quarantine': header(waits=3, seed=2) + do(RESERVE, 15 << 20) +
        malloc(0, 100) + few_descriptors(96) +
        by(1, cat(run(1, 31, 8) + run_free(1, 31) for _ in range(3)) + do(LIFT) + do(CHECK)),
    'decay-step-by-step': header(old=1) + run(0, 16, 40000) + cat(
        free(i) + do(STEP, 10) for i in range(0, 16, 2)) + do(STEP, 60) + run_free(0, 16) +
        do(STEP, 20) + do(STEP, 60),
    'retain-end': header(retain=1) + run(0, 16, 40000) + run_free(0, 16, 0xf0) + do(STEP, 1) +
        run_free(0, 16) + do(STEP, 1) + do(TRIM, 1) + do(TRIM, 0),
    'second-instance': header() + malloc(0, 100) + do(OTHER) + malloc(1, 100) + malloc(2, 40000) +
        resize(0, 200) + free(0) + do(OTHER) + malloc(0, 40000) + free(1),
    'second-instance-reset': header(best=1) + malloc(0, 40000) + do(OTHER) + run(1, 20, 3000) +
        malloc(21, HOSTILE[12]) + malloc(22, 50000) + do(RESET) + do(OTHER) + run(1, 20, 3000) +
        do(RESET),
    'reserve-before-first': header() + do(RESERVE, 4 << 20) + malloc(0, 100) +
        do(RESERVE, 8 << 20) + do(GIVE),
    'reserve-absurd': header(first=2) + do(RESERVE, HOSTILE[8]) + malloc(0, 100) +
        do(RESERVE, HOSTILE[0]) + do(GIVE),
    'many-regions': header(first=2) + many_regions(),
    'many-regions-best': header(best=1, first=2) + many_regions(),
}

# What else is hardened, all of it and one by one; README.md has the bits.
HARDENED = {
    'all': 0x9f, 'large-guards': 0x20, 'shuffled': 0x42, 'waiting': 0x21, 'waiting-guards': 0x01,
    'sealed': 0x11, 'slab-guards': 0x40, 'few-bytes': 0x08, 'sampled': 0x04, 'traced': 0x80,
}
FOR_ALL = ['every-size-class', 'realloc-growth', 'realloc-shrink', 'quarantine-wraps',
           'calloc-recycled', 'aligned-every', 'limit-reached-with-waiting-slots',
           'oom-at-every-call', 'unmap-refused', 'second-instance-reset', 'aligned-huge']
FOR_EACH = ['calloc-recycled', 'aligned-every', 'oom-at-every-call']


def hardened(name, bits):
    first, *steps = SEEDS[name]
    return [f'{first[:-2]}{bits:02x}', *steps]


for word, bits in HARDENED.items():
    SEEDS.update({f'{word}-{name}': hardened(name, bits)
                  for name in (FOR_ALL if word == 'all' else FOR_EACH)})
SEEDS.update({
    'shuffled-quarantine-wraps': hardened('quarantine-wraps', 0x0a),
    'large-blocks-wait-and-come-again': header(seed=0x21) +
        cat(malloc(i, 40000) for i in range(6)) + run_free(0, 6) +
        cat(calloc(i, 40000) for i in range(6)),
    'guards-spared': header(pages=5, seed=0x20) + cat(run(i, 30, 40000) for i in range(0, 150, 30)) +
        malloc(200, 2 << 20) +
        aligned(201, 16, 40000) + resize(3, 80000) + resize(4, 39000) + resize(0, 60000) +
        cat(run_free(i, 30) for i in range(0, 150, 30)) + run(0, 20, 60000) + do(OTHER) + run(20, 6, 40000) + do(GIVE),
    'guards-spared-waiting': header(pages=5, seed=0x01) +
        cat(run(0, 6, n) + run_free(0, 6) for n in (40000, 40000, 38000, 41000)) + do(GIVE),
    'guards-spared-refused': header(pages=5, seed=0x20) + cat(
        do(FAIL_AT, n) + run(0, 5, 40000) + do(LIFT) + run_free(0, 5) for n in range(4)),
    'slabs-wait-before-large': header(seed=0x21) + run(0, 12, 3000) + malloc(40, 40000) +
        malloc(41, 150000) + run_free(0, 12) + free(40) + free(41) + run(0, 12, 3000),
    'slabs-wait-and-come-again': header(seed=0x53) + cat(
        run(0, 32, 4000) + run_free(0, 32) + do(FAIL_AT, n) + run(0, 32, 4000) + do(LIFT) +
        run_free(0, 32) for n in range(4)),
})


def main(seeds, about):
    """encode: the tool fuzz/seq. --check: whether the files in the folder are these."""
    *check, encode, folder = sys.argv[1:] if len(sys.argv) in (3, 4) else sys.exit(about)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in seeds.items():
        ran = subprocess.run([encode, 'encode'], input='\n'.join(lines + ['']).encode(),
                             stdout=subprocess.PIPE, check=True)
        if not check:
            (folder / name).write_bytes(ran.stdout)
        elif (folder / name).read_bytes() != ran.stdout:
            sys.exit(f'{folder / name} is not what this script writes')
    print(f'{len(seeds)} seeds in {folder}')


if __name__ == '__main__':
    main(SEEDS, __doc__)
