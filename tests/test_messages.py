"""sendmsg, recvmsg, sendmmsg and recvmmsg: over Unix sockets and loopback, against `socket`."""

from __future__ import annotations

import array
import errno
import os
import pickle
import signal
import socket as sockets
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tracee import Reply, Stop, replied

import pysyscall
from pysyscall import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    CMSG_LEN,
    CMSG_SPACE,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_PEEK,
    MSG_TRUNC,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_IP,
    SOL_IPV6,
    SOL_SOCKET,
    ControlMessage,
    Message,
    SockaddrIn,
    SockaddrIn6,
    SockaddrUn,
    Sysno,
    Timespec,
    Ucred,
    recvmmsg,
    recvmsg,
    sendmmsg,
    sendmsg,
)

LOOPBACK = "127.0.0.1"


@pytest.fixture(params=[SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET])
def pair(request: Any, keep: Callable[[int], int]) -> tuple[int, int]:
    one, other = pysyscall.socketpair(AF_UNIX, request.param)
    return keep(one), keep(other)


@pytest.fixture
def datagrams(keep: Callable[[int], int]) -> tuple[int, int]:
    one, other = pysyscall.socketpair(AF_UNIX, SOCK_DGRAM)
    return keep(one), keep(other)


@pytest.fixture
def udp(keep: Callable[[int], int]) -> tuple[int, int, SockaddrIn]:
    """Two sockets, and the address of the second."""
    fds = [keep(pysyscall.socket(AF_INET, SOCK_DGRAM)) for _ in "ab"]
    for fd in fds:
        pysyscall.bind(fd, SockaddrIn(LOOPBACK))
    address = pysyscall.getsockname(fds[1])
    assert isinstance(address, SockaddrIn)
    return fds[0], fds[1], address


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def files(count: int, keep: Callable[[int], int]) -> list[int]:
    return [keep(os.open(os.devnull, os.O_RDONLY)) for _ in range(count)]


def rights(*fds: Any) -> ControlMessage:
    return ControlMessage(SOL_SOCKET, SCM_RIGHTS, fds)


@contextmanager
def alarm(interval: float, handler: Callable[[int], object]) -> Iterator[list[int]]:
    """Runs `handler` on each SIGALRM, with the number of the signal: 1, 2, …"""
    seen: list[int] = []

    def handle(number: int, frame: object) -> None:
        seen.append(len(seen) + 1)
        handler(len(seen))

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, interval, interval)
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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


# Descriptors


def test_descriptors(pair: tuple[int, int], keep: Callable[[int], int]) -> None:
    reader, writer = map(keep, os.pipe())
    with open(reader, closefd=False) as file:
        assert sendmsg(pair[0], Message(b"x", [rights(file, writer)])) == 1
    message = recvmsg(pair[1], 1, control=CMSG_SPACE(8))
    ((level, kind, received),) = message.control
    assert (level, kind) == (SOL_SOCKET, SCM_RIGHTS)
    assert message.descriptors == received
    new_reader, new_writer = map(keep, received)
    assert {reader, writer}.isdisjoint(received)
    os.write(new_writer, b"through")
    assert os.read(new_reader, 10) == b"through"
    # As those of Python: they are not inherited.
    assert not os.get_inheritable(new_reader)
    os.set_inheritable(new_reader, True)


def test_as_many_descriptors_as_can_be(pair: tuple[int, int], keep: Callable[[int], int]) -> None:
    (fd,) = files(1, keep)
    sendmsg(pair[0], Message(b"x", (rights(*[fd] * 253),)))
    message = recvmsg(pair[1], 1, control=CMSG_SPACE(4 * 253))
    for received in message.descriptors:
        keep(received)
    assert len(set(message.descriptors)) == 253
    with pytest.raises(OSError) as caught:
        sendmsg(pair[0], Message(b"x", (rights(*[fd] * 254),)))
    assert caught.value.errno == errno.EINVAL


