"""A Mapping in children, and in threads that use it and close it at once."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from conditions import skip_where
from isolated.child import python
from mappings import ANONYMOUS, BOTH, BUSY, CLOSED, PAGE, file_of_x, mapped, new, refused

import pysyscall
from pysyscall import (
    MADV_DOFORK,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    PROT_READ,
    Mapping,
)


def test_forked_children_have_their_own(m: Mapping) -> None:
    memoryview(m)[0] = 5

    def use() -> object:
        memoryview(m)[0] += 1
        told = bytes(m)[0]
        m.close()
        return told, m.closed

    assert in_child(use) == (6, True)
    assert bytes(m)[0] == 5


def test_memory_that_children_do_not_get(m: Mapping) -> None:
    m.madvise(MADV_DONTFORK)
    assert bytes(m)

    def use() -> object:
        refused(ValueError, "closed", lambda: bytes(m))
        refused(ValueError, CLOSED, lambda: pysyscall.munmap(m))
        # What comes to the same place belongs to another.
        flags = ANONYMOUS | MAP_FIXED_NOREPLACE
        other = pysyscall.mmap(m.address if not m.closed else address, PAGE, BOTH, flags)
        m.close()
        return m.closed, bool(mapped(other.address))

    address = m.address
    assert in_child(use) == (True, True)
    m.madvise(MADV_DOFORK)
    assert in_child(lambda: m.closed) is False


def test_a_file_that_was_truncated(tmp_path: Path, keep: Callable[[int], int]) -> None:
    """The kernel ends the process, as the documentation says."""
    file = keep(file_of_x(tmp_path / "file"))
    m = pysyscall.mmap(None, 2 * PAGE, PROT_READ, MAP_SHARED, file)
    os.truncate(file, PAGE)
    view = memoryview(m)
    assert view[PAGE - 1] == ord("x")
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os._exit(view[PAGE] == 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGBUS
    # A call doesn't die of it.
    reader, writer = os.pipe()
    with pytest.raises(OSError) as caught:
        pysyscall.write(writer, view[PAGE:])
    assert caught.value.errno == errno.EFAULT
    os.close(reader)
    os.close(writer)


def waiting(call: Callable[[], object]) -> threading.Thread:
    """A thread that is in the kernel by now."""
    thread = threading.Thread(target=call)
    thread.start()
    assert thread.native_id
    end = time.monotonic() + 10
    path = Path(f"/proc/self/task/{thread.native_id}/syscall")
    while path.exists() and path.read_text().startswith("running") and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.05)
    return thread


def test_it_stays_while_a_thread_reads_into_it(m: Mapping) -> None:
    reader, writer = os.pipe()
    thread = waiting(lambda: pysyscall.read(reader, m))
    for take in (Mapping.close, pysyscall.munmap, lambda m: m.mremap(PAGE)):
        refused(BufferError, BUSY, lambda take=take: take(m))
    refused(BufferError, "need what", lambda: m.mprotect(PROT_READ))
    os.write(writer, b"hello")
    thread.join(10)
    assert bytes(m)[:5] == b"hello"
    m.close()
    os.close(reader)
    os.close(writer)


def test_it_stays_while_a_thread_uses_its_address(m: Mapping) -> None:
    def wait() -> None:
        with suppress(OSError):
            pysyscall.futex_wait(m, 0)

    with skip_where(lacking="the kernel has no futex_wake"):
        pysyscall.futex_wake(m)
    thread = waiting(wait)
    refused(BufferError, BUSY, m.close)
    m.mlock()
    while thread.is_alive():
        pysyscall.futex_wake(m)
        thread.join(0.01)
    m.close()


STRESS = """
import os, random, sys, threading
import pysyscall as ps
sys.setswitchinterval(1e-5)
places = [None] * 4
zero = os.open("/dev/zero", os.O_RDONLY)
end = __import__("time").monotonic() + 1.5
outcomes = set()
def new():
    return ps.mmap(None, 8192, 3, ps.MAP_PRIVATE | ps.MAP_ANONYMOUS)
