"""Signals during a call, as PEP 475 wants: the handler runs, then the call goes on or raises."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from alarms import alarm
from isolated.child import python
from this_process import descriptors

import pysyscall
from pysyscall import SockaddrUn

Blocked: TypeAlias = tuple[Callable[[], Any], Callable[[], object], Any]
"""A call that blocks, what ends that, and what it then returns."""


class Room:
    """Descriptors that are closed when the test is over, and a folder."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.stack, self.folder = stack, folder

    def keep(self, fd: int) -> int:
        self.stack.callback(os.close, fd)
        return fd

    def pipe(self) -> tuple[int, int]:
        reader, writer = os.pipe()
        return self.keep(reader), self.keep(writer)

    def sockets(self) -> tuple[socket.socket, socket.socket]:
        left, right = socket.socketpair()
        return self.stack.enter_context(left), self.stack.enter_context(right)

    def listener(self, backlog: int) -> tuple[socket.socket, bytes]:
        server = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        address = b"\0pysyscall " + os.urandom(8)
        server.bind(address)
        server.listen(backlog)
        return server, address

    def client(self) -> socket.socket:
        return self.stack.enter_context(socket.socket(socket.AF_UNIX))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with ExitStack() as stack:
        yield Room(stack, tmp_path)


def read(room: Room) -> Blocked:
    reader, writer = room.pipe()
    return lambda: pysyscall.read(reader, 10), lambda: os.write(writer, b"x"), b"x"


def read_into(room: Room) -> Blocked:
    reader, writer = room.pipe()
    buffer = bytearray(10)
    return lambda: pysyscall.read(reader, buffer), lambda: os.write(writer, b"xyz"), 3


def readv(room: Room) -> Blocked:
    reader, writer = room.pipe()
    buffers = [bytearray(2), bytearray(2)]
    return lambda: pysyscall.readv(reader, buffers), lambda: os.write(writer, b"xyz"), 3


def write(room: Room) -> Blocked:
    reader, writer = room.pipe()
    os.set_blocking(writer, False)
    full = os.write(writer, bytes(2**20))
    os.set_blocking(writer, True)
    return lambda: pysyscall.write(writer, b"end"), lambda: os.read(reader, full), 3


def open_fifo(room: Room) -> Blocked:
    path = room.folder / "fifo"
    os.mkfifo(path)
    return (
        lambda: room.keep(pysyscall.open(path, os.O_RDONLY)) > 2,
        lambda: room.keep(os.open(path, os.O_RDWR)),
        True,
    )


def accept(room: Room) -> Blocked:
    server, address = room.listener(1)
    return (
        lambda: room.keep(pysyscall.accept4(server)[0]) > 2,
        lambda: room.client().connect(address),
        True,
    )


def recvfrom(room: Room) -> Blocked:
    left, right = room.sockets()
    return lambda: pysyscall.recvfrom(left, 10), lambda: right.send(b"x"), (b"x", None)


def sendto(room: Room) -> Blocked:
    left, right = room.sockets()
    left.setblocking(False)
    full = 0
    while True:
        try:
            full += left.send(bytes(2**16))
        except BlockingIOError:
            break
    left.setblocking(True)
    return (
        lambda: pysyscall.sendto(left, b"end"),
        lambda: right.recv(full, socket.MSG_WAITALL),
        3,
    )


def splice(room: Room) -> Blocked:
    (reader, writer), (_, other) = room.pipe(), room.pipe()
    return (
        lambda: pysyscall.splice(reader, None, other, None, 10),
        lambda: os.write(writer, b"xy"),
        2,
    )


def poll(room: Room) -> Blocked:
    reader, writer = room.pipe()
    ready = [pysyscall.PollFd(reader, 1, 1)]
    return lambda: pysyscall.poll([(reader, 1)]), lambda: os.write(writer, b"x"), ready


def epoll_wait(room: Room) -> Blocked:
    reader, writer = room.pipe()
    epoll = room.keep(pysyscall.epoll_create1())
    pysyscall.epoll_ctl(epoll, pysyscall.EPOLL_CTL_ADD, reader, (1, 7))
    ready = [pysyscall.EpollEvent(1, 7)]
    return lambda: pysyscall.epoll_wait(epoll, 5), lambda: os.write(writer, b"x"), ready


blocked_calls = pytest.mark.parametrize(
    "blocked",
    [
        *(read, read_into, readv, write, open_fifo, accept),
        *(recvfrom, sendto, splice, poll, epoll_wait),
    ],
)


@blocked_calls
def test_the_call_goes_on(blocked: Callable[[Room], Blocked], room: Room) -> None:
    """Only the third signal's handler lets it end."""
    call, unblock, expected = blocked(room)
    seen: list[int] = []

    def handler(count: int) -> None:
        seen.append(count)
        if count == 3:
            unblock()

    with alarm(0.01, handler, interval=0.01):
        assert call() == expected
    assert len(seen) >= 3


@blocked_calls
def test_an_exception_in_the_handler_ends_the_call(
    blocked: Callable[[Room], Blocked], room: Room
) -> None:
    call, unblock, expected = blocked(room)
    open_before = descriptors()

    def handler(count: int) -> None:
        raise LookupError("from the handler")

    with alarm(0.01, handler), pytest.raises(LookupError, match="from the handler"):
        call()
    assert descriptors() == open_before
    unblock()
    assert call() == expected


def test_a_buffer_is_free_again_after_an_exception(room: Room) -> None:
    reader, _ = room.pipe()
    buffers = [bytearray(4), bytearray(4)]
    with alarm(0.01, lambda _: 1 / 0), pytest.raises(ZeroDivisionError):
        pysyscall.read(reader, buffers[0])
    with alarm(0.01, lambda _: 1 / 0), pytest.raises(ZeroDivisionError):
        pysyscall.readv(reader, buffers)
    for buffer in buffers:
        buffer.clear()