def test_descriptors_together_with_socket(keep: Callable[[int], int]) -> None:
    """What one module sends the other one receives."""
    (fd,) = files(1, keep)
    one, other = sockets.socketpair()
    with one, other:
        sockets.send_fds(one, [b"x"], [fd])
        message = recvmsg(other, 9, control=CMSG_SPACE(4))
        assert os.path.samestat(os.fstat(keep(message.descriptors[0])), os.fstat(fd))
        data = array.array("i", [fd])
        sendmsg(one, Message([b"y"], [(SOL_SOCKET, SCM_RIGHTS, data)]))  # type: ignore[list-item]
        received, fds, flags, _ = sockets.recv_fds(other, 9, 1)
        assert (received, len(fds), flags & MSG_CTRUNC) == (b"y", 1, 0)
        keep(fds[0])


@pytest.mark.parametrize(
    ("room", "came"), [(0, 0), (1, 0), (16, 0), (19, 0), (20, 1), (24, 2), (28, 3), (32, 3)]
)
def test_descriptors_without_room(
    pair: tuple[int, int], keep: Callable[[int], int], room: int, came: int
) -> None:
    """Those that there is room for are handed over; of the others the kernel makes none."""
    fds = files(3, keep)
    before = open_descriptors()
    sendmsg(pair[0], Message(b"x", [rights(*fds)]))
    message = recvmsg(pair[1], 10, control=room)
    assert message.data == b"x"
    assert len(message.descriptors) == came
    assert bool(message.flags & MSG_CTRUNC) == (came < 3)
    for fd in message.descriptors:
        os.close(fd)
    assert open_descriptors() == before


def test_descriptors_are_not_lost_with_the_message(pair: tuple[int, int]) -> None:
    """The kernel gives out numbers that fill the caller's table: EMFILE cuts the list short."""
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        assert sendmsg(pair[0], Message(b"x", [rights(fd)])) == 1
        before = open_descriptors()
        pid = os.fork()
        if pid == 0:
            import resource

            status = 1
            try:
                used = max(map(int, open_descriptors()))
                resource.setrlimit(resource.RLIMIT_NOFILE, (used, used))
                taken = []
                while True:
                    try:
                        taken.append(os.dup(0))
                    except OSError:
                        break
                message = recvmsg(pair[1], 1, control=64)
                good = (message.data, message.control) == (b"x", ())
                status = 0 if good and message.flags & MSG_CTRUNC else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert open_descriptors() == before
    finally:
        os.close(fd)


def test_descriptors_by_several_messages(
    datagrams: tuple[int, int], keep: Callable[[int], int]
) -> None:
    here, there = datagrams
    fds = files(2, keep)
    before = open_descriptors()
    sent = [Message(b"1", [rights(*fds)]), Message(b"22"), Message(b"333", [rights(fds[0])])]
    assert sendmmsg(here, sent) == [1, 2, 3]
    messages, left = recvmmsg(there, [5, bytearray(5), [bytearray(5)], 5], MSG_DONTWAIT, control=24)
    assert left is None
    assert [message.data for message in messages] == [b"1", 2, 3]
    assert [len(message.descriptors) for message in messages] == [2, 0, 1]
    for message in messages:
        for fd in message.descriptors:
            os.close(fd)
    assert open_descriptors() == before


# Other control messages


def test_credentials(pair: tuple[int, int]) -> None:
    pysyscall.setsockopt(pair[1], SOL_SOCKET, pysyscall.SO_PASSCRED, 1)
    own = Ucred(os.getpid(), os.getuid(), os.getgid())
    for control in (
        [],
        [ControlMessage(SOL_SOCKET, SCM_CREDENTIALS, own)],
        [ControlMessage(SOL_SOCKET, SCM_CREDENTIALS, tuple(own))],
        [ControlMessage(SOL_SOCKET, SCM_CREDENTIALS, own.to_bytes())],
    ):
        sendmsg(pair[0], Message(b"x", control))
        message = recvmsg(pair[1], 1, control=100)
        assert message.control == ((SOL_SOCKET, SCM_CREDENTIALS, own),)
    # What is cut short is bytes.
    sendmsg(pair[0], b"x")
    message = recvmsg(pair[1], 1, control=24)
    assert message.flags == MSG_CTRUNC
    assert message.control == ((SOL_SOCKET, SCM_CREDENTIALS, own.to_bytes()[:8]),)


