"""msgsnd and msgrcv: messages of any type and length through a System V queue."""

from __future__ import annotations

import errno
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import pysyscall
from pysyscall import IPC_NOWAIT, MSG_COPY, MSG_EXCEPT, MSG_NOERROR, Msgbuf, msgrcv, msgsnd


@pytest.fixture
def queue() -> Iterator[int]:
    number = pysyscall.msgget(pysyscall.IPC_PRIVATE, 0o600)
    yield number
    pysyscall.syscall("msgctl", number, 0, 0)


class Index:
    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


@pytest.mark.parametrize("text", [b"", b"x", b"\0" * 100, b"long" * 2048])
def test_there_and_back(queue: int, text: bytes) -> None:
    assert msgsnd(queue, (2**62 + 1, text)) is None
    message = msgrcv(queue, 8192)
    assert message == (2**62 + 1, text)
    assert type(message) is Msgbuf
    assert (message.mtype, message.mtext) == (2**62 + 1, text)


def test_buffers_and_messages_can_be_sent(queue: int) -> None:
    for text in (bytearray(b"text"), memoryview(b"text"), memoryview(b"some text")[5:]):
        msgsnd(queue, (Index(3), text))
        message = msgrcv(queue, 100)
        msgsnd(queue, message)
        assert msgrcv(queue, Index(4)) == message == Msgbuf(3, b"text")
    assert pickle.loads(pickle.dumps(message)) == message


def test_a_message_is_chosen_by_its_type(queue: int) -> None:
    for kind in (5, 3, 9, 3):
        msgsnd(queue, (kind, b"%d" % kind))
    assert msgrcv(queue, 10, 9) == (9, b"9")
    assert msgrcv(queue, 10, -4) == (3, b"3")
    assert msgrcv(queue, 10, 5, MSG_EXCEPT) == (3, b"3")
    assert msgrcv(queue, 10) == (5, b"5")
    with pytest.raises(OSError) as caught:
        msgrcv(queue, 10, 0, IPC_NOWAIT)
    assert caught.value.errno == errno.ENOMSG


def test_a_message_that_is_too_long_stays(queue: int) -> None:
    msgsnd(queue, (1, b"message"))
    for size in (0, 6):
        with pytest.raises(OSError) as caught:
            msgrcv(queue, size)
        assert caught.value.errno == errno.E2BIG
    assert msgrcv(queue, 3, 0, MSG_NOERROR) == (1, b"mes")


def test_a_copy_leaves_the_message(queue: int) -> None:
    msgsnd(queue, (1, b"first"))
    msgsnd(queue, (2, b"second"))
    try:
        assert msgrcv(queue, 100, 1, MSG_COPY | IPC_NOWAIT) == (2, b"second")
    except OSError as error:
        assert error.errno == errno.ENOSYS, "a kernel without it"
    assert msgrcv(queue, 100) == (1, b"first")


@pytest.mark.parametrize("size", [4088, 4089, 2**26, 2**27, 2**40, 2**70])
def test_any_room(queue: int, size: int) -> None:
    msgsnd(queue, (1, b"text"))
    assert msgrcv(queue, size) == (1, b"text")


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (b"text", TypeError, "must be a tuple of a type and a bytes-like object, not bytes"),
        ([1, b"text"], TypeError, "must be a tuple of a type and a bytes-like object, not list"),
        ((1,), ValueError, "must hold 2 items, a type and a text, not 1"),
        ((1, b"", 2), ValueError, "must hold 2 items, a type and a text, not 3"),
        ((1, "text"), TypeError, "must have a bytes-like object as text, not str"),
        ((1.5, b""), TypeError, "must have an int as type, not float"),
        ((2**63, b""), OverflowError, "must have a type of 64 bits"),
        ((-(2**63) - 1, b""), OverflowError, "must have a type of 64 bits"),
        ((1, memoryview(b"abcd")[::2]), BufferError, "item 1 must be one contiguous block"),
    ],
)
def test_refused_messages(queue: int, message: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        msgsnd(queue, message)
    assert str(caught.value).startswith(f"msgsnd() argument 'msgp' {text}")


@pytest.mark.parametrize("kind", [0, -1])
def test_types_begin_at_one(queue: int, kind: int) -> None:
    with pytest.raises(OSError) as caught:
        msgsnd(queue, (kind, b""))
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("size", "error"), [(-1, ValueError), ("1", TypeError), (None, TypeError), (1.5, TypeError)]
)
def test_refused_sizes(queue: int, size: Any, error: type[Exception]) -> None:
    msgsnd(queue, (1, b""))
    with pytest.raises(error, match=r"^msgrcv\(\) argument 'msgp' must be "):
        msgrcv(queue, size)
    assert msgrcv(queue, 0) == (1, b""), "nothing is lost"


def test_a_full_queue(queue: int) -> None:
    with pytest.raises(OSError) as caught:
        for _ in range(100_000):
            msgsnd(queue, (1, bytes(8000)), IPC_NOWAIT)
    assert caught.value.errno == errno.EAGAIN
    taken = threading.Timer(0.02, lambda: msgrcv(queue, 8000))
    taken.start()
    assert msgsnd(queue, (2, bytes(8000))) is None
    taken.join()


def test_a_signal_does_not_end_the_wait(queue: int) -> None:
    """The handler runs, and the message that it sends is what is waited for."""
    before = signal.signal(signal.SIGALRM, lambda number, frame: msgsnd(queue, (4, b"sent")))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        start = time.monotonic()
        assert msgrcv(queue, 100) == (4, b"sent")
        assert time.monotonic() - start >= 0.02
    finally:
        signal.signal(signal.SIGALRM, before)
