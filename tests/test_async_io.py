"""Calls on asynchronous I/O: contexts, their events, and io_uring instances."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alarms import alarms
from conditions import skip_where

import pysyscall
from pysyscall import Iocb, IoEvent, IoUringParams, Sysno, Timespec, raw
from pysyscall._raw import ffi

NUMBER = 0xFEDC_BA98_7654_3210


def made(call: Callable[[], Any]) -> Any:
    """What a call makes; the test is skipped where the kernel lacks it or forbids it."""
    with skip_where(errno.ENOSYS, errno.EPERM, errno.EAGAIN, lacking="not to be had here"):
        return call()


# Contexts


@pytest.fixture
def context() -> Iterator[int]:
    context = made(lambda: pysyscall.io_setup(8))
    yield context
    pysyscall.io_destroy(context)


def submit(context: int, request: Iocb) -> int:
    """The address by which the kernel knows the request, which has ended when this returns.

    Reads and writes of files without O_DIRECT are done at once.
    """
    block = ffi.new("char[64]", request.to_bytes())
    array = ffi.new("char *[1]", [block])
    assert raw.syscall(Sysno.io_submit, context, 1, array) == 1
    return int(ffi.cast("uintptr_t", block))


def test_contexts_differ_and_end(context: int) -> None:
    other = pysyscall.io_setup(1)
    assert type(other) is int
    assert other != context
    assert pysyscall.io_destroy(other) is None
    with pytest.raises(OSError) as caught:
        pysyscall.io_destroy(other)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda context: pysyscall.io_setup(0), errno.EINVAL),
        (lambda context: pysyscall.io_setup(2**32 - 1), errno.EINVAL),
        (lambda context: pysyscall.io_destroy(0), errno.EINVAL),
        (lambda context: pysyscall.io_getevents(0, 0, 1), errno.EINVAL),
        (lambda context: pysyscall.io_getevents(context, 2, 1), errno.EINVAL),
        (lambda context: pysyscall.io_getevents(context, -1, 1), errno.EINVAL),
    ],
)
def test_refusals(context: int, call: Callable[[int], object], number: int) -> None:
    with pytest.raises(OSError) as caught:
        call(context)
    assert caught.value.errno == number


# Events


def test_events_of_requests_that_have_ended(
    context: int, tmp_path: Path, keep: Callable[[int], int]
) -> None:
    fd = keep(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    content, buffer = b"asynchronous", bytearray(20)
    source, target = ffi.from_buffer(content), ffi.from_buffer(buffer)
    addresses = [int(ffi.cast("uintptr_t", view)) for view in (source, target)]
    write = Iocb(pysyscall.IOCB_CMD_PWRITE, fd, addresses[0], len(content), 3, NUMBER)
    read = Iocb(pysyscall.IOCB_CMD_PREAD, fd, addresses[1], len(buffer), 5, 7)
    wanted = [
        IoEvent(NUMBER, submit(context, write), len(content), 0),
        IoEvent(7, submit(context, read), 10, 0),
    ]
    assert pysyscall.io_getevents(context, 2, 5) == wanted
    assert (tmp_path / "file").read_bytes() == b"\0\0\0asynchronous"
    assert buffer == b"ynchronous".ljust(20, b"\0")
    assert pysyscall.io_getevents(context, 0, 5) == []


def test_events_are_taken_a_few_at_a_time(
    context: int, tmp_path: Path, keep: Callable[[int], int]
) -> None:
    fd = keep(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    for word in range(3):
        submit(context, Iocb(pysyscall.IOCB_CMD_FSYNC, fd, aio_data=word))
    told = [pysyscall.io_getevents(context, 1, 1, 60) for _ in range(3)]
    assert sorted(event.data for (event,) in told) == [0, 1, 2]
    assert all(event.res == 0 for (event,) in told)


def test_a_failure_is_told_in_the_event(
    context: int, tmp_path: Path, keep: Callable[[int], int]
) -> None:
    fd = keep(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    (tmp_path / "file").write_bytes(b"content")
    submit(context, Iocb(pysyscall.IOCB_CMD_PREAD, fd, 0, 4096))
    assert [event.res for event in pysyscall.io_getevents(context, 1, 1)] == [-errno.EFAULT]


def test_an_eventfd_hears_of_events(context: int, keep: Callable[[int], int]) -> None:
    """The request waits until the pipe can be read, and so does io_getevents."""
    reader, writer = map(keep, os.pipe())
    counter = keep(pysyscall.eventfd2(0, pysyscall.EFD_NONBLOCK))
    request = Iocb(
        pysyscall.IOCB_CMD_POLL,
        reader,
        pysyscall.POLLIN,
        aio_flags=pysyscall.IOCB_FLAG_RESFD,
        aio_resfd=counter,
    )
    obj = submit(context, request)
    assert pysyscall.io_getevents(context, 1, 1, 0.01) == []
    with alarms(0.02, lambda _: os.write(writer, b"x")):
        (event,) = pysyscall.io_getevents(context, 1, 1)
    assert (event.data, event.obj, event.res & pysyscall.POLLIN) == (0, obj, pysyscall.POLLIN)
    assert os.read(counter, 8) == struct.pack("Q", 1)


@pytest.mark.parametrize("timeout", [0.05, Timespec(0, 50_000_000)])
def test_the_time_runs_out(context: int, timeout: float | Timespec) -> None:
    start = time.monotonic()
    assert pysyscall.io_getevents(context, 1, 4, timeout) == []
    assert time.monotonic() - start >= 0.05


def test_signals_do_not_lengthen_the_wait(context: int) -> None:
    """Signals come every 5 ms until there were 100 of them."""

    def enough(_: int) -> None:
        if len(seen) == 100:
            signal.setitimer(signal.ITIMER_REAL, 0)

    with alarms(0.005, enough) as seen:
        start = time.monotonic()
        assert pysyscall.io_getevents(context, 1, 4, 0.05) == []
        took = time.monotonic() - start
    assert took >= 0.05
    assert 0 < len(seen) < 100


def test_an_exception_in_the_handler_ends_the_wait(context: int) -> None:
    with alarms(0.02, lambda _: 1 / 0), pytest.raises(ZeroDivisionError):
        pysyscall.io_getevents(context, 1, 4)


# io_uring


def ring(entries: int, params: IoUringParams) -> tuple[int, IoUringParams]:
    """A new instance; the test is skipped where the kernel has none."""
    made_ring: tuple[int, IoUringParams] = made(lambda: pysyscall.io_uring_setup(entries, params))
    return made_ring


@pytest.mark.parametrize(
    ("entries", "params", "sizes"),
    [
        (1, IoUringParams(), (1, 2)),
        (5, IoUringParams(), (8, 16)),
        (8, IoUringParams(pysyscall.IORING_SETUP_CQSIZE, 60), (8, 64)),
        (8, IoUringParams(pysyscall.IORING_SETUP_CLAMP), (8, 16)),
    ],
)
def test_rings_of_an_instance(
    keep: Callable[[int], int], entries: int, params: IoUringParams, sizes: tuple[int, int]
) -> None:
    """What is told holds for the rings, which are mapped at the offsets."""
    given = params.to_bytes()
    fd, told = ring(entries, params)
    keep(fd)
    assert params.to_bytes() == given, "the caller's struct doesn't change"
    assert (told.sq_entries, told.cq_entries) == sizes
    assert told.flags == params.flags
    assert told.features & pysyscall.IORING_FEAT_SINGLE_MMAP
    with mmap.mmap(fd, mmap.PAGESIZE, offset=pysyscall.IORING_OFF_SQ_RING) as rings:
        for offsets, size in ((told.sq_off, sizes[0]), (told.cq_off, sizes[1])):
            words = [
                struct.unpack_from("I", rings, offset)[0]
                for offset in (offsets.ring_entries, offsets.ring_mask, offsets.head, offsets.tail)
            ]
            assert words == [size, size - 1, 0, 0]


def test_a_request_goes_through_the_rings(keep: Callable[[int], int]) -> None:
    fd, told = ring(2, IoUringParams())
    keep(fd)
    request = pysyscall.IoUringSqe(pysyscall.IORING_OP_NOP, user_data=NUMBER)
    with (
        mmap.mmap(fd, mmap.PAGESIZE, offset=pysyscall.IORING_OFF_SQ_RING) as rings,
        mmap.mmap(fd, mmap.PAGESIZE, offset=pysyscall.IORING_OFF_SQES) as requests,
    ):
        requests[:64] = request.to_bytes()
        struct.pack_into("I", rings, told.sq_off.array, 0)
        struct.pack_into("I", rings, told.sq_off.tail, 1)
        flags = pysyscall.IORING_ENTER_GETEVENTS
        assert raw.syscall(Sysno.io_uring_enter, fd, 1, 1, flags) == 1
        completion = pysyscall.IoUringCqe.from_bytes(rings[told.cq_off.cqes :][:16])
    assert completion == pysyscall.IoUringCqe(NUMBER, 0, 0)


@pytest.mark.parametrize(
    ("entries", "params", "number"),
    [
        (0, IoUringParams(), errno.EINVAL),
        (2**20, IoUringParams(), errno.EINVAL),
        (1, IoUringParams(1 << 31), errno.EINVAL),
        (1, (pysyscall.IORING_SETUP_CQSIZE,), errno.EINVAL),
        (1, IoUringParams(pysyscall.IORING_SETUP_ATTACH_WQ, wq_fd=9999), errno.ENXIO),
    ],
)
def test_refused_instances(entries: int, params: Any, number: int) -> None:
    os.close(ring(1, IoUringParams())[0])
    with pytest.raises(OSError) as caught:
        pysyscall.io_uring_setup(entries, params)
    assert caught.value.errno == number
