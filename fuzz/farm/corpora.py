"""What one engine finds goes to the other; merges.

libFuzzer reads and writes STATE/corpus/TARGET. AFL++'s main process reads that folder, too (-F);
what AFL++ finds is copied to it here, under its hash, once. A merge makes a smaller folder, and the
two change places in one step.
"""

import ctypes
import os
import pathlib
import shutil

from . import store

AT_FDCWD = -100
RENAME_EXCHANGE = 2


def queue(folder):
    """Inputs that AFL++'s processes found, in all of the queues of a target."""
    return sorted(path for path in folder.glob("*/queue/id:*") if path.is_file())


def failures(folder):
    """Inputs that AFL++ saved because they failed; it renames the folder when it resumes."""
    return sorted(path for kind in ("crashes", "hangs") for path in folder.glob(f"*/{kind}*/id:*")
                  if path.is_file())


def copy_fresh(paths, folder, known):
    """Copy what is not known yet, under its hash; Return: how many there were."""
    ncopied = 0
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError:
            continue  # AFL++ has renamed it
        name = store.digest(data)
        if name in known:
            continue
        whole = folder / f".{name}"
        whole.write_bytes(data)
        os.replace(whole, folder / name)
        known.add(name)
        ncopied += 1
    return ncopied


def exchange(state, target):
    """Give AFL++'s finds to libFuzzer, and its failures to whoever looks at them."""
    folder = state.folder("afl", target)
    corpus, failed = state.folder("corpus", target), state.folder("failed", target)
    ncopied = copy_fresh(queue(folder), corpus, state.known(f"{target}-queue"))
    copy_fresh(failures(folder), failed, state.known(f"{target}-failures"))
    return ncopied


def count(folder):
    return sum(1 for entry in os.scandir(folder) if not entry.name.startswith("."))


def swap(one, other):
    """Exchange two folders at once, so that at any time there is one of that name."""
    rename = ctypes.CDLL(None, use_errno=True).renameat2
    if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def begin_merge(state, target):
    """An empty folder for what is to be kept."""
    fresh = state.path / "tmp" / f"merge-{target}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def end_merge(state, target, fresh):
    """The merged corpus takes the place of the old one; Return: sizes before and after.

    An empty result is not believed: nothing is changed then.
    """
    old = state.folder("corpus", target)
    before, after = count(old), count(fresh)
    if after == 0 or after > before:
        shutil.rmtree(fresh)
        return before, before
    swap(old, pathlib.Path(fresh))
    shutil.rmtree(fresh)
    return before, after
