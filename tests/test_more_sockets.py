"""More calls on sockets: `accept`, and the addresses of families beside IP, Unix and netlink's.

Packets go over loopback only. Families that the kernel here lacks are skipped.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket as sockets
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tracee import Reply, Stop, replied

import pysyscall
from pysyscall import (
    AF_INET,
    AF_NETLINK,
    AF_PACKET,
    AF_UNIX,
    AF_VSOCK,
    AF_XDP,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SockaddrIn,
    SockaddrLl,
    SockaddrNl,
    SockaddrUn,
    SockaddrVm,
    SockaddrXdp,
    Sysno,
)

LOOPBACK = "127.0.0.1"
EXPERIMENTAL = 0x88B5
"""An Ethernet protocol that is nobody's."""


def made(domain: int, kind: int, protocol: int = 0) -> int:
    """A socket; the test is skipped where the kernel lacks the family or forbids it."""
    try:
        return pysyscall.socket(domain, kind, protocol)
    except OSError as error:
        lacking = (errno.EAFNOSUPPORT, errno.EPERM, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
        if error.errno in lacking:
            pytest.skip(f"no such socket: {error.strerror}")
        raise


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


# accept


def test_accept(keep: Callable[[int], int]) -> None:
    with sockets.create_server((LOOPBACK, 0)) as server, sockets.socket() as client:
        client.connect(server.getsockname())
        fd, peer = pysyscall.accept(server)
        keep(fd)
        assert peer == SockaddrIn(*client.getsockname())
        assert os.get_inheritable(fd)
        assert os.get_blocking(fd)
        client.send(b"hello")
        assert pysyscall.recvfrom(fd, 10)[0] == b"hello"


@pytest.mark.parametrize("named", [True, False])
def test_accept_of_a_unix_socket(keep: Callable[[int], int], tmp_path: Path, named: bool) -> None:
    address = SockaddrUn(b"\0pysyscall " + os.urandom(8))
    client_address = SockaddrUn(b"\0pysyscall " + os.urandom(8)) if named else SockaddrUn()
    server, client = (keep(pysyscall.socket(AF_UNIX, SOCK_STREAM)) for _ in "ab")
    pysyscall.bind(server, address)
    pysyscall.listen(server, 1)
    if named:
        pysyscall.bind(client, client_address)
    pysyscall.connect(client, address)
    fd, peer = pysyscall.accept(server)
    keep(fd)
    assert peer == client_address


def test_accept_goes_on_after_signals(keep: Callable[[int], int]) -> None:
    """Only the third signal's handler lets it end."""
    with sockets.create_server((LOOPBACK, 0)) as server, sockets.socket() as client:

        def connect(count: int) -> None:
            if count == 3:
                client.connect(server.getsockname())

        with alarm(0.01, connect) as seen:
            fd, peer = pysyscall.accept(server)
        keep(fd)
        assert peer == SockaddrIn(*client.getsockname())
        assert len(seen) >= 3


def test_an_exception_in_the_handler_ends_accept() -> None:
    with (
        sockets.create_server((LOOPBACK, 0)) as server,
        alarm(0.01, lambda _: 1 / 0),
        pytest.raises(ZeroDivisionError),
    ):
        pysyscall.accept(server)


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda: pysyscall.socket(AF_INET, SOCK_STREAM), errno.EINVAL),
        (lambda: pysyscall.socket(AF_INET, SOCK_DGRAM), errno.EOPNOTSUPP),
        (lambda: os.open(os.devnull, os.O_RDONLY), errno.ENOTSOCK),
    ],
)
def test_accept_refuses(keep: Callable[[int], int], make: Callable[[], int], number: int) -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.accept(keep(make()))
    assert caught.value.errno == number


def test_accept_of_no_descriptor() -> None:
    with pytest.raises(OSError) as caught:
        pysyscall.accept(-1)
    assert caught.value.errno == errno.EBADF


def test_accept_does_not_wait_where_told_so(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_UNIX, SOCK_STREAM | pysyscall.SOCK_NONBLOCK))
    pysyscall.bind(fd, SockaddrUn())
    pysyscall.listen(fd, 1)
    with pytest.raises(BlockingIOError):
        pysyscall.accept(fd)


