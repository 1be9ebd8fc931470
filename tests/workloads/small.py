"""Python in an address space of 64 MiB: works, gets MemoryError when it is used up, and goes on."""

import hashlib
import json
import re
import sys


def work(count):
    data = [{"n": i, "text": str(i) * 3, "list": list(range(i % 7))} for i in range(count)]
    text = json.dumps(json.loads(json.dumps(data)))
    return len(re.findall(r'"text"', text)), hashlib.sha256(text.encode()).hexdigest()


def exhaust(make):
    """Hold what make returns until there is no more memory; give it all back."""
    held = []
    try:
        while True:
            held.append(make(len(held)))
    except MemoryError:
        held.clear()
        return "MemoryError"


if sys.getallocatedblocks() != 0:
    raise SystemExit("Python's own allocator is in use: PYTHONMALLOC=malloc was not honoured")
print("work", work(10_000))
print("large", exhaust(lambda i: bytearray(1 << 20)), work(10_000))
print("small", exhaust(lambda i: b"x" * (i % 200)), work(10_000))
print("huge", exhaust(lambda i: bytearray(1 << 40)), work(10_000))
print("went on")
