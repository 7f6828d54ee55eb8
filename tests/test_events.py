"""Calls that wait for events: eventfd2, epoll, poll, and how time-outs and signals end a wait."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from alarms import Interrupted, alarm, alarms, interrupt

import pysyscall
from pysyscall import EPOLLIN, EPOLLOUT, POLLIN, POLLOUT, EpollEvent, PollFd, Timespec

NUMBER = (2**64 - 1) // 3


@pytest.fixture
def epfd(keep: Callable[[int], int]) -> int:
    return keep(pysyscall.epoll_create1())


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
    wait: Callable[[int | None], int], pipe: tuple[int, int], timeout: int | None
) -> None:
    """The event comes from a signal's handler, so the wait goes on after the signal too."""
    with alarm(0.01, lambda _: os.write(pipe[1], b"x")):
        assert wait(timeout) == 1


def test_signals_do_not_lengthen_a_wait(wait: Callable[[int | None], int]) -> None:
    """Signals come every 5 ms, so a wait that began anew after each would end with the last."""
    most = 30

    def end(count: int) -> None:
        if count == most:
            signal.setitimer(signal.ITIMER_REAL, 0)

    start = time.monotonic()
    with alarms(0.005, end) as seen:
        assert wait(30) == 0
        assert time.monotonic() - start >= 0.03
    assert 0 < len(seen) < most


def test_an_exception_in_the_handler_ends_the_wait(wait: Callable[[int | None], int]) -> None:
    with alarm(0.01, interrupt), pytest.raises(Interrupted):
        wait(None)


# Older ways to make descriptors

USR1 = signal.SIGUSR1


def test_eventfd_has_no_flags(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.eventfd(2**32 - 1))
    assert os.get_blocking(fd)
    assert os.get_inheritable(fd)
    assert int.from_bytes(os.read(fd, 8), "little") == 2**32 - 1


@pytest.mark.parametrize("make", [pysyscall.epoll_create, lambda: pysyscall.epoll_create(77)])
def test_epoll_create(keep: Callable[[int], int], make: Callable[[], int]) -> None:
    fd = keep(make())
    assert os.get_inheritable(fd)
    counter = keep(pysyscall.eventfd2(1))
    pysyscall.epoll_ctl(fd, pysyscall.EPOLL_CTL_ADD, counter, (EPOLLIN, 5))
    assert pysyscall.epoll_wait(fd, 1, 0) == [EpollEvent(EPOLLIN, 5)]


@pytest.mark.parametrize(
    ("make", "blocking", "inheritable"),
    [
        (lambda: pysyscall.inotify_init(), True, True),
        (lambda: pysyscall.inotify_init1(), True, True),
        (lambda: pysyscall.inotify_init1(pysyscall.IN_NONBLOCK), False, True),
        (lambda: pysyscall.inotify_init1(pysyscall.IN_CLOEXEC), True, False),
    ],
)
def test_flags_of_inotify(
    keep: Callable[[int], int], make: Callable[[], int], blocking: bool, inheritable: bool
) -> None:
    fd = keep(make())
    assert (os.get_blocking(fd), os.get_inheritable(fd)) == (blocking, inheritable)


# epoll with a mask


@pytest.fixture(params=["epoll_pwait", "epoll_pwait2"])
def pwait(request: pytest.FixtureRequest) -> Callable[..., list[EpollEvent]]:
    """One of the two calls, with the time in seconds."""
    if request.param == "epoll_pwait2":
        return pysyscall.epoll_pwait2

    def in_milliseconds(
        epfd: int, most: int, seconds: float | None = None, sigmask: Any = None
    ) -> list[EpollEvent]:
        timeout = None if seconds is None else round(seconds * 1000)
        return pysyscall.epoll_pwait(epfd, most, timeout, sigmask)

    return in_milliseconds


@pytest.fixture
def watched(keep: Callable[[int], int]) -> tuple[int, int]:
    """An epoll instance, and an eventfd that it watches."""
    epfd, counter = keep(pysyscall.epoll_create1()), keep(pysyscall.eventfd2(0))
    pysyscall.epoll_ctl(epfd, pysyscall.EPOLL_CTL_ADD, counter, (EPOLLIN, 9))
    return epfd, counter


@pytest.mark.parametrize("rest", [(), (60,), (60, [USR1]), (None, set()), (0, None)])
def test_events_of_pwait(
    pwait: Callable[..., list[EpollEvent]], watched: tuple[int, int], rest: tuple[Any, ...]
) -> None:
    os.eventfd_write(watched[1], 1)
    assert pwait(watched[0], 5, *rest) == [EpollEvent(EPOLLIN, 9)]


@pytest.mark.parametrize("mask", [None, [], [USR1]])
def test_the_time_of_pwait_runs_out(
    pwait: Callable[..., list[EpollEvent]], watched: tuple[int, int], mask: list[int] | None
) -> None:
    start = time.monotonic()
    assert pwait(watched[0], 5, 0.02, mask) == []
    assert time.monotonic() - start >= 0.02


def test_a_timespec_is_a_time_out(watched: tuple[int, int]) -> None:
    start = time.monotonic_ns()
    assert pysyscall.epoll_pwait2(watched[0], 1, Timespec(0, 2_500_000)) == []
    assert time.monotonic_ns() - start >= 2_500_000
    with pytest.raises(OSError) as caught:
        pysyscall.epoll_pwait2(watched[0], 1, Timespec(0, 10**9))
    assert caught.value.errno == errno.EINVAL


def test_a_signal_that_the_mask_lets_through_raises(
    pwait: Callable[..., list[EpollEvent]], watched: tuple[int, int], held_back: list[int]
) -> None:
    signal.raise_signal(USR1)
    assert held_back == []
    with pytest.raises(InterruptedError):
        pwait(watched[0], 5, 60, [signal.SIGUSR2])
    assert held_back == [USR1]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) >= {USR1}, "the mask before is back"
    assert signal.SIGUSR2 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_signal_that_the_mask_blocks_waits(
    pwait: Callable[..., list[EpollEvent]], watched: tuple[int, int], held_back: list[int]
) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    signal.raise_signal(USR1)
    assert pwait(watched[0], 5, 0.03, iter([USR1, signal.SIGALRM])) == []
    assert USR1 not in held_back
    assert signal.sigpending() >= {USR1}
    assert signal.sigtimedwait([USR1], 0) is not None


def test_each_signal_raises_where_there_is_a_mask(
    pwait: Callable[..., list[EpollEvent]], watched: tuple[int, int], held_back: list[int]
) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    with pytest.raises(InterruptedError):
        pwait(watched[0], 5, 60, [])
    assert set(held_back) == {signal.SIGALRM}


def test_without_a_mask_the_wait_goes_on(
    pwait: Callable[..., list[EpollEvent]], watched: tuple[int, int], held_back: list[int]
) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    start = time.monotonic()
    assert pwait(watched[0], 5, 0.1) == []
    assert 0.1 <= time.monotonic() - start < 5
    assert len(held_back) > 1


def test_the_handlers_exception_goes_first(
    pwait: Callable[..., list[EpollEvent]], watched: tuple[int, int], held_back: list[int]
) -> None:
    signal.signal(USR1, lambda number, frame: 1 / 0)
    signal.raise_signal(USR1)
    with pytest.raises(ZeroDivisionError) as caught:
        pwait(watched[0], 5, 60, [])
    assert caught.value.__context__ is None
