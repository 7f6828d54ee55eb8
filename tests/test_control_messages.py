"""Control messages: descriptors, credentials, times and what else comes with the data."""

from __future__ import annotations

import array
import errno
import os
import socket as sockets
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conditions import skip_where
from network import LOOPBACK, files, rights
from this_process import descriptors
from tracee import Reply, Stop, replied

import pysyscall
from pysyscall import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    CMSG_SPACE,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_PEEK,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SOCK_DGRAM,
    SOL_IP,
    SOL_IPV6,
    SOL_SOCKET,
    ControlMessage,
    Message,
    SockaddrIn,
    SockaddrIn6,
    Sysno,
    Timespec,
    Ucred,
    recvmmsg,
    recvmsg,
    sendmmsg,
    sendmsg,
)

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
    before = descriptors()
    sendmsg(pair[0], Message(b"x", [rights(*fds)]))
    message = recvmsg(pair[1], 10, control=room)
    assert message.data == b"x"
    assert len(message.descriptors) == came
    assert bool(message.flags & MSG_CTRUNC) == (came < 3)
    for fd in message.descriptors:
        os.close(fd)
    assert descriptors() == before


def test_descriptors_are_not_lost_with_the_message(pair: tuple[int, int]) -> None:
    """The kernel gives out numbers that fill the caller's table: EMFILE cuts the list short."""
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        assert sendmsg(pair[0], Message(b"x", [rights(fd)])) == 1
        before = descriptors()
        pid = os.fork()
        if pid == 0:
            import resource

            status = 1
            try:
                used = max(descriptors())
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
        assert descriptors() == before
    finally:
        os.close(fd)


def test_descriptors_by_several_messages(
    datagrams: tuple[int, int], keep: Callable[[int], int]
) -> None:
    here, there = datagrams
    fds = files(2, keep)
    before = descriptors()
    sent = [Message(b"1", [rights(*fds)]), Message(b"22"), Message(b"333", [rights(fds[0])])]
    assert sendmmsg(here, sent) == [1, 2, 3]
    messages, left = recvmmsg(there, [5, bytearray(5), [bytearray(5)], 5], MSG_DONTWAIT, control=24)
    assert left is None
    assert [message.data for message in messages] == [b"1", 2, 3]
    assert [len(message.descriptors) for message in messages] == [2, 0, 1]
    for message in messages:
        for fd in message.descriptors:
            os.close(fd)
    assert descriptors() == before


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
    with skip_where(lacking="no SO_PASSPIDFD"):
        pysyscall.setsockopt(pair[1], SOL_SOCKET, pysyscall.SO_PASSPIDFD, 1)
    before = descriptors()
    sendmsg(pair[0], b"x")
    message = recvmsg(pair[1], 1, control=100)
    ((level, kind, fd),) = message.control
    assert (level, kind) == (SOL_SOCKET, pysyscall.SCM_PIDFD)
    assert f"Pid:\t{os.getpid()}\n" in Path(f"/proc/self/fdinfo/{fd}").read_text()
    os.close(fd)
    sendmsg(pair[0], b"x")
    assert recvmsg(pair[1], 1, control=19).flags == MSG_CTRUNC
    assert descriptors() == before


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
    with skip_where(lacking="loopback has no IPv6"):
        pysyscall.bind(there, SockaddrIn6("::1"))
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
    with skip_where(lacking="no packet socket"):
        here, there = (keep(pysyscall.socket(pysyscall.AF_PACKET, SOCK_DGRAM)) for _ in "ab")
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
    with skip_where(lacking="no segmentation"):
        sendmsg(here, Message(b"0123456789", [size], address=address))
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
