"""io_uring: what is registered with a ring, and the times that it waits."""

from __future__ import annotations

import errno
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from ctypes import addressof, c_char
from typing import TypeAlias

import pytest
from conditions import skip_where
from tracee import Pointer, Word, compare, stopped

import pysyscall
from pysyscall import Sysno, Timespec, flags, rings

Keep: TypeAlias = Callable[[int], int]


@pytest.fixture
def ring() -> Iterator[int]:
    with skip_where(lacking="no io_uring"):
        fd, _ = pysyscall.io_uring_setup(8, pysyscall.IoUringParams())
    yield fd
    os.close(fd)


def test_operations(ring: int) -> None:
    probe = pysyscall.io_uring_register(ring, flags.IORING_REGISTER_PROBE)
    assert probe.ops_len > 30
    assert probe.ops[flags.IORING_OP_READ].flags & flags.IO_URING_OP_SUPPORTED


def test_registered_buffers_are_held(ring: int) -> None:
    register, whole, part = pysyscall.io_uring_register, bytearray(4096), bytearray(8192)
    for buffers in ([whole, memoryview(part)[4096:]], iter([whole, part])):
        register(ring, flags.IORING_REGISTER_BUFFERS, buffers)
        for buffer in (whole, part):
            with pytest.raises(BufferError):
                buffer.append(1)
        with pytest.raises(OSError, match="busy"):
            register(ring, flags.IORING_REGISTER_BUFFERS, [whole])
        with pytest.raises(BufferError):
            whole.append(1)
        register(ring, flags.IORING_UNREGISTER_BUFFERS)
        del buffers
        whole.append(1)
        whole.pop()
    with pytest.raises(OSError, match="No such device"):
        register(ring, flags.IORING_UNREGISTER_BUFFERS)


def test_buffers_of_a_ring_that_was_closed(ring: int) -> None:
    other, _ = pysyscall.io_uring_setup(1, pysyscall.IoUringParams())
    buffer, mine = bytearray(100), bytearray(100)
    copy = os.dup(other)
    pysyscall.io_uring_register(other, flags.IORING_REGISTER_BUFFERS, [buffer])
    os.close(other)
    pysyscall.io_uring_register(ring, flags.IORING_REGISTER_BUFFERS, [mine])
    with pytest.raises(BufferError):
        buffer.append(1)
    os.close(copy)
    pysyscall.io_uring_register(ring, flags.IORING_UNREGISTER_BUFFERS)
    pysyscall.io_uring_register(ring, flags.IORING_REGISTER_BUFFERS, [mine])
    buffer.append(1)
    pysyscall.io_uring_register(ring, flags.IORING_UNREGISTER_BUFFERS)
    assert rings._held == {}


def test_buffers_that_the_kernel_refuses(ring: int) -> None:
    mine = bytearray(100)
    with pytest.raises(OSError, match="Bad file"):
        pysyscall.io_uring_register(999, flags.IORING_REGISTER_BUFFERS, [mine])
    mine.append(1)
    with pytest.raises(TypeError, match=r"item 1 must be a bytes-like object"):
        pysyscall.io_uring_register(ring, flags.IORING_REGISTER_BUFFERS, [mine, 5])  # type: ignore[list-item]
    mine.append(1)


def test_files_and_the_like(ring: int, keep: Keep) -> None:
    register = pysyscall.io_uring_register
    reader, writer = os.pipe()
    keep(reader), keep(writer)
    register(ring, flags.IORING_REGISTER_FILES, [reader, -1, writer])
    descriptors = struct.pack("i", writer)
    address = addressof(c_char.from_buffer(buffer := bytearray(descriptors)))
    update = pysyscall.IoUringRsrcUpdate(offset=1, data=address)
    assert register(ring, flags.IORING_REGISTER_FILES_UPDATE, update, 1) == 1
    assert buffer == descriptors
    register(ring, flags.IORING_UNREGISTER_FILES)
    event = keep(os.eventfd(0))
    register(ring, flags.IORING_REGISTER_EVENTFD, event)
    register(ring, flags.IORING_UNREGISTER_EVENTFD)
    register(ring, flags.IORING_REGISTER_EVENTFD_ASYNC, event)
    register(ring, flags.IORING_UNREGISTER_EVENTFD)
    person = register(ring, flags.IORING_REGISTER_PERSONALITY)
    assert person > 0
    register(ring, flags.IORING_UNREGISTER_PERSONALITY, person)
    before = register(ring, flags.IORING_REGISTER_IOWQ_MAX_WORKERS, [7, 9])
    assert register(ring, flags.IORING_REGISTER_IOWQ_MAX_WORKERS, [0, 0]) == (7, 9) != before
    register(ring, flags.IORING_REGISTER_IOWQ_AFF, {0})
    register(ring, flags.IORING_UNREGISTER_IOWQ_AFF)
    free = 2**32 - 1
    count, (registered,) = register(ring, flags.IORING_REGISTER_RING_FDS, [(free, ring)])
    assert count == 1
    assert register(ring, flags.IORING_UNREGISTER_RING_FDS, [registered.replace(data=0)]) == 1


