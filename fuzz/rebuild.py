"""Programs of a build directory, built anew with some sources changed.

What and why: who plants defects needs hundreds of builds that differ in a line each. A build here
compiles only the objects that depend on what was changed, by the build's own commands, and links
each program with them in front of the archives that it had them from.

        Build       what meson and ninja know: compilers' commands, links, tests
        Variant     a directory with changed sources, their objects, and programs with them

Nothing in the build directory is written, so several can be at work in one.
"""

import json
import pathlib
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass

INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)
WITHOUT = re.compile(r"-(MD|f(diagnostics-color)(=.*)?)$")
SECONDS_MAX = 600


class Fails(Exception):
    """It does not build; str() has the compiler's words."""


@dataclass(frozen=True)
class Program:
    name: str       # of the test
    path: str       # relative to the build directory
    args: tuple
    suites: tuple


@dataclass
class Ran:
    code: int
    out: str
    err: str
    seconds: float

    @property
    def passed(self):
        return self.code == 0


def run(command, seconds=SECONDS_MAX, **more):
    """Run a program for that many seconds of processor time at most, thrice as many in all."""
    began = time.monotonic()
    limits = f'ulimit -c 0; ulimit -t {int(seconds) + 1}; exec "$@"'
    try:
        ran = subprocess.run(["sh", "-c", limits, "sh", *command], capture_output=True, text=True,
                             errors="replace", stdin=subprocess.DEVNULL,
                             timeout=3 * seconds + 10, **more)
    except subprocess.TimeoutExpired as late:
        out, err = (text.decode(errors="replace") if isinstance(text, bytes) else text or ""
                    for text in (late.stdout, late.stderr))
        return Ran(-14, out, err, time.monotonic() - began)
    return Ran(ran.returncode, ran.stdout, ran.stderr, time.monotonic() - began)


class Build:
    """A build directory that ninja has brought up to date."""

    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        info = json.loads((self.build / "meson-info" / "meson-info.json").read_text())
        self.top = pathlib.Path(info["directories"]["source"]).resolve()
        commands = json.loads((self.build / "compile_commands.json").read_text())
        self.compiles = {one["output"]: shlex.split(one["command"]) for one in commands}
        self.sources = {one["output"]: self.path_of(one["file"]) for one in commands}
        self.links = {}
        self.closures = {}

    def path_of(self, file):
        """A source's path relative to the top; as it stands when it is not below that."""
        path = (self.build / file).resolve()
        return str(path.relative_to(self.top)) if path.is_relative_to(self.top) else str(path)

    def programs(self, suite):
        """Tests of a suite that are programs of this build, in its order."""
        tests = json.loads((self.build / "meson-info" / "intro-tests.json").read_text())
        for test in tests:
            path = pathlib.Path(test["cmd"][0])
            suites = tuple(name.split(":")[-1] for name in test["suite"])
            if suite in suites and path.is_relative_to(self.build):
                yield Program(test["name"], str(path.relative_to(self.build)),
                              tuple(test["cmd"][1:]), suites)

    def link(self, path):
        """The words of the command that makes a program, a library or an archive."""
        if path not in self.links:
            ran = run(["ninja", "-C", str(self.build), "-t", "commands", path])
            if not ran.passed:
                raise Fails(ran.err or ran.out)
            self.links[path] = shlex.split(ran.out.strip().split("\n")[-1])
        return self.links[path]

    def made_of(self, path):
        """The archives, libraries and objects of this build that go into a file."""
        words = self.link(path)
        return [word for word in words if word != path and (
            word in self.compiles or (re.search(r"\.(a|so)(\.[\d.]+)?$", word) and
                                      not word.startswith(("/", "-"))))]

    def objects(self, path):
        """All objects that may be part of a file, those of its libraries too."""
        if path not in self.closures:
            found = set()
            for part in self.made_of(path):
                found |= {part} if part in self.compiles else self.objects(part)
            self.closures[path] = found
        return self.closures[path]

    def includes(self, path, seen=None):
        """The files below the top that a source includes, and those that these do."""
        seen = set() if seen is None else seen
        for name in INCLUDE.findall((self.top / path).read_text()):
            for folder in (pathlib.Path(path).parent, "lib", "tests", "fuzz"):
                other = str(pathlib.Path(folder, name))
                if (self.top / other).is_file():
                    if other not in seen:
                        seen.add(other)
                        self.includes(other, seen)
                    break
        return seen

    def dependents(self, changed, objects):
        """Those of some objects that one of the changed files is part of."""
        headers = {path for path in changed if not path.endswith(".c")}
        return {one for one in objects if self.sources[one] in changed or
                (headers and headers & self.includes(self.sources[one]))}


