"""Calls on one thread: personality, barriers, areas shared with the kernel, I/O ports."""

from __future__ import annotations

import array
import errno
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from children import give_up_rights, in_child
from samples import address_of

import pysyscall


def test_personality() -> None:
    def change() -> object:
        flag = pysyscall.ADDR_NO_RANDOMIZE
        before = pysyscall.personality(0xFFFFFFFF)
        assert pysyscall.personality(before | flag) == before
        told = int(Path("/proc/self/personality").read_text(), 16)
        return pysyscall.personality(0xFFFFFFFF) == told == before | flag

    assert in_child(change) is True


def test_membarrier() -> None:
    def barrier() -> object:
        commands = pysyscall.membarrier(pysyscall.MEMBARRIER_CMD_QUERY)
        private = pysyscall.MEMBARRIER_CMD_PRIVATE_EXPEDITED
        register = pysyscall.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
        assert commands & private
        assert commands & register
        with pytest.raises(PermissionError):
            pysyscall.membarrier(private)
        assert pysyscall.membarrier(register) == 0
        assert pysyscall.membarrier(private) == 0
        registrations = pysyscall.MEMBARRIER_CMD_GET_REGISTRATIONS
        if commands & registrations:
            assert pysyscall.membarrier(registrations) == register
        return commands & pysyscall.MEMBARRIER_CMD_GLOBAL

    assert in_child(barrier)


# libc registers its own area unless it is told not to.
RSEQ = """
import mmap, os, struct
import pysyscall
from pysyscall._raw import ffi
area = mmap.mmap(-1, 4096)
address = int(ffi.cast("uintptr_t", ffi.from_buffer(area)))
area[:8] = struct.pack("II", 0, 2**32 - 1)
cpu = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, [cpu])
print(pysyscall.rseq(address, 32, 0, 0x53053053))
os.sched_yield()
print(struct.unpack("II", area[:8]) == (cpu, cpu))
try:
    pysyscall.rseq(address, 32, 0, 0x53053053)
except OSError as error:
    print(error.errno)
print(pysyscall.rseq(address, 32, pysyscall.RSEQ_FLAG_UNREGISTER, 0x53053053))
print(struct.unpack("II", area[:8]))
"""


def test_rseq() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", RSEQ],
        env=os.environ
        | {
            "PYTHONPATH": str(Path(pysyscall.__file__).parents[1]),
            "GLIBC_TUNABLES": "glibc.pthread.rseq=0",
        },
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert ended.stderr == ""
    none = 2**32 - 1
    assert ended.stdout.splitlines() == ["None", "True", str(errno.EBUSY), "None", f"(0, {none})"]


def test_rseq_slice_yield() -> None:
    """Without an extended slice there is nothing to give back."""
    try:
        assert pysyscall.rseq_slice_yield() == 0
    except OSError as error:
        assert error.errno == errno.ENOSYS


def test_set_tid_address() -> None:
    cell = array.array("i", [1])
    address, _ = cell.buffer_info()

    def change() -> object:
        assert pysyscall.set_tid_address(address) == os.getpid()
        told, pr_get_tid_address = array.array("Q", [0]), 40
        try:
            pysyscall.syscall("prctl", pr_get_tid_address, told)
        except OSError:
            return address  # the kernel does not tell
        return told[0]

    assert in_child(change) == address


def test_robust_list() -> None:
    """A lock whose owner ends is marked, for those who wait."""
    memory = mmap.mmap(-1, 4096)
    words = memoryview(memory).cast("Q")
    address = address_of(words)
    node = address + 64
    words[0:3] = array.array("Q", [node, 8, 0])  # the head: first entry, where its lock is, none
    words[8] = address  # the entry, which is the last one

    def end() -> object:
        assert pysyscall.set_robust_list(address) is None
        words[9] = os.getpid()  # its lock is held
        return pysyscall.get_robust_list(0), pysyscall.get_robust_list(os.getpid())

    assert in_child(end) == ((address, 24), (address, 24))
    owner_died = 1 << 30
    assert words[9] == owner_died


def test_get_robust_list_of_another(sleeper: int) -> None:
    head, size = pysyscall.get_robust_list(0)
    assert size == 24
    until = time.monotonic() + 10
    while pysyscall.get_robust_list(sleeper)[0] == 0 and time.monotonic() < until:
        time.sleep(0.001)  # libc sets the list once the child runs
    assert pysyscall.get_robust_list(sleeper) == (head, size)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.iopl(4), errno.EINVAL),
        (lambda: pysyscall.ioperm(65536, 1, 0), errno.EINVAL),
        (lambda: pysyscall.ioperm(0, 0, 0), errno.EINVAL),
    ],
)
def test_ports(call: Callable[[], object], error: int) -> None:
    """A kernel can be built without them."""
    with pytest.raises(OSError) as caught:
        in_child(call)
    assert caught.value.errno in (error, errno.ENOSYS)


@pytest.mark.parametrize("call", [lambda: pysyscall.iopl(3), lambda: pysyscall.ioperm(0x80, 1, 1)])
def test_ports_need_rights(call: Callable[[], object]) -> None:
    def attempt() -> None:
        give_up_rights()
        call()

    with pytest.raises(OSError) as caught:
        in_child(attempt)
    assert caught.value.errno in (errno.EPERM, errno.ENOSYS)
