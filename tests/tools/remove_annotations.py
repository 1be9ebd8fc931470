#!/usr/bin/env python3
"""Proves that every annotation has a cell of the matrix that fails without it.

remove_annotations.py [--only WORD]...  takes each out of a copy of the sources, one at a time, builds the static
                                        library, and runs the cells of matrix.py that must then fail; some minutes
remove_annotations.py --texts           only looks whether each text to be taken out is there, exactly once
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))

import edits

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ANNOTATE, HEADER, DRD, TELL, POOLS = ("lib/annotate.c", "lib/annotate.h", "lib/annotate_drd.c", "lib/tell.h", "lib/pools.c")


@dataclass(frozen=True)
class Removal:
    name: str
    file: str
    text: str         # stands there exactly once
    cell: str         # of the matrix: words of its name
    instead: str = ""


REMOVALS = [
    # ---- Valgrind ----
    Removal("objects of the heap", HEADER, "VALGRIND_MALLOCLIKE_BLOCK(o->ptr, o->size, 0, o->zero);", "memcheck leak heap", "(void)0;"),
    Removal("objects of a pool", HEADER, "VALGRIND_MEMPOOL_ALLOC(o->pool, o->ptr, o->size);", "memcheck leak pool", "(void)0;"),
    Removal("zeroed memory of a pool", HEADER,
            "\tif (o->zero && o->pool != NULL)\n\t\t(void)VALGRIND_MAKE_MEM_DEFINED(o->ptr, o->size);\n", "memcheck states"),
    Removal("zeroed memory of the heap", HEADER, "o->size, 0, o->zero);", "memcheck states", "o->size, 0, 0);"),
    Removal("a free in the heap", HEADER, "VALGRIND_FREELIKE_BLOCK(ptr, 0);", "memcheck use-after-free heap", "(void)0;"),
    Removal("a free in a pool", HEADER, "VALGRIND_MEMPOOL_FREE(pool, ptr);", "memcheck use-after-free pool", "(void)0;"),
    Removal("a bad free", HEADER, "\tif (ma_tools.valgrind)\n\t\tma_annotate_tell_free(pool, ptr);\n", "memcheck resize-freed",
            "\t(void)pool;\n\t(void)ptr;\n"),
    Removal("a pool begins", HEADER, "VALGRIND_CREATE_MEMPOOL(pool, MA_ANNOTATE_BESIDE, 0);", "memcheck overflow pool", "(void)pool;"),
    Removal("a pool ends: its objects", HEADER,
            "\t\treturn;\n\tVALGRIND_MEMPOOL_TRIM(pool, pool, 0);\n", "memcheck use-after-destroy", "\t\treturn;\n"),
    Removal("the core's part begins", HEADER, "VALGRIND_DISABLE_ERROR_REPORTING;", "memcheck right", "(void)0;"),
    Removal("the core's part ends", HEADER, "VALGRIND_ENABLE_ERROR_REPORTING;", "memcheck overflow heap", "(void)0;"),
    Removal("the byte for leaks in pools", ANNOTATE, "VALGRIND_MALLOCLIKE_BLOCK(held, sizeof(byte), 0, 1);", "memcheck leak pool",
            "(void)held;"),
    Removal("what is no object's in a region", ANNOTATE, "(void)VALGRIND_MAKE_MEM_NOACCESS(ptr, size);", "memcheck overflow large",
            "(void)0;"),
    Removal("reserve against old stacks", "lib/instance.c",
            "\tconfig->quarantine.cap = ma_max(config->quarantine.cap, QUARANTINE_WATCHED);\n", "memcheck second-life"),
    Removal("room between objects", "lib/instance.c",
            "\tconfig->slab.redzone = ma_max(config->slab.redzone, REDZONE_WATCHED);\n", "memcheck second-life"),
    Removal("the short way: an object", TELL, "\tif (ma_likely(o.ptr != NULL))\n\t\tma_annotate_tell_alloc(&o);\n", "memcheck leak heap"),
    Removal("the short way: a free in the heap", "lib/watch.c", "\tma_annotate_tell_free(NULL, ptr);\n", "memcheck use-after-free heap"),
    Removal("the short way: a free in a pool", TELL, "\t\tma_annotate_tell_free(t->pool, ptr);\n", "memcheck use-after-free pool"),
    # ---- Helgrind and DRD ----
    Removal("Helgrind: our own affair", ANNOTATE, "VALGRIND_HG_DISABLE_CHECKING(ptr, size);", "helgrind hand-over", "(void)ptr;"),
    Removal("DRD: an object is new", DRD, "VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_CLEAN_MEMORY, ptr, size, 0, 0, 0);",
            "drd hand-over", "(void)ptr;"),
    # ---- sanitizers ----
    Removal("ASan: an object is open", ANNOTATE, "__asan_unpoison_memory_region(o->ptr, o->size);", "address right", "(void)0;"),
    Removal("ASan: a freed one is not", ANNOTATE, "\tif (ma_tools.asan)\n\t\t__asan_poison_memory_region(o->ptr, o->room);\n",
            "address use-after-free"),
    Removal("ASan: before the C library", ANNOTATE,
            "void ma_annotate_open(void *ptr, size_t size)\n{\n\tif (ma_unlikely(ma_tools.asan))\n\t\t__asan_unpoison_memory_region(ptr, size);\n",
            "address right", "void ma_annotate_open(void *ptr, size_t size)\n{\n"),
    Removal("ASan: our section", "lib/memalloc.c", "\tma_explain_start();\n", "address overflow"),
    Removal("ASan: stacks", "lib/instance.c", "\t\tconfig->slab.traced = true;\n", "address use-after-free"),
    Removal("LSan: a place of pointers", ANNOTATE, "\tclose_range(ptr, size);\n\tif (ma_tools.lsan)\n\t\t__lsan_register_root_region(ptr, size);\n",
            "address keep", "\tclose_range(ptr, size);\n"),
    Removal("MSan: not initialised", ANNOTATE, "__msan_allocated_memory(o->ptr, o->size);", "memory uninitialised", "(void)0;"),
    Removal("MSan: zeroed", ANNOTATE, "\tif (ma_tools.msan && o->zero)\n", "memory right", "\tif (ma_tools.msan && o->room == 0)\n"),
    Removal("MSan: freed", ANNOTATE, "\tif (ma_tools.msan)\n\t\t__msan_poison(o->ptr, o->size);\n", "memory use-after-free"),
    Removal("TSan: from one thread to another", ANNOTATE, "\t\t__tsan_release(o->ptr);\n", "thread hand-over"),
    Removal("TSan: and taken there", ANNOTATE, "\t\t__tsan_acquire(o->ptr);\n", "thread hand-over"),
    Removal("TSan: a free is a write", ANNOTATE, "\t\t__tsan_write_range(o->ptr, o->size);\n\t\t__tsan_release", "thread race-with-free",
            "\t\t__tsan_release"),
    # ---- who tells ----
    Removal("a resize moves", TELL, "\tif (room == 0) {\n", "use-after-resize",
            "\tif (room > 0) {\n\t\tptr = ma_heap_realloc(t->heap, ptr, size);\n\t\tma_annotate_open(ptr, size);\n\t\treturn ptr;\n\t}\n\tif (room == 0) {\n"),
    Removal("a reset frees all", POOLS, "\tma_annotate_pool_reset(pool);\n", "memcheck use-after-reset"),
]


def changed(removal, top):
    path = top / removal.file
    return edits.replaced(path.read_text(), removal.text, removal.instead, removal.name, removal.file)


def copy_to(top):
    listed = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=True).stdout
    for name in sorted(set(listed.split("\0"))):
        if (TOP / name).is_file():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, top / name)


def quiet(*command):
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return ran.returncode, ran.stdout + ran.stderr


def attempt(top, build, removal):
    """None when the matrix notices; or what went otherwise."""
    path = top / removal.file
    before = path.read_text()
    path.write_text(changed(removal, top))
    try:
        code, text = quiet("ninja", "-C", build, "lib/libmemalloc.a")
        if code:
            return "does not build:\n" + text[-3000:]
        code, text = quiet(sys.executable, top / "tests/tools/matrix.py", build / "lib/libmemalloc.a", "--only", removal.cell)
        if "0 of 0" in text:
            return f"there is no cell {removal.cell}"
        return None if code else f"{removal.cell} is as with it"
    finally:
        path.write_text(before)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--texts", action="store_true")
    args = parser.parse_args()
    failed = 0
    if args.texts:
        for removal in REMOVALS:
            try:
                changed(removal, TOP)
            except edits.Broken as broken:
                print(broken)
                failed += 1
        return 1 if failed else 0
    with tempfile.TemporaryDirectory(prefix="memalloc-annotations-") as directory:
        top, build = pathlib.Path(directory, "sources"), pathlib.Path(directory, "build")
        copy_to(top)
        code, text = quiet("meson", "setup", "-Dtests=false", "--buildtype=debugoptimized", build, top)
        if code:
            sys.exit(text)
        for removal in REMOVALS:
            if args.only and not any(word in removal.name for word in args.only):
                continue
            wrong = attempt(top, build, removal)
            failed += wrong is not None
            print(f"{removal.name}: {wrong or 'noticed by ' + removal.cell}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
