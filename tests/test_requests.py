"""io_submit, io_cancel: requests and their buffers live as long as the kernel needs them."""

from __future__ import annotations

import copy
import errno
import gc
import mmap
import os
import pickle
import signal
import sys
import threading
import time
import weakref
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conditions import skip_where

import pysyscall
from pysyscall import (
    IOCB_CMD_FSYNC,
    IOCB_CMD_POLL,
    IOCB_CMD_PREAD,
    IOCB_CMD_PREADV,
    IOCB_CMD_PWRITE,
    IOCB_CMD_PWRITEV,
    POLLIN,
    Iocb,
    IoEvent,
    io_cancel,
    io_destroy,
    io_getevents,
    io_pgetevents,
    io_setup,
    io_submit,
)

CONTENT = bytes(range(256)) * 32


@pytest.fixture
def context() -> Iterator[int]:
    with skip_where(lacking="no contexts here"):
        context = io_setup(64)
    yield context
    try:
        io_destroy(context)
    except OSError as error:
        assert error.errno == errno.EINVAL, "the test has ended it"


@pytest.fixture
def fd(tmp_path: Path, keep: Callable[[int], int]) -> int:
    (tmp_path / "file").write_bytes(CONTENT)
    return keep(os.open(tmp_path / "file", os.O_RDWR))


def wait(pipe: tuple[int, int]) -> Iocb:
    """A request that stays under way until the pipe can be read."""
    return Iocb(IOCB_CMD_POLL, pipe[0], POLLIN)


def kept(request: object) -> int:
    """References to it beside the caller's."""
    return sys.getrefcount(request) - 3


# What a request does


def test_read_and_write(context: int, fd: int, tmp_path: Path) -> None:
    target = bytearray(10)
    requests = [
        Iocb(IOCB_CMD_PWRITE, fd, b"hello", aio_offset=3, aio_data=1),
        Iocb(IOCB_CMD_PREAD, fd, target, aio_offset=1, aio_data=2**64 - 1),
    ]
    assert io_submit(context, requests) == 2
    first, second = sorted(io_getevents(context, 2, 9), key=lambda event: event.data)
    assert (first.data, first.res) == (1, 5)
    assert (second.data, second.res) == (2**64 - 1, 10)
    assert (tmp_path / "file").read_bytes() == CONTENT[:3] + b"hello" + CONTENT[8:]
    assert target == b"\1\2hello\10\11\12"


def test_several_buffers(context: int, fd: int, tmp_path: Path) -> None:
    targets = [bytearray(3), memoryview(bytearray(5))[1:4], bytearray(0), mmap.mmap(-1, 4)]
    read = Iocb(IOCB_CMD_PREADV, fd, targets, aio_offset=16)
    write = Iocb(IOCB_CMD_PWRITEV, fd, (b"ab", bytearray(b"cde")), aio_data=1)
    assert (read.aio_nbytes, write.aio_nbytes) == (4, 2)
    assert io_submit(context, iter([read, write])) == 2
    assert sorted(event.res for event in io_getevents(context, 2, 2)) == [5, 10]
    assert b"".join(map(bytes, targets)) == CONTENT[16:26]
    assert (tmp_path / "file").read_bytes().startswith(b"abcde\5\6")


def test_direct_reads_of_a_buffer_that_nobody_else_has(
    context: int, tmp_path: Path, keep: Callable[[int], int]
) -> None:
    """The kernel writes there after io_submit has returned, where the file system can."""
    (tmp_path / "direct").write_bytes(CONTENT * 32)
    with skip_where(lacking="this file system has no O_DIRECT"):
        fd = keep(os.open(tmp_path / "direct", os.O_RDONLY | os.O_DIRECT))
    views = []
    for k in range(16):
        memory = mmap.mmap(-1, 16384)
        request = Iocb(IOCB_CMD_PREAD, fd, memory, aio_offset=16384 * k)
        assert io_submit(context, [request]) == 1
        views.append(weakref.ref(memory))
        del memory, request
    gc.collect()
    assert all(view() is not None for view in views)
    taken = io_getevents(context, 16, 16)
    assert [event.res for event in taken] == [16384] * 16
    gc.collect()
    assert all(view() is None for view in views)


# How long they live


