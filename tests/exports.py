#!/usr/bin/env python3
"""What the libraries show to the world: their names, what they need, how they are to be loaded.

exports.py LIBMEMALLOC PRELOAD STATIC  checks the three libraries
exports.py --selftest CC LIBMEMALLOC   shows that it finds what is wrong with others; CC are the words of
                                       a command, ':' between them
"""

import pathlib
import re
import subprocess
import sys
import tempfile

API = """custom_malloc custom_calloc custom_realloc custom_reallocarray custom_aligned_alloc custom_free
    custom_usable_size init_pool print_free_list memalloc_pool_create memalloc_pool_malloc
    memalloc_pool_calloc memalloc_pool_realloc memalloc_pool_aligned_alloc memalloc_pool_free
    memalloc_pool_reset memalloc_pool_destroy memalloc_pool_check memalloc_check memalloc_walk
    memalloc_stats memalloc_stats_json memalloc_print_stats memalloc_trim memalloc_compact
    memalloc_set_violation_handler memalloc_is_active""".split()

C_LIBRARY = """malloc free calloc realloc reallocarray aligned_alloc posix_memalign memalign valloc pvalloc
    malloc_usable_size free_sized free_aligned_sized malloc_stats mallinfo mallinfo2""".split()

NEW = "_Znwm _ZnwmRKSt9nothrow_t _ZnwmSt11align_val_t _ZnwmSt11align_val_tRKSt9nothrow_t".split()
DELETE = """_ZdlPv _ZdlPvRKSt9nothrow_t _ZdlPvm _ZdlPvSt11align_val_t _ZdlPvmSt11align_val_t
    _ZdlPvSt11align_val_tRKSt9nothrow_t""".split()
OPERATORS = NEW + DELETE + [name[:3] + "a" + name[4:] for name in NEW + DELETE]  # new[], delete[]

VERSION = "MEMALLOC_1"
NEEDED = re.compile(r"(libc\.so\.\d+|ld-linux[\w-]*\.so\.\d+)$")
TLS_MAX = 8  # bytes: initial-exec memory is scarce where libraries are loaded late


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def difference(what, actual, expected):
    for name in sorted(actual - expected):
        yield f"{what}: {name} is too much"
    for name in sorted(expected - actual):
        yield f"{what}: {name} is missing"


def exported(library):
    """Names a dynamic library exports, with @@VERSION where they have one."""
    lines = output("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[-1] for line in lines}


def load_complaints(library):
    """Dependencies, immediate binding, no relocations in the code, the size of thread-local memory."""
    dynamic = output("readelf", "-dW", library)
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        if not NEEDED.match(name):
            yield f"{library}: needs {name}"
    for flag in ("NOW", "NODELETE"):
        if not re.search(rf"\(FLAGS(_1)?\).*\b{flag}\b", dynamic):
            yield f"{library}: is not linked with -z {flag.lower()}"
    if "(TEXTREL)" in dynamic:
        yield f"{library}: has relocations in its code"
    segments = output("readelf", "-lW", library)
    for size in re.findall(r"^ +TLS +(?:0x[0-9a-f]+ +){4}0x([0-9a-f]+)", segments, re.M):
        if int(size, 16) > TLS_MAX:
            yield f"{library}: {int(size, 16)} bytes of thread-local memory, at most {TLS_MAX}"
    if "GNU_RELRO" not in segments:
        yield f"{library}: is not linked with -z relro"


def static_complaints(library):
    """All of a static library's names are the program's, too: ours begin with ma_."""
    names = {line.split()[-1] for line in output("nm", "-g", "--defined-only", library).splitlines() if " " in line}
    names = {name for name in names if not name.startswith(("ma_", "__odr_asan."))}
    yield from difference(library, names, set(API))


def shared_complaints(library):
    versioned = {f"{name}@@{VERSION}" for name in API} | {VERSION}
    yield from difference(library, exported(library), versioned)
    yield from load_complaints(library)


def preload_complaints(library):
    yield from difference(library, exported(library), set(C_LIBRARY) | set(OPERATORS) | {"memalloc_is_active"})
    yield from load_complaints(library)


def selftest(cc, sound):
    """A library with much wrong about it, and a sound one under another's name."""
    source = "int m;int malloc(void){return m;}int helper(void){return 0;}_Thread_local int big[4];\n"
    wrong = []
    with tempfile.TemporaryDirectory(prefix="memalloc-exports-") as directory:
        library = str(pathlib.Path(directory, "libbad.so"))
        options = ["-shared", "-fPIC", "-fno-builtin", "-w", "-x", "c", "-", "-Wl,--no-as-needed", "-lm", "-Wl,-z,lazy",
                   "-Wl,-z,norelro"]
        subprocess.run([*cc, *options, "-o", library], input=source, check=True, text=True)
        complaints = "\n".join(preload_complaints(library))
        for word in ("helper is too much", "free is missing", "_ZdaPvm is missing", "needs libm.so", "-z now", "-z nodelete",
                     "-z relro", "16 bytes of thread-local"):
            if word not in complaints:
                wrong.append(f"no complaint with {word!r} in: {complaints}")
    if "malloc is missing" not in "\n".join(preload_complaints(sound)):
        wrong.append("libmemalloc passes for the preload library")
    if "@@MEMALLOC_1 is missing" not in "\n".join(difference("", {"custom_free"}, {"custom_free@@MEMALLOC_1"})):
        wrong.append("a name without a version passes")
    return wrong


def main(args):
    if args[0] == "--selftest":
        complaints = selftest(args[1].split(":"), args[2])
    else:
        shared, preload, static = args
        complaints = [*shared_complaints(shared), *preload_complaints(preload), *static_complaints(static)]
    for line in complaints:
        print(line)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
