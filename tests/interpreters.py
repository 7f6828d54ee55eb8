"""Other interpreters in one process, for scripts that run apart: with the GIL or with their own."""

from __future__ import annotations

import sys

import pytest

INTERPRETERS = """
import os, sys, threading
if sys.version_info >= (3, 13):
    import _interpreters
    def create(own_gil):
        return _interpreters.create("isolated" if own_gil else "legacy")
    def run(interpreter, code):
        failed = _interpreters.run_string(interpreter, code)
        assert failed is None, failed
    destroy = _interpreters.destroy
else:
    import _xxsubinterpreters
    def create(own_gil):
        return _xxsubinterpreters.create(isolated=own_gil)
    run = _xxsubinterpreters.run_string
    destroy = _xxsubinterpreters.destroy
CODE = '''
import os, pysyscall
reader, writer = pysyscall.pipe2(os.O_CLOEXEC)
told = pysyscall.statx(None, "/")
for _ in range(200):
    assert pysyscall.write(writer, b"hello") == 5
    assert pysyscall.read(reader, 10) == b"hello"
    assert pysyscall.stat("/").st_ino == told.stx_ino
    assert type(told.stx_mtime) is pysyscall.StatxTimestamp
    assert pysyscall.clock_gettime(1).ns > 0
    try:
        pysyscall.stat("/missing")
    except FileNotFoundError as error:
        assert error.filename == "/missing"
    else:
        raise AssertionError
    with pysyscall.mmap(None, 5, 3, 0x22) as m:
        assert pysyscall.write(writer, m) == pysyscall.read(reader, m) == 5
pysyscall.close(reader)
pysyscall.close(writer)
left_open = memoryview(pysyscall.mmap(None, 5, 3, 0x22))
assert pysyscall.O_CREAT == os.O_CREAT
'''
"""

interpreters = pytest.mark.parametrize(
    "own_gil",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 12), reason="a GIL each came with Python 3.12"
            ),
        ),
    ],
)
