"""Parse a JSON file, serialise it again, print what came out. Usage: json_round_trip.py FILE

Expects PYTHONMALLOC=malloc, and fails when Python's own allocator is in use nevertheless.
"""

import hashlib
import json
import sys

if sys.getallocatedblocks() != 0:
    raise SystemExit("Python's own allocator is in use: PYTHONMALLOC=malloc was not honoured")
with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
data = json.loads(text)
again = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
print("records:", len(data["records"]))
print("bytes:", len(again.encode()))
print("sha256:", hashlib.sha256(again.encode()).hexdigest())
print("same as the file:", again == text)