class Variant:
    """Changed sources, {path: text}, in a directory of their own."""

    def __init__(self, build, directory, texts):
        self.build = build
        self.directory = pathlib.Path(directory)
        self.texts = texts
        self.changed = {}       # output: path of the changed object
        self.copy()

    def copy(self):
        """A header is found by those who include it only if they are copies, too."""
        if any(not path.endswith(".c") for path in self.texts):
            for folder in {path.split("/")[0] for path in self.texts}:
                shutil.copytree(self.build.top / folder, self.directory / folder)
        for path, text in self.texts.items():
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / path).write_text(text)

    def compile_command(self, output, to, more=()):
        """The build's, with our folders in place of its own; its own are the second choice."""
        words, source = iter(self.build.compiles[output]), self.build.sources[output]
        command = []
        for word in words:
            if word in ("-MQ", "-MF", "-o", "-c"):
                next(words)
            elif not WITHOUT.match(word):
                command.append(word)
        folders = [f"-I{self.directory / 'lib'}"] if (self.directory / "lib").is_dir() else []
        copy = self.directory / source
        names = [f"-ffile-prefix-map={top}=.." for top in (self.build.top, self.directory)]
        return [command[0], *folders, *command[1:], *more, *names,
                "-o", str(to), "-c", str(copy if copy.is_file() else self.build.top / source)]

    def compile_one(self, output, more=()):
        to = self.directory / output.replace("/", "+")
        ran = run(self.compile_command(output, to, more), cwd=self.build.build)
        if not ran.passed:
            raise Fails(ran.err)
        self.changed[output] = to
        return to

    def compile(self, objects, more=("-w",)):
        """Those of some objects that are not the same any more."""
        for output in sorted(self.build.dependents(self.texts, objects) - self.changed.keys()):
            self.compile_one(output, more)

    def link(self, path):
        """Return: the program or library with the changed objects; None where it has none."""
        build, ours = self.build, self.build.objects(path) & self.changed.keys()
        if not ours:
            return None
        to = self.directory / pathlib.Path(path).name
        words = [str(self.changed.get(word, word)) for word in build.link(path)]
        front = []
        for part in build.made_of(path):
            if part.endswith(".a"):
                front += [str(self.changed[one]) for one in sorted(build.objects(part) & ours)]
            elif part not in build.compiles:
                words = [self.link_library(part) if word == part else word for word in words]
        words = [str(to) if word == path else word for word in words]
        at = words.index("-o")
        ran = run([*words[:at], *front, *words[at:]], cwd=build.build)
        if not ran.passed:
            raise Fails(ran.err)
        return to

    def link_library(self, path):
        """Under the name by which programs look for it."""
        made = self.link(path)
        if made is None:
            return path
        words = " ".join(self.build.link(path))
        name = re.search(r"-soname,(\S+)", words)
        if name:
            (self.directory / name[1]).unlink(missing_ok=True)
            (self.directory / name[1]).symlink_to(made.name)
        return str(made)

    def environment(self, program, **more):
        """Our libraries are found before those of the build, which are elsewhere seen from here."""
        folders = {self.build.build / pathlib.Path(part).parent
                   for part in self.build.made_of(program.path) if ".so" in part}
        paths = ":".join(map(str, [self.directory, *sorted(folders)]))
        return {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": paths, **more}

    def run(self, program, seconds, args=None, **more):
        """Link and run a program where it is. Return: None when nothing of it has changed."""
        path = self.link(program.path)
        if path is None:
            return None
        return run([str(path), *(program.args if args is None else args)], seconds,
                   cwd=self.directory, env=self.environment(program, **more))

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)
