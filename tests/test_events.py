"""Calls that wait for events: eventfd2, epoll, poll, and how time-outs and signals end a wait."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pysyscall
from pysyscall import EPOLLIN, EPOLLOUT, POLLIN, POLLOUT, EpollEvent, PollFd

NUMBER = (2**64 - 1) // 3


@pytest.fixture
def pipe(keep: Callable[[int], int]) -> tuple[int, int]:
    reader, writer = os.pipe()
    return keep(reader), keep(writer)


@pytest.fixture
def epfd(keep: Callable[[int], int]) -> int:
    return keep(pysyscall.epoll_create1())


@pytest.fixture
def alarm() -> Iterator[Callable[..., None]]:
    """Lets a signal's handler call a function in so many seconds, once or again and again."""
    action: list[Callable[[], object]] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: action[0]())

    def start(seconds: float, function: Callable[[], object], interval: float = 0) -> None:
        action.append(function)
        signal.setitimer(signal.ITIMER_REAL, seconds, interval)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def eight(number: int) -> bytes:
    return number.to_bytes(8, "little")


# eventfd2


def test_eventfd_counts(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.eventfd2(3))
    pysyscall.write(fd, eight(4))
    assert pysyscall.read(fd, 8) == eight(7)
    assert pysyscall.poll([(fd, POLLIN)], 0) == []


def test_eventfd_as_a_semaphore(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.eventfd2(2, pysyscall.EFD_SEMAPHORE | pysyscall.EFD_NONBLOCK))
    assert [pysyscall.read(fd, 8) for _ in range(2)] == [eight(1)] * 2
    with pytest.raises(BlockingIOError):
        pysyscall.read(fd, 8)


@pytest.mark.parametrize(
    ("make", "cloexec"),
    [
        (lambda: pysyscall.eventfd2(0), False),
        (lambda: pysyscall.eventfd2(0, pysyscall.EFD_CLOEXEC), True),
        (lambda: pysyscall.epoll_create1(), False),
        (lambda: pysyscall.epoll_create1(pysyscall.EPOLL_CLOEXEC), True),
    ],
)
def test_flags_are_those_asked_for(
    keep: Callable[[int], int], make: Callable[[], int], cloexec: bool
) -> None:
    assert bool(fcntl.fcntl(keep(make()), fcntl.F_GETFD)) == cloexec


# epoll


def test_epoll_gives_back_the_events_and_the_data(epfd: int, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    add = pysyscall.EPOLL_CTL_ADD
    assert pysyscall.epoll_ctl(epfd, add, reader, EpollEvent(EPOLLIN, NUMBER)) is None
    pysyscall.epoll_ctl(epfd, add, writer, (EPOLLOUT, 2))
    assert pysyscall.epoll_wait(epfd, 10, 0) == [EpollEvent(EPOLLOUT, 2)]
    os.write(writer, b"x")
    told = pysyscall.epoll_wait(epfd, 10)
    assert sorted(told, key=tuple) == [EpollEvent(EPOLLIN, NUMBER), EpollEvent(EPOLLOUT, 2)]
    assert len(pysyscall.epoll_wait(epfd, 1, timeout=None)) == 1

    pysyscall.epoll_ctl(epfd, pysyscall.EPOLL_CTL_MOD, writer, EpollEvent(0, 3))
    pysyscall.epoll_ctl(epfd, pysyscall.EPOLL_CTL_DEL, reader)
    pysyscall.epoll_ctl(epfd, pysyscall.EPOLL_CTL_DEL, writer, None)
    assert pysyscall.epoll_wait(epfd, 10, 0) == []


def test_epoll_tells_many_events(epfd: int, keep: Callable[[int], int]) -> None:
    """More than fit in the room that the call keeps on the stack."""
    fd = keep(pysyscall.eventfd2(1))
    numbers = set(range(400))
    for number in numbers:
        pysyscall.epoll_ctl(epfd, pysyscall.EPOLL_CTL_ADD, keep(os.dup(fd)), (EPOLLIN, number))
    assert {event.data for event in pysyscall.epoll_wait(epfd, 1000, 0)} == numbers


def test_epoll_takes_objects_with_fileno(keep: Callable[[int], int]) -> None:
    class Owner:
        def __init__(self, fd: int) -> None:
            self.fd = keep(fd)

        def fileno(self) -> int:
            return self.fd

    ep, event = Owner(pysyscall.epoll_create1()), Owner(pysyscall.eventfd2(1))
    pysyscall.epoll_ctl(ep, pysyscall.EPOLL_CTL_ADD, event, EpollEvent(EPOLLIN))
    assert pysyscall.epoll_wait(ep, 1, 0) == [EpollEvent(EPOLLIN, 0)]


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda ep, fd: pysyscall.epoll_ctl(ep, 1, ep, (EPOLLIN, 0)), errno.EINVAL),
        (lambda ep, fd: pysyscall.epoll_ctl(ep, 2, fd), errno.ENOENT),
        (lambda ep, fd: pysyscall.epoll_ctl(ep, 1, fd, None), errno.EFAULT),
        (lambda ep, fd: pysyscall.epoll_ctl(ep, 99, fd, (0, 0)), errno.EINVAL),
        (lambda ep, fd: pysyscall.epoll_ctl(fd, 1, fd, (0, 0)), errno.EINVAL),
        (lambda ep, fd: pysyscall.epoll_ctl(ep, 1, -1, (0, 0)), errno.EBADF),
        (lambda ep, fd: pysyscall.epoll_wait(fd, 1, 0), errno.EINVAL),
        (lambda ep, fd: pysyscall.epoll_wait(ep, 0, 0), errno.EINVAL),
        (lambda ep, fd: pysyscall.epoll_create1(1), errno.EINVAL),
        (lambda ep, fd: pysyscall.eventfd2(0, 2), errno.EINVAL),
    ],
)
def test_refusals(
    epfd: int, pipe: tuple[int, int], call: Callable[[int, int], object], number: int
) -> None:
    with pytest.raises(OSError) as caught:
        call(epfd, pipe[0])
    assert caught.value.errno == number