def test_a_buffer_lives_until_its_event_was_taken(context: int, fd: int) -> None:
    buffer = array("B", bytes(10))
    alive = weakref.ref(buffer)
    io_submit(context, [Iocb(IOCB_CMD_PREAD, fd, buffer)])
    del buffer
    assert alive() is not None
    assert io_getevents(context, 0, 0) == []
    assert alive() is not None
    assert bytes(alive() or b"") == CONTENT[:10]
    assert len(io_getevents(context, 1, 1)) == 1
    assert alive() is None


def test_a_buffer_keeps_its_size(context: int, fd: int) -> None:
    buffer = bytearray(10)
    request = Iocb(IOCB_CMD_PREAD, fd, buffer)
    io_submit(context, [request])
    del request
    with pytest.raises(BufferError):
        buffer.append(0)
    io_pgetevents(context, 1, 1)
    buffer.append(0)
    assert len(buffer) == 11


def test_a_request_lives_until_its_event_was_taken(context: int, pipe: tuple[int, int]) -> None:
    request = wait(pipe)
    before = kept(request)
    io_submit(context, [request])
    assert kept(request) == before + 1
    assert io_getevents(context, 0, 1) == []
    assert kept(request) == before + 1
    os.write(pipe[1], b"x")
    assert [event.res for event in io_getevents(context, 1, 1)] == [POLLIN | pysyscall.POLLRDNORM]
    assert kept(request) == before


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_end_of_a_context_ends_its_requests(pipe: tuple[int, int], count: int) -> None:
    first, second = io_setup(count), io_setup(1)
    requests = [wait(pipe) for _ in range(count)]
    before = [kept(request) for request in requests]

    def under_way() -> list[int]:
        return [kept(request) - number for request, number in zip(requests, before, strict=True)]

    assert io_submit(first, requests) == count
    assert io_submit(second, requests[:1]) == 1
    more = under_way()
    assert more == [more[0], *[more[0] - 1] * (count - 1)]
    io_destroy(first)
    assert under_way() == [number - 1 for number in more], "the other context still has one"
    io_destroy(second)
    assert set(under_way()) == {more[0] - 2}


def test_a_context_that_is_none_ends_nothing(context: int, pipe: tuple[int, int]) -> None:
    request = wait(pipe)
    before = kept(request)
    io_submit(context, [request])
    for other in (0, 1, context + 4096, 2**64 - 1):
        with pytest.raises(OSError):
            io_destroy(other)
        with pytest.raises(OSError):
            io_getevents(other, 0, 1)
    assert kept(request) == before + 1


def test_what_was_not_submitted_is_not_kept(context: int, pipe: tuple[int, int]) -> None:
    good, bad, never = wait(pipe), Iocb(IOCB_CMD_FSYNC, 9999), wait(pipe)
    before = kept(good), kept(bad), kept(never)
    assert io_submit(context, [good, bad, never]) == 1
    assert (kept(good), kept(bad), kept(never)) == (before[0] + 1, *before[1:])
    with pytest.raises(OSError) as caught:
        io_submit(context, [bad, never])
    assert caught.value.errno == errno.EBADF
    with pytest.raises(OSError):
        io_submit(0, [never])
    assert (kept(good), kept(bad), kept(never)) == (before[0] + 1, *before[1:])
    assert io_submit(context, []) == 0


def test_a_context_that_is_full(context: int, pipe: tuple[int, int]) -> None:
    requests = [wait(pipe) for _ in range(5000)]
    submitted = io_submit(context, requests)
    assert 64 <= submitted < 5000
    assert kept(requests[submitted - 1]) == kept(requests[submitted]) + 1
    with pytest.raises(OSError) as caught:
        io_submit(context, requests[submitted:])
    assert caught.value.errno == errno.EAGAIN
    os.write(pipe[1], b"x")
    assert len(io_getevents(context, submitted, 5000, 60)) == submitted
    assert len({kept(request) for request in requests}) == 1


def test_one_request_twice(context: int, pipe: tuple[int, int]) -> None:
    request = wait(pipe)
    before = kept(request)
    assert io_submit(context, [request, request]) == 2
    assert io_submit(context, [request]) == 1
    assert kept(request) == before + 3
    os.write(pipe[1], b"x")
    for left in (2, 1, 0):
        assert len(io_getevents(context, 1, 1, 60)) == 1
        assert kept(request) == before + left


