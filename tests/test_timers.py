"""Timers of every kind: those of a process, and those that are read from a descriptor."""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import alarms
import pytest
from isolated.child import python
from this_process import alone

import pysyscall
from pysyscall import Itimerspec, Itimerval, Sigevent, Timespec, Timeval

MONOTONIC, REALTIME = pysyscall.CLOCK_MONOTONIC, pysyscall.CLOCK_REALTIME
OFF = Itimerspec(Timespec(0, 0), Timespec(0, 0))
SIGNAL = signal.SIGRTMIN + 4


def spec(first: float, period: float = 0) -> Itimerspec:
    """A timer's setting in seconds."""
    first_ns, period_ns = round(first * 1e9), round(period * 1e9)
    return Itimerspec(Timespec(*divmod(period_ns, 10**9)), Timespec(*divmod(first_ns, 10**9)))


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The timers' signals whose handlers have run; the timers are off before and after."""
    with alarms.handled(signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF) as seen:
        yield seen


def wait_for(condition: Callable[[], object]) -> None:
    """Busy, since some timers measure processor time."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not come"


# Interval timers


@pytest.mark.parametrize(
    ("which", "number"),
    [
        (pysyscall.ITIMER_REAL, signal.SIGALRM),
        (pysyscall.ITIMER_VIRTUAL, signal.SIGVTALRM),
        (pysyscall.ITIMER_PROF, signal.SIGPROF),
    ],
)
def test_interval_timers(handled: list[int], which: int, number: int) -> None:
    off = Itimerval(Timeval(0, 0), Timeval(0, 0))
    setting = Itimerval(Timeval(0, 10_000), Timeval(0, 20_000))
    assert pysyscall.setitimer(which, setting) == off
    wait_for(lambda: len(handled) >= 2)
    running = pysyscall.getitimer(which)
    before = pysyscall.setitimer(which, off)
    for told in (running, before):
        assert told.it_interval == setting.it_interval
        assert 0 < told.it_value.seconds <= 0.02
    assert set(handled) == {number}
    assert pysyscall.getitimer(which) == off


def test_alarm(handled: list[int]) -> None:
    assert pysyscall.alarm(100) == 0
    assert 99 < pysyscall.getitimer(pysyscall.ITIMER_REAL).it_value.seconds <= 100
    assert pysyscall.alarm(1) in (99, 100)
    assert pysyscall.alarm(0) == 1
    assert pysyscall.getitimer(pysyscall.ITIMER_REAL).it_value.ns == 0
    assert handled == []


@pytest.mark.parametrize(
    "start",
    [
        "alarm(1)",
        "setitimer(0, ((0, 0), (0, 10_000)))",
        "timer_settime(pysyscall.timer_create(1), 0, ((0, 0), (0, 10_000_000)))",
    ],
)
def test_the_signal_ends_a_process_that_does_not_handle_it(start: str) -> None:
    code = f"import pysyscall\npysyscall.{start}\npysyscall.nanosleep(20)"
    with pytest.raises(AssertionError, match=f"exit status -{signal.SIGALRM.value}\n"):
        python("-c", code)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pysyscall.getitimer(99),
        lambda: pysyscall.setitimer(99, ((0, 0), (0, 0))),
        lambda: pysyscall.setitimer(0, Itimerval(Timeval(0, 0), Timeval(0, 10**6))),
        lambda: pysyscall.setitimer(0, Itimerval(Timeval(0, 0), Timeval(-1, 0))),
    ],
)
def test_refused_interval_timers(handled: list[int], call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == errno.EINVAL


# A process's timers


@pytest.fixture
def make() -> Iterator[Callable[..., int]]:
    """Makes timers, which are deleted when the test ends; their signal is blocked."""
    alone()
    timers: list[int] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [SIGNAL])

    def timer_create(*arguments: Any) -> int:
        timers.append(pysyscall.timer_create(*arguments))
        return timers[-1]

    yield timer_create
    for timer in timers:
        pysyscall.timer_delete(timer)
    while signal.sigtimedwait([SIGNAL], 0) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


BY_SIGNAL = Sigevent(pysyscall.SIGEV_SIGNAL, SIGNAL, 0x1234_5678_9ABC_DEF0)


@pytest.mark.parametrize("clock", [REALTIME, MONOTONIC, pysyscall.CLOCK_PROCESS_CPUTIME_ID])
def test_a_timer(make: Callable[..., int], clock: int) -> None:
    timer = make(clock, BY_SIGNAL)
    assert pysyscall.timer_gettime(timer) == OFF
    assert pysyscall.timer_settime(timer, 0, spec(100, 50)) == OFF
    told = pysyscall.timer_gettime(timer)
    assert told.it_interval == Timespec(50, 0)
    assert 99 < told.it_value.seconds <= 100
    before = pysyscall.timer_settime(timer, 0, spec(0.01))
    assert before.it_interval == Timespec(50, 0)
    assert 99 < before.it_value.seconds <= 100
    wait_for(lambda: SIGNAL in signal.sigpending())
    info = signal.sigwaitinfo([SIGNAL])
    assert (info.si_signo, info.si_code) == (SIGNAL, pysyscall.SI_TIMER)
    assert pysyscall.timer_gettime(timer) == OFF


def test_a_timer_until_a_time(make: Callable[..., int]) -> None:
    timer = make(MONOTONIC, BY_SIGNAL)
    now = time.clock_gettime(MONOTONIC)
    pysyscall.timer_settime(timer, pysyscall.TIMER_ABSTIME, spec(now + 100))
    assert 99 < pysyscall.timer_gettime(timer).it_value.seconds <= 100
    pysyscall.timer_settime(timer, pysyscall.TIMER_ABSTIME, spec(now + 0.02))
    assert signal.sigtimedwait([SIGNAL], 20) is not None
    assert time.clock_gettime(MONOTONIC) >= now + 0.02


def test_overruns(make: Callable[..., int]) -> None:
    timer = make(MONOTONIC, BY_SIGNAL)
    assert pysyscall.timer_getoverrun(timer) == 0
    pysyscall.timer_settime(timer, 0, spec(0.001, 0.001))
    time.sleep(0.03)
    assert signal.sigtimedwait([SIGNAL], 20) is not None
    assert pysyscall.timer_getoverrun(timer) >= 20
    pysyscall.timer_settime(timer, 0, OFF)


def test_a_timer_that_tells_nothing(make: Callable[..., int]) -> None:
    timer = make(MONOTONIC, (pysyscall.SIGEV_NONE,))
    pysyscall.timer_settime(timer, 0, spec(0.001))
    wait_for(lambda: pysyscall.timer_gettime(timer) == OFF)
    assert SIGNAL not in signal.sigpending()


def test_a_timer_of_one_thread(make: Callable[..., int]) -> None:
    notify = pysyscall.SIGEV_SIGNAL | pysyscall.SIGEV_THREAD_ID
    event = Sigevent(notify, SIGNAL, 5, sigev_notify_thread_id=threading.get_native_id())
    timer = make(MONOTONIC, event)
    pysyscall.timer_settime(timer, 0, spec(0.001))
    wait_for(lambda: SIGNAL in signal.sigpending())
    of_thread: list[set[int]] = []
    thread = threading.Thread(target=lambda: of_thread.append(pysyscall.rt_sigpending()))
    thread.start()
    thread.join()
    assert of_thread == [set()]


def test_a_timer_without_an_event_sends_sigalrm(
    make: Callable[..., int], handled: list[int]
) -> None:
    pysyscall.timer_settime(make(MONOTONIC), 0, spec(0.001))
    wait_for(lambda: handled)
    assert handled == [signal.SIGALRM]


def test_a_deleted_timer() -> None:
    timer = pysyscall.timer_create(MONOTONIC, Sigevent(pysyscall.SIGEV_NONE))
    assert pysyscall.timer_delete(timer) is None
    for call in (
        pysyscall.timer_delete,
        pysyscall.timer_gettime,
        pysyscall.timer_getoverrun,
        lambda timer: pysyscall.timer_settime(timer, 0, OFF),
    ):
        with pytest.raises(OSError) as caught:
            call(timer)
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    "call",
    [
        lambda timer: pysyscall.timer_create(9999),
        lambda timer: pysyscall.timer_create(MONOTONIC, Sigevent(99)),
        lambda timer: pysyscall.timer_create(MONOTONIC, Sigevent(pysyscall.SIGEV_SIGNAL, 65)),
        lambda timer: pysyscall.timer_settime(timer, 0, Itimerspec(Timespec(0, 0), (0, 10**9))),
        lambda timer: pysyscall.timer_settime(timer, 0, ((0, 0), (0, -1))),
    ],
)
def test_refused_timers(make: Callable[..., int], call: Callable[[int], object]) -> None:
    timer = make(MONOTONIC, (pysyscall.SIGEV_NONE,))
    with pytest.raises(OSError) as caught:
        call(timer)
    assert caught.value.errno == errno.EINVAL


# Timers that are read from a descriptor

CLOCKS = [REALTIME, MONOTONIC, pysyscall.CLOCK_BOOTTIME]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_timerfd(keep: Callable[[int], int], clock: int) -> None:
    fd = keep(pysyscall.timerfd_create(clock))
    assert pysyscall.timerfd_gettime(fd) == OFF
    start = time.clock_gettime(clock)
    assert pysyscall.timerfd_settime(fd, 0, spec(0.02, 30)) == OFF
    assert pysyscall.read(fd, 8) == (1).to_bytes(8, "little")
    assert time.clock_gettime(clock) - start >= 0.02
    told = pysyscall.timerfd_gettime(fd)
    before = pysyscall.timerfd_settime(fd, 0, OFF)
    for each in (told, before):
        assert each.it_interval == Timespec(30, 0)
        assert 29 < each.it_value.seconds <= 30
    assert pysyscall.timerfd_gettime(fd) == OFF


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_timerfd_until_a_time(keep: Callable[[int], int], clock: int) -> None:
    fd = keep(pysyscall.timerfd_create(clock))
    now = time.clock_gettime(clock)
    pysyscall.timerfd_settime(fd, pysyscall.TFD_TIMER_ABSTIME, spec(now - 1))
    assert pysyscall.read(fd, 8) == (1).to_bytes(8, "little")
    pysyscall.timerfd_settime(fd, pysyscall.TFD_TIMER_ABSTIME, spec(now + 100))
    assert 99 < pysyscall.timerfd_gettime(fd).it_value.seconds <= 100


def test_a_timerfd_counts(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.timerfd_create(MONOTONIC, pysyscall.TFD_NONBLOCK))
    with pytest.raises(BlockingIOError):
        pysyscall.read(fd, 8)
    pysyscall.timerfd_settime(fd, 0, ((0, 1_000_000), (0, 1)))
    time.sleep(0.02)
    assert select.select([fd], [], [], 0)[0] == [fd]
    assert int.from_bytes(pysyscall.read(fd, 8), "little") >= 15


@pytest.mark.parametrize(
    ("flags", "blocking", "inheritable"),
    [(0, True, True), (pysyscall.TFD_NONBLOCK, False, True), (pysyscall.TFD_CLOEXEC, True, False)],
)
def test_flags_of_timerfd(
    keep: Callable[[int], int], flags: int, blocking: bool, inheritable: bool
) -> None:
    fd = keep(pysyscall.timerfd_create(MONOTONIC, flags))
    assert (os.get_blocking(fd), os.get_inheritable(fd)) == (blocking, inheritable)


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda fd, file: pysyscall.timerfd_create(9999), errno.EINVAL),
        (lambda fd, file: pysyscall.timerfd_create(MONOTONIC, 1), errno.EINVAL),
        (lambda fd, file: pysyscall.timerfd_settime(fd, 1 << 20, OFF), errno.EINVAL),
        (lambda fd, file: pysyscall.timerfd_settime(fd, 0, ((0, 0), (0, -1))), errno.EINVAL),
        (lambda fd, file: pysyscall.timerfd_settime(file, 0, OFF), errno.EINVAL),
        (lambda fd, file: pysyscall.timerfd_settime(-1, 0, OFF), errno.EBADF),
        (lambda fd, file: pysyscall.timerfd_gettime(file), errno.EINVAL),
        (lambda fd, file: pysyscall.timerfd_gettime(-1), errno.EBADF),
    ],
)
def test_refused_timerfds(
    keep: Callable[[int], int], call: Callable[[int, int], object], number: int
) -> None:
    fd = keep(pysyscall.timerfd_create(MONOTONIC))
    file = keep(os.open(os.devnull, os.O_RDONLY))
    with pytest.raises(OSError) as caught:
        call(fd, file)
    assert caught.value.errno == number