# poll


def test_poll_tells_those_that_are_ready(pipe: tuple[int, int], keep: Callable[[int], int]) -> None:
    reader, writer = pipe
    waiting = PollFd(reader, POLLIN)
    fds = [waiting, PollFd(writer, POLLOUT)]
    assert pysyscall.poll(fds, 0) == [PollFd(writer, POLLOUT, POLLOUT)]
    os.write(writer, b"x")
    assert [tuple(told) for told in pysyscall.poll(fds, None)] == [
        (reader, POLLIN, POLLIN),
        (writer, POLLOUT, POLLOUT),
    ]
    assert waiting == PollFd(reader, POLLIN, 0), "the caller's structs don't change"


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_poll_takes_structs_and_tuples(pipe: tuple[int, int], kind: Callable[[Any], Any]) -> None:
    class Owner:
        def fileno(self) -> int:
            return pipe[1]

    fds = kind([(pipe[1], POLLOUT), PollFd(Owner(), POLLOUT), (Owner(), POLLOUT, 5), (-1, POLLIN)])
    told = pysyscall.poll(fds)
    assert told == [PollFd(pipe[1], POLLOUT, POLLOUT)] * 3


def test_poll_tells_of_closed_ends_and_bad_descriptors(keep: Callable[[int], int]) -> None:
    reader, writer = os.pipe()
    keep(reader)
    os.close(writer)
    told = pysyscall.poll([(reader, 0), (99999, POLLIN)], 0)
    assert [each.revents for each in told] == [pysyscall.POLLHUP, pysyscall.POLLNVAL]


def test_poll_of_many(pipe: tuple[int, int]) -> None:
    fds = [(pipe[1], POLLOUT)] * 1000
    assert len(pysyscall.poll(fds, 0)) == 1000


def test_poll_of_none_waits() -> None:
    start = time.monotonic()
    assert pysyscall.poll([], 10) == []
    assert time.monotonic() - start >= 0.01


# How a wait ends


@pytest.fixture(params=["poll", "epoll_wait"])
def wait(
    request: pytest.FixtureRequest, epfd: int, pipe: tuple[int, int]
) -> Callable[[int | None], int]:
    """Waits until the pipe can be read; tells how many events there were."""
    pysyscall.epoll_ctl(epfd, pysyscall.EPOLL_CTL_ADD, pipe[0], (EPOLLIN, 0))
    if request.param == "poll":
        return lambda timeout: len(pysyscall.poll([(pipe[0], POLLIN)], timeout))
    return lambda timeout: len(pysyscall.epoll_wait(epfd, 1, timeout))


def test_the_time_runs_out(wait: Callable[[int | None], int]) -> None:
    start = time.monotonic()
    assert wait(10) == 0
    assert time.monotonic() - start >= 0.01


@pytest.mark.parametrize("timeout", [None, -1, -5, 60_000])
def test_an_event_ends_the_wait(
    wait: Callable[[int | None], int],
    pipe: tuple[int, int],
    alarm: Callable[..., None],
    timeout: int | None,
) -> None:
    """The event comes from a signal's handler, so the wait goes on after the signal too."""
    alarm(0.01, lambda: os.write(pipe[1], b"x"))
    assert wait(timeout) == 1


def test_signals_do_not_lengthen_a_wait(
    wait: Callable[[int | None], int], alarm: Callable[..., None]
) -> None:
    """Signals come every 5 ms, so a wait that began anew after each would end with the last."""
    most, seen = 30, 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == most:
            signal.setitimer(signal.ITIMER_REAL, 0)

    start = time.monotonic()
    alarm(0.005, count, interval=0.005)
    assert wait(30) == 0
    assert time.monotonic() - start >= 0.03
    assert 0 < seen < most


def test_an_exception_in_the_handler_ends_the_wait(
    wait: Callable[[int | None], int], alarm: Callable[..., None]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        alarm(0.01, interrupt)
        wait(None)