def test_a_request_can_be_used_again(context: int, fd: int) -> None:
    target = bytearray(4)
    request = Iocb(IOCB_CMD_PREAD, fd, target)
    events = []
    for _ in range(3):
        target[:] = bytes(4)
        io_submit(context, [request])
        events += io_getevents(context, 1, 1)
        assert target == CONTENT[:4]
    assert len({event.obj for event in events}) == 1


# io_cancel


def test_cancel(context: int, pipe: tuple[int, int]) -> None:
    request, other = wait(pipe), wait(pipe)
    before = kept(request)
    io_submit(context, [request])
    for wrong in (other, tuple(getattr(other, name) for name in Iocb.__match_args__)):
        with pytest.raises(OSError) as caught:
            io_cancel(context, wrong)
        assert caught.value.errno == errno.EINVAL
    assert io_cancel(context, request) is None
    assert kept(request) == before + 1, "its event is still to come"
    (event,) = io_getevents(context, 1, 1, 60)
    assert (event.res, event.res2) == (0, 0)
    assert kept(request) == before
    with pytest.raises(OSError) as caught:
        io_cancel(context, request)
    assert caught.value.errno == errno.EINVAL


def test_requests_of_another_kind_can_not_be_cancelled(context: int, fd: int) -> None:
    request = Iocb(IOCB_CMD_PREAD, fd, bytearray(1))
    io_submit(context, [request])
    with pytest.raises(OSError):
        io_cancel(context, request)
    assert len(io_getevents(context, 1, 1)) == 1


# Waiting


def test_a_mask_makes_a_signal_raise(context: int) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        with pytest.raises(InterruptedError):
            io_pgetevents(context, 1, 1, 60, [signal.SIGUSR1])
        assert seen
        seen.clear()
        start = time.monotonic()
        assert io_pgetevents(context, 1, 1, 0.05) == []
        assert time.monotonic() - start >= 0.05
        assert seen
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        assert io_pgetevents(context, 1, 1, 0.02, {signal.SIGALRM}) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_threads_submit_and_take(context: int, fd: int) -> None:
    """While one submits, another takes events that were not yet told to be submitted."""
    count, taken = 3000, []

    def take() -> None:
        while len(taken) < count:
            taken.extend(io_getevents(context, 1, 50, 60))

    targets = [bytearray(8) for _ in range(count)]
    thread = threading.Thread(target=take)
    thread.start()
    rest = [Iocb(IOCB_CMD_PREAD, fd, target, aio_data=k) for k, target in enumerate(targets)]
    while rest:
        try:
            del rest[: io_submit(context, rest[:20])]
        except OSError as error:
            assert error.errno == errno.EAGAIN
    thread.join()
    assert sorted(event.data for event in taken) == list(range(count))
    for target in targets:
        assert target == CONTENT[:8]
        target.append(0)


# What a request holds


def test_the_length_follows_from_the_buffer() -> None:
    buffer = bytearray(100)
    assert Iocb(1, 0, buffer).aio_nbytes == 100
    assert Iocb(1, 0, buffer, 7).aio_nbytes == 7
    assert Iocb(1, 0, buffer, 0).aio_nbytes == 0
    assert Iocb(aio_nbytes=0, aio_buf=buffer).aio_nbytes == 0
    assert Iocb(aio_nbytes=5).replace(aio_buf=buffer).aio_nbytes == 100
    assert Iocb(aio_nbytes=5).replace(aio_nbytes=6, aio_buf=buffer).aio_nbytes == 6
    assert Iocb(aio_buf=[buffer] * 3).aio_nbytes == 3
    assert Iocb(aio_buf=[]).aio_nbytes == 0
    assert Iocb(aio_buf=4096).aio_nbytes == 0
    assert Iocb(aio_buf=memoryview(buffer)[3:]).aio_buf == Iocb(aio_buf=buffer).aio_buf + 3