def test_keyboard_interrupt_gets_through_a_blocking_read(room: Room) -> None:
    reader, _ = room.pipe()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()
    sender = threading.Timer(0.02, signal.pthread_kill, (main, signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            sender.start()
            pysyscall.read(reader, 1)
    finally:
        sender.join()
        signal.signal(signal.SIGINT, before)


def test_a_signal_to_another_thread(room: Room) -> None:
    """Python runs handlers in the main thread; the thread that was interrupted reads on."""
    reader, writer = room.pipe()
    got: list[bytes] = []
    seen: list[int] = []
    thread = threading.Thread(target=lambda: got.append(pysyscall.read(reader, 10)))
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        thread.start()
        for _ in range(3):
            time.sleep(0.01)
            assert thread.ident is not None
            signal.pthread_kill(thread.ident, signal.SIGUSR1)
        time.sleep(0.01)
        assert seen
        assert thread.is_alive()
    finally:
        os.write(writer, b"late")
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert got == [b"late"]


def until(seconds: float) -> pysyscall.Timespec:
    now = pysyscall.clock_gettime(pysyscall.CLOCK_MONOTONIC)
    return pysyscall.Timespec(*divmod(now.ns + int(seconds * 1e9), 10**9))


def epoll_alone(seconds: float) -> None:
    epoll = pysyscall.epoll_create1()
    try:
        assert pysyscall.epoll_wait(epoll, 1, int(seconds * 1000)) == []
    finally:
        os.close(epoll)


MONOTONIC, REALTIME = pysyscall.CLOCK_MONOTONIC, pysyscall.CLOCK_REALTIME
WAITS: dict[str, Callable[[float], object]] = {
    "nanosleep": pysyscall.nanosleep,
    "clock_nanosleep": lambda s: pysyscall.clock_nanosleep(MONOTONIC, 0, s),
    "clock_nanosleep on REALTIME": lambda s: pysyscall.clock_nanosleep(REALTIME, 0, s),
    "clock_nanosleep until": lambda s: pysyscall.clock_nanosleep(
        MONOTONIC, pysyscall.TIMER_ABSTIME, until(s)
    ),
    "poll": lambda s: pysyscall.poll([], int(s * 1000)),
    "epoll_wait": epoll_alone,
}
waits = pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)


@waits
def test_many_signals_keep_to_the_total_time(wait: Callable[[float], object]) -> None:
    seen: list[int] = []

    def handler(count: int) -> None:
        seen.append(count)
        assert count < 50, "the wait begins anew after each signal"

    with alarm(0.004, handler, interval=0.004):
        start = time.monotonic()
        wait(0.05)
        took = time.monotonic() - start
    assert seen
    assert 0.05 <= took < 0.12


@waits
@pytest.mark.parametrize(("wanted", "at_most"), [(0.08, 0.13), (0.06, 0.11)])
def test_the_handlers_time_counts(
    wait: Callable[[float], object], wanted: float, at_most: float
) -> None:
    """A handler that runs from 10 ms to 80 ms lengthens a wait of 80 ms not at all."""
    with alarm(0.01, lambda _: time.sleep(0.07)):
        start = time.monotonic()
        wait(wanted)
        took = time.monotonic() - start
    assert wanted <= took < at_most


@waits
def test_an_exception_in_the_handler_ends_a_wait(wait: Callable[[float], object]) -> None:
    start = time.monotonic()
    with alarm(0.01, lambda _: 1 / 0), pytest.raises(ZeroDivisionError):
        wait(60)
    assert time.monotonic() - start < 1


def full_backlog(room: Room) -> tuple[int, SockaddrUn]:
    """A socket whose connect blocks, since nobody accepts the connections before it."""
    _, address = room.listener(0)
    room.client().connect(address)
    return room.client().fileno(), SockaddrUn(address)


def test_connect_raises_after_the_handler_has_run(room: Room) -> None:
    """To repeat it would mean something else: the connection goes on in the background."""
    client, address = full_backlog(room)
    seen: list[int] = []
    with alarm(0.01, seen.append, interval=0.01):
        try:
            pysyscall.connect(client, address)
        except InterruptedError as error:
            seen_at_once = list(seen)
            assert error.errno == errno.EINTR
        else:
            pytest.fail("connect came back without an error")
    assert seen_at_once


def test_an_exception_in_the_handler_goes_before_that_of_connect(room: Room) -> None:
    client, address = full_backlog(room)
    with alarm(0.01, lambda _: 1 / 0), pytest.raises(ZeroDivisionError) as caught:
        pysyscall.connect(client, address)
    assert caught.value.__context__ is None


def always_interrupted(code: str) -> str:
    """What `code` prints in a child where all calls of pysyscall end with EINTR."""
    try:
        return python(
            "-c", f"import pysyscall, worker; worker.install_filter({errno.EINTR})\n{code}"
        )
    except AssertionError as error:
        if "no seccomp filter" in str(error):
            pytest.skip(str(error))
        raise


def test_close_is_not_repeated() -> None:
    """The kernel has closed it; repeated forever, this would never return."""
    assert always_interrupted("print(pysyscall.close(0))") == "None\n"


def test_what_is_repeated_forever_can_be_interrupted() -> None:
    code = """
import signal
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.02)
try:
    pysyscall.fstat(0)
except KeyboardInterrupt:
    print("interrupted")
"""
    assert always_interrupted(code) == "interrupted\n"