def test_the_senders_process(pair: tuple[int, int], keep: Callable[[int], int]) -> None:
    try:
        pysyscall.setsockopt(pair[1], SOL_SOCKET, pysyscall.SO_PASSPIDFD, 1)
    except OSError as error:
        pytest.skip(f"no SO_PASSPIDFD: {error.strerror}")
    before = open_descriptors()
    sendmsg(pair[0], b"x")
    message = recvmsg(pair[1], 1, control=100)
    ((level, kind, fd),) = message.control
    assert (level, kind) == (SOL_SOCKET, pysyscall.SCM_PIDFD)
    assert f"Pid:\t{os.getpid()}\n" in Path(f"/proc/self/fdinfo/{fd}").read_text()
    os.close(fd)
    sendmsg(pair[0], b"x")
    assert recvmsg(pair[1], 1, control=19).flags == MSG_CTRUNC
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("option", "kind", "expected"),
    [
        (pysyscall.SO_TIMESTAMP, pysyscall.SCM_TIMESTAMP, pysyscall.Timeval),
        (pysyscall.SO_TIMESTAMPNS, pysyscall.SCM_TIMESTAMPNS, Timespec),
        (pysyscall.SO_TIMESTAMP_NEW, pysyscall.SO_TIMESTAMP_NEW, pysyscall.Timeval),
        (pysyscall.SO_TIMESTAMPNS_NEW, pysyscall.SO_TIMESTAMPNS_NEW, Timespec),
    ],
)
def test_time_stamps(
    udp: tuple[int, int, SockaddrIn], option: int, kind: int, expected: type[Any]
) -> None:
    here, there, address = udp
    pysyscall.setsockopt(there, SOL_SOCKET, option, 1)
    before = time.time()
    sendmsg(here, Message(b"x", address=address))
    ((level, found, stamp),) = recvmsg(there, 1, control=100).control
    assert (level, found, type(stamp)) == (SOL_SOCKET, kind, expected)
    assert before - 1 <= stamp.seconds <= time.time() + 1


def test_three_time_stamps(udp: tuple[int, int, SockaddrIn]) -> None:
    here, there, address = udp
    flags = pysyscall.SOF_TIMESTAMPING_RX_SOFTWARE | pysyscall.SOF_TIMESTAMPING_SOFTWARE
    pysyscall.setsockopt(there, SOL_SOCKET, pysyscall.SO_TIMESTAMPING, flags)
    # The kernel begins to stamp some time after the option is set: the first packets have none.
    control: Any = ()
    deadline = time.monotonic() + 10
    while not control and time.monotonic() < deadline:
        sendmsg(here, Message(b"x", address=address))
        control = recvmsg(there, 1, control=100).control
    ((_, kind, stamps),) = control
    assert kind == pysyscall.SCM_TIMESTAMPING
    assert type(stamps) is pysyscall.ScmTimestamping


