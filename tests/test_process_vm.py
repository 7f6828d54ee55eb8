"""Memory of this and of other processes, and the table of a process's segments."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from children import NO_PROCESS, give_up_rights, in_child
from conditions import needs_root
from samples import address_of

import pysyscall
from pysyscall import LDT_READ, LDT_READ_DEFAULT, LDT_WRITE, LDT_WRITE_OLD, Iovec, UserDesc

HERE = bytearray(b"0123456789")
"""The children have a copy of it at the same address."""
START = address_of(HERE)


@pytest.fixture
def other() -> Iterator[int]:
    """A child that waits, and then ends with what it finds in HERE."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(HERE[0])
    os.close(reader)
    yield pid
    os.close(writer)
    os.waitpid(pid, 0)


def test_read(other: int) -> None:
    first, second = bytearray(4), bytearray(3)
    ranges = [(START + 8, 2), Iovec(START, 5)]
    assert pysyscall.process_vm_readv(other, [first, second], ranges) == 7
    assert (first, second) == (b"8901", b"234")
    assert pysyscall.process_vm_readv(other, (memoryview(first)[1:3],), iter([(START, 9)])) == 2
    assert first == b"8011"


def test_write(other: int) -> None:
    assert pysyscall.process_vm_writev(other, [b"\7", bytearray(b"8"), b""], [(START, 2)]) == 2
    assert HERE[:2] == b"01"
    found = bytearray(3)
    assert pysyscall.process_vm_readv(other, [found], [(START, 3)]) == 3
    assert found == b"\x0782"


def test_a_child_finds_what_was_written() -> None:
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(HERE[0])
    pysyscall.process_vm_writev(pid, [b"\x2a"], [(START, 1)])
    os.close(writer)
    os.close(reader)
    assert pysyscall.wait4(pid)[1].exit_code == 0x2A


def test_of_oneself() -> None:
    target = bytearray(b"abcdef")
    pid = os.getpid()
    assert pysyscall.process_vm_writev(pid, [b"XY"], [(address_of(target) + 2, 2)]) == 2
    assert target == b"abXYef"
    assert pysyscall.process_vm_readv(pid, [], []) == 0
    assert pysyscall.process_vm_readv(pid, [], [(START, 1)]) == 0


def test_what_is_not_mapped(other: int) -> None:
    buffer = bytearray(8)
    assert pysyscall.process_vm_readv(other, [buffer], [(START, 4), (8, 4)]) == 4
    assert buffer == b"0123\0\0\0\0"
    for address in (0, 8, 2**64 - 8):
        with pytest.raises(OSError) as caught:
            pysyscall.process_vm_readv(other, [buffer], [(address, 4)])
        assert caught.value.errno == errno.EFAULT


def test_too_many_ranges() -> None:
    """The kernel takes up to 1024; no buffer is held or lost where it does not."""
    pid = os.getpid()
    buffers = [bytearray(b"x") for _ in range(2000)]
    for local, remote in ((buffers, [(START, 1)]), ([HERE], [(START, 1)] * 2000)):
        for call in (pysyscall.process_vm_readv, pysyscall.process_vm_writev):
            with pytest.raises(OSError) as caught:
                call(pid, local, remote)
            assert caught.value.errno == errno.EINVAL
    assert all(buffer == b"x" for buffer in buffers)
    for buffer in buffers:
        buffer.clear()  # BufferError where a view is left
    many = [bytearray(1) for _ in range(1024)]
    assert pysyscall.process_vm_readv(pid, many, [(START, 10)] * 1024) == 1024


@pytest.mark.parametrize("call", [pysyscall.process_vm_readv, pysyscall.process_vm_writev])
def test_no_such_process(call: Callable[..., int]) -> None:
    with pytest.raises(ProcessLookupError):
        call(NO_PROCESS, [bytearray(1)], [(START, 1)])


@needs_root
def test_another_users_memory() -> None:
    parent = os.getpid()

    def peep() -> int:
        give_up_rights()
        return pysyscall.process_vm_readv(parent, [bytearray(1)], [(START, 1)])

    with pytest.raises(PermissionError):
        in_child(peep)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: pysyscall.process_vm_readv(1, [b"x"], []),
            TypeError,
            "'local_iov' item 0 must be w",
        ),
        (lambda: pysyscall.process_vm_readv(1, [7], []), TypeError, "'local_iov' item 0 must be"),  # type: ignore[list-item]
        (lambda: pysyscall.process_vm_readv(1, [], [7]), TypeError, "'remote_iov' item 0 must be"),  # type: ignore[list-item]
        (lambda: pysyscall.process_vm_readv(1, [], b"x"), TypeError, "'remote_iov' must be"),  # type: ignore[arg-type]
        (lambda: pysyscall.process_vm_writev(1, b"x", []), TypeError, "'local_iov' must be"),  # type: ignore[arg-type]
        (lambda: pysyscall.process_vm_writev(2**31, [], []), OverflowError, "'pid' must be in"),
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"process_vm_\w+\(\) argument {message}"):
        call()


# Segments

FLAGS = 0x51  # 32 bits wide, usable, in pages


def test_segments() -> None:
    def work() -> object:
        assert pysyscall.modify_ldt(LDT_READ) == b""
        assert pysyscall.modify_ldt(LDT_WRITE, UserDesc(2, 0x1000, 0xFFFF, FLAGS)) is None
        assert pysyscall.modify_ldt(LDT_WRITE_OLD, (1, 0x2000, 0xFFFF, FLAGS)) is None
        table = pysyscall.modify_ldt(0)
        assert table is not None
        assert pysyscall.modify_ldt(0, 16) == table[:16]
        # An entry with these flags alone is an empty one.
        assert pysyscall.modify_ldt(LDT_WRITE, UserDesc(2, 0, 0, 0x28)) is None
        later = pysyscall.modify_ldt(0)
        assert later is not None
        return table[:24].count(0), [any(table[k : k + 8]) for k in (0, 8, 16)], any(later[16:24])

    _, used, after = in_child(work)
    assert (used, after) == ([False, True, True], False)


def test_the_default_segments() -> None:
    assert pysyscall.modify_ldt(LDT_READ_DEFAULT) == bytes(128)
    assert pysyscall.modify_ldt(LDT_READ_DEFAULT, 5) == bytes(5)
    assert pysyscall.modify_ldt(LDT_READ_DEFAULT, 0) == b""


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pysyscall.modify_ldt(3), OSError, "Function not implemented: modify_ldt"),
        (lambda: pysyscall.modify_ldt(LDT_WRITE, UserDesc(2**20)), OSError, "Invalid argument"),
        (lambda: pysyscall.modify_ldt(LDT_WRITE), TypeError, "'ptr' must be a UserDesc"),
        (lambda: pysyscall.modify_ldt(LDT_READ, UserDesc()), TypeError, "'ptr' must be an int"),
        (lambda: pysyscall.modify_ldt(LDT_READ, -1), OverflowError, "'ptr' must be in"),
        (lambda: pysyscall.modify_ldt("x"), TypeError, "'func' must be an int"),  # type: ignore[arg-type]
        (lambda: pysyscall.modify_ldt(1, (1, 2, 3, "x")), TypeError, "UserDesc"),  # type: ignore[arg-type]
    ],
)
def test_segment_refusals(call: Callable[[], object], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
