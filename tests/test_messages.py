"""sendmsg, recvmsg, sendmmsg and recvmmsg: over Unix sockets and loopback, against `socket`."""

from __future__ import annotations

import array
import errno
import os
import pickle
import socket as sockets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alarms import alarms
from network import LOOPBACK, files, rights
from this_process import descriptors

import pysyscall
from pysyscall import (
    AF_UNIX,
    CMSG_LEN,
    CMSG_SPACE,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_PEEK,
    MSG_TRUNC,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    ControlMessage,
    Message,
    SockaddrIn,
    SockaddrUn,
    recvmmsg,
    recvmsg,
    sendmmsg,
    sendmsg,
)

# Data


@pytest.mark.parametrize(
    "sent",
    [
        b"a message",
        bytearray(b"a message"),
        memoryview(b"a message"),
        array.array("B", b"a message"),
        [b"a ", b"", bytearray(b"mess"), memoryview(b"age")],
        [bytes([byte]) for byte in b"a message"],
        Message(b"a message"),
        Message([b"a", b" message"]),
        Message(b"a message", [], 0, None),
    ],
)
def test_what_is_sent(pair: tuple[int, int], sent: Any) -> None:
    assert sendmsg(pair[0], sent) == 9
    assert recvmsg(pair[1], 100) == (b"a message", (), 0, None)


def test_an_iterator_of_buffers(pair: tuple[int, int]) -> None:
    assert sendmsg(pair[0], iter([b"a ", b"message"])) == 9
    assert sendmsg(pair[1], Message(iter([b"back"]))) == 4
    assert recvmsg(pair[1], 9).data == b"a message"
    assert recvmsg(pair[0], 9).data == b"back"


@pytest.mark.parametrize("size", [9, 10, 2**20, 2**27, 2**40])
def test_new_bytes(pair: tuple[int, int], size: int) -> None:
    sendmsg(pair[0], b"a message")
    message = recvmsg(pair[1], size)
    assert type(message) is Message
    assert message.data == b"a message"


def test_buffers_are_filled_in_order(pair: tuple[int, int]) -> None:
    buffers = [bytearray(2), bytearray(0), memoryview(bytearray(3)), bytearray(10)]
    sendmsg(pair[0], b"a message")
    assert recvmsg(pair[1], buffers).data == 9
    assert list(map(bytes, buffers)) == [b"a ", b"", b"mes", b"sage" + bytes(6)]
    many = [bytearray(1) for _ in range(1024)]
    sendmsg(pair[0], b"a message")
    assert recvmsg(pair[1], iter(many)).data == 9
    assert b"".join(many) == b"a message" + bytes(1015)
    one = bytearray(20)
    sendmsg(pair[0], b"a message")
    assert recvmsg(pair[1], memoryview(one)[1:15]).data == 9
    assert one == b"\0a message" + bytes(10)


def test_what_is_cut_off_is_told(datagrams: tuple[int, int]) -> None:
    here, there = datagrams
    for room, flags, data in (
        (4, 0, b"a me"),
        (4, MSG_TRUNC, b"a me"),
        (bytearray(4), 0, 4),
        (bytearray(4), MSG_TRUNC, 9),
        (0, 0, b""),
        ([], 0, 0),
    ):
        sendmsg(here, b"a message")
        assert recvmsg(there, room, flags) == (data, (), MSG_TRUNC, None)
    sendmsg(here, b"")
    assert recvmsg(there, 4) == (b"", (), 0, None)


def test_ends_of_records_and_of_streams(keep: Callable[[int], int]) -> None:
    one, other = map(keep, pysyscall.socketpair(AF_UNIX, SOCK_SEQPACKET))
    sendmsg(one, b"x", pysyscall.MSG_EOR)
    assert recvmsg(other, 4).flags in (0, pysyscall.MSG_EOR)
    pysyscall.shutdown(one, pysyscall.SHUT_WR)
    assert recvmsg(other, 4) == (b"", (), 0, None)


def test_peeking(pair: tuple[int, int]) -> None:
    sendmsg(pair[0], b"a message")
    assert recvmsg(pair[1], 9, MSG_PEEK).data == b"a message"
    assert recvmsg(pair[1], 9, flags=MSG_DONTWAIT).data == b"a message"
    with pytest.raises(BlockingIOError):
        recvmsg(pair[1], 9, MSG_DONTWAIT)


