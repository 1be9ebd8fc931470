"""What engines and failing programs print, as values: status lines, statistics, reports."""

import hashlib
import re
import typing

STATUS = re.compile(r"^#(\d+)\S*\s.*?\bcov: (\d+) ft: (\d+) corp: (\d+)(?:/\S+)?"
                    r".*?\bexec/s:? (\d+)", re.M)
WALL = re.compile(r"\btime: (\d+)s")

# The line that names a failure, the best first: what it is called, and what is wrong.
REPORTS = [
    re.compile(r"^fuzz: (?P<oracle>[^:\n]+): (?P<rule>.+)$", re.M),
    re.compile(r"^memalloc: (?P<oracle>bug in memalloc itself): (?P<rule>.+)$", re.M),
    re.compile(r"^memalloc: (?P<oracle>[a-z][a-z -]*[a-z]): (?P<rule>.*)$", re.M),
    re.compile(r"^\S+:\d+:\d+: (?P<oracle>runtime error): (?P<rule>.+)$", re.M),
    re.compile(r"^SUMMARY: \w+Sanitizer: (?P<oracle>[\w-]+)(?P<rule>)", re.M),
    re.compile(r"^SUMMARY: libFuzzer: (?P<oracle>[\w-]+(?: \w+)*)(?P<rule>)", re.M),
    re.compile(r"^replay: (?P<oracle>takes too long)(?P<rule>)$", re.M),
]

FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in (?P<function>\S+) "
                   r"(?P<path>(?:\S*/)?(?:lib|fuzz)/[^\s:]+\.[ch])(?::\d+)*\s*$", re.M)
REPORTERS = re.compile(r"^(fail|model_fail|report_\w+|ma_report\w*|ma_os_abort\w*)$"
                       r"|^__|^LLVMFuzzer")
ENGINE = re.compile(r"compiler-rt/|/usr/|libfuzzer|lib/report\w*\.c$", re.I)


class Status(typing.NamedTuple):
    """The last status line of libFuzzer."""
    executions: int
    coverage: int
    features: int
    corpus: int
    per_second: int


class Signature(typing.NamedTuple):
    """What makes two failures the same: what is told, and where."""
    oracle: str
    rule: str
    site: str

    def digest(self):
        return hashlib.sha1("\n".join(self).encode()).hexdigest()[:8]


def status(text):
    """The last whole status line in @text, of one process or of -fork; None without any."""
    whole = text[:text.rfind("\n") + 1]
    found = STATUS.findall(whole)
    return Status(*map(int, found[-1])) if found else None


def statistics(text):
    """AFL++'s fuzzer_stats as a dictionary; numbers are numbers, percentages too."""
    found = {}
    for line in text.splitlines():
        key, colon, value = (part.strip() for part in line.partition(":"))
        if colon:
            found[key] = number(value)
    return found


def number(text):
    try:
        value = float(text.rstrip("%"))
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def plain(text):
    """Without what differs from run to run: addresses and numbers that are not part of a word."""
    text = re.sub(r"0x[0-9a-fA-F]+", "0x", text)
    return re.sub(r"(?<![\w.])\d+(?![\w.])", "N", text).strip()


def site(text):
    """The first frame of ours that does not only report: file and function; empty without any."""
    for frame in FRAME.finditer(text):
        if not REPORTERS.search(frame["function"]) and not ENGINE.search(frame["path"]):
            path = re.search(r".*(?:^|/)((?:lib|fuzz)/.*)", frame["path"]).group(1)
            return f"{path} {frame['function']}"
    return ""


def signature(report, code):
    """What a program said that ended with @code (negative: by a signal, None: it took too long)."""
    for pattern in REPORTS:
        found = pattern.search(report)
        if found:
            rule = re.sub(r":\d+: ", ": ", found["rule"])
            return Signature(plain(found["oracle"]), plain(rule), site(report))
    if code is None:
        return Signature("timeout", "", site(report))
    return Signature(f"signal {-code}" if code < 0 else f"exit {code}", "", site(report))


def word(text):
    """As part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "unknown"
