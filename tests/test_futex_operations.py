"""The operations of futex against the real kernel."""

from __future__ import annotations

import errno
import signal
import struct
import threading
import time
from ctypes import addressof, c_char
from typing import Any

import pytest

from pysyscall import Timespec, flags, futex, futex_op


class Futex:
    """Two words of memory."""

    def __init__(self, *values: int) -> None:
        self.memory = bytearray(struct.pack("2I", *values))
        self.address = addressof(c_char.from_buffer(self.memory))

    @property
    def words(self) -> tuple[int, ...]:
        return struct.unpack("2I", self.memory)


def waiting(futex_: Futex, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=futex, args=(futex_.address, *args))
    thread.start()
    time.sleep(0.05)
    return thread


def test_waiting_and_waking() -> None:
    word = Futex(5, 0)
    with pytest.raises(BlockingIOError):
        futex(word.address, flags.FUTEX_WAIT, 4, None)
    assert futex(word.address, flags.FUTEX_WAKE, 1) == 0
    private = flags.FUTEX_WAIT | flags.FUTEX_PRIVATE_FLAG
    threads = [waiting(word, private, 5) for _ in range(3)]
    assert futex(word.address, flags.FUTEX_WAKE | flags.FUTEX_PRIVATE_FLAG, 2) == 2
    time.sleep(0.05)
    assert sum(thread.is_alive() for thread in threads) == 1
    assert futex(word.address, flags.FUTEX_WAKE | flags.FUTEX_PRIVATE_FLAG, 9) == 1
    for thread in threads:
        thread.join()


def test_time_outs() -> None:
    word = Futex(0, 0)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        futex(word.address, flags.FUTEX_WAIT, 0, 0.1)
    assert 0.1 <= time.monotonic() - start < 5
    until = Timespec(*divmod(time.monotonic_ns() + 10**8, 10**9))
    with pytest.raises(TimeoutError):
        futex(word.address, flags.FUTEX_WAIT_BITSET, 0, until)
    realtime = flags.FUTEX_WAIT_BITSET | flags.FUTEX_CLOCK_REALTIME
    with pytest.raises(TimeoutError):
        futex(word.address, realtime, 0, time.time() + 0.1)


def test_a_signal_does_not_lengthen_the_wait() -> None:
    word = Futex(0, 0)
    ran: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: ran.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    start = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            futex(word.address, flags.FUTEX_WAIT, 0, 0.3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0.3 <= time.monotonic() - start < 2
    assert len(ran) >= 3


def test_bits() -> None:
    word = Futex(0, 0)
    thread = waiting(word, flags.FUTEX_WAIT_BITSET, 0, None, 0b100)
    assert futex(word.address, flags.FUTEX_WAKE_BITSET, 1, 0b011) == 0
    assert futex(word.address, flags.FUTEX_WAKE_BITSET, 1, 0b110) == 1
    thread.join()


def test_handing_on() -> None:
    first, second = Futex(0, 0), Futex(0, 0)
    threads = [waiting(first, flags.FUTEX_WAIT, 0) for _ in range(4)]
    assert futex(first.address, flags.FUTEX_REQUEUE, 1, 1, second.address) == 2
    with pytest.raises(BlockingIOError):
        futex(first.address, flags.FUTEX_CMP_REQUEUE, 0, 9, second.address, 1)
    assert futex(first.address, flags.FUTEX_CMP_REQUEUE, 0, 9, second.address, 0) == 2
    assert futex(second.address, flags.FUTEX_WAKE, 9) == 3
    for thread in threads:
        thread.join()


def test_changing_one_word_and_waking_on_two() -> None:
    pair = Futex(0, 10)
    threads = [waiting(pair, flags.FUTEX_WAIT, 0)]
    op = futex_op(flags.FUTEX_OP_ADD, -3, flags.FUTEX_OP_CMP_GT, 9)
    assert futex(pair.address, flags.FUTEX_WAKE_OP, 1, 1, pair.address + 4, op) == 1
    assert pair.words == (0, 7)
    shifted = flags.FUTEX_OP_OR | flags.FUTEX_OP_OPARG_SHIFT
    op = futex_op(shifted, 12, flags.FUTEX_OP_CMP_EQ, 0)
    assert futex(pair.address, flags.FUTEX_WAKE_OP, 1, 1, pair.address + 4, op) == 0
    assert pair.words == (0, 7 | 1 << 12)
    threads[0].join()


def test_locks_that_lend_priority() -> None:
    word = Futex(0, 0)
    me = threading.get_native_id()
    assert futex(word.address, flags.FUTEX_LOCK_PI, None) is None
    assert word.words[0] == me
    with pytest.raises(OSError, match="deadlock"):
        futex(word.address, flags.FUTEX_TRYLOCK_PI)
    refused: list[int | None] = []

    def other() -> None:
        try:
            futex(word.address, flags.FUTEX_LOCK_PI2, time.monotonic() + 0.1)
        except OSError as error:
            refused.append(error.errno)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert refused in ([errno.ETIMEDOUT], [errno.ENOSYS])
    futex(word.address, flags.FUTEX_UNLOCK_PI)
    assert word.words[0] & 0x3FFFFFFF == 0
    futex(word.address, flags.FUTEX_TRYLOCK_PI)
    futex(word.address, flags.FUTEX_UNLOCK_PI)
    lock = Futex(0, 0)
    with pytest.raises(TimeoutError):
        futex(word.address, flags.FUTEX_WAIT_REQUEUE_PI, word.words[0], 0.01, lock.address)
    woken = futex(word.address, flags.FUTEX_CMP_REQUEUE_PI, 1, lock.address, word.words[0])
    assert woken == 0