def test_the_kernels_limit_of_buffers(pair: tuple[int, int]) -> None:
    """None is sent in part, and none that waits is lost."""
    sendmsg(pair[0], b"waits")
    for call in (
        lambda: sendmsg(pair[0], [b"x"] * 2000),
        lambda: sendmsg(pair[0], Message([b"x"] * 1025)),
        lambda: recvmsg(pair[1], [bytearray(1) for _ in range(2000)]),
        lambda: sendmmsg(pair[0], [[b"x"] * 2000]),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.EMSGSIZE
    assert recvmsg(pair[1], 100, MSG_DONTWAIT).data == b"waits"
    with pytest.raises(BlockingIOError):
        recvmsg(pair[1], 100, MSG_DONTWAIT)


# Addresses


def test_addresses_of_datagrams(udp: tuple[int, int, SockaddrIn]) -> None:
    here, there, address = udp
    assert sendmsg(here, Message(b"x", address=address)) == 1
    message = recvmsg(there, 10)
    assert message.address == pysyscall.getsockname(here)
    assert type(message.address) is SockaddrIn
    # It goes back to where it came from.
    assert sendmsg(there, message._replace(data=b"back")) == 4
    assert recvmsg(here, 10) == (b"back", (), 0, address)


def test_addresses_of_unix_sockets(keep: Callable[[int], int], tmp_path: Path) -> None:
    here = keep(pysyscall.socket(AF_UNIX, SOCK_DGRAM))
    for name in (SockaddrUn(tmp_path / "socket"), SockaddrUn(b"\0pysyscall " + os.urandom(8))):
        fd = keep(pysyscall.socket(AF_UNIX, SOCK_DGRAM))
        pysyscall.bind(fd, name)
        sendmsg(here, Message(b"x", address=name))
        assert recvmsg(fd, 10).address is None
        sendmsg(fd, Message(b"x", address=name))
        assert recvmsg(fd, 10).address == name


def test_an_address_too_long() -> None:
    with pytest.raises(ValueError, match="'sun_path' has room for 108 bytes, not 109"):
        Message(b"", address=SockaddrUn("x" * 109))


# Signals and threads


@pytest.mark.parametrize(
    "receive", [lambda fd: recvmsg(fd, 10).data, lambda fd: recvmmsg(fd, [10], 0, 60)[0][0].data]
)
def test_receiving_goes_on_after_signals(
    datagrams: tuple[int, int], receive: Callable[[int], object]
) -> None:
    def act(count: int) -> None:
        if count == 3:
            sendmsg(datagrams[0], b"at last")

    with alarms(0.01, act) as seen:
        assert receive(datagrams[1]) == b"at last"
    assert len(seen) >= 3


def test_a_signal_does_not_prolong_the_time(datagrams: tuple[int, int]) -> None:
    def act(count: int) -> None:
        if count == 5:
            sendmsg(datagrams[0], b"x")

    with alarms(0.05, act):
        _, left = recvmmsg(datagrams[1], [10], 0, 60)
    assert left is not None
    assert left.seconds < 59.8


@pytest.mark.parametrize("name", ["sendmsg", "recvmsg", "sendmmsg", "recvmmsg"])
def test_an_exception_in_the_handler_ends_the_call(
    datagrams: tuple[int, int], keep: Callable[[int], int], name: str
) -> None:
    here, there = datagrams
    message = Message(b"x" * 1000, [rights(0)])
    with pytest.raises(BlockingIOError):
        while name.startswith("send"):
            sendmsg(here, message, MSG_DONTWAIT)
        recvmsg(there, 1, MSG_DONTWAIT)
    before = descriptors()
    call = {
        "sendmsg": lambda: sendmsg(here, message),
        "sendmmsg": lambda: sendmmsg(here, [message] * 3),
        "recvmsg": lambda: recvmsg(there, bytearray(10), control=100),
        "recvmmsg": lambda: recvmmsg(there, [10] * 3, control=100),
    }[name]
    with alarms(0.01, lambda _: 1 / 0), pytest.raises(ZeroDivisionError):
        call()
    assert descriptors() == before


def test_buffers_are_held_while_the_call_waits(pair: tuple[int, int]) -> None:
    """Another thread can't shrink a buffer that the kernel is to fill."""
    buffer = bytearray(10)
    received: list[object] = []
    thread = threading.Thread(target=lambda: received.append(recvmsg(pair[1], [buffer]).data))
    thread.start()
    try:
        deadline = time.monotonic() + 5
        with pytest.raises(BufferError):
            while time.monotonic() < deadline:
                buffer.append(0)
                buffer.pop()
                time.sleep(0.001)
    finally:
        sendmsg(pair[0], b"x")
        thread.join()
    assert received == [1]
    buffer.clear()


# Errors


@pytest.mark.parametrize(
    ("sent", "error", "complaint"),
    [
        ("text", TypeError, " must be a Message, a bytes-like object or an iterable of them, not"),
        (5, TypeError, " must be a Message, a bytes-like object or an iterable of them, not int"),
        ([b"", "text"], TypeError, " item 1 must be a bytes-like object, not str"),
        (Message(5), TypeError, ".data' must be a bytes-like object or an iterable of them, not"),
        (Message([b"", 5]), TypeError, ".data' item 1 must be a bytes-like object, not int"),
        (Message(b"", 5), TypeError, ".control' must be an iterable of ControlMessage, not int"),
        (
            Message(b"", [5]),
            TypeError,
            ".control[0]' must be a ControlMessage or a tuple (level, type, data), not int",
        ),
        (Message(b"", [(1, 1)]), TypeError, ".control[0]' must be a ControlMessage or a tuple"),
        (Message(b"", [("1", 1, b"")]), TypeError, ".control[0].level' must be an int, not str"),
        (
            Message(b"", [rights(), (1, 2**31, b"")]),
            OverflowError,
            ".control[1].type' must be in [-2147483648, 2147483647], not 2147483648",
        ),
        (
            Message(b"", [rights(1, "2")]),
            TypeError,
            ".control[0].data[1]' must be an int or an object with fileno(), not str",
        ),
        (
            Message(b"", [(1, 1, 5)]),
            TypeError,
            ".control[0].data' must be an iterable of descriptors, not int",
        ),
        (
            Message(b"", [(1, 2, pysyscall.Linger())]),
            TypeError,
            ".control[0].data' must be a Ucred, or a tuple of its fields, not pysyscall.Linger",
        ),
        (Message(b"", [(1, 2, (1, 2, 3, 4))]), TypeError, "Ucred() takes at most 3 fields"),
        (
            Message(b"", [(17, 103, 65536)]),
            OverflowError,
            ".control[0].data' must be in [0, 65535], not 65536",
        ),
        (
            Message(b"", [(1, 61, -1)]),
            OverflowError,
            ".control[0].data' must be in [0, 2**64 - 1], not -1",
        ),
        (
            Message(b"", [(1000, 1, 5)]),
            TypeError,
            ".control[0].data' must be a bytes-like object, not int",
        ),
        (Message(b"", (), "1"), TypeError, ".flags' must be an int, not str"),
        (
            Message(b"", (), 0, ("127.0.0.1", 80)),
            TypeError,
            ".address' must be a socket address such as SockaddrIn, or None, not tuple",
        ),
    ],
)
def test_wrong_messages(
    datagrams: tuple[int, int], sent: Any, error: type[Exception], complaint: str
) -> None:
    for call, given, name in (
        (sendmsg, sent, "sendmsg() argument 'msg"),
        (sendmmsg, [b"good", sent], "sendmmsg() argument 'msgvec[1]"),
    ):
        with pytest.raises(error) as caught:
            call(datagrams[0], given)
        separator = "" if complaint.startswith(".") else "'"
        whole = complaint if complaint.startswith("Ucred") else name + separator + complaint
        assert str(caught.value).startswith(whole)
    with pytest.raises(BlockingIOError):
        recvmsg(datagrams[1], 1, MSG_DONTWAIT)


@pytest.mark.parametrize(
    ("room", "error", "complaint"),
    [
        (-1, ValueError, " must be a count of bytes, not negative"),
        (None, TypeError, " must be an int (how many bytes), a writable buffer or an iterable"),
        ("text", TypeError, " must be an int (how many bytes), a writable buffer or an iterable"),
        (b"read-only", TypeError, " must be writable, not a read-only bytes"),
        ([bytearray(1), b"x"], TypeError, " item 1 must be writable, not a read-only bytes"),
        ([bytearray(1), 5], TypeError, " item 1 must be a bytes-like object, not int"),
        (memoryview(bytearray(4))[::2], BufferError, " must be one contiguous block of memory"),
        (Message(b"x"), TypeError, " item 0 must be writable, not a read-only bytes"),
    ],
)
def test_wrong_rooms(
    datagrams: tuple[int, int], room: Any, error: type[Exception], complaint: str
) -> None:
    for call, given, name in (
        (recvmsg, room, "recvmsg() argument 'msg'"),
        (recvmmsg, [5, room], "recvmmsg() argument 'msgvec[1]'"),
    ):
        with pytest.raises(error) as caught:
            call(datagrams[1], given)
        assert str(caught.value).startswith(name + complaint)


@pytest.mark.parametrize("call", [recvmsg, lambda *args, **kw: recvmmsg(args[0], [5], **kw)])
def test_wrong_options(datagrams: tuple[int, int], call: Callable[..., object]) -> None:
    fd = datagrams[1]
    for control in (-1, 2**31, 10**50):
        with pytest.raises(OverflowError, match=r"argument 'control' must be in \[0, 2147483647\]"):
            call(fd, 5, control=control)
    with pytest.raises(TypeError, match=r"argument 'control' must be an int, not float"):
        call(fd, 5, control=1.5)
    with pytest.raises(TypeError, match=r"\(.*\*, control\) has no argument 'size'"):
        call(fd, 5, size=5)


def test_the_room_is_given_by_name(datagrams: tuple[int, int]) -> None:
    with pytest.raises(TypeError, match="takes at most 3 arguments"):
        recvmsg(datagrams[1], 5, 0, 100)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="takes at most 4 arguments"):
        recvmmsg(datagrams[1], [5], 0, None, 100)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "call",
    [
        lambda fd: sendmsg(fd, b"x"),
        lambda fd: recvmsg(fd, 1),
        lambda fd: sendmmsg(fd, [b"x"]),
        lambda fd: recvmmsg(fd, [1]),
    ],
)
@pytest.mark.parametrize(("fd", "number"), [(-1, errno.EBADF), (None, errno.ENOTSOCK)])
def test_no_socket(
    keep: Callable[[int], int], call: Callable[[int], object], fd: int | None, number: int
) -> None:
    with pytest.raises(OSError) as caught:
        call(files(1, keep)[0] if fd is None else fd)
    assert caught.value.errno == number


