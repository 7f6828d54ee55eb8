"""sendmmsg and recvmmsg: several messages in a call, and the time that it may take."""

from __future__ import annotations

import errno
import threading
import time

import pytest

import pysyscall
from pysyscall import (
    MSG_DONTWAIT,
    Message,
    SockaddrIn,
    Timespec,
    recvmmsg,
    recvmsg,
    sendmmsg,
    sendmsg,
)


def test_several_messages(datagrams: tuple[int, int]) -> None:
    here, there = datagrams
    assert sendmmsg(here, iter([b"1", [b"2", b"2"], Message([b"333"])])) == [1, 2, 3]
    messages, left = recvmmsg(there, [10] * 3)
    assert left is None
    assert messages == [(b"1", (), 0, None), (b"22", (), 0, None), (b"333", (), 0, None)]
    assert all(type(message) is Message for message in messages)
    assert sendmmsg(here, []) == []
    assert recvmmsg(there, ()) == ([], None)
    assert recvmmsg(there, (), 0, 2) == ([], Timespec(2, 0))


def test_more_messages_than_the_kernel_takes(datagrams: tuple[int, int]) -> None:
    """It takes as many as fit into the receiver's queue, and tells how many."""
    here, there = datagrams
    sent = sendmmsg(here, [b"x" * (k % 7) for k in range(2000)], MSG_DONTWAIT)
    assert 0 < len(sent) <= 1024
    assert sent == [k % 7 for k in range(len(sent))]
    messages, _ = recvmmsg(there, [10] * 2000, MSG_DONTWAIT)
    assert [len(message.data) for message in messages] == sent


def test_a_message_that_fails_after_others(datagrams: tuple[int, int]) -> None:
    here, there = datagrams
    sent = sendmmsg(here, [b"good", [b"x"] * 2000, b"never"])
    assert sent == [4]
    assert recvmsg(there, 10).data == b"good"
    # What came before the wrong room is handed over; the error is the next call's.
    sendmmsg(here, [b"1", b"2"])
    messages, _ = recvmmsg(there, [10, [bytearray(1) for _ in range(2000)]])
    assert [message.data for message in messages] == [b"1"]
    with pytest.raises(OSError) as caught:
        recvmmsg(there, [10])
    assert caught.value.errno == errno.EMSGSIZE
    assert recvmsg(there, 10).data == b"2"


def test_addresses_of_several(udp: tuple[int, int, SockaddrIn]) -> None:
    here, there, address = udp
    own = pysyscall.getsockname(here)
    assert sendmmsg(here, [Message(b"a", address=address)] * 20) == [1] * 20
    messages, _ = recvmmsg(there, [10] * 20)
    assert messages == [(b"a", (), 0, own)] * 20


def test_the_time_that_is_left(datagrams: tuple[int, int]) -> None:
    here, there = datagrams
    sendmmsg(here, [b"x"] * 3)
    messages, left = recvmmsg(there, [1] * 3, 0, 100)
    assert len(messages) == 3
    assert left is not None
    assert 90 < left.seconds < 100
    sendmmsg(here, [b"x"] * 3)
    assert recvmmsg(there, [1] * 3, timeout=Timespec(0, 0)) == ([(b"x", (), 0, None)], Timespec())
    for wrong in (-1, Timespec(0, 10**9)):
        with pytest.raises(OSError) as caught:
            recvmmsg(there, [1], 0, wrong)
        assert caught.value.errno == errno.EINVAL


def test_the_time_is_looked_at_after_a_message(datagrams: tuple[int, int]) -> None:
    """0.05 s are over long before the message comes; with it the call ends."""
    here, there = datagrams
    start = time.monotonic()
    timer = threading.Timer(0.3, sendmsg, (here, b"late"))
    timer.start()
    try:
        messages, left = recvmmsg(there, [10, 10], 0, 0.05)
    finally:
        timer.join()
    assert time.monotonic() - start > 0.25
    assert (messages, left) == ([(b"late", (), 0, None)], Timespec())


def test_waiting_for_the_first_alone(datagrams: tuple[int, int]) -> None:
    here, there = datagrams
    sendmmsg(here, [b"1", b"2"])
    messages, _ = recvmmsg(there, [10] * 5, pysyscall.MSG_WAITFORONE)
    assert [message.data for message in messages] == [b"1", b"2"]
    with pytest.raises(BlockingIOError):
        recvmmsg(there, [10], MSG_DONTWAIT)
