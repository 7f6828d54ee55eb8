"""Futexes: threads that wait on a word, and those who wake them."""

from __future__ import annotations

import errno
import threading
import time
from array import array
from collections.abc import Callable
from typing import Any

import pytest

import pysyscall
from pysyscall import (
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    FUTEX2_PRIVATE,
    FUTEX2_SIZE_U8,
    FUTEX2_SIZE_U32,
    FUTEX_32,
    FutexWaitv,
    Timespec,
)


def lacks(call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError as error:
        return error.errno == errno.ENOSYS
    return False


needs_futex2 = pytest.mark.skipif(
    lacks(lambda: pysyscall.futex_wake(0)), reason="the kernel has no futex_wake"
)
needs_waitv = pytest.mark.skipif(
    lacks(lambda: pysyscall.futex_waitv([])), reason="the kernel has no futex_waitv"
)


needs_requeue = pytest.mark.skipif(
    lacks(lambda: pysyscall.futex_requeue([FutexWaitv(), FutexWaitv()], 0, 0, 0)),
    reason="the kernel has no futex_requeue",
)


class Word:
    """A 32-bit word, and its address."""

    def __init__(self, value: int = 0) -> None:
        self.cell = array("I", [value])
        self.address, _ = self.cell.buffer_info()


def waiting(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """A thread that makes the call, and the list where the result will be."""
    told: list[object] = []
    thread = threading.Thread(target=lambda: told.append(call()), daemon=True)
    thread.start()
    return thread, told


def wake(count: int, address: int, *arguments: int) -> int:
    """Wakes until `count` waiters, which may still be on their way, were woken."""
    woken = 0
    until = time.monotonic() + 10
    while woken < count and time.monotonic() < until:
        woken += pysyscall.futex_wake(address, *arguments)
        time.sleep(0.001)
    return woken


@needs_futex2
@pytest.mark.parametrize("flags", [FUTEX2_SIZE_U32, FUTEX2_SIZE_U32 | FUTEX2_PRIVATE])
@pytest.mark.parametrize("until", [lambda: None, lambda: time.monotonic() + 60])
def test_futex_wake_wakes_one_that_waits(flags: int, until: Callable[[], Any]) -> None:
    timeout = until()
    word = Word(7)
    mask = pysyscall.FUTEX_BITSET_MATCH_ANY
    thread, told = waiting(lambda: pysyscall.futex_wait(word.address, 7, mask, flags, timeout))
    assert wake(1, word.address, mask, 1, flags) == 1
    thread.join(10)
    assert told == [None]
    assert pysyscall.futex_wake(word.address, mask, 1, flags) == 0


@needs_futex2
def test_futex_wake_wakes_as_many_as_asked_for() -> None:
    word = Word()
    threads = [waiting(lambda: pysyscall.futex_wait(word.address, 0))[0] for _ in range(5)]
    time.sleep(0.05)
    assert wake(2, word.address, pysyscall.FUTEX_BITSET_MATCH_ANY, 2) == 2
    time.sleep(0.05)
    assert sum(thread.is_alive() for thread in threads) == 3
    assert wake(3, word.address, pysyscall.FUTEX_BITSET_MATCH_ANY, 2**31 - 1) == 3
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


@needs_futex2
def test_a_wake_is_for_those_who_share_a_bit_with_its_mask() -> None:
    word = Word()
    thread, told = waiting(lambda: pysyscall.futex_wait(word.address, 0, 0b110))
    time.sleep(0.05)
    assert pysyscall.futex_wake(word.address, 0b1001, 1) == 0
    assert thread.is_alive()
    assert wake(1, word.address, 0b0100, 1) == 1
    thread.join(10)
    assert told == [None]


@needs_futex2
def test_a_word_with_another_value_is_not_waited_on() -> None:
    with pytest.raises(BlockingIOError):
        pysyscall.futex_wait(Word(1).address, 2)


UNTIL = [
    (CLOCK_MONOTONIC, lambda: time.monotonic() + 0.05),
    (CLOCK_REALTIME, lambda: time.time() + 0.05),
    (CLOCK_MONOTONIC, lambda: Timespec(*divmod(time.monotonic_ns() + 50_000_000, 10**9))),
    (CLOCK_MONOTONIC, lambda: 0),
]


def seconds(timeout: float | Timespec) -> float:
    if isinstance(timeout, Timespec):
        return timeout.tv_sec + timeout.tv_nsec / 1e9
    return timeout


@needs_futex2
@pytest.mark.parametrize(("clock", "until"), UNTIL)
def test_futex_wait_ends_at_a_time(clock: int, until: Callable[[], Any]) -> None:
    word, timeout = Word(), until()
    with pytest.raises(TimeoutError):
        pysyscall.futex_wait(word.address, 0, timeout=timeout, clockid=clock)
    assert time.clock_gettime(clock) >= seconds(timeout) - 1e-6


@needs_waitv
@pytest.mark.parametrize(("clock", "until"), UNTIL)
def test_futex_waitv_ends_at_a_time(clock: int, until: Callable[[], Any]) -> None:
    words, timeout = [Word(), Word()], until()
    waiters = [FutexWaitv(0, word.address, FUTEX_32) for word in words]
    with pytest.raises(TimeoutError):
        pysyscall.futex_waitv(waiters, timeout=timeout, clockid=clock)
    assert time.clock_gettime(clock) >= seconds(timeout) - 1e-6


@needs_waitv
@needs_futex2
@pytest.mark.parametrize("count", [1, 2, 128])
@pytest.mark.parametrize("kind", [FutexWaitv, lambda *fields: fields])
def test_futex_waitv_tells_which_was_woken(count: int, kind: Callable[..., Any]) -> None:
    words = [Word(index) for index in range(count)]
    waiters = [kind(index, words[index].address, FUTEX_32) for index in range(count)]
    for index in {0, count // 2, count - 1}:
        thread, told = waiting(lambda: pysyscall.futex_waitv(waiters))
        assert wake(1, words[index].address) == 1
        thread.join(10)
        assert told == [index]


@needs_waitv
def test_futex_waitv_expects_all_values() -> None:
    words = [Word(1), Word(2)]
    waiters = [FutexWaitv(1, word.address, FUTEX_32) for word in words]
    with pytest.raises(BlockingIOError):
        pysyscall.futex_waitv(waiters, timeout=0)


WORD = Word()


@needs_waitv
@needs_futex2
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pysyscall.futex_wait(WORD.address, 0, mask=0), errno.EINVAL),
        (lambda: pysyscall.futex_wait(WORD.address, 0, flags=FUTEX2_SIZE_U8), errno.EINVAL),
        (lambda: pysyscall.futex_wait(WORD.address, 2**32), errno.EINVAL),
        (lambda: pysyscall.futex_wait(WORD.address + 1, 0), errno.EINVAL),
        (lambda: pysyscall.futex_wait(8, 0), errno.EFAULT),
        (lambda: pysyscall.futex_wait(WORD.address, 0, timeout=0, clockid=9), errno.EINVAL),
        (lambda: pysyscall.futex_wake(WORD.address + 2), errno.EINVAL),
        (lambda: pysyscall.futex_wake(WORD.address, 0), errno.EINVAL),
        (lambda: pysyscall.futex_wake(WORD.address, flags=1 << 20), errno.EINVAL),
        (lambda: pysyscall.futex_waitv([]), errno.EINVAL),
        (lambda: pysyscall.futex_waitv([(0, WORD.address, 2)] * 129), errno.EINVAL),
        (lambda: pysyscall.futex_waitv([(0, WORD.address, 2)], 1), errno.EINVAL),
        (lambda: pysyscall.futex_waitv([(0, 8, 2)]), errno.EFAULT),
    ],
)
def test_refusals(call: Callable[[], object], error: int) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == error


# futex_requeue


@needs_requeue
def test_requeue_hands_waiters_on() -> None:
    """Three that wait on the first word are handed on to the second, and two of them back."""
    first, second = Word(5), Word(7)
    pairs = [waiting(lambda: pysyscall.futex_wait(first.address, 5)) for _ in range(3)]
    flags = FUTEX2_SIZE_U32
    waiters = [FutexWaitv(5, first.address, flags), (7, second.address, flags)]
    moved = 0
    until = time.monotonic() + 60
    while moved < 3 and time.monotonic() < until:
        moved += pysyscall.futex_requeue(waiters, 0, 0, 2**31 - 1)
    assert moved == 3
    assert pysyscall.futex_wake(first.address, nr=10) == 0
    back = list(reversed(waiters))
    assert pysyscall.futex_requeue(back, 0, nr_wake=1, nr_requeue=1) == 2
    assert pysyscall.futex_wake(second.address, nr=10) == 1
    assert pysyscall.futex_wake(first.address, nr=10) == 1
    for thread, told in pairs:
        thread.join(60)
        assert told == [None]


@needs_requeue
@pytest.mark.parametrize(("value", "flags", "number"), [(4, 0, errno.EAGAIN), (5, 1, errno.EINVAL)])
def test_refusals_of_requeue(value: int, flags: int, number: int) -> None:
    word = Word(5)
    waiter = FutexWaitv(value, word.address, FUTEX2_SIZE_U32)
    with pytest.raises(OSError) as caught:
        pysyscall.futex_requeue([waiter, waiter], flags, 1, 1)
    assert caught.value.errno == number


@pytest.mark.parametrize("count", [0, 1, 3])
def test_requeue_takes_two(count: int) -> None:
    """The kernel reads two without being told a length."""
    with pytest.raises(
        ValueError, match=rf"futex_requeue\(\) argument 'waiters' must hold 2 items, not {count}"
    ):
        pysyscall.futex_requeue([FutexWaitv()] * count, 0, 1, 1)