@pytest.mark.parametrize("name", ["accept", "accept4"])
def test_accept_where_there_are_no_addresses(name: str) -> None:
    """AF_ALG takes a connection only from those who don't ask for an address."""
    call = getattr(pysyscall, name)

    def algorithm(stop: Stop) -> Iterator[tuple[int, bytes]]:
        assert stop.registers[:3] == (5, pysyscall.SOL_SOCKET, pysyscall.SO_DOMAIN)
        yield stop.registers[3], struct.pack("i", pysyscall.AF_ALG)

    replies = [Reply(-errno.ECONNABORTED), Reply(0, algorithm), Reply(7)]
    (first, second, third), result = replied(replies, call, 5)
    assert [first.number, second.number] == [Sysno[name], Sysno.getsockopt]
    assert first.registers[1] != 0
    assert (third.number, *third.registers) == (Sysno[name], 5, 0, 0, 0, 0, 0)
    assert result == "(7, None)"
    # The error is an error where it means a connection, or for ever.
    _, result = replied([Reply(-errno.ECONNABORTED), Reply(0)], call, 5)
    assert result.startswith("ConnectionAbortedError: ")
    replies[2] = Reply(-errno.ECONNABORTED)
    assert replied(replies, call, 5)[1].startswith("ConnectionAbortedError: ")


def test_accept_of_an_algorithm(keep: Callable[[int], int]) -> None:
    fd = keep(made(pysyscall.AF_ALG, pysyscall.SOCK_SEQPACKET))
    pysyscall.bind(fd, pysyscall.SockaddrAlg("hash", "sha256"))
    operation, address = pysyscall.accept4(fd, pysyscall.SOCK_CLOEXEC)
    assert address is None
    pysyscall.sendto(keep(operation), b"data")
    assert pysyscall.read(operation, 100) == hashlib.sha256(b"data").digest()


# Options that are structs


def test_the_peer_of_a_pair(keep: Callable[[int], int]) -> None:
    fd, _ = map(keep, pysyscall.socketpair(AF_UNIX, SOCK_STREAM))
    peer = pysyscall.getsockopt(fd, pysyscall.SOL_SOCKET, pysyscall.SO_PEERCRED, pysyscall.Ucred)
    assert peer == pysyscall.Ucred(os.getpid(), os.geteuid(), os.getegid())
    assert type(peer) is pysyscall.Ucred


def test_an_option_set_as_a_struct(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    option = (pysyscall.SOL_SOCKET, pysyscall.SO_LINGER)
    value = pysyscall.Linger(1, 30)
    pysyscall.setsockopt(fd, *option, value)
    assert pysyscall.getsockopt(fd, *option, pysyscall.Linger) == value
    with sockets.socket(fileno=os.dup(fd)) as twin:
        assert twin.getsockopt(*option, 8) == value.to_bytes()
    interface = pysyscall.IpMreqn("224.0.0.251", LOOPBACK, 0)
    udp = keep(pysyscall.socket(AF_INET, SOCK_DGRAM))
    pysyscall.setsockopt(udp, pysyscall.SOL_IP, pysyscall.IP_ADD_MEMBERSHIP, interface)
    with pytest.raises(OSError) as caught:
        pysyscall.setsockopt(udp, pysyscall.SOL_IP, pysyscall.IP_ADD_MEMBERSHIP, interface)
    assert caught.value.errno == errno.EADDRINUSE


def test_a_struct_that_grows_with_the_kernel(keep: Callable[[int], int]) -> None:
    """It is as long as the kernel's; fields beyond that are 0."""
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    option = (pysyscall.SOL_TCP, pysyscall.TCP_INFO)
    told = pysyscall.getsockopt(fd, *option, pysyscall.TcpInfo)
    assert told.tcpi_state == 7  # TCP_CLOSE
    length = pysyscall.getsockopt(fd, *option, bytearray(1000))
    assert len(told.to_bytes()) == min(length, len(pysyscall.TcpInfo().to_bytes()))


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (pysyscall.Ucred, "is a Ucred of 12 bytes, but the option has 4"),
        (int, "must be None (a C int), an int (how many bytes), a struct's type or a writable "),
        (pysyscall.Ucred(), "must be writable, not a read-only pysyscall.Ucred"),
    ],
)
def test_no_such_struct(keep: Callable[[int], int], wanted: Any, complaint: str) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    with pytest.raises(TypeError) as caught:
        pysyscall.getsockopt(fd, pysyscall.SOL_SOCKET, pysyscall.SO_TYPE, wanted)
    assert str(caught.value).startswith(f"getsockopt() argument 'optval' {complaint}")


# Addresses of all families


