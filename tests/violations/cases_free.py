"""Cases for the one-bug programs that give back what they must not. CASES: see outcomes.py."""

HUGE = 40000000
WAYS = ["at once", "after other work", "after caches were emptied", "by another thread",
        "of an ended thread's object", "by the old pointer after realloc"]
WRONG = ["freed", "interior", "of the stack"]


def double_free(size, way):
    return (f"double free {WAYS[way]}, {size} bytes", "double_free", [str(size), str(way)], "double free")


def invalid_free(what, place, size=24, offset=16):
    return (f"free of {what}", "invalid_free", [str(place), str(size), str(offset)], "invalid free")


CASES = [
    *(double_free(size, way) for size, way in [
        (24, 0), (200, 0), (3000, 0), (100000, 0), (HUGE, 0),
        (24, 1), (3000, 1), (100000, 1), (24, 2), (200, 2), (3000, 2),
        (24, 3), (3000, 3), (100000, 3), (24, 4), (3000, 4), (100000, 4), (24, 5), (3000, 5), (100000, 5)]),

    invalid_free("an address 1 byte into an object", 0, 200, 1),
    invalid_free("an address 16 bytes into an object", 0, 200, 16),
    invalid_free("the middle of an object, 3000 bytes", 0, 3000, 1504),
    invalid_free("a page inside an object, 100000 bytes", 0, 100000, 8192),
    invalid_free("an address 1 byte into an aligned object", 9, 200, 1),
    invalid_free("an address 64 bytes into an aligned object", 9, 200, 64),
    invalid_free("the stack", 1),
    invalid_free("a global", 2),
    invalid_free("a function", 3),
    invalid_free("a mapping of the program's own", 4),
    invalid_free("memory never handed out, 24 bytes", 5, 24),
    invalid_free("memory never handed out, 3000 bytes", 5, 3000),
    invalid_free("a small number", 6),
    invalid_free("an address that cannot exist", 7),
    invalid_free("an address that nobody has mapped", 8),

    *((f"realloc of what is {WRONG[way]}, {size} bytes", "bad_realloc", [str(size), str(way)], "bad realloc")
      for size, way in [(24, 0), (3000, 0), (100000, 0), (200, 1), (100000, 1), (24, 2)]),
    *((f"usable size of what is {WRONG[way]}, {size} bytes", "bad_usable_size", [str(size), str(way)],
       "bad usable size")
      for size, way in [(24, 0), (100000, 0), (200, 1), (24, 2)]),

    ("sized delete with another size, 24 bytes", "wrong_delete", ["24", "0"], "size mismatch"),
    ("sized delete with another size, 100000 bytes", "wrong_delete", ["100000", "0"], "size mismatch"),
    ("aligned delete with another alignment", "wrong_delete", ["24", "1"], "alignment mismatch"),
    ("new, then free", "wrong_delete", ["24", "2"], "alloc-dealloc mismatch"),
    ("malloc, then delete", "wrong_delete", ["24", "3"], "alloc-dealloc mismatch"),
    ("new[], then delete", "wrong_delete", ["100000", "4"], "alloc-dealloc mismatch"),
]
