#!/usr/bin/env python3
"""The library can be loaded by a program that runs already: its thread-local storage is small enough.

    test_dlopen.py path-of-libmemalloc.so
"""

import ctypes
import json
import os
import sys
import threading
import time


def load(path):
    """The library with the types of what is used here."""
    library = ctypes.CDLL(path)
    library.custom_malloc.restype = ctypes.c_void_p
    library.custom_malloc.argtypes = [ctypes.c_size_t]
    library.custom_realloc.restype = ctypes.c_void_p
    library.custom_realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.custom_free.restype = None
    library.custom_free.argtypes = [ctypes.c_void_p]
    library.custom_usable_size.restype = ctypes.c_size_t
    library.custom_usable_size.argtypes = [ctypes.c_void_p]
    library.memalloc_check.restype = ctypes.c_char_p
    library.memalloc_stats_json.restype = ctypes.c_size_t
    library.memalloc_stats_json.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.memalloc_compact.restype = ctypes.c_size_t
    return library


def statistics(library):
    """What memalloc_stats_json() writes, parsed by somebody else's parser."""
    text = ctypes.create_string_buffer(2048)
    length = library.memalloc_stats_json(text, len(text))
    assert length == len(text.value), (length, text.value)
    return json.loads(text.value)


def use(library):
    """Objects of all kinds, filled, resized and freed."""
    kept = []
    for size in [0, 1, 15, 100, 1000, 5000, 50000, 1 << 20, 50 << 20]:
        ptr = library.custom_malloc(size)
        assert ptr and ptr % 16 == 0 and library.custom_usable_size(ptr) == size
        ctypes.memset(ptr, 7, size)
        ptr = library.custom_realloc(ptr, size + 1)
        assert library.custom_usable_size(ptr) == size + 1
        kept.append(ptr)
    for ptr in kept:
        library.custom_free(ptr)


def wait_for_threads():
    """join() returns while the thread still has its last steps to do, among them handing over its heap."""
    while len(os.listdir("/proc/self/task")) > 1:
        time.sleep(0.001)


def main():
    library = load(sys.argv[1])
    use(library)
    threads = [threading.Thread(target=use, args=(library,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for_threads()
    assert library.memalloc_check() is None, library.memalloc_check()
    found = statistics(library)
    assert found["live_objects"] == 0 and found["mapped"] > 0 and found["version"] == 1, found
    library.memalloc_compact()
    assert statistics(library)["slabs"] == 0, statistics(library)
    print("ok")


if __name__ == "__main__":
    main()