def test_what_is_held_goes_with_a_change() -> None:
    buffer = bytearray(8)
    first = Iocb(IOCB_CMD_PREAD, 0, buffer)
    second = first.replace(aio_data=5)
    del first
    with pytest.raises(BufferError):
        buffer.append(0)
    third = second.replace(aio_buf=0)
    assert third.aio_nbytes == 8, "an address says nothing about a length"
    del second
    buffer.append(0)


def test_a_copy_is_the_request_itself() -> None:
    request = Iocb(aio_buf=b"x")
    assert copy.copy(request) is copy.deepcopy(request) is request
    with pytest.raises(TypeError, match="cannot pickle Iocb: it holds the buffer"):
        pickle.dumps(request)
    assert pickle.loads(pickle.dumps(Iocb(aio_buf=5))) == Iocb(aio_buf=5)


@pytest.mark.parametrize(
    ("buffer", "error", "text"),
    [
        ("x", TypeError, "must be an address, a bytes-like object or a sequence of these"),
        (None, TypeError, "must be an address"),
        ({1}, TypeError, "must be an address"),
        ([b"", "x"], TypeError, "item 1 must be a bytes-like object, not str"),
        ([5], TypeError, "item 0 must be a bytes-like object, not int"),
        (-1, OverflowError, "must fit in unsigned 64 bits"),
        (memoryview(bytes(8))[::2], BufferError, "must be one contiguous block of memory"),
        ([memoryview(bytes(8))[::2]], BufferError, "must be one contiguous block of memory"),
    ],
)
def test_refused_buffers(buffer: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        Iocb(1, 0, buffer)
    assert str(caught.value).startswith(f"Iocb() field 'aio_buf' {text}")


@pytest.mark.parametrize(
    ("request_", "error", "text"),
    [
        (Iocb(IOCB_CMD_PREAD, 0, b"x"), TypeError, "must have a writable buffer to read into"),
        (Iocb(IOCB_CMD_PREADV, 0, [bytearray(1), b"x"]), TypeError, "must have writable buffers"),
        (Iocb(IOCB_CMD_PREAD, 0, bytearray(5), 6), ValueError, "has aio_nbytes beyond the 5 bytes"),
        (Iocb(IOCB_CMD_PWRITE, 0, b"x", 2**63), ValueError, "has aio_nbytes beyond the 1 bytes"),
        (Iocb(IOCB_CMD_PWRITEV, 0, [b"x"], 2), ValueError, "has aio_nbytes beyond its 1 buffers"),
        (Iocb(IOCB_CMD_PWRITEV, 0, b"x"), TypeError, "must have a sequence of buffers"),
        (Iocb(IOCB_CMD_PREAD, 0, [bytearray(1)]), TypeError, "must have one buffer"),
        ((1, 0, 0), TypeError, "must be Iocb, not tuple"),
        (None, TypeError, "must be Iocb, not NoneType"),
        (IoEvent(), TypeError, "must be Iocb, not pysyscall.IoEvent"),
    ],
)
def test_refused_requests(
    context: int, fd: int, request_: Any, error: type[Exception], text: str
) -> None:
    good = Iocb(IOCB_CMD_FSYNC, fd)
    before = kept(good)
    with pytest.raises(error) as caught:
        io_submit(context, [good, request_])
    assert str(caught.value).startswith(f"io_submit() argument 'iocbpp' item 1 {text}")
    assert kept(good) == before
    assert io_getevents(context, 0, 1) == [], "none was submitted"


@pytest.mark.parametrize("given", [Iocb(), None, 5, "x", {"a": Iocb()}])
def test_refused_sequences(context: int, given: Any) -> None:
    with pytest.raises(TypeError, match=r"io_submit\(\) argument 'iocbpp' "):
        io_submit(context, given)


def test_an_address_is_the_callers_own(context: int, fd: int) -> None:
    memory = bytearray(4)
    holder = Iocb(aio_buf=memory)
    request = Iocb(IOCB_CMD_PREAD, fd, holder.aio_buf, 4)
    io_submit(context, [request])
    assert [event.res for event in io_getevents(context, 1, 1)] == [4]
    assert memory == CONTENT[:4]


def test_long_chains_of_requests_are_taken_down_safely() -> None:
    """Not as buffers of each other: those are refused."""
    request = Iocb(aio_buf=b"x")
    for _ in range(1000):
        request = request.replace(aio_buf=[request.to_bytes()])
    del request
