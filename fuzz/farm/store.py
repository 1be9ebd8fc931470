"""The state on disk. What is replaced is replaced whole: an end at any time loses nothing.

    STATE/lock                  held by the one that runs
    STATE/status.json           what is known of each target
    STATE/history/TARGET.jsonl  a line for each time that the status was told
    STATE/known/NAME            hashes of inputs that were looked at, a line each
    STATE/corpus/TARGET         what both engines share
    STATE/afl/TARGET            AFL++'s own
    STATE/failed/TARGET         what failed, and was not looked at yet
    STATE/crashes/...           what failed, looked at
    STATE/log, STATE/tmp        of the engines; emptied at each start
    STATE/index.html            the status page
"""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil

FREE_MIN = 64 << 20
HISTORY_MAX = 4000
FOLDERS = ("history", "known", "corpus", "afl", "failed", "crashes", "log", "tmp")


class Trouble(Exception):
    """What makes it impossible to go on, in words for the user."""


def digest(data):
    return hashlib.sha1(data).hexdigest()


def replace(path, text):
    """Write a file whole, or not at all."""
    fresh = path.with_name(path.name + ".new")
    try:
        with open(fresh, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def thinned(rows):
    """Every second one of the older half is left out, until there are few enough."""
    while len(rows) > HISTORY_MAX:
        half = len(rows) // 2
        rows = rows[:half:2] + rows[half:]
    return rows


class Known:
    """A set of hashes that outlives the process."""

    def __init__(self, path):
        self.path = path
        self.hashes = set(path.read_text().split()) if path.exists() else set()

    def __contains__(self, key):
        return key in self.hashes

    def add(self, key):
        with open(self.path, "a") as file:
            file.write(key + "\n")
        self.hashes.add(key)


class Store:
    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        self.file = None

    def open(self):
        """Make the folders and take the lock; Trouble when that cannot be."""
        try:
            for folder in FOLDERS:
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            self.file = open(self.path / "lock", "a+")
        except OSError as error:
            raise Trouble(f"the state cannot be kept in {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.seek(0)
            raise Trouble(f"{self.path} is in use by process {self.file.read().strip()}") from None
        self.file.truncate(0)
        self.file.write(f"{os.getpid()}\n")
        self.file.flush()

    def empty(self):
        """Throw away what only a running process needs."""
        for folder in "log", "tmp":
            shutil.rmtree(self.path / folder, ignore_errors=True)
            (self.path / folder).mkdir(exist_ok=True)

    def look(self):
        """Trouble when the disk is nearly full: engines would lose what they find."""
        free = shutil.disk_usage(self.path).free
        if free < FREE_MIN:
            raise Trouble(f"the disk of {self.path} has only {free >> 20}M left; "
                          f"{FREE_MIN >> 20}M are needed")

    def folder(self, *parts):
        path = self.path.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def known(self, name):
        return Known(self.path / "known" / name)

    def load(self):
        """What status.json holds; nothing when there is none."""
        path = self.path / "status.json"
        try:
            return json.loads(path.read_text()) if path.exists() else {}
        except ValueError:
            raise Trouble(f"{path} is no JSON; move it away to begin anew") from None

    def save(self, status):
        replace(self.path / "status.json", json.dumps(status, indent=1, sort_keys=True) + "\n")

    def history(self, target):
        path = self.path / "history" / f"{target}.jsonl"
        rows = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue  # the process ended while it wrote this line
        return rows

    def remember(self, target, row):
        """One more row; Return: all of them."""
        path = self.path / "history" / f"{target}.jsonl"
        rows = [*self.history(target), row]
        if len(rows) > HISTORY_MAX:
            rows = thinned(rows)
            replace(path, "".join(json.dumps(one) + "\n" for one in rows))
        else:
            whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
            with open(path, "a") as file:
                file.write(("" if whole else "\n") + json.dumps(row) + "\n")
        return rows
