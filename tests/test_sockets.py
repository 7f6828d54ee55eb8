"""Calls on sockets, on loopback and Unix sockets, compared with the module `socket`."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket as sockets
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conditions import skip_where

import pysyscall
from pysyscall import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    Sockaddr,
    SockaddrIn,
    SockaddrIn6,
    SockaddrNl,
    SockaddrUn,
)

LOOPBACK = "127.0.0.1"


def has_ipv6() -> bool:
    try:
        with sockets.socket(sockets.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="loopback has no IPv6")


@pytest.fixture
def pair(keep: Callable[[int], int]) -> tuple[int, int]:
    one, other = pysyscall.socketpair(AF_UNIX, SOCK_STREAM)
    return keep(one), keep(other)


def plain(address: Any) -> object:
    """An address as the module `socket` has it."""
    match address:
        case SockaddrIn(host, port):
            return host, port
        case SockaddrIn6(host, port, flowinfo, scope):
            return host, port, flowinfo, scope
        case SockaddrUn(path):
            return path
        case SockaddrNl(pid, groups):
            return pid, groups
    return address


def told_by_socket(fd: int, peer: bool = False) -> object:
    with sockets.socket(fileno=os.dup(fd)) as twin:
        return twin.getpeername() if peer else twin.getsockname()


# Making


@pytest.mark.parametrize(
    ("domain", "kind", "protocol"),
    [
        (AF_INET, SOCK_STREAM, 0),
        (AF_INET, SOCK_DGRAM, pysyscall.IPPROTO_UDP),
        (AF_UNIX, SOCK_SEQPACKET, 0),
        (AF_NETLINK, pysyscall.SOCK_RAW, pysyscall.NETLINK_ROUTE),
    ],
)
def test_socket(keep: Callable[[int], int], domain: int, kind: int, protocol: int) -> None:
    fd = keep(pysyscall.socket(domain, kind, protocol))
    options = [
        pysyscall.getsockopt(fd, pysyscall.SOL_SOCKET, option)
        for option in (pysyscall.SO_DOMAIN, pysyscall.SO_TYPE)
    ]
    assert options == [domain, kind]


@pytest.mark.parametrize("make", ["socket", "socketpair", "accept4"])
@pytest.mark.parametrize(
    ("flags", "cloexec", "nonblock"),
    [
        (0, False, False),
        (pysyscall.SOCK_CLOEXEC, True, False),
        (pysyscall.SOCK_NONBLOCK, False, True),
    ],
    ids=["none", "SOCK_CLOEXEC", "SOCK_NONBLOCK"],
)
def test_flags_are_those_asked_for(
    keep: Callable[[int], int], make: str, flags: int, cloexec: bool, nonblock: bool
) -> None:
    match make:
        case "socket":
            fds = [keep(pysyscall.socket(AF_UNIX, SOCK_STREAM | flags))]
        case "socketpair":
            pair = pysyscall.socketpair(AF_UNIX, SOCK_STREAM | flags)
            assert type(pair) is tuple
            fds = [keep(fd) for fd in pair]
        case _:
            with sockets.create_server((LOOPBACK, 0)) as server, sockets.socket() as client:
                client.connect(server.getsockname())
                fds = [keep(pysyscall.accept4(server, flags)[0])]
    for fd in fds:
        assert bool(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC) == cloexec
        assert bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK) == nonblock


# Connecting


@pytest.mark.parametrize(
    "family", [AF_INET, pytest.param(AF_INET6, marks=needs_ipv6), "path", "bytes", "abstract"]
)
def test_a_connection(
    keep: Callable[[int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted: Any = {
        AF_INET: SockaddrIn(LOOPBACK),
        AF_INET6: SockaddrIn6("::1"),
        "path": SockaddrUn(Path("socket")),
        "bytes": SockaddrUn(b"socket\xff"),
        "abstract": SockaddrUn(b"\0pysyscall " + os.urandom(8) + b"\0x"),
    }[family]
    domain = family if isinstance(family, int) else AF_UNIX
    server = keep(pysyscall.socket(domain, SOCK_STREAM))
    assert pysyscall.bind(server, wanted) is None
    address = pysyscall.getsockname(server)
    if domain == AF_UNIX:
        assert address == wanted
    assert type(address) is type(wanted)
    assert plain(address) == told_by_socket(server)
    assert pysyscall.listen(server, 5) is None

    client = keep(pysyscall.socket(domain, SOCK_STREAM))
    assert pysyscall.connect(client, address) is None
    served, peer = pysyscall.accept4(server)
    keep(served)
    assert pysyscall.getpeername(client) == address
    assert plain(address) == told_by_socket(client, peer=True)
    assert peer == pysyscall.getsockname(client)
    if domain == AF_UNIX:
        assert peer == SockaddrUn()
    assert pysyscall.sendto(client, b"question") == 8
    assert pysyscall.recvfrom(served, 100)[0] == b"question"
    assert pysyscall.write(served, b"answer") == 6
    assert pysyscall.read(client, 100) == b"answer"


@pytest.mark.parametrize(
    ("how", "can_send"), [(pysyscall.SHUT_RD, True), (pysyscall.SHUT_WR, False), (2, False)]
)
def test_shutdown(pair: tuple[int, int], how: int, can_send: bool) -> None:
    one, other = pair
    assert pysyscall.shutdown(one, how) is None
    if can_send:
        assert pysyscall.sendto(one, b"x") == 1
        assert pysyscall.recvfrom(one, 9) == (b"", None)
    else:
        with pytest.raises(BrokenPipeError):
            pysyscall.sendto(one, b"x", pysyscall.MSG_NOSIGNAL)
        assert pysyscall.recvfrom(other, 9) == (b"", None)


def test_objects_with_fileno_are_descriptors() -> None:
    with sockets.create_server((LOOPBACK, 0)) as server, sockets.socket() as client:
        pysyscall.connect(client, pysyscall.getsockname(server))
        fd, peer = pysyscall.accept4(server)
        with sockets.socket(fileno=fd) as served:
            assert plain(peer) == client.getsockname()
            assert pysyscall.sendto(served, b"hello") == 5
            assert client.recv(10) == b"hello"


# Datagrams


@pytest.fixture
def udp(keep: Callable[[int], int]) -> tuple[int, int]:
    fds = [keep(pysyscall.socket(AF_INET, SOCK_DGRAM)) for _ in "ab"]
    for fd in fds:
        pysyscall.bind(fd, SockaddrIn(LOOPBACK))
    return fds[0], fds[1]


def test_datagrams_have_addresses(udp: tuple[int, int]) -> None:
    here, there = udp
    address = pysyscall.getsockname(there)
    assert pysyscall.sendto(here, bytearray(b"abcdef"), 0, address) == 6
    assert pysyscall.sendto(here, b"", dest_addr=address) == 0
    buffer = bytearray(8)
    sender = pysyscall.getsockname(here)
    assert pysyscall.recvfrom(there, buffer, pysyscall.MSG_PEEK) == (6, sender)
    assert buffer == b"abcdef\0\0"
    assert pysyscall.recvfrom(there, 3) == (b"abc", sender)
    assert pysyscall.recvfrom(there, 3) == (b"", sender)
    with pytest.raises(BlockingIOError):
        pysyscall.recvfrom(there, 3, pysyscall.MSG_DONTWAIT)


def test_msg_trunc_tells_the_whole_length(udp: tuple[int, int]) -> None:
    here, there = udp
    flags = pysyscall.MSG_PEEK | pysyscall.MSG_TRUNC
    sender = pysyscall.getsockname(here)
    pysyscall.sendto(here, b"0123456789", 0, pysyscall.getsockname(there))
    buffer = bytearray(4)
    assert pysyscall.recvfrom(there, buffer, flags) == (10, sender)
    assert buffer == b"0123"
    assert pysyscall.recvfrom(there, 4, flags) == (b"0123", sender)
    assert pysyscall.recvfrom(there, 20, flags) == (b"0123456789", sender)


def test_a_connected_datagram_socket(udp: tuple[int, int]) -> None:
    here, there = udp
    pysyscall.connect(here, pysyscall.getsockname(there))
    assert pysyscall.sendto(here, b"x", dest_addr=None) == 1
    assert pysyscall.recvfrom(there, 9)[0] == b"x"
    # AF_UNSPEC ends the association.
    pysyscall.connect(here, Sockaddr(pysyscall.AF_UNSPEC, bytes(14)))
    with pytest.raises(OSError) as caught:
        pysyscall.getpeername(here)
    assert caught.value.errno == errno.ENOTCONN


@pytest.mark.parametrize("length", [1, 107, 108])
def test_unix_paths_of_any_length(
    keep: Callable[[int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """108 bytes leave no room for a NUL; the kernel takes them all the same."""
    monkeypatch.chdir(tmp_path)
    address = SockaddrUn("x" * length)
    fd = keep(pysyscall.socket(AF_UNIX, SOCK_DGRAM))
    pysyscall.bind(fd, address)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x" * length]
    assert pysyscall.getsockname(fd) == address
    other = keep(pysyscall.socket(AF_UNIX, SOCK_DGRAM))
    pysyscall.sendto(other, b"hello", 0, address)
    assert pysyscall.recvfrom(fd, 9) == (b"hello", None)


def test_an_address_that_the_kernel_chooses(keep: Callable[[int], int]) -> None:
    """Binding a Unix socket to no name gives it an abstract one."""
    fd = keep(pysyscall.socket(AF_UNIX, SOCK_DGRAM))
    assert pysyscall.getsockname(fd) == SockaddrUn()
    pysyscall.bind(fd, SockaddrUn())
    match pysyscall.getsockname(fd):
        case SockaddrUn(bytes(name)):
            assert name.startswith(b"\0")
            assert name == told_by_socket(fd)
        case other:
            pytest.fail(f"not abstract: {other}")


def test_netlink(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_NETLINK, pysyscall.SOCK_RAW, pysyscall.NETLINK_ROUTE))
    pysyscall.bind(fd, SockaddrNl())
    address = pysyscall.getsockname(fd)
    assert type(address) is SockaddrNl
    assert plain(address) == told_by_socket(fd)
    # RTM_GETLINK of all links; each message of the answer has the request's sequence number.
    request = struct.pack("=IHHIIB15x", 32, 18, 0x301, 77, 0, 0)
    assert pysyscall.sendto(fd, request, 0, SockaddrNl()) == 32
    answer, sender = pysyscall.recvfrom(fd, 1 << 16)
    assert struct.unpack_from("=IHHII", answer)[3] == 77
    assert sender == SockaddrNl(nl_pid=0)


def test_an_address_is_of_its_family_s_type(keep: Callable[[int], int]) -> None:
    with skip_where(lacking="no packet socket"):
        fd = keep(pysyscall.socket(pysyscall.AF_PACKET, SOCK_DGRAM))
    address = pysyscall.getsockname(fd)
    assert type(address) is pysyscall.SockaddrLl
    assert address.sll_family == pysyscall.AF_PACKET


# Options


def test_options_as_ints(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    level, option = pysyscall.SOL_SOCKET, pysyscall.SO_REUSEADDR
    assert pysyscall.getsockopt(fd, level, option) == 0
    assert pysyscall.setsockopt(fd, level, option, 1) is None
    assert pysyscall.getsockopt(fd, level, option) == 1
    assert pysyscall.getsockopt(fd, level, option, None) == 1
    pysyscall.setsockopt(fd, pysyscall.SOL_TCP, pysyscall.TCP_NODELAY, True)
    assert pysyscall.getsockopt(fd, pysyscall.SOL_TCP, pysyscall.TCP_NODELAY) == 1
    pysyscall.setsockopt(fd, pysyscall.SOL_IP, pysyscall.IP_TTL, -1)
    assert pysyscall.getsockopt(fd, pysyscall.SOL_IP, pysyscall.IP_TTL) > 0


def test_options_as_bytes(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    linger = struct.pack("ii", 1, 30)
    level, option = pysyscall.SOL_SOCKET, pysyscall.SO_LINGER
    pysyscall.setsockopt(fd, level, option, bytearray(linger))
    assert pysyscall.getsockopt(fd, level, option, 8) == linger
    assert pysyscall.getsockopt(fd, level, option, 100) == linger
    assert pysyscall.getsockopt(fd, level, option, 4) == linger[:4]
    buffer = bytearray(10)
    assert pysyscall.getsockopt(fd, level, option, buffer) == 8
    assert buffer == linger + b"\0\0"
    assert pysyscall.getsockopt(fd, pysyscall.SOL_TCP, pysyscall.TCP_CONGESTION, 16).rstrip(b"\0")


def test_the_peer_of_a_pair(pair: tuple[int, int]) -> None:
    told = pysyscall.getsockopt(pair[0], pysyscall.SOL_SOCKET, pysyscall.SO_PEERCRED, 12)
    assert struct.unpack("iII", told) == (os.getpid(), os.geteuid(), os.getegid())
    assert pysyscall.getpeername(pair[0]) == SockaddrUn()


# Errors


def test_nobody_listens(keep: Callable[[int], int]) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    pysyscall.bind(fd, SockaddrIn(LOOPBACK))
    other = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    with pytest.raises(ConnectionRefusedError):
        pysyscall.connect(other, pysyscall.getsockname(fd))


def test_a_connection_reset() -> None:
    with sockets.create_server((LOOPBACK, 0)) as server, sockets.socket() as client:
        client.connect(server.getsockname())
        served, _ = server.accept()
        pysyscall.setsockopt(
            served, pysyscall.SOL_SOCKET, pysyscall.SO_LINGER, bytes([1, *[0] * 7])
        )
        served.close()
        with pytest.raises(ConnectionResetError):
            pysyscall.recvfrom(client, 10)


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda fd, file: pysyscall.socket(99, SOCK_STREAM), errno.EAFNOSUPPORT),
        (lambda fd, file: pysyscall.socketpair(AF_INET, SOCK_STREAM), errno.EOPNOTSUPP),
        (lambda fd, file: pysyscall.bind(fd, SockaddrIn6("::1")), errno.EAFNOSUPPORT),
        (lambda fd, file: pysyscall.bind(fd, SockaddrIn("192.0.2.1", 1)), errno.EADDRNOTAVAIL),
        (lambda fd, file: pysyscall.listen(file, 1), errno.ENOTSOCK),
        (lambda fd, file: pysyscall.accept4(fd), errno.EINVAL),
        (lambda fd, file: pysyscall.connect(-1, SockaddrIn(LOOPBACK)), errno.EBADF),
        (lambda fd, file: pysyscall.shutdown(fd, pysyscall.SHUT_RD), errno.ENOTCONN),
        (lambda fd, file: pysyscall.getpeername(fd), errno.ENOTCONN),
        (lambda fd, file: pysyscall.getsockname(-1), errno.EBADF),
        (lambda fd, file: pysyscall.getsockopt(fd, pysyscall.SOL_SOCKET, 9999), errno.ENOPROTOOPT),
        (lambda fd, file: pysyscall.setsockopt(fd, pysyscall.SOL_SOCKET, 2, b""), errno.EINVAL),
        (lambda fd, file: pysyscall.recvfrom(fd, 1, 0), errno.ENOTCONN),
    ],
)
def test_refusals(
    keep: Callable[[int], int], call: Callable[[int, int], object], number: int
) -> None:
    fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
    file = keep(os.open(os.devnull, os.O_RDONLY))
    with pytest.raises(OSError) as caught:
        call(fd, file)
    assert caught.value.errno == number
    assert type(caught.value) is type(OSError(number, ""))
    assert caught.value.filename is None


def test_an_address_in_use(keep: Callable[[int], int]) -> None:
    with sockets.create_server((LOOPBACK, 0)) as server:
        fd = keep(pysyscall.socket(AF_INET, SOCK_STREAM))
        with pytest.raises(OSError) as caught:
            pysyscall.bind(fd, SockaddrIn(*server.getsockname()))
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("address", [("127.0.0.1", 80), b"\x02\0", "path", None])
def test_only_address_objects_are_addresses(pair: tuple[int, int], address: Any) -> None:
    with pytest.raises(TypeError, match="'addr' must be a socket address such as SockaddrIn"):
        pysyscall.bind(pair[0], address)


def test_a_signal_interrupts_connect(keep: Callable[[int], int]) -> None:
    """Repeating it would fail, so InterruptedError is raised after the handler has run."""
    name = SockaddrUn(b"\0pysyscall " + os.urandom(8))
    server = keep(pysyscall.socket(AF_UNIX, SOCK_STREAM))
    pysyscall.bind(server, name)
    pysyscall.listen(server, 0)
    clients = [keep(pysyscall.socket(AF_UNIX, SOCK_STREAM)) for _ in range(2)]
    pysyscall.connect(clients[0], name)
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        with pytest.raises(InterruptedError):
            pysyscall.connect(clients[1], name)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen
