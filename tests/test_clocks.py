"""Calls on clocks and sleep, compared with the module `time`, and those that steer a clock.

No test changes a clock: steering asks only, and setting gives times that there can't be.
"""

from __future__ import annotations

import errno
import math
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pysyscall
from pysyscall import Timespec, Timeval, Timex, Timezone, _fast

MONOTONIC, REALTIME = pysyscall.CLOCK_MONOTONIC, pysyscall.CLOCK_REALTIME
CLOCKS = sorted(name for name in dir(time) if name.startswith("CLOCK_"))


@pytest.fixture(params=[True, False], ids=["vDSO", "kernel"])
def vdso(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the vDSO and without it the answers are the same."""
    _fast._vdso(request.param)
    yield
    _fast._vdso(True)


def between(before: int, ours: int, after: int, unit: int = 1) -> bool:
    return before // unit * unit <= ours <= after


@pytest.mark.usefixtures("vdso")
@pytest.mark.parametrize("name", CLOCKS)
def test_clocks_tell_what_time_tells(name: str) -> None:
    number = getattr(time, name)
    assert getattr(pysyscall, name, number) == number
    before = time.clock_gettime_ns(number)
    told = pysyscall.clock_gettime(number)
    after = time.clock_gettime_ns(number)
    assert type(told) is Timespec
    assert between(before, told.ns, after)
    assert told.seconds == pytest.approx(told.ns / 1e9)
    assert told == (seconds := Timespec(*divmod(told.ns, 10**9))), seconds
    assert pysyscall.clock_getres(number).seconds == time.clock_getres(number)


@pytest.mark.usefixtures("vdso")
def test_the_time_of_day() -> None:
    before = time.time_ns()
    day, seconds = pysyscall.gettimeofday(), pysyscall.time()
    after = time.time_ns()
    assert type(day) is Timeval
    assert between(before, day.ns, after, 1000)
    # time(2) reads the coarse clock, which is up to a tick behind.
    assert between(before - 10**7, seconds * 10**9, after, 10**9)


@pytest.mark.usefixtures("vdso")
@pytest.mark.parametrize("call", [pysyscall.clock_gettime, pysyscall.clock_getres])
def test_an_unknown_clock(call: Callable[[int], Timespec]) -> None:
    with pytest.raises(OSError) as caught:
        call(9999)
    assert caught.value.errno == errno.EINVAL


# Sleep


def until_now(seconds: float) -> Timespec:
    ns = time.monotonic_ns() + round(seconds * 1e9)
    return Timespec(*divmod(ns, 10**9))


SLEEPS: dict[str, Callable[[Any], None]] = {
    "nanosleep": pysyscall.nanosleep,
    "clock_nanosleep": lambda t: pysyscall.clock_nanosleep(MONOTONIC, 0, t),
}
sleeps = pytest.mark.parametrize("sleep", SLEEPS.values(), ids=SLEEPS)


@sleeps
@pytest.mark.parametrize(
    ("duration", "ns"),
    [(0, 0), (0.0, 0), (0.01, 10**7), (Timespec(0, 10**7), 10**7), (1e-9, 1)],
)
def test_sleeps_at_least_so_long(sleep: Callable[[Any], None], duration: Any, ns: int) -> None:
    start = time.monotonic_ns()
    assert sleep(duration) is None
    assert time.monotonic_ns() - start >= ns


@pytest.mark.parametrize("seconds", [0.01, -5])
def test_sleeps_until_a_time(seconds: float) -> None:
    wanted = until_now(seconds)
    assert pysyscall.clock_nanosleep(MONOTONIC, pysyscall.TIMER_ABSTIME, wanted) is None
    assert time.monotonic_ns() >= wanted.ns
    pysyscall.clock_nanosleep(MONOTONIC, pysyscall.TIMER_ABSTIME, wanted.seconds)


@sleeps
@pytest.mark.parametrize("duration", [-1, -0.5, Timespec(0, -1), Timespec(0, 10**9)])
def test_no_duration(sleep: Callable[[Any], None], duration: Any) -> None:
    with pytest.raises(OSError) as caught:
        sleep(duration)
    assert caught.value.errno == errno.EINVAL


@sleeps
@pytest.mark.parametrize("duration", [math.inf, -math.inf, 1e19, 2**63])
def test_too_long(sleep: Callable[[Any], None], duration: Any) -> None:
    with pytest.raises(OverflowError, match="too many seconds"):
        sleep(duration)


@sleeps
def test_not_a_number(sleep: Callable[[Any], None]) -> None:
    with pytest.raises(ValueError, match="NaN"):
        sleep(math.nan)


@sleeps
@pytest.mark.parametrize("duration", ["1", None, (0, 1), 1j])
def test_what_is_no_duration(sleep: Callable[[Any], None], duration: Any) -> None:
    with pytest.raises(TypeError, match=r"seconds \(an int or a float\) or a Timespec"):
        sleep(duration)


@pytest.mark.parametrize(
    "sleep",
    [
        *SLEEPS.values(),
        lambda t: pysyscall.clock_nanosleep(MONOTONIC, pysyscall.TIMER_ABSTIME, until_now(t)),
    ],
    ids=[*SLEEPS, "clock_nanosleep until"],
)
def test_signals_do_not_lengthen_a_sleep(sleep: Callable[[float], None]) -> None:
    """Signals come every 5 ms, so a sleep that began anew after each would end with the last."""
    most, seen = 30, 0

    def handler(number: int, frame: object) -> None:
        nonlocal seen
        seen += 1
        if seen == most:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        start = time.monotonic_ns()
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        sleep(0.03)
        end = time.monotonic_ns()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert end - start >= 30_000_000
    assert 0 < seen < most


@sleeps
def test_an_exception_in_the_handler_ends_a_sleep(sleep: Callable[[float], None]) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            sleep(60)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_clock_that_one_cannot_sleep_on() -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.clock_nanosleep(pysyscall.CLOCK_THREAD_CPUTIME_ID, 0, 0)
    assert caught.value.errno == errno.ENOTSUP


# Steering and setting


STEERED: dict[str, Callable[..., tuple[int, Timex]]] = {
    "adjtimex": pysyscall.adjtimex,
    "clock_adjtime": lambda buf: pysyscall.clock_adjtime(REALTIME, buf),
}
steered = pytest.mark.parametrize("call", STEERED.values(), ids=STEERED)


@steered
@pytest.mark.parametrize("buf", [Timex(), (0,)], ids=["Timex", "tuple"])
def test_how_the_clock_is_steered(
    call: Callable[..., tuple[int, Timex]], buf: Timex | tuple[int]
) -> None:
    before = time.time_ns()
    state, told = call(buf)
    after = time.time_ns()
    assert state in set(pysyscall.ClockState)
    assert type(told) is Timex
    assert told.modes == 0
    # About 10 ms a tick; steering moves it by a tenth at most.
    assert 9000 <= told.tick <= 11000
    fraction = told.time.tv_usec * (1 if told.status & pysyscall.STA_NANO else 1000)
    assert before - 1000 <= told.time.tv_sec * 10**9 + fraction <= after


def test_both_calls_tell_the_same() -> None:
    (state, one), (other_state, other) = (call(Timex()) for call in STEERED.values())
    for name in ("freq", "tick", "tolerance", "precision", "constant", "tai", "status"):
        assert getattr(one, name) == getattr(other, name), name
    assert state == other_state


@steered
def test_a_tick_that_there_cannot_be(call: Callable[..., tuple[int, Timex]]) -> None:
    """Refused before anything is changed; without the right to steer it is EPERM."""
    before = pysyscall.adjtimex(Timex())[1].tick
    with pytest.raises(OSError) as caught:
        call(Timex(pysyscall.ADJ_TICK, tick=1))
    assert caught.value.errno in (errno.EINVAL, errno.EPERM)
    assert pysyscall.adjtimex(Timex())[1].tick == before


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda: pysyscall.clock_settime(REALTIME, Timespec(0, 10**9)), errno.EINVAL),
        (lambda: pysyscall.clock_settime(REALTIME, Timespec(0, -1)), errno.EINVAL),
        (lambda: pysyscall.clock_settime(REALTIME, -1), errno.EINVAL),
        (lambda: pysyscall.clock_settime(MONOTONIC, Timespec(0, -1)), errno.EINVAL),
        (lambda: pysyscall.clock_settime(9999, Timespec(0, -1)), errno.EINVAL),
        (lambda: pysyscall.settimeofday(Timeval(0, 10**6)), errno.EINVAL),
        (lambda: pysyscall.settimeofday(Timeval(0, -1), None), errno.EINVAL),
        (lambda: pysyscall.settimeofday((-1, 0)), errno.EINVAL),
        (lambda: pysyscall.settimeofday(Timeval(0, 10**6), Timezone(0, 0)), errno.EINVAL),
        (lambda: pysyscall.settimeofday(None, Timezone(16 * 60, 0)), errno.EINVAL),
        (lambda: pysyscall.clock_adjtime(9999, Timex()), errno.EINVAL),
        (lambda: pysyscall.clock_adjtime(MONOTONIC, Timex()), errno.EOPNOTSUPP),
    ],
)
def test_clocks_are_not_set(call: Callable[[], object], number: int) -> None:
    """EPERM where setting is not allowed at all."""
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno in (number, errno.EPERM)


def test_settimeofday_of_nothing() -> None:
    try:
        assert pysyscall.settimeofday() is None
    except PermissionError:
        pytest.skip("the clock must not be set")
