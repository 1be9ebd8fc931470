#!/usr/bin/env python3
"""The tool fuzz/seq: text, programs and recordings of what is in the corpus and of any bytes.

test_seq_tool.py SEQ REPLAY TRACE COMPILER CORPUS [BROKEN PRELOAD]

COMPILER: its words, separated by colons. BROKEN and PRELOAD: libraries that bring a malloc(), one
that loses what programs write, and ours.
"""

import os
import pathlib
import random
import subprocess
import sys
import tempfile

SEQ, REPLAY, TRACE = sys.argv[1:4]
COMPILER = [*sys.argv[4].split(':'), '-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread']
CORPUS = pathlib.Path(sys.argv[5])
BROKEN, PRELOAD = sys.argv[6:8] if len(sys.argv) > 6 else (None, None)
TWO_THREADS = b"""config
malloc 3..40 100
t7 free 3..40 mask 55
t7 malloc 5 18446744073709551615
calloc 5 4p-8
aligned_alloc 1000000000 1000 align 1099511627776
posix_memalign 1000000000 1000 align 64
t7 realloc 5 100
t7 exit-thread
realloc 5 0
realloc 5 0
clock 1
valloc 6 10
t7 reallocarray 6 20000
trim 4
"""
MISUSE = b'config\nmalloc 0 24\nmalloc 1 24\n%s\nmalloc 2 24\nfree 0\nfree 1\n'
REFUSED = {'free 3\nfree x': 'stdin:2: a slot', 'fork\nconfig 00': 'stdin:2: the configuration',
           'config 0g': 'stdin:1: a byte', '\n# none\n  nothing': 'stdin:3: no such operation'}


def run(*words, stdin=b'', code=0, **options):
    ran = subprocess.run([*map(str, words)], input=stdin, capture_output=True, **options)
    assert ran.returncode == code, (words, ran.returncode, ran.stderr.decode())
    return ran.stderr.decode() if code else ran.stdout


def check_text(data, canonical):
    """Bytes to text and back: no byte changes if they are canonical, no line if they are not."""
    text = run(SEQ, 'list', stdin=data)
    again = run(SEQ, 'encode', stdin=text)
    assert run(SEQ, 'list', stdin=again) == text
    assert again == data or not canonical, text.decode()


def check_texts():
    files = [path for name in ('heap', 'misuse', 'regress/heap', 'regress/misuse')
             for path in sorted((CORPUS / name).iterdir())]
    assert len(files) > 100
    for path in files:
        check_text(path.read_bytes(), '-' in path.name)
    for seed in range(20):
        check_text(random.Random(seed).randbytes(seed * seed * 20), False)


def check_refused():
    for text, why in REFUSED.items():
        assert why in run(SEQ, 'encode', stdin=text.encode(), code=2)
    assert 'usage' in run(SEQ, 'lists', code=2)
    assert 'No such file' in run(SEQ, 'list', '/nowhere', code=2)


def check_config():
    assert run(SEQ, 'list', '--config', 1, stdin=b'\5\200') == b'config 05\nfree 0\n'
    assert run(SEQ, 'list', stdin=b'\5') == b'config 05\n'
    assert run(SEQ, 'encode', stdin=b'config 05 ff # so\nfree 1') == b'\5\xff\x81'


# ---- programs -----------------------------------------------------------------------------------

def compiled(directory, data, *words):
    source, program = directory / 'program.c', directory / 'program'
    source.write_bytes(run(SEQ, 'c', *words, stdin=data))
    run(*COMPILER, '-o', program, source)
    return program


def check_program(directory, data, *words):
    """It runs under any allocator, and tells when one loses something."""
    program = compiled(directory, data, *words)
    run(program, timeout=60)
    if PRELOAD is not None:
        run(program, env={**os.environ, 'LD_PRELOAD': PRELOAD}, timeout=60)
    return program


def check_programs(directory):
    check_program(directory, run(SEQ, 'encode', stdin=TWO_THREADS), '--config', 0)
    text = (directory / 'program.c').read_text()
    for words in ('malloc(100), 100)', 'i < 38', 'aligned(64, 1000)', '/* clock 1 */', 'by(7)',
                  'put_zeroed(2, calloc(1, 16376)', 'bytes(1099511627776u)', 'valloc(10)'):
        assert words in text, words
    if BROKEN is not None:
        data = run(SEQ, 'encode', stdin=b'config\nmalloc 0..1 48\n')
        program = compiled(directory, data, '--config', 0)
        run(program)
        lost = subprocess.run([program], env={**os.environ, 'LD_PRELOAD': BROKEN}, timeout=60,
                              capture_output=True)
        assert lost.returncode != 0 and b'slot 0: changed' in lost.stderr, lost
    for name in ('fork', 'every-size-class', 'hostile-sizes', 'aligned-every', 'second-instance'):
        check_program(directory, (CORPUS / 'heap' / name).read_bytes())
    compiled(directory, random.Random(1).randbytes(3000))


