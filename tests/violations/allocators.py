"""The allocators that the one-bug programs run under, and the words by which each may name a kind of error."""

import glob
import os
import re
import subprocess
from dataclasses import dataclass

OURS = "memalloc-"
PROFILES = ["fast", "default", "strict"]

# What a report of a peer must say to have named the error. The kinds are ours; a peer that uses our words for
# one is understood, too.
WORDS = {
    "double free": r"double free|invalid chunk state when deallocating",
    "invalid free": r"invalid pointer|invalid free|invalid size|misaligned pointer|invalid block|not allocated",
    "heap overflow": r"corrupt|overflow|invalid next size|clobbered",
    "heap underflow": r"corrupt|underflow|invalid (next )?size|clobbered",
    "write after free": r"corrupt|unaligned (tcache|fastbin) chunk|after free|after it was freed",
    "bad realloc": r"realloc\(\): invalid|when reallocating|invalid pointer",
    "bad usable size": r"when sizing|usable.size",
    "size mismatch": r"invalid sized delete|size mismatch|mismatch.*size",
    "alignment mismatch": r"alignment",
    "mismatched free": r"type mismatch|mismatched",
}


class NotInstalled(Exception):
    """str() names the Debian package."""


@dataclass(frozen=True)
class Allocator:
    """How programs come to use it: what is added to the environment."""

    name: str
    package: str = ""  # Debian's
    env: tuple = ()    # of pairs

    @property
    def is_ours(self):
        return self.name.startswith(OURS)

    def named(self, expected, text):
        """Whether a report on stderr names the error: ours in its first line, as scripts may rely on."""
        if expected is None:
            return False
        if self.is_ours:
            return re.match(f"memalloc: {re.escape(expected)}: 0x", text) is not None
        return re.search(f"{re.escape(expected)}|{WORDS.get(expected, '(?!)')}", text, re.I) is not None


def ours(profile, preload, options=""):
    settings = ":".join(filter(None, [f"profile={profile}", options]))
    preloaded = ("LD_PRELOAD", os.path.abspath(preload))
    return Allocator(OURS + profile, env=(preloaded, ("MEMALLOC_OPTIONS", settings)))


LIBRARIES = "/usr/lib/*-linux-gnu/"
CHECKED = (("GLIBC_TUNABLES", "glibc.malloc.check=3"),)

# Name, Debian package, where the library is, what it wants in the environment.
PEERS = [
    ("glibc", "libc6", [], ()),
    ("glibc-check", "libc6", [LIBRARIES + "libc_malloc_debug.so.0"], CHECKED),
    ("jemalloc", "libjemalloc2", [LIBRARIES + "libjemalloc.so.2"], ()),
    ("tcmalloc", "libtcmalloc-minimal4", [LIBRARIES + "libtcmalloc_minimal.so.4"], ()),
    ("mimalloc", "libmimalloc2.0", [LIBRARIES + "libmimalloc.so.2.0"], ()),
    ("mimalloc-secure", "none in Debian 12", [LIBRARIES + "libmimalloc-secure.so*"], ()),
    ("scudo", "libclang-rt-19-dev", ["/usr/lib/llvm-19/lib/clang/*/lib/*/libclang_rt.scudo_standalone-x86_64.so",
                                     "/usr/lib/clang/*/lib/*/libclang_rt.scudo_standalone-x86_64.so"], ()),
]
NAMES = [OURS + profile for profile in PROFILES] + [name for name, *_ in PEERS]


def peer(name):
    """A peer by its name; NotInstalled when it is not there."""
    package, patterns, env = next(words for first, *words in PEERS if first == name)
    if not patterns:
        return Allocator(name, package, env)
    found = sorted(path for pattern in patterns for path in glob.glob(pattern))
    if not found:
        raise NotInstalled(package)
    return Allocator(name, package, (("LD_PRELOAD", found[0]), *env))


def version(package):
    """The version of a Debian package, empty when it cannot be told."""
    command = ["dpkg-query", "--show", "--showformat=${Version} ", package]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.split(" ")[0]
    except FileNotFoundError:
        return ""
