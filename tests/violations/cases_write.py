"""Cases for the one-bug programs that write, read or reuse memory they should not.

CASES: (name, program, [arguments], the kind of violation memalloc should report). The last is None
where nothing can be reported: such a bug can only be kept from doing harm.
"""

OVERFLOW = "heap overflow"
UNDERFLOW = "heap underflow"
STALE = "write after free"


def plural(n):
    return f"{n} byte" if n == 1 else f"{n} bytes"


def overflow(program, when, size, amount):
    return (f"overflow by {plural(amount)}, {plural(size)}, {when}", program, [str(size), str(amount)], OVERFLOW)


def underflow(program, when, size, amount):
    return (f"underflow by {plural(amount)}, {plural(size)}, {when}", program, [str(size), str(amount)], UNDERFLOW)


def stale(where, size):
    return (f"write after free, {where} byte, {plural(size)}", "write_after_free", [str(size), where], STALE)


def case(name, program, *arguments, expected=None):
    return (name, program, [str(argument) for argument in arguments], expected)


CASES = [
    # Overflows, at the free of the object.
    overflow("overflow_free", "at free", 20, 1),
    overflow("overflow_free", "at free", 24, 1),
    overflow("overflow_free", "at free", 24, 8),
    overflow("overflow_free", "at free", 24, 16),
    overflow("overflow_free", "at free", 24, 64),
    overflow("overflow_free", "at free", 24, 4096),
    overflow("overflow_free", "at free", 200, 1),
    overflow("overflow_free", "at free", 200, 64),
    overflow("overflow_free", "at free", 1000, 1),
    overflow("overflow_free", "at free", 1000, 16),
    overflow("overflow_free", "at free", 5000, 8),
    overflow("overflow_free", "at free", 5000, 4096),
    overflow("overflow_free", "at free", 100000, 1),
    overflow("overflow_free", "at free", 100000, 4096),
    case("overflow by one zero byte, 24 bytes, at free", "overflow_free", 24, 1, 0, expected=OVERFLOW),
    case("overflow by one zero byte, 1000 bytes, at free", "overflow_free", 1000, 1, 0, expected=OVERFLOW),
    case("overflow by a terminator, 24 bytes", "overflow_terminator", 24, expected=OVERFLOW),
    case("overflow by a terminator, 100000 bytes", "overflow_terminator", 100000, expected=OVERFLOW),
    # The same, found otherwise.
    overflow("overflow_realloc", "at realloc", 24, 1),
    overflow("overflow_realloc", "at realloc", 1000, 8),
    overflow("overflow_realloc", "at realloc", 100000, 1),
    overflow("overflow_neighbour", "at the neighbours' free", 24, 8),
    overflow("overflow_neighbour", "at the neighbours' free", 24, 64),
    overflow("overflow_neighbour", "at the neighbours' free", 1000, 4096),
    overflow("overflow_thread", "of another thread's object", 24, 1),
    overflow("overflow_thread", "of another thread's object", 1000, 16),
    overflow("overflow_exit", "never freed", 24, 1),
    overflow("overflow_exit", "never freed", 5000, 8),
    overflow("overflow_exit", "never freed", 100000, 1),
    case("overflow that jumps 8 bytes, 24 bytes", "overflow_jump", 24, 8),
    case("overflow that jumps 16 bytes, 24 bytes", "overflow_jump", 24, 16),
    case("overflow that jumps 64 bytes, 200 bytes", "overflow_jump", 200, 64),
    case("overflow that jumps 4096 bytes, 100000 bytes", "overflow_jump", 100000, 4096),
    case("overflow by 70000 bytes, 24 bytes", "overflow_linear", 24, 70000, expected=OVERFLOW),
    case("overflow by 1000000 bytes, 1000 bytes", "overflow_linear", 1000, 1000000, expected=OVERFLOW),
    case("string without terminator, 20 bytes", "strncpy_unterminated", 20),
    case("string without terminator, 24 bytes", "strncpy_unterminated", 24),
    # Underflows.
    underflow("underflow", "at free", 24, 1),
    underflow("underflow", "at free", 24, 8),
    underflow("underflow", "at free", 24, 16),
    underflow("underflow", "at free", 24, 64),
    underflow("underflow", "at free", 20, 8),
    underflow("underflow", "at free", 1000, 8),
    underflow("underflow", "at free", 100000, 16),
    underflow("underflow_exit", "never freed", 24, 8),
    case("write into the page before 300000 bytes", "write_large_before", 300000),
    # Writes after free.
    *(stale(where, size) for size in (24, 200, 1000, 20000, 200000) for where in ("first", "middle", "last")),
    case("write after free, at exit, 24 bytes", "write_after_free_exit", 24, expected=STALE),
    case("write after free, at exit, 1000 bytes", "write_after_free_exit", 1000, expected=STALE),
    case("write after free, then calloc, 24 bytes", "write_after_free_calloc", 24, expected=STALE),
    case("write after free, then calloc, 5000 bytes", "write_after_free_calloc", 5000, expected=STALE),
    case("write after free into a new object, 24 bytes", "write_after_free_late", 24),
    case("write after free into a new object, 1000 bytes", "write_after_free_late", 1000),
    case("pointer written into a free list, 24 bytes", "freelist_poison", 24, expected=STALE),
    case("pointer written into a free list, 1000 bytes", "freelist_poison", 1000, expected=STALE),
    # Reads.
    case("read after free, 24 bytes", "read_after_free", 24),
    case("read after free, 1000 bytes", "read_after_free", 1000),
    case("read after free, 200000 bytes", "read_after_free", 200000),
    case("old secret in a new object, 24 bytes", "read_after_free_new", 24),
    case("old secret in a new object, 1000 bytes", "read_after_free_new", 1000),
    case("read past the end, 24 bytes", "read_overflow", 24, 256),
    case("read past the end, 1000 bytes", "read_overflow", 1000, 4096),
    case("read past the end, 100000 bytes", "read_overflow", 100000, 8192),
    case("read a page past the end, 300000 bytes", "read_large_end", 300000),
    case("address in freed memory, 24 bytes", "address_leak", 24),
    case("address in freed memory, 2000 bytes", "address_leak", 2000),
    # Attacks.
    case("canary of another object", "canary_copied", 20, expected=OVERFLOW),
    case("canary of an earlier life", "canary_earlier_life", 20, expected=OVERFLOW),
    case("canary of an earlier life, and on into the next object", "canary_earlier_life", 24, 8, expected=OVERFLOW),
    case("canary read and put back", "canary_own", 20),
    case("memory comes back at once, 24 bytes", "predictable_reuse", 24),
    case("memory comes back at once, 1000 bytes", "predictable_reuse", 1000),
    case("memory comes back at once, 200000 bytes", "predictable_reuse", 200000),
    case("memory becomes another size, 48 to 200 bytes", "reuse_other_class", 48, 200),
    case("memory becomes another size, 1000 to 48 bytes", "reuse_other_class", 1000, 48),
    case("canaries shared with a child", "secrets_fork", 24),
]