FAMILIES = sorted(
    name
    for name in dir(pysyscall)
    if name.startswith("Sockaddr") and name not in ("Sockaddr", "SockaddrIn")
)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "call",
    [
        pysyscall.bind,
        pysyscall.connect,
        lambda fd, address: pysyscall.sendto(fd, b"x", 0, address),
    ],
    ids=["bind", "connect", "sendto"],
)
def test_the_kernel_sees_family_and_length(
    keep: Callable[[int], int], call: Callable[[int, Any], object], name: str
) -> None:
    """An IPv4 socket wants 16 bytes at least, and then its own family."""
    address = getattr(pysyscall, name)()
    fd = keep(pysyscall.socket(AF_INET, SOCK_DGRAM))
    with pytest.raises(OSError) as caught:
        call(fd, address)
    short = len(address.to_bytes()) < 16
    assert caught.value.errno == (errno.EINVAL if short else errno.EAFNOSUPPORT)


# AF_PACKET


@pytest.fixture
def lo() -> int:
    return sockets.if_nametoindex("lo")


def test_a_packet_sockets_address(keep: Callable[[int], int], lo: int) -> None:
    fd = keep(made(AF_PACKET, SOCK_DGRAM))
    # Without an interface the kernel has no hardware address to tell, and leaves it out.
    assert pysyscall.getsockname(fd).to_bytes() == SockaddrLl().to_bytes()[:12]
    pysyscall.bind(fd, SockaddrLl(lo, EXPERIMENTAL))
    match pysyscall.getsockname(fd):
        case SockaddrLl(index, protocol, address, length, kind):
            assert (index, protocol) == (lo, EXPERIMENTAL)
            assert kind == pysyscall.ARPHRD_LOOPBACK
            assert address[:length] == bytes(length) == bytes(6)
        case other:
            pytest.fail(f"not a SockaddrLl: {other}")
    with sockets.socket(fileno=os.dup(fd)) as twin:
        assert twin.getsockname() == (
            *("lo", EXPERIMENTAL, 0),
            *(pysyscall.ARPHRD_LOOPBACK, bytes(6)),
        )


@pytest.mark.parametrize("kind", [SOCK_DGRAM, SOCK_RAW])
def test_packets_over_loopback(keep: Callable[[int], int], lo: int, kind: int) -> None:
    """A packet comes back with the sender's address; a raw socket has the header itself."""
    here, there = keep(made(AF_PACKET, kind)), keep(made(AF_PACKET, kind))
    address = SockaddrLl(lo, EXPERIMENTAL, bytes(8), 6)
    pysyscall.bind(there, address)
    header = bytes(12) + EXPERIMENTAL.to_bytes(2, "big") if kind == SOCK_RAW else b""
    packet = header + b"pysyscall " + os.urandom(8)
    assert pysyscall.sendto(here, packet, 0, address) == len(packet)
    received, sender = pysyscall.recvfrom(there, 2000)
    assert received[: len(packet)] == packet
    assert type(sender) is SockaddrLl
    assert (sender.sll_ifindex, sender.sll_protocol) == (lo, EXPERIMENTAL)
    assert (sender.sll_hatype, sender.sll_halen) == (pysyscall.ARPHRD_LOOPBACK, 6)
    assert sender.sll_pkttype in (pysyscall.PACKET_HOST, pysyscall.PACKET_OUTGOING)


def test_an_interface_that_there_is_not(keep: Callable[[int], int]) -> None:
    fd = keep(made(AF_PACKET, SOCK_DGRAM))
    with pytest.raises(OSError) as caught:
        pysyscall.bind(fd, SockaddrLl(2**31 - 1))
    assert caught.value.errno == errno.ENODEV


# AF_NETLINK


def test_netlink_between_programs(keep: Callable[[int], int]) -> None:
    here, there = (keep(made(AF_NETLINK, SOCK_RAW, pysyscall.NETLINK_USERSOCK)) for _ in "ab")
    pysyscall.bind(there, SockaddrNl(0, 0))
    pysyscall.bind(here, SockaddrNl())
    ports = [pysyscall.getsockname(fd) for fd in (here, there)]
    assert ports[0] != ports[1]
    pysyscall.connect(here, ports[1])
    assert pysyscall.getpeername(here) == ports[1]
    assert pysyscall.sendto(here, b"a message") == 9
    assert pysyscall.recvfrom(there, 99) == (b"a message", ports[0])


