"""Cases for the one-bug programs in which two threads do wrong at the same moment. CASES: see outcomes.py."""

CASES = [
    ("double free by two threads at once, 24 bytes", "double_free_race", ["24", "300"], "double free"),
    ("double free by two threads at once, 1000 bytes", "double_free_race", ["1000", "300"], "double free"),
]
