#!/usr/bin/env python3
"""The law of the tower: a room uses the rooms below it, never above, never beside.

layers.py             checks every #include of lib/ against the table, the order of lib/meson.build
                      against it, and that every C source stands in the meson.build beside it
layers.py --selftest  shows that it finds what breaks the law
"""

import re
import sys

import rules

SUPPORT = "base lock annotate os text place report options config random stack depot canary fill"
POOL = "meta pagemap maxtree block region fit pool"
HEAP = "guard waitlist sizeclass slab large quarantine stock heap"

# Bottom-up: a room, and the rooms it may include beside SUPPORT.
ROOMS = {
    "base": "",
    "lock": "",
    "annotate": "",
    "os": "",
    "text": "",
    "place": "",
    "report": "",
    "guess": "",
    "facts": "",
    "report_plain": "facts",
    "report_json": "facts",
    "options": "",
    "config": "",
    "random": "",
    "stack": "",
    "depot": "",
    "canary": "",
    "fill": "",
    "file": "",
    "meta": "",
    "pagemap": "",
    "maxtree": "",
    "block": "maxtree",
    "region": "meta maxtree block",
    "fit": "meta pagemap maxtree block region",
    "pool": "meta pagemap maxtree block region fit",
    "pool_internal": POOL,
    "direct": POOL + " pool_internal",
    "decay": POOL + " pool_internal",
    "guard": POOL,
    "waitlist": POOL + " pool_internal direct guard",
    "sizeclass": "",
    "slab": POOL + " guard waitlist sizeclass",
    "large": POOL + " direct guard waitlist",
    "quarantine": POOL + " waitlist sizeclass slab",
    "stock": POOL + " waitlist sizeclass slab",
    "heap": POOL + " direct decay guard waitlist sizeclass slab large quarantine stock",
    "bins": POOL + " direct decay " + HEAP,
    "remote": POOL + " bins " + HEAP,
    "supply": POOL + " bins remote " + HEAP,
    "proof": POOL + " " + HEAP,
    "sweep": POOL + " " + HEAP,
    "stats": POOL + " sweep " + HEAP,
    "hooks": POOL + " sweep " + HEAP,
    "fast": POOL + " " + HEAP,
    "tell_slot": POOL + " bins supply " + HEAP,
    "tell": POOL + " tell_slot " + HEAP,
    "record": "file",
    "instance": POOL + " record tell " + HEAP,
    "below": "",
    "wards": "below",
    "memalloc": POOL + " direct decay sweep fast record tell instance below " + HEAP,
    "watch": POOL + " record tell instance below memalloc " + HEAP,
    "upkeep": POOL + " direct decay instance memalloc " + HEAP,
    "pools": POOL + " direct decay sweep tell instance below wards memalloc " + HEAP,
    "dump": POOL + " direct decay stats instance memalloc " + HEAP,
    "explain": POOL + " instance " + HEAP,
    "fault": POOL + " explain instance " + HEAP,
    "worker": POOL + " direct decay instance memalloc " + HEAP,
    "violations": "memalloc",
    "active": "pagemap instance memalloc",
    "shim": "record instance memalloc watch active",
}

# Parts of a room in files of their own: its .c includes them, they include its .h.
PART_OF = {"guess": "report", "facts": "report", "report_plain": "report", "report_json": "report",
           "pool_internal": "pool", "bins": "heap", "remote": "heap", "supply": "heap", "proof": "heap", "hooks": "heap",
           "fast": "heap", "watch": "memalloc", "upkeep": "memalloc", "explain": "memalloc", "fault": "memalloc", "pools": "memalloc",
           "dump": "memalloc", "worker": "memalloc", "violations": "memalloc"}

WITHOUT_HEADER = {"shim", "upkeep"}  # the names are the C library's, and memalloc.h's

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
LISTED = {"lib": re.compile(r"'(\w+)\.c'"), "": re.compile(r"'([\w/]+)(?:\.c)?'")}
ORDER = list(ROOMS)


def room_of(name):
    """The room a file belongs to: validators and variants belong to the room they stand behind."""
    return re.sub(r"(_check|_report|_linux|_cxx|_drd)?\.(c|h|def)$", "", name)


def may_include(name, included):
    """Whether the file @name may include @included."""
    room, other = room_of(name), room_of(included)
    if other == room:
        return True
    if PART_OF.get(other) == room:
        return name.endswith(".c")
    if other in SUPPORT.split():
        return room not in SUPPORT.split() or ORDER.index(other) < ORDER.index(room)
    return other in ROOMS[room].split()


def table_complaints():
    """The table itself must not point upwards."""
    for room, allowed in ROOMS.items():
        for other in allowed.split():
            if ORDER.index(other) >= ORDER.index(room):
                yield f"tests/layers.py: {room} may not be allowed {other}, which is not below it"