def test_where_an_ipv4_packet_came_in(udp: tuple[int, int, SockaddrIn]) -> None:
    here, there, address = udp
    for option in (pysyscall.IP_PKTINFO, pysyscall.IP_RECVTTL, pysyscall.IP_RECVTOS):
        pysyscall.setsockopt(there, SOL_IP, option, 1)
    control = [
        ControlMessage(SOL_IP, pysyscall.IP_TTL, 77),
        ControlMessage(SOL_IP, pysyscall.IP_TOS, 0x10),
        ControlMessage(SOL_IP, pysyscall.IP_PKTINFO, (0, "127.0.0.3", "0.0.0.0")),
    ]
    sendmsg(here, Message(b"x", control, address=address))
    message = recvmsg(there, 1, control=200)
    lo = sockets.if_nametoindex("lo")
    assert set(message.control) == {
        (SOL_IP, pysyscall.IP_TTL, 77),
        (SOL_IP, pysyscall.IP_TOS, 0x10),
        (SOL_IP, pysyscall.IP_PKTINFO, pysyscall.InPktinfo(lo, LOOPBACK, LOOPBACK)),
    }
    assert isinstance(message.address, SockaddrIn)
    assert message.address.sin_addr == "127.0.0.3"


def test_where_an_ipv6_packet_came_in(keep: Callable[[int], int]) -> None:
    here, there = (keep(pysyscall.socket(AF_INET6, SOCK_DGRAM)) for _ in "ab")
    try:
        pysyscall.bind(there, SockaddrIn6("::1"))
    except OSError as error:
        pytest.skip(f"loopback has no IPv6: {error.strerror}")
    options = (pysyscall.IPV6_RECVPKTINFO, pysyscall.IPV6_RECVHOPLIMIT, pysyscall.IPV6_RECVTCLASS)
    for option in options:
        pysyscall.setsockopt(there, SOL_IPV6, option, 1)
    control = [
        ControlMessage(SOL_IPV6, pysyscall.IPV6_HOPLIMIT, 5),
        ControlMessage(SOL_IPV6, pysyscall.IPV6_TCLASS, 9),
    ]
    sendmsg(here, Message(b"x", control, address=pysyscall.getsockname(there)))
    message = recvmsg(there, 1, control=200)
    lo = sockets.if_nametoindex("lo")
    assert set(message.control) == {
        *control,
        (SOL_IPV6, pysyscall.IPV6_PKTINFO, pysyscall.In6Pktinfo("::1", lo)),
    }
    assert type(message.address) is SockaddrIn6


def test_packets_of_an_interface(keep: Callable[[int], int]) -> None:
    try:
        here, there = (keep(pysyscall.socket(pysyscall.AF_PACKET, SOCK_DGRAM)) for _ in "ab")
    except OSError as error:
        pytest.skip(f"no packet socket: {error.strerror}")
    address = pysyscall.SockaddrLl(sockets.if_nametoindex("lo"), 0x88B5, bytes(8), 6)
    pysyscall.setsockopt(there, pysyscall.SOL_PACKET, pysyscall.PACKET_AUXDATA, 1)
    pysyscall.bind(there, address)
    packet = b"pysyscall " + os.urandom(8)
    sendmsg(here, Message([packet[:4], packet[4:]], address=address))
    message = recvmsg(there, 2000, control=100)
    assert message.data == packet
    assert type(message.address) is pysyscall.SockaddrLl
    ((level, kind, data),) = message.control
    assert (level, kind) == (pysyscall.SOL_PACKET, pysyscall.PACKET_AUXDATA)
    assert type(data) is pysyscall.TpacketAuxdata
    assert data.tp_len == len(packet)


@pytest.mark.parametrize(
    ("family", "error", "calls"),
    [
        (pysyscall.AF_PACKET, errno.EINVAL, [0x40000042, 0x42]),
        (pysyscall.AF_ATMPVC, errno.EOPNOTSUPP, [0x40000042, 0x42]),
        (AF_UNIX, errno.EINVAL, [0x40000042]),
        (AF_INET, errno.EAGAIN, [0x40000042]),
    ],
)
def test_sockets_that_refuse_flags(family: int, error: int, calls: list[int]) -> None:
    """The flag for descriptors is taken back where none can come."""

    def tell(stop: Stop) -> Iterator[tuple[int, bytes]]:
        assert stop.registers[2] == pysyscall.SO_DOMAIN
        yield stop.registers[3], struct.pack("i", family)

    def receive() -> object:
        return recvmsg(5, 1, MSG_PEEK | MSG_DONTWAIT, control=20)

    asked = [] if error == errno.EAGAIN else [Reply(0, tell)]
    replies = [Reply(-error), *asked, *[Reply(-error)] * (len(calls) - 1)]
    stops, result = replied(replies, receive)
    assert [stop.registers[2] for stop in stops if stop.number == Sysno.recvmsg] == calls
    assert f"[Errno {error}]" in result
    # What the caller asks for stays.
    flags = pysyscall.MSG_CMSG_CLOEXEC
    _, result = replied([Reply(-error)], lambda: recvmsg(5, 1, flags, control=20))
    assert f"[Errno {error}]" in result


