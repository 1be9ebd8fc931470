"""The allocators that are compared: how programs come to use each, and which of them are there."""

import argparse
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "violations"))

import allocators as peers  # noqa: E402

PEERS = ["jemalloc", "tcmalloc", "mimalloc", "scudo"]
BOUNDS = {"bump": "peers/libbump.so", "lifo": "peers/liblifo.so"}
# Some programs bring an allocator with them (Debian's redis has jemalloc), which glibc's must go before.
GLIBC = {"LD_PRELOAD": "libc.so.6"}


def memory():
    """Where to put files: in memory, because a disk's cycles would be counted, too."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def words_of(text):
    return [word for word in text.split(",") if word]


def named_path(text):
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=PATH")
    return name, path


def add_arguments(parser):
    parser.add_argument("--preload", metavar="LIBRARY", help="memalloc to preload")
    parser.add_argument("--programs", metavar="DIRECTORY", help="where own programs were built: BUILD/tests/bench")
    parser.add_argument("--allocator", metavar="NAME=PATH", action="append", default=[], type=named_path,
                        help="one more library to preload; may be repeated")
    parser.add_argument("--allocators", metavar="NAMES", type=words_of, default=[], help="only these, by commas")


def find(options):
    """Name -> (what is added to the environment, version), and a line for each that is missing."""
    found, missing = {"glibc": (GLIBC, peers.version("libc6"))}, {}
    for profile in peers.PROFILES if options.preload else []:
        ours = peers.ours(profile, options.preload)
        found[ours.name] = (dict(ours.env), "")
    for name in PEERS:
        try:
            peer = peers.peer(name)
            found[name] = (dict(peer.env), peers.version(peer.package))
        except peers.NotInstalled as package:
            missing[name] = f"{package} is not installed"
    bounds = {name: os.path.join(options.programs or "", path) for name, path in BOUNDS.items()}
    for name, path in {**bounds, **dict(options.allocator)}.items():
        if os.path.exists(path):
            found[name] = ({"LD_PRELOAD": os.path.abspath(path)}, "")
        else:
            missing[name] = f"{os.path.basename(path)} is not there"
    asked = options.allocators or [*found, *missing]
    lines = [f"{name}: {missing.get(name, 'is not known')}" for name in asked if name not in found]
    return {name: found[name] for name in asked if name in found}, lines
