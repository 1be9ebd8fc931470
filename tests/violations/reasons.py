"""Why memalloc lets some of the one-bug programs do harm: each has a reason, or is a defect.

TABLE: (sentence, [allocators], [names of cases]).
"""

TABLE = []

REASONS = {(allocator, case): sentence
           for sentence, allocators, cases in TABLE for allocator in allocators for case in cases}