def test_netlink(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(pysyscall.AF_NETLINK, pysyscall.SOCK_RAW))
    pysyscall.setsockopt(fd, pysyscall.SOL_NETLINK, pysyscall.NETLINK_PKTINFO, 1)
    # RTM_GETLINK of all links.
    request = struct.pack("=IHHIIB15x", 32, 18, 0x301, 77, 0, 0)
    assert sendmsg(fd, Message(request, address=pysyscall.SockaddrNl())) == 32
    message = recvmsg(fd, 1 << 16, control=100)
    assert struct.unpack_from("=IHHII", message.data)[3] == 77
    assert message.address == pysyscall.SockaddrNl(nl_pid=0)
    assert message.control == ((pysyscall.SOL_NETLINK, pysyscall.NETLINK_PKTINFO, 0),)


def test_an_error_and_who_told_it(keep: Callable[[int], int]) -> None:
    """Nobody listens at the port, as an ICMP message says."""
    fd = keep(pysyscall.socket(AF_INET, SOCK_DGRAM))
    pysyscall.setsockopt(fd, SOL_IP, pysyscall.IP_RECVERR, 1)
    with sockets.socket(type=sockets.SOCK_DGRAM) as other:
        other.bind((LOOPBACK, 0))
        target = pysyscall.getsockname(other)
    sendmsg(fd, Message(b"lost", address=target))
    assert pysyscall.poll([(fd, pysyscall.POLLERR)], 5000)
    message = recvmsg(fd, 10, pysyscall.MSG_ERRQUEUE, control=200)
    assert message.data == b"lost"
    assert message.address == target
    assert message.flags & pysyscall.MSG_ERRQUEUE
    ((level, kind, (error, offender)),) = message.control
    assert (level, kind) == (SOL_IP, pysyscall.IP_RECVERR)
    assert (error.ee_errno, error.ee_origin) == (
        errno.ECONNREFUSED,
        pysyscall.SO_EE_ORIGIN_ICMP,
    )
    assert type(offender) is SockaddrIn
    assert offender.sin_addr == LOOPBACK


def test_an_error_that_nobody_told(udp: tuple[int, int, SockaddrIn]) -> None:
    """The kernel tells itself that a packet has been sent."""
    here, _, address = udp
    pysyscall.setsockopt(
        here,
        SOL_SOCKET,
        pysyscall.SO_TIMESTAMPING,
        pysyscall.SOF_TIMESTAMPING_SOFTWARE | pysyscall.SOF_TIMESTAMPING_OPT_TSONLY,
    )
    kind = pysyscall.SO_TIMESTAMPING
    stamp = ControlMessage(SOL_SOCKET, kind, pysyscall.SOF_TIMESTAMPING_TX_SOFTWARE)
    sendmsg(here, Message(b"x", [stamp], address=address))
    assert pysyscall.poll([(here, pysyscall.POLLERR)], 5000)
    message = recvmsg(here, 10, pysyscall.MSG_ERRQUEUE, control=200)
    stamps, (_, _, (error, offender)) = message.control
    assert type(stamps.data) is pysyscall.ScmTimestamping
    assert (error.ee_errno, error.ee_origin) == (
        errno.ENOMSG,
        pysyscall.SO_EE_ORIGIN_TIMESTAMPING,
    )
    assert offender is None


