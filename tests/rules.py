"""Checks of a source tree, each with planted faults that show it can fail.

A check is a function of the tree's top that returns complaints, one line each. A case is a word of
the complaint that the check must have, and the tree it must have it about, as {path: text}, where
None stands for no file. The first case is sound: its word is None, and there is nothing to say.
"""

import contextlib
import pathlib
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def tree(files):
    """A temporary directory with these files."""
    with tempfile.TemporaryDirectory(prefix="memalloc-rules-") as name:
        top = pathlib.Path(name)
        for path, text in files.items():
            if text is None:
                continue
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)
        yield top


def unnoticed(check, cases):
    """What the check says wrongly, or fails to say, about the cases."""
    wrong = []
    for word, files in cases:
        with tree(files) as top:
            complaints = check(top)
        if word is None and complaints:
            wrong.append(f"a sound tree is complained of: {complaints}")
        elif word is not None and not any(word in line for line in complaints):
            wrong.append(f"no complaint with {word!r}, but {complaints}")
    if not cases or cases[0][0] is not None or len(cases) < 2:
        wrong.append("the first case must be sound, and others not")
    return wrong


def main(check, cases):
    """Run the check on the project, or with --selftest on its cases; the exit code."""
    complaints = unnoticed(check, cases) if sys.argv[1:] == ["--selftest"] else check(TOP)
    for line in complaints:
        print(line)
    return 1 if complaints else 0