def test_netlink_groups(keep: Callable[[int], int]) -> None:
    fd = keep(made(AF_NETLINK, SOCK_RAW, pysyscall.NETLINK_ROUTE))
    pysyscall.bind(fd, SockaddrNl(nl_groups=5))
    address = pysyscall.getsockname(fd)
    assert type(address) is SockaddrNl
    assert address.nl_groups == 5
    assert address.nl_pid > 0


# AF_VSOCK


def test_a_vsock_gets_a_port(keep: Callable[[int], int]) -> None:
    anything = SockaddrVm(pysyscall.VMADDR_CID_ANY, pysyscall.VMADDR_PORT_ANY)
    fd = keep(made(AF_VSOCK, SOCK_STREAM))
    assert pysyscall.getsockname(fd) == anything
    pysyscall.bind(fd, anything)
    address = pysyscall.getsockname(fd)
    match address:
        case SockaddrVm(cid, port):
            assert cid == pysyscall.VMADDR_CID_ANY
            assert 1024 <= port < pysyscall.VMADDR_PORT_ANY
        case other:
            pytest.fail(f"not a SockaddrVm: {other}")
    with sockets.socket(fileno=os.dup(fd)) as twin:
        assert twin.getsockname() == tuple(address)
    other_fd = keep(made(AF_VSOCK, SOCK_STREAM))
    with pytest.raises(OSError) as caught:
        pysyscall.bind(other_fd, address)
    assert caught.value.errno == errno.EADDRINUSE


def test_a_vsock_connection_within_the_machine(keep: Callable[[int], int]) -> None:
    server = keep(made(AF_VSOCK, SOCK_STREAM))
    try:
        pysyscall.bind(server, SockaddrVm(pysyscall.VMADDR_CID_LOCAL, pysyscall.VMADDR_PORT_ANY))
    except OSError as error:
        pytest.skip(f"no loopback: {error.strerror}")
    address = pysyscall.getsockname(server)
    pysyscall.listen(server, 1)
    client = keep(made(AF_VSOCK, SOCK_STREAM))
    pysyscall.connect(client, address)
    assert pysyscall.getpeername(client) == address
    fd, peer = pysyscall.accept(server)
    keep(fd)
    assert peer == pysyscall.getsockname(client)
    assert type(peer) is SockaddrVm


# Other families, which few kernels have


def test_an_xdp_socket_asks_for_the_interface(keep: Callable[[int], int], lo: int) -> None:
    """Without rings it can't be bound; that the interface exists is looked at before."""
    fd = keep(made(AF_XDP, SOCK_RAW))
    for index, number in ((2**31 - 1, errno.ENODEV), (lo, errno.EINVAL)):
        with pytest.raises(OSError) as caught:
            pysyscall.bind(fd, SockaddrXdp(index, 0))
        assert caught.value.errno == number
    with pytest.raises(OSError) as caught:
        pysyscall.getsockname(fd)
    assert caught.value.errno == errno.EOPNOTSUPP


def test_a_can_socket_of_all_interfaces(keep: Callable[[int], int]) -> None:
    fd = keep(made(pysyscall.AF_CAN, SOCK_RAW, pysyscall.CAN_RAW))
    pysyscall.bind(fd, pysyscall.SockaddrCan(0))
    address = pysyscall.getsockname(fd)
    assert type(address) is pysyscall.SockaddrCan
    assert address.can_ifindex == 0


@pytest.mark.parametrize("name", ["none at all", "sha256"])
def test_an_algorithm(keep: Callable[[int], int], name: str) -> None:
    fd = keep(made(pysyscall.AF_ALG, pysyscall.SOCK_SEQPACKET))
    address = pysyscall.SockaddrAlg("hash", name)
    if name == "sha256":
        assert pysyscall.bind(fd, address) is None
    else:
        with pytest.raises(FileNotFoundError):
            pysyscall.bind(fd, address)


@pytest.mark.parametrize(
    ("domain", "kind", "expected"),
    [
        (pysyscall.AF_TIPC, SOCK_DGRAM, pysyscall.SockaddrTipc),
        (pysyscall.AF_QIPCRTR, SOCK_DGRAM, pysyscall.SockaddrQrtr),
        (pysyscall.AF_PHONET, SOCK_DGRAM, pysyscall.SockaddrPn),
    ],
)
def test_a_new_sockets_address(
    keep: Callable[[int], int], domain: int, kind: int, expected: type
) -> None:
    assert type(pysyscall.getsockname(keep(made(domain, kind)))) is expected