def test_restrictions() -> None:
    params = pysyscall.IoUringParams(flags=flags.IORING_SETUP_R_DISABLED)
    with skip_where(lacking="no io_uring"):
        fd, _ = pysyscall.io_uring_setup(1, params)
    allowed = [(flags.IORING_RESTRICTION_SQE_OP, flags.IORING_OP_READ)]
    pysyscall.io_uring_register(fd, flags.IORING_REGISTER_RESTRICTIONS, allowed)
    pysyscall.io_uring_register(fd, flags.IORING_REGISTER_ENABLE_RINGS)
    with pytest.raises(PermissionError):
        pysyscall.io_uring_register(fd, flags.IORING_REGISTER_PROBE)
    os.close(fd)


def test_time_outs_of_rings(ring: int) -> None:
    enter, wait = pysyscall.io_uring_enter, flags.IORING_ENTER_GETEVENTS
    assert enter(ring, 0, 0, 0) == 0
    timed = wait | flags.IORING_ENTER_EXT_ARG
    ran: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: ran.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        for args in (
            (timed, 0.3),
            (timed, Timespec(0, 300_000_000), {signal.SIGUSR1}),
            (timed | flags.IORING_ENTER_ABS_TIMER, None),
        ):
            flag, timeout, *mask = args
            start = time.monotonic()
            until = start + 0.3 if timeout is None else timeout
            try:
                enter(ring, 0, 1, flag, until, *mask)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    continue  # newer than this kernel
                assert error.errno == errno.ETIME
            assert 0.29 < time.monotonic() - start < 3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(ran) >= 6


def test_a_whole_wait_is_taken_as_it_is(ring: int) -> None:
    limit = Timespec(0, 10_000_000).to_bytes()
    whole = pysyscall.IoUringGeteventsArg(ts=limit)
    flag = flags.IORING_ENTER_GETEVENTS | flags.IORING_ENTER_EXT_ARG
    with pytest.raises(OSError, match="Timer expired"):
        pysyscall.io_uring_enter(ring, 0, 1, flag, whole)
    for wrong in ("1", [], (1, 2)):
        with pytest.raises(TypeError, match=r"argument 'timeout' must be seconds"):
            pysyscall.io_uring_enter(ring, 0, 1, flag, wrong)  # type: ignore[call-overload]


@pytest.mark.parametrize("flag", [flags.IORING_ENTER_EXT_ARG, flags.IORING_ENTER_ABS_TIMER])
def test_waits_at_kernel_entry(flag: int) -> None:
    with stopped(pysyscall.io_uring_enter, 3, 1, 2, flag, 2.5, {1, 64}) as stop:
        mask, size, least, limit = struct.unpack("QIIQ", stop.read(stop.registers[4], 24))
        assert (size, least) == (8, 0)
        assert stop.read(limit, 16) == struct.pack("QQ", 2, 500_000_000)
        assert stop.read(mask, 8) == struct.pack("Q", 1 | 1 << 63)
        expected = [Word(3), Word(1), Word(2), Word(int(flag)), Pointer(align=8), Word(24)]
        assert compare(Sysno.io_uring_enter, expected, stop) == []
    with stopped(pysyscall.io_uring_enter, 3, 1, 2, flag) as stop:
        assert stop.read(stop.registers[4], 24) == bytes(24)


def test_interfaces_at_kernel_entry() -> None:
    with stopped(pysyscall.ioctl, 3, flags.SIOCGIFCONF) as stop:
        length, address = struct.unpack("i4xQ", stop.read(stop.registers[2], 16))
        assert length >= 40
        assert stop.writable(address, length)