def replace():
    k = random.randrange(4)
    if places[k] is not None:
        places[k].close()
    places[k] = new()
USES = [
    replace, replace,
    lambda: ps.read(zero, random.choice(places)),
    lambda: bytes(random.choice(places)),
    lambda: memoryview(random.choice(places)).tolist()[0],
    lambda: random.choice(places).mremap(random.choice((4096, 8192, 12288)), 1),
    lambda: random.choice(places).mprotect(random.choice((0, 1, 3))),
    lambda: random.choice(places).madvise(random.choice((4, 10, 11, 102, 103))),
    lambda: random.choice(places).mincore(),
    lambda: ps.mmap(random.choice(places), 8192, 3, ps.MAP_PRIVATE | ps.MAP_ANONYMOUS | 16),
    lambda: ps.msync(random.choice(places), 4096, 4),
]
for k in range(4):
    places[k] = new()
def attack():
    while __import__("time").monotonic() < end:
        try:
            random.choice(USES)()
            outcomes.add("good")
        except (ValueError, BufferError, TypeError, OSError) as error:
            outcomes.add(type(error).__name__)
threads = [threading.Thread(target=attack) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*sorted(outcomes))
"""


def test_threads_that_use_and_close_it() -> None:
    told = python("-c", STRESS).split()
    refusals = {"ValueError", "BufferError", "TypeError", "OSError"}
    assert {"good", "BufferError"} <= {*told} <= {"good", *refusals}


def test_it_may_outlive_all_else() -> None:
    """Left open when the interpreter ends, also by an object that is never collected."""
    code = """
import pysyscall as ps, sys
m = ps.mmap(None, 4096, 3, ps.MAP_PRIVATE | ps.MAP_ANONYMOUS)
class Late:
    def __del__(self):
        self.m.close()
late = Late(); late.m = m; late.itself = late
sys.modules["kept"] = late
print(memoryview(m)[0])
"""
    assert python("-c", code) == "0\n"


def test_audit_hooks_see_the_methods() -> None:
    code = """
import sys
import pysyscall as ps
m = ps.mmap(None, 4096, 3, ps.MAP_PRIVATE | ps.MAP_ANONYMOUS)
seen = []
sys.addaudithook(lambda event, args: event == "pysyscall.call" and seen.append(args))
m.madvise(4, 0, 5)
m.close()
assert seen == [("madvise", ((m, 0), 5, 4)), ("munmap", (m,))], seen
"""
    assert python("-c", code) == ""


def test_references_stay_balanced() -> None:
    m = new()
    before = sys.getrefcount(m)
    for _ in range(100):
        pysyscall.madvise(m, PAGE, MADV_DONTNEED)
        pysyscall.madvise((m, PAGE), PAGE, MADV_DONTNEED)
        m.mremap(4 * PAGE)
        with suppress(ValueError):
            pysyscall.madvise(m, 2**40, MADV_DONTNEED)
        with suppress(ValueError):
            pysyscall.shmdt(m)
        with suppress(OSError):
            pysyscall.mmap(m, 4 * PAGE, BOTH, MAP_SHARED | MAP_FIXED, -1)
        with suppress(BufferError), memoryview(m):
            m.close()
    assert sys.getrefcount(m) == before
    m.close()


def test_what_a_call_gives_to_others(m: Mapping) -> None:
    """Calls that refuse an argument let go of the Mapping that they had."""
    wrong: Any = "length"
    for call in (
        lambda: pysyscall.madvise(m, wrong, MADV_DONTNEED),
        lambda: pysyscall.mremap(m, wrong),
        lambda: pysyscall.mmap(m, wrong, BOTH, ANONYMOUS),
        lambda: pysyscall.mremap(m, PAGE, 0, wrong),
    ):
        refused(TypeError, "must be an int", call)
    m.close()