def test_segments(udp: tuple[int, int, SockaddrIn]) -> None:
    here, there, address = udp
    size = ControlMessage(pysyscall.SOL_UDP, pysyscall.UDP_SEGMENT, 4)
    try:
        sendmsg(here, Message(b"0123456789", [size], address=address))
    except OSError as error:
        pytest.skip(f"no segmentation: {error.strerror}")
    assert [recvmsg(there, 10).data for _ in range(3)] == [b"0123", b"4567", b"89"]


def test_what_is_unknown_is_bytes(pair: tuple[int, int]) -> None:
    """The kernel skips levels that are not its own."""
    unknown = ControlMessage(1000, 1, b"anything")
    assert sendmsg(pair[0], Message(b"x", [unknown])) == 1
    assert recvmsg(pair[1], 1, control=100) == (b"x", (), 0, None)


HEAD = struct.Struct("Qii")
"""struct cmsghdr"""


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            HEAD.pack(20, 1, 4) + b"\7\0\0\0" + bytes(4) + HEAD.pack(17, 0, 1) + b"\1",
            "(ControlMessage(level=SOL_SOCKET, type=SCM_PIDFD, data=7), "
            "ControlMessage(level=SOL_IP, type=IP_TOS, data=1))",
        ),
        (HEAD.pack(19, 1000, 7) + b"abc", "(ControlMessage(level=1000, type=7, data=b'abc'),)"),
        (HEAD.pack(17, 0, 1) + b"\7", "(ControlMessage(level=SOL_IP, type=IP_TOS, data=7),)"),
        (
            HEAD.pack(18, 0, 1) + b"\7\0",
            "(ControlMessage(level=SOL_IP, type=IP_TOS, data=b'\\x07\\x00'),)",
        ),
        (
            HEAD.pack(20, 1, 4) + b"\xfd\xff\xff\xff",
            "(ControlMessage(level=SOL_SOCKET, type=SCM_PIDFD, data=-3),)",
        ),
        # What no kernel writes does no harm.
        (HEAD.pack(15, 1, 1), "()"),
        (
            HEAD.pack(2**64 - 1, 1, 2) + b"abc",
            "(ControlMessage(level=SOL_SOCKET, type=SCM_CREDENTIALS, data=b'abc'),)",
        ),
        (b"short", "()"),
    ],
)
def test_what_the_kernel_writes(written: bytes, told: str) -> None:
    """A kernel that answers what this test says."""

    def write(stop: Stop) -> Iterator[tuple[int, bytes]]:
        header = stop.registers[1]
        control, room = struct.unpack("QQ", stop.read(header + 32, 16))
        assert room == len(written)
        yield control, written
        yield header + 40, struct.pack("Q", len(written))

    def receive() -> object:
        return recvmsg(5, 1, control=len(written)).control

    repr(rights())  # imports the names
    _, answer = replied([Reply(1, write)], receive)
    assert answer == told


# Several at once


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

    with alarm(0.01, act) as seen:
        assert receive(datagrams[1]) == b"at last"
    assert len(seen) >= 3


def test_a_signal_does_not_prolong_the_time(datagrams: tuple[int, int]) -> None:
    def act(count: int) -> None:
        if count == 5:
            sendmsg(datagrams[0], b"x")

    with alarm(0.05, act):
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
    before = open_descriptors()
    call = {
        "sendmsg": lambda: sendmsg(here, message),
        "sendmmsg": lambda: sendmmsg(here, [message] * 3),
        "recvmsg": lambda: recvmsg(there, bytearray(10), control=100),
        "recvmmsg": lambda: recvmmsg(there, [10] * 3, control=100),
    }[name]
    with alarm(0.01, lambda _: 1 / 0), pytest.raises(ZeroDivisionError):
        call()
    assert open_descriptors() == before


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
