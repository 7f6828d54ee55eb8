"""A process that never had a second thread keeps the GIL in its calls; any other releases it."""

from __future__ import annotations

import ctypes

import pytest
from isolated.child import ISOLATED, python

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "__libc_single_threaded"),
    reason="this C library does not tell whether there is one thread",
)

SIGNALS = """
import os, signal, time
import pysyscall as ps

seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(time.monotonic()))
begin = time.monotonic()
signal.setitimer(signal.ITIMER_REAL, 0.01)
ps.nanosleep(0.5)
end = time.monotonic()
print(len(seen), end - begin >= 0.5, seen[0] < end - 0.01)

def stop(*_):
    raise InterruptedError("from the handler")

signal.signal(signal.SIGALRM, stop)
reader, writer = os.pipe()
bound = ps.prepare(ps.read, reader, 1)
for wait in (lambda: ps.read(reader, 1), bound, lambda: ps.ppoll([])):
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        print(wait())
    except InterruptedError as error:
        print(error)
"""

UNKNOWN_THREAD = """
import ctypes, os
import pysyscall as ps

reader, writer = os.pipe()

@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def work(_):
    os.write(writer, b"x")

libc = ctypes.CDLL(None)
bound = ps.prepare(ps.read, reader, 1)
for read in (lambda: ps.read(reader, 1), bound):
    thread = ctypes.c_ulong()
    assert libc.pthread_create(ctypes.byref(thread), None, work, None) == 0
    print(read())
    assert libc.pthread_join(thread, None) == 0
"""


def test_no_instruction_goes_to_the_gil() -> None:
    alone, beside = python(ISOLATED / "steps.py"), python(ISOLATED / "steps.py", "beside")
    if not alone:
        pytest.skip("no right to trace a child")
    assert int(alone) + 100 < int(beside)


def test_signals_are_handled_while_the_gil_is_kept() -> None:
    assert python("-c", SIGNALS).splitlines() == ["1 True True", *["from the handler"] * 3]


def test_a_thread_that_python_did_not_start_gets_the_gil() -> None:
    assert python("-c", UNKNOWN_THREAD).splitlines() == ["b'x'", "b'x'"]
