"""Why memalloc lets some of the one-bug programs do harm: each has a reason, or is a defect.

TABLE: (sentence, [allocators], [names of cases]).
"""

FAST, DEFAULT, STRICT = "memalloc-fast", "memalloc-default", "memalloc-strict"

TABLE = [
    ("A write that jumps over the canary into a live object cannot be told from a write that is meant for that object; "
     "redzone=64 keeps the next object that far away.",
     [FAST, DEFAULT],
     ["overflow that jumps 8 bytes, 24 bytes", "overflow that jumps 16 bytes, 24 bytes",
      "overflow that jumps 64 bytes, 200 bytes"]),
    ("Once the memory belongs to a new object, a write through the old pointer cannot be told from one of its own; "
     "quarantines delay that, and samples catch some.",
     [FAST, DEFAULT, STRICT],
     ["write after free into a new object, 24 bytes", "write after free into a new object, 1000 bytes"]),
    ("Reads change nothing that could be checked later; only guards stop them, and small objects have guards when they "
     "are sampled.",
     [FAST, DEFAULT, STRICT],
     ["read past the end, 24 bytes", "read past the end, 1000 bytes"]),
    ("The default fills objects up to 248 bytes; beyond, zeroing costs what the profile may not. fill=32768 does it.",
     [DEFAULT],
     ["read after free, 1000 bytes", "read after free, 200000 bytes", "old secret in a new object, 1000 bytes"]),
    ("Of what is freed, a sixteenth of the heap waits before it may serve another size, at least 128 KiB; more "
     "would cost memory, or page faults, in all programs. The strict profile keeps 32 MiB apart.",
     [DEFAULT],
     ["memory becomes another size, 48 to 200 bytes", "memory becomes another size, 1000 to 48 bytes"]),
    ("The fast profile fills only the ends of objects, and neither delays the reuse of small ones nor guards any: that is "
     "what it leaves out to be fast.",
     [FAST],
     ["read after free, 1000 bytes", "read after free, 200000 bytes", "old secret in a new object, 1000 bytes",
      "read past the end, 100000 bytes", "read a page past the end, 300000 bytes",
      "write into the page before 300000 bytes", "overflow that jumps 4096 bytes, 100000 bytes",
      "memory comes back at once, 1000 bytes",
      "memory becomes another size, 48 to 200 bytes", "memory becomes another size, 1000 to 48 bytes"]),
]

REASONS = {(allocator, case): sentence
           for sentence, allocators, cases in TABLE for allocator in allocators for case in cases}