def test_a_reader_that_has_gone(keep: Callable[[int], int]) -> None:
    one, other = pysyscall.socketpair(AF_UNIX, SOCK_STREAM)
    keep(one)
    os.close(other)
    with pytest.raises(BrokenPipeError):
        sendmsg(one, b"x", pysyscall.MSG_NOSIGNAL)


# The classes


def test_messages_are_tuples_that_name_their_parts() -> None:
    message = Message(b"data", [rights(3, 4)], MSG_CTRUNC | MSG_TRUNC, SockaddrIn(LOOPBACK, 5))
    assert repr(message) == (
        "Message(data=b'data', control=[ControlMessage(level=SOL_SOCKET, type=SCM_RIGHTS, "
        "data=(3, 4))], flags=MSG_CTRUNC|MSG_TRUNC, "
        "address=SockaddrIn(sin_addr='127.0.0.1', sin_port=5, sin_family=2))"
    )
    assert message.descriptors == (3, 4)
    data, control, flags, address = message
    assert (data, flags) == (b"data", MSG_TRUNC | MSG_CTRUNC)
    assert address == SockaddrIn(LOOPBACK, 5)
    assert pickle.loads(pickle.dumps(message)) == message
    match control[0]:
        case ControlMessage(pysyscall.SOL_SOCKET, pysyscall.SCM_RIGHTS, (first, *_)):
            assert first == 3
        case other:
            pytest.fail(f"not matched: {other}")
    assert repr(ControlMessage(1000, 5, b"")) == "ControlMessage(level=1000, type=5, data=b'')"


@pytest.mark.parametrize("length", [0, 1, 4, 7, 8, 9, 1000])
def test_sizes_are_those_of_socket(length: int) -> None:
    assert CMSG_LEN(length) == sockets.CMSG_LEN(length)
    assert CMSG_SPACE(length) == sockets.CMSG_SPACE(length)


@pytest.mark.parametrize("function", [CMSG_LEN, CMSG_SPACE])
def test_there_is_no_negative_size(function: Callable[[int], int]) -> None:
    with pytest.raises(ValueError, match="argument 'length' must not be negative"):
        function(-1)