def include_complaints(top, names):
    for name in names:
        if room_of(name) not in ROOMS:
            yield f"lib/{name}: room {room_of(name)} is not in the table of tests/layers.py"
            continue
        for included in INCLUDE.findall((top / "lib" / name).read_text()):
            if room_of(included) not in ROOMS:
                yield f"lib/{name}: includes {included}, which is of no room"
            elif not may_include(name, included):
                yield f"lib/{name}: includes {included}, which is not below room {room_of(name)}"


def room_complaints(names):
    """Every room of the table exists, and has a header for what it offers."""
    existing = {room_of(name) for name in names}
    for room in ROOMS:
        if room not in existing:
            yield f"tests/layers.py: room {room} has no file"
        elif room + ".c" in names and room + ".h" not in names and room not in WITHOUT_HEADER:
            yield f"lib/{room}.c: there is no {room}.h"


def order_complaints(top):
    """lib/meson.build lists the sources in the order of the table; os_linux.c is chosen apart."""
    text = (top / "lib/meson.build").read_text()
    rooms = [room_of(name) for name in re.findall(r"'(\w+\.c)'", text) if room_of(name) != "os"]
    rooms = [room for room in rooms if room in ROOMS]
    for below, above in zip(rooms, rooms[1:]):
        if ORDER.index(below) > ORDER.index(above):
            yield f"lib/meson.build: {below}.c stands before {above}.c"


def list_complaints(top):
    """Every C source is in the list of the nearest meson.build, so that none is silently left out."""
    builds = {build.parent: build for part in ("lib", "tests", "fuzz") for build in (top / part).rglob("meson.build")}
    for directory, build in sorted(builds.items()):
        pattern = LISTED.get(directory.name, LISTED[""])
        listed = set(pattern.findall(build.read_text()))
        for source in sorted(directory.rglob("*.c")):
            path = source.relative_to(directory).with_suffix("")
            nearest = next(parent for parent in source.parents if parent in builds)
            if nearest == directory and not listed & {path.as_posix(), path.name}:
                yield f"{build.relative_to(top)}: {path}.c is not listed"


def check(top):
    names = sorted(path.name for path in (top / "lib").glob("*.*") if path.suffix in (".c", ".h", ".def"))
    return [*table_complaints(), *include_complaints(top, names), *room_complaints(names),
            *order_complaints(top), *list_complaints(top)]


def sound_tree():
    """The least that the check is content with."""
    files = {f"lib/{room}.h": "" for room in ROOMS if room not in WITHOUT_HEADER}
    files |= {"lib/pool.c": '#include "pool.h"\n#include "pool_internal.h"\n', "lib/heap_check.c": "",
              "lib/upkeep.c": "", "lib/pool.h": '#include "lock.h"\n', "lib/shim.c": '#include "memalloc.h"\n',
              "lib/meson.build": "'pool.c', 'heap_check.c', 'upkeep.c', 'shim.c'",
              "tests/test_pool.c": "", "tests/meson.build": "'test_pool'",
              "tests/more/bug.c": "", "tests/more/meson.build": "'bug'",
              "tests/more/deep/trace.c": "", "tests/more/deep/meson.build": "'trace'"}
    return files


CASES = [(word, sound_tree() | files) for word, files in [
    (None, {}),
    ("lib/pool.c: includes slab.h", {"lib/pool.c": '#include "slab.h"\n'}),
    ("lib/direct.h: includes decay.h", {"lib/direct.h": '# include "decay.h"\n'}),
    ("lib/slab.h: includes pool_internal.h", {"lib/slab.h": '#include "pool_internal.h"\n'}),
    ("lib/pool.h: includes pool_internal.h", {"lib/pool.h": '#include "pool_internal.h"\n'}),
    ("lib/base.h: includes os.h", {"lib/base.h": '#include "os.h"\n'}),
    ("lib/pool.c: includes nothing.h", {"lib/pool.c": '#include "nothing.h"\n'}),
    ("room attic is not in the table", {"lib/attic.h": ""}),
    ("room fit has no file", {"lib/fit.h": None}),
    ("there is no text.h", {"lib/text.c": "", "lib/text.h": None}),
    ("heap.c stands before pool.c", {"lib/meson.build": "'heap_check.c', 'pool.c', 'upkeep.c', 'shim.c'"}),
    ("lib/meson.build: shim.c is not listed", {"lib/meson.build": "'pool.c', 'heap_check.c', 'upkeep.c'"}),
    ("tests/meson.build: test_slab.c is not listed", {"tests/test_slab.c": ""}),
    ("tests/meson.build: less/bug.c is not listed", {"tests/less/bug.c": ""}),
    ("tests/more/meson.build: test_pool.c is not listed", {"tests/more/test_pool.c": ""}),
    ("tests/more/deep/meson.build: test_pool.c is not listed", {"tests/more/deep/test_pool.c": ""}),
]]


if __name__ == "__main__":
    sys.exit(rules.main(check, CASES))