def check_misuse(directory):
    """What the program does wrong is what a hardened allocator tells."""
    if PRELOAD is None:
        return
    for step, kind in {'free 0\ngive-stale 15 0 0': 'double free', 'write-behind 0 0 1':
                       'heap overflow', 'give-interior 0 0 7': 'invalid free',
                       'give-foreign 0 0 0': 'invalid free', 'free 0': None}.items():
        data = run(SEQ, 'encode', stdin=MISUSE % step.encode())
        program = compiled(directory, data, '--config', 0)
        ran = subprocess.run([program], env={**os.environ, 'LD_PRELOAD': PRELOAD}, timeout=60,
                             capture_output=True)
        told = f'memalloc: {kind}:'.encode()
        assert (ran.returncode == 0) if kind is None else told in ran.stderr, (step, ran)


def check_statements():
    """Slots keep their numbers if they are few; what is empty is not freed."""
    text = (b'config\nmalloc 5 10\nmalloc 6 10\nmalloc 5 20\nfree 5\nmalloc 5 30\nfree 7\n'
            b'malloc 7..9 8\nfree 7..9 mask 06\nwrite-behind 5 17 64\n')
    program = run(SEQ, 'c', '--config', 0, stdin=run(SEQ, 'encode', stdin=text)).decode()
    found = program[program.index('int main(void)\n{\n'):].splitlines()[2:-4]
    assert found == [
        '\tput(5, malloc(10), 10);', '\tput(6, malloc(10), 10);',
        '\tfree(take(5)), put(5, malloc(20), 20);', '\tfree(take(5));',
        '\tput(5, malloc(30), 30);', '\tfor (size_t i = 7; i < 10; i++) put(i, malloc(8), 8);',
        '\tfor (size_t i = 7; i < 10; i++) if (0x06 & (1 << (i - 7) % 8)) free(take(i));',
        '\twrite_behind(5, 2, 0x42);'], found


# ---- recordings ---------------------------------------------------------------------------------

def events(directory, data, *words):
    path = directory / 'trace'
    path.write_bytes(run(SEQ, 'to-trace', *words, stdin=data))
    return run(REPLAY, '--list', path).decode().splitlines()


def check_whole(directory):
    """What was recorded comes back from its sequence, by way of text, too."""
    data = run(SEQ, 'from-trace', TRACE)
    recorded = run(REPLAY, '--list', TRACE).decode().splitlines()
    assert len(recorded) > 1000
    assert events(directory, data) == recorded
    check_text(data, True)
    check_program(directory, data)


def check_part(directory):
    data = run(SEQ, 'from-trace', '--config', '0102', '--skip', 500, '--first', 200, TRACE)
    lines = run(SEQ, 'list', '--config', 2, stdin=data).decode().splitlines()
    assert lines[0] == 'config 01 02' and 100 < len(lines) <= 201
    slots = [int(line.split()[1]) for line in lines[1:]]
    assert max(slots) < 100
    assert slots[0] == 0
    check = events(directory, data, '--config', 2)
    assert len(check) == len(lines) - 1, 'a part frees what it has not allocated'


def check_exported(directory):
    """What a recording cannot hold is left out, the rest written out."""
    text = (b'config\nmalloc 3..5 24\nfree 3..5 mask 05\nmalloc 4 10\nt3 realloc 4 0\nclock 1\n'
            b'free 4\nmalloc 9 18446744073709551615\nposix_memalign 9 1 align 4\n'
            b't200 posix_memalign 4000000000 8 align 64\nrealloc 8 0\n')
    found = events(directory, run(SEQ, 'encode', stdin=text), '--config', 0)
    words = [line.split() for line in found]
    assert [word[1] for word in words] == [
        'malloc', 'malloc', 'malloc', 'free', 'free', 'free', 'malloc', 'free', 'posix_memalign',
        'malloc'], found
    assert [word[0] for word in words] == ['0'] * 7 + ['3', '200', '0'], found
    data = run(SEQ, 'encode', stdin=b'config\nt1 malloc 100 8\nmalloc 1 7\n')
    assert events(directory, data, '--config', 0) == ['1 malloc #100 8', '0 malloc #1 7']


def main():
    check_texts()
    check_refused()
    check_config()
    check_statements()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        check_programs(directory)
        check_misuse(directory)
        check_whole(directory)
        check_part(directory)
        check_exported(directory)


if __name__ == '__main__':
    main()
